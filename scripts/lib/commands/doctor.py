"""Find out what is wrong with the stack, and say what mends it. Changes nothing.

usage: python3 scripts/doctor.py [--json]

Looks at this machine (settings, Docker, ports, disk, memory), at Foundry Local (where it answers,
which generation, whether containers reach it, its models) and at every part of the stack, in the
order in which a person would: what stands first is often the cause of what follows. Each line is
either fine or says what was found, what was expected, and the command that mends it. It takes a
few seconds, never more than about thirty.

Options:
  --json   print one JSON document instead: {status, checks: [{name, title, state, message, remedy,
           facts}]}, where a state is ok, warning, failed, skipped or info

Settings come from the environment and from .env, as for scripts/up.py. NO_COLOR switches colours
off. Exit codes: 0 fine, 1 something is wrong, 2 wrong usage.
"""

import argparse
import sys
from collections.abc import Sequence

from lib import console
from lib.command_line import Parser
from lib.doctor import configuration, engine, machine, models, monitoring, pages, ports, runtime
from lib.doctor.report import Report, document
from lib.doctor.results import Check, worst
from lib.doctor.scene import Scene
from lib.doctor.schedule import Run
from lib.settings import Settings

CHECKS: tuple[Check, ...] = (
    *configuration.CHECKS,
    *engine.CHECKS,
    *ports.CHECKS,
    *machine.CHECKS,
    *runtime.CHECKS,
    *models.CHECKS,
    *engine.STACK,
    *pages.CHECKS,
    *monitoring.CHECKS,
    machine.CLOCK,
)
"""Everything that is looked at, in the order in which it is told."""


@console.for_people
def main(arguments: Sequence[str]) -> int:
    """Look at everything; returns the exit code."""
    options = parse(arguments)
    run = Run(CHECKS, Scene(Settings()))
    if options.json:
        findings = list(run.findings())
        print(document(findings), flush=True)
    else:
        findings = Report(sys.stdout).tell(run.findings())
    return 1 if worst(findings) == "failed" else 0


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line; wrong usage ends with exit code 2."""
    parser = Parser(__doc__)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(arguments)
