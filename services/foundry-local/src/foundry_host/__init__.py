"""Runs Microsoft Foundry Local, in a container or on the user's own machine.

The package adds to ``foundry-local-sdk`` what a stack needs around it: a private catalog, so that
local model directories and the bundled demo model are served with no network at all; downloads
in the background with progress; and a small status server beside the web service.
"""

__version__ = "0.1.0"
__all__ = ["__version__"]
