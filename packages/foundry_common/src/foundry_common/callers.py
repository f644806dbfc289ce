"""Who may call a listener: by which names it is called, and from which pages.

A browser on this machine reaches container and loopback addresses, whatever page it shows. Two
header fields give a foreign page away, and no page can change them: ``Host`` carries the page's own
name when that name was made to resolve to us (DNS rebinding), ``Origin`` names the page that asks.
Programs send no ``Origin`` and pass.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from foundry_common.values import ValueRefusedError, host_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_HOST_FIELD = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(?::[0-9]{1,5})?")
_ORIGIN = re.compile(r"https?://(?P<host>[^/?#@\s]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not let in, and what to do."""

    status: int
    code: str
    problem: str
    remedy: str


class Callers:
    """The names under which a listener answers.

    Args:
        names: Host names besides those of loopback; a leading dot means every name below it.
        address: The address it listens on; its own when that is a particular one.
    """

    def __init__(self, names: Iterable[str] = (), address: str | None = None) -> None:
        self._names = {"localhost", *(name for name in names if not name.startswith("."))}
        self._suffixes = (".localhost", *(name for name in names if name.startswith(".")))
        self._addresses = {"127.0.0.1", "::1"}
        if address and address not in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
            self._addresses.add(address.lower())

    def refusal(
        self, hosts: Sequence[str], origins: Sequence[str], fetch: Sequence[str] = ("", "")
    ) -> Refusal | None:
        """Judge a request; None lets it in.

        Args:
            hosts: Every ``Host`` field; exactly one is right.
            origins: Every ``Origin`` field; one at most.
            fetch: ``Sec-Fetch-Site`` and ``Sec-Fetch-Mode``, empty where absent.
        """
        if len(hosts) != 1 or not self.is_own(hosts[0]):
            return Refusal(
                421,
                "unknown_host",
                "The name in this request's Host header is not a name of this service.",
                "Use localhost, or add the name to ALLOWED_HOSTS.",
            )
        site, mode = fetch
        embedded = site in ("cross-site", "same-site") and mode != "navigate"
        if embedded or not all(same_origin(one, hosts[0]) for one in origins) or len(origins) > 1:
            return Refusal(
                403,
                "foreign_origin",
                "A page of another site may not use this service.",
                "Call it from a program, or from a page of this stack.",
            )
        return None

    def is_own(self, host: str) -> bool:
        """Whether a ``Host`` field names this listener."""
        match = _HOST_FIELD.fullmatch(host)
        if match is None:
            return False
        name = match["name"].lower()
        try:
            return str(ipaddress.ip_address(name.strip("[]"))) in self._addresses
        except ValueError:
            pass
        try:
            name = host_name(name)
        except ValueRefusedError:
            return False
        return name in self._names or name.endswith(self._suffixes)


def same_origin(origin: str, host: str) -> bool:
    """Whether an ``Origin`` is that of a page served under this very ``Host``."""
    match = _ORIGIN.fullmatch(origin)
    return match is not None and match["host"].lower() == host.lower()
