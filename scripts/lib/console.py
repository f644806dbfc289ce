"""How the scripts speak to a person: steps, results, and failures that say what to do."""

import functools
import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path


class StepFailedError(Exception):
    """A check or step failed.

    Attributes:
        problem: what was expected and what was found.
        remedy: the command or action that mends it.
    """

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem} {remedy}")
        self.problem = problem
        self.remedy = remedy


def for_people(main: Callable[[Sequence[str]], int]) -> Callable[[Sequence[str]], int]:
    """Let a script's `main` print to whatever there is, and end in words whatever happens to it.

    A letter that a console lacks is "?", and a stream that was closed prints nowhere. Ctrl-C, a
    reader that has seen enough (`| head`) and what the system refuses end it with 1.
    """

    @functools.wraps(main)
    def guarded(arguments: Sequence[str]) -> int:
        _survive_any_stream()
        if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:  # as `interpreter` left it
            signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            return main(arguments)
        except KeyboardInterrupt:
            print("\nStopped.", file=sys.stderr)
            return 1
        except BrokenPipeError:
            # Python flushes once more at its end, and must not complain then.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        except OSError as error:
            what = f"{error.filename}: " if error.filename else ""
            why = error.strerror or type(error).__name__
            return failure(
                StepFailedError(f"{what}{why}.", "Mend that on this machine, and run this again.")
            )

    return guarded


def _survive_any_stream() -> None:
    """Have a letter that a console lacks printed as "?", as Windows' older ones lack many."""
    if sys.stdout is None:
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - as long as we run
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def step(text: str) -> None:
    """Announce the step that starts now."""
    print(f"\n==> {text}", flush=True)


def note(text: str) -> None:
    """Say something about the current step."""
    print(f"    {text}", flush=True)


def failure(error: StepFailedError) -> int:
    """Print a failed step; returns the scripts' exit code for it."""
    print(f"\nFailed: {error.problem}\nTo mend it: {error.remedy}", file=sys.stderr, flush=True)
    return 1


def run(
    command: Sequence[str | Path],
    *,
    remedy: str,
    cwd: Path | None = None,
    env: dict[str, str] | None = None,
    quiet: bool = False,
) -> None:
    """Run a command whose failure ends the step.

    Args:
        command: program and arguments; never a shell string.
        remedy: what to do when it fails.
        cwd: working directory.
        env: the whole environment, when it differs from this process's.
        quiet: keep the output back and show its end only on failure.

    Raises:
        StepFailedError: the program is absent or its exit status is not 0.
    """
    words = [str(word) for word in command]
    try:
        process = subprocess.Popen(
            words,
            cwd=cwd,
            env=env,
            encoding="utf-8",
            errors="replace",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if quiet else None,
            stderr=subprocess.STDOUT if quiet else None,
        )
    except FileNotFoundError as error:
        raise StepFailedError(f"{words[0]} was not found.", remedy) from error
    output = _to_its_end(process)
    if process.returncode != 0:
        tail = "\n".join(output.splitlines()[-30:])
        said = f"\n{tail}" if tail else ""
        raise StepFailedError(f"`{' '.join(words)}` ended with {process.returncode}.{said}", remedy)


def _to_its_end(process: "subprocess.Popen[str]") -> str:
    """What a program prints, whose output is kept back.

    Ctrl-C reaches it as well. It may have to put away what it has begun (debootstrap what it has
    mounted), so it is waited for; a second one kills it.
    """
    with process:
        try:
            return process.communicate()[0] or ""
        except KeyboardInterrupt:
            try:
                process.communicate()
            except KeyboardInterrupt:
                process.kill()
            raise
        except BaseException:
            process.kill()
            raise
