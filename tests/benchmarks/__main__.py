"""Run the benchmarks that the command line names; see ``scripts/benchmark.py``."""

import argparse
import json
import sys
from pathlib import Path

from benchmarks import chainlit, gateway, webgpu
from benchmarks.report import table

MEASUREMENTS = {"gateway": gateway.measure, "chainlit": chainlit.measure, "webgpu": webgpu.measure}


def main() -> int:
    """Measure, print and judge; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python3 scripts/benchmark.py")
    parser.add_argument("parts", nargs="*", choices=[[], *MEASUREMENTS], metavar="PART")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()

    figures = []
    for name in options.parts or MEASUREMENTS:
        print(f"\n{name}", flush=True)
        measured = MEASUREMENTS[name]()
        print(table(measured), flush=True)
        figures += measured
    if options.json:
        options.json.write_text(json.dumps([each.as_json() for each in figures], indent=2) + "\n")
    return 1 if options.check and not all(figure.met for figure in figures) else 0


if __name__ == "__main__":
    sys.exit(main())
