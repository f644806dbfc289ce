"""Bring the stack up: check, start, ask the model one question, show the addresses.

An old Python must be able to read this file; the work is in lib/commands/up.py.
"""

import sys

from lib import interpreter

if __name__ == "__main__":
    interpreter.require()
    from lib.commands import up

    sys.exit(up.main(sys.argv[1:]))
