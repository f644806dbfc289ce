"""Running the checks: at once where they are independent, none for ever, told in order."""

import threading
import time
from collections.abc import Iterator, Sequence

from lib.doctor.results import Check, Finding, Result, failed, skipped
from lib.doctor.scene import Scene


class Run:
    """One run of all checks.

    Args:
        checks: in the order in which they are told; each needs only earlier ones.
        scene: what they look at.
    """

    def __init__(self, checks: Sequence[Check], scene: Scene) -> None:
        self._checks = checks
        self._scene = scene
        self._results: dict[str, list[Result]] = {}
        self._done = {check.name: threading.Event() for check in checks}

    def findings(self) -> Iterator[Finding]:
        """Everything that is found, in order, as soon as it and all before it are known."""
        for check in self._checks:
            # Threads that end with the process: one that hangs must not keep it.
            threading.Thread(target=self._run, args=[check], daemon=True).start()
        for check in self._checks:
            left = max(0.0, self._scene.deadline - time.monotonic())
            if not self._done[check.name].wait(left):
                yield Finding(check, self._too_late(check))
                continue
            for result in self._results[check.name]:
                yield Finding(check, result)

    def _run(self, check: Check) -> None:
        try:
            for name in (*check.needs, *check.after):
                self._done[name].wait()
            self._results[check.name] = self._look(check)
        except Exception as error:  # noqa: BLE001 - one broken check must not silence the others
            self._results[check.name] = [
                failed(
                    f"this check itself failed: {type(error).__name__}: {error}",
                    "Please report it. The other checks are not affected.",
                )
            ]
        finally:
            self._scene.note(check.name, self._results[check.name])
            self._done[check.name].set()

    def _look(self, check: Check) -> list[Result]:
        for name in check.needs:
            states = {result.state for result in self._results[name]}
            if states & {"failed", "skipped"}:
                return [skipped(self._root(name))]
        found = check.look(self._scene)
        return [found] if isinstance(found, Result) else list(found)

    def _root(self, name: str) -> str:
        """Why a needed check did not succeed: its own reason where it was skipped itself."""
        first = next(r for r in self._results[name] if r.state in {"failed", "skipped"})
        if first.state == "skipped":
            return first.message.removeprefix("not checked because ")
        check = next(check for check in self._checks if check.name == name)
        return check.otherwise or f"of what stands under “{check.title}”"

    def _too_late(self, check: Check) -> Result:
        waited_for = [
            earlier.title
            for earlier in self._checks
            if earlier.name in (*check.needs, *check.after)
            and not self._done[earlier.name].is_set()
        ]
        if waited_for:
            return skipped(f"“{waited_for[0]}” did not end in time")
        return failed(
            f"no answer within {self._scene.seconds:.0f} s",
            "Run it again. If it stays so, this part or this machine is overloaded or frozen.",
        )
