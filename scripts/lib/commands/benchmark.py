"""Measure the stack against its parts, both sides in one run, and print ratios.

usage: python3 scripts/benchmark.py [gateway] [chainlit] [healthcheck] [webgpu]
                                    [--json FILE] [--check]

  gateway      first-token time and tokens/s at 1, 8 and 32 streams, straight at Foundry Local and
               through the gateway; the gateway's memory
  chainlit     30 chats at once in our app and in a blocking reference app
  healthcheck  processor time and memory of the health probe at its default intervals
  webgpu       what two visits of the WebGPU page transfer, and how long a prediction takes

Options:
  --json FILE  write the figures there as well
  --check      exit 1 when a ratio misses its target

webgpu needs nginx, Node.js and Chromium; `python3 scripts/test.py browser` installs them.
Everything runs on this machine with the real Foundry Local runtime and the built-in demo model;
no container is needed. The two sides alternate, round by round, and medians are compared, so that
a noisy machine disturbs both alike. Exit codes: 0 fine, 1 a step failed or (with --check) a target
was missed, 2 wrong usage.
"""

import os
import subprocess
from collections.abc import Sequence

from lib import console, environment, prometheus

MEASURED = ("gateway", "chainlit", "healthcheck", "webgpu")


@console.for_people
def main(arguments: Sequence[str]) -> int:
    """Prepare the environment, then hand over to the benchmark inside it."""
    if {"-h", "--help"} & set(arguments):
        print(__doc__)
        return 0
    root = environment.ROOT
    try:
        python = environment.test_environment()
        if "healthcheck" in arguments or not any(word in MEASURED for word in arguments):
            prometheus.prepare()
    except console.StepFailedError as error:
        return console.failure(error)
    # The scripts come last: scripts/foundry_host.py must not hide the package of that name.
    folders = (root / "tests", *environment.SOURCES, root / "scripts")
    env = dict(os.environ, PYTHONPATH=os.pathsep.join(map(str, folders)))
    command = [str(python), "-m", "benchmarks", *arguments]
    return subprocess.run(command, cwd=root, env=env, check=False).returncode
