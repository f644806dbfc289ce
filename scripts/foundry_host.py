"""Run Foundry Local on this machine, for the stack to use.

An old Python must be able to read this file; the work is in lib/commands/foundry_host.py.
"""

import sys

from lib import interpreter

if __name__ == "__main__":
    interpreter.require()
    from lib.commands import foundry_host

    sys.exit(foundry_host.main(sys.argv[1:]))
