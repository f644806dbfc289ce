"""Run the tests: environment, lint, types, then every layer against the real parts.

An old Python must be able to read this file; the work is in lib/commands/test.py.
"""

import sys

from lib import interpreter

if __name__ == "__main__":
    interpreter.require()
    from lib.commands import test

    sys.exit(test.main(sys.argv[1:]))
