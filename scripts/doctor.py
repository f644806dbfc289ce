"""Find out what is wrong with the stack, and say what mends it. Changes nothing.

An old Python must be able to read this file; the work is in lib/commands/doctor.py.
"""

import sys

from lib import interpreter

if __name__ == "__main__":
    interpreter.require()
    from lib.commands import doctor

    sys.exit(doctor.main(sys.argv[1:]))
