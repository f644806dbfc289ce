"""What every part of the stack must read, check and count in the same way.

Standard library only, but for ``serving``: it is copied into each image and read by the scripts
before anything is installed.

- ``values``: one rule for each kind of value that people write into settings
- ``env``: settings from an environment, by those rules
- ``callers``: who may call a listener: its own names, its own origin
- ``bodies``: what request bodies may cost in memory
- ``serving``: an aiohttp server with a door; only services that serve import it
"""
