"""Measure the stack against its parts, both sides in one run, and print ratios.

An old Python must be able to read this file; the work is in lib/commands/benchmark.py.
"""

import sys

from lib import interpreter

if __name__ == "__main__":
    interpreter.require()
    from lib.commands import benchmark

    sys.exit(benchmark.main(sys.argv[1:]))
