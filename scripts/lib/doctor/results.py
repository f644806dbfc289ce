"""What a check is, and what it finds."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from lib.doctor.scene import Scene

State = Literal["ok", "warning", "failed", "skipped", "info"]


@dataclass(frozen=True)
class Result:
    """One finding, as a line of the report and as an entry of `--json`.

    Attributes:
        state: `failed` needs mending; `warning` works, but not as it should; `info` judges nothing;
            `skipped` could not be looked at, the message says why.
        message: what was found, and where it is wrong, what was expected.
        remedy: what mends it, with the exact command.
        facts: the same for programs; names are stable.
        about: what this finding is about, where a check has several; part of the entry's name.
        title: of the line, where it differs from the check's.
    """

    state: State
    message: str
    remedy: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    about: str = ""
    title: str = ""


@dataclass(frozen=True)
class Check:
    """One question the doctor asks.

    Attributes:
        name: stable name in `--json`.
        title: what a person calls it.
        group: the heading under which it is printed.
        look: finds the answer; a list where there are several things to say.
        needs: checks without whose success this one has nothing to look at.
        after: checks whose findings this one reads, whatever they are.
        otherwise: why those that need this one are not checked, where it does not succeed.
    """

    name: str
    title: str
    group: str
    look: "Callable[[Scene], Result | Sequence[Result]]"
    needs: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    otherwise: str = ""


@dataclass(frozen=True)
class Finding:
    """A result with the check that found it."""

    check: Check
    result: Result

    @property
    def name(self) -> str:
        """The entry's name in `--json`."""
        return f"{self.check.name}.{self.result.about}" if self.result.about else self.check.name

    @property
    def title(self) -> str:
        """The entry's title."""
        return self.result.title or self.check.title

    def document(self) -> dict[str, Any]:
        """The entry in `--json`."""
        return {
            "name": self.name,
            "title": self.title,
            "state": self.result.state,
            "message": self.result.message,
            "remedy": self.result.remedy,
            "facts": dict(self.result.facts),
        }


def ok(message: str, **facts: Any) -> Result:
    """Fine."""
    return Result("ok", message, facts=facts)


def info(message: str, **facts: Any) -> Result:
    """Worth knowing, right or wrong for nobody."""
    return Result("info", message, facts=facts)


def warning(message: str, remedy: str, **facts: Any) -> Result:
    """It works, but not as it should."""
    return Result("warning", message, remedy, facts)


def failed(message: str, remedy: str, **facts: Any) -> Result:
    """It needs mending."""
    return Result("failed", message, remedy, facts)


def skipped(why: str, **facts: Any) -> Result:
    """It could not be looked at."""
    return Result("skipped", f"not checked because {why}", facts=facts)


def worst(findings: Sequence[Finding]) -> State:
    """The report's own state."""
    states = {finding.result.state for finding in findings}
    return "failed" if "failed" in states else "warning" if "warning" in states else "ok"
