"""One rule for each kind of value that people write into settings.

Each function takes the text as it was written and returns it in the form its readers understand,
or raises ``ValueRefusedError`` with what is expected and what was found. The two shell scripts that
start nginx (``services/edge/render.sh``, ``services/webgpu-static/render.sh``) follow the same
rules; tests feed one table to all of them.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Collection

ON: Final = ("yes", "true", "on", "1")
OFF: Final = ("no", "false", "off", "0")

SHORTEST_KEY: Final = 8
LONGEST_KEY: Final = 200
_KEY = re.compile(r"[A-Za-z0-9._~+/=-]+")
"""RFC 6750's token68: it can stand in a header, an nginx configuration and a list of keys."""

LONGEST_PASSWORD_BYTES: Final = 72
"""What bcrypt takes."""
_EMAIL = re.compile(r"[^@\s]+@(?:[^@\s]+\.[^@\s.]+|localhost)")
_LONGEST_EMAIL = 254

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_LONGEST_HOST_NAME = 253
_AUTHORITY = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(?::[0-9]*)?")
_MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]*")
_LONGEST_MODEL_NAME = 200
_QUOTED_LENGTH = 60
_LARGEST_PORT = 65_535

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class ValueRefusedError(ValueError):
    """A value cannot be used; the text says what is expected and what was found."""


def switch(text: str) -> bool:
    """Read an on/off setting; case and surrounding blanks do not matter."""
    word = text.strip().lower()
    if word in ON:
        return True
    if word in OFF:
        return False
    raise ValueRefusedError(
        f"expected one of {', '.join(ON)} or {', '.join(OFF)}, found {quoted(text)}"
    )


def api_key(text: str) -> str:
    """Read a key of the user's own.

    Only characters of RFC 6750's token68 pass: others have a meaning to one of the key's readers.
    """
    key = text.strip()
    if not SHORTEST_KEY <= len(key) <= LONGEST_KEY or not _KEY.fullmatch(key):
        raise ValueRefusedError(
            f"expected {SHORTEST_KEY} to {LONGEST_KEY} letters, digits and characters of "
            "- . _ ~ + / =, found something else"  # never the key itself
        )
    return key


def password(text: str) -> str:
    """Read a password of the user's own, as it was written; it is never shown."""
    size = len(text.encode("utf-8", "surrogatepass"))
    if not 0 < size <= LONGEST_PASSWORD_BYTES:
        raise ValueRefusedError(
            f"expected a password of at most {LONGEST_PASSWORD_BYTES} bytes, found {size}"
        )
    return text


def email(text: str) -> str:
    """Read an e-mail address, as far as that can be told from its form."""
    address = text.strip()
    if len(address) > _LONGEST_EMAIL or not _EMAIL.fullmatch(address):
        raise ValueRefusedError(
            f"expected an e-mail address such as ada@example.com, found {quoted(text)}"
        )
    return address


def host_name(text: str) -> str:
    """Read a host name, in lower case; a leading dot, meaning every name below it, is kept."""
    name = text.strip().lower()
    bare = name.removeprefix(".")
    # Some letters beyond ASCII become ASCII in lower case, for Python alone.
    is_name = text.isascii() and len(bare) <= _LONGEST_HOST_NAME and _HOST_NAME.fullmatch(bare)
    if not is_name:
        raise ValueRefusedError(
            "expected host names without scheme or port, such as chat.example.lan or .home.arpa, "
            f"found {quoted(text)}"
        )
    return name


def host_names(text: str) -> tuple[str, ...]:
    """Read host names separated by commas, without repeats."""
    return tuple(dict.fromkeys(host_name(part) for part in text.split(",") if part.strip()))


def bind_address(text: str) -> Address:
    """Read the address on which ports are published: an IP address, not a name."""
    refused = ValueRefusedError(
        "expected an IP address: 127.0.0.1 for this machine only, 0.0.0.0 for your network, "
        f"found {quoted(text)}"
    )
    bare = text.strip()
    if bare.startswith("[") and bare.endswith("]"):
        bare = bare[1:-1]
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        raise refused from None
    # Said here, for only newer Pythons look inside an IPv4 address that is written as IPv6.
    plain = getattr(address, "ipv4_mapped", None) or address
    if getattr(address, "scope_id", None) or plain.is_multicast:
        raise refused  # Docker publishes on neither
    return address


def origin(text: str) -> str:
    """Reduce an HTTP address to scheme, host and port; people paste ``…/v1`` too."""
    url = text.strip()
    expected = ValueRefusedError(
        f"expected an address like http://host:51211, found {quoted(text)}"
    )
    if not url.isprintable() or " " in url:  # urlsplit would drop some of these
        raise expected
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host = (parts.hostname or "").lower()
    except ValueError:  # an opening bracket without its other half, and the like
        raise expected from None
    try:
        port = parts.port
    except ValueError:
        raise ValueRefusedError(
            f"expected a port from 1 to {_LARGEST_PORT}, found {quoted(text)}"
        ) from None
    if port == 0:
        raise ValueRefusedError(f"expected a port from 1 to {_LARGEST_PORT}, found 0")
    if parts.username is not None or parts.password is not None:
        raise ValueRefusedError("an address cannot carry a user name or password")
    if parts.scheme not in ("http", "https") or not _AUTHORITY.fullmatch(parts.netloc):
        raise expected
    if not _is_host(host):
        raise expected
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}:{port or (443 if parts.scheme == 'https' else 80)}"


def origins(text: str) -> tuple[str, ...]:
    """Read HTTP addresses separated by commas, at least one, without repeats."""
    found = tuple(dict.fromkeys(origin(part) for part in text.split(",") if part.strip()))
    if not found:
        raise ValueRefusedError("expected at least one address, found only commas")
    return found


def model_name(text: str) -> str:
    """Read a model's alias or id: it goes into URLs, labels and lists separated by commas."""
    name = text.strip()
    if len(name) > _LONGEST_MODEL_NAME or not _MODEL_NAME.fullmatch(name):
        raise ValueRefusedError(
            f"expected a model's alias such as phi-4-mini, found {quoted(text)}"
        )
    return name


def model_names(text: str) -> tuple[str, ...]:
    """Read models' aliases separated by commas, without repeats."""
    return tuple(dict.fromkeys(model_name(part) for part in text.split(",") if part.strip()))


def profiles(text: str) -> tuple[str, ...]:
    """Read COMPOSE_PROFILES as Compose does: without blanks around names, and empty ones."""
    return tuple(name for part in text.split(",") if (name := part.strip()))


def has_profile(name: str, chosen: Collection[str]) -> bool:
    """Say whether these profiles bring what has that one; ``*`` is all of them."""
    return name in chosen or "*" in chosen


def starts_embedded(text: str) -> bool:
    """Read COMPOSE_PROFILES: whether the stack's own Foundry Local starts."""
    return has_profile("embedded", profiles(text))


def whole_number(text: str, least: int, most: int | None = None) -> int:
    """Read a whole number in a range, written in digits alone."""
    upper = f" to {most}" if most is not None else " or more"
    digits = text.strip()
    if not re.fullmatch(r"-?[0-9]{1,18}", digits):
        raise ValueRefusedError(f"expected a whole number, found {quoted(text)}")
    value = int(digits)
    if value < least or (most is not None and value > most):
        raise ValueRefusedError(f"expected {least}{upper}, found {value}")
    return value


def seconds(
    text: str, *, zero: bool = False, least: float = 0.0, most: float = float("inf")
) -> float:
    """Read a duration in seconds, more than 0 unless ``zero`` is allowed."""
    if not re.fullmatch(r"-?[0-9]{1,9}(?:\.[0-9]{1,9})?", text.strip()):
        raise ValueRefusedError(f"expected a number of seconds, found {quoted(text)}")
    value = float(text)
    if value > most:
        raise ValueRefusedError(f"expected at most {most:g} seconds, found {value:g}")
    if zero and value == 0:
        return value
    if value <= 0 or value < least:
        lower = f"at least {least:g}" if least else "0 or more" if zero else "more than 0"
        raise ValueRefusedError(f"expected {lower} seconds, found {value:g}")
    return value


def choice(text: str, allowed: tuple[str, ...]) -> str:
    """Read one of several words in capitals; case and surrounding blanks do not matter."""
    word = text.strip().upper()
    if word not in allowed:
        raise ValueRefusedError(f"expected one of {', '.join(allowed)}, found {quoted(text)}")
    return word


def quoted(text: str) -> str:
    """Return what was found, short and on one line."""
    shown = text if len(text) <= _QUOTED_LENGTH else text[:_QUOTED_LENGTH] + "…"
    return repr(shown)


def _is_host(host: str) -> bool:
    if ":" in host or not host.strip("0123456789."):
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return False
        return "%" not in host
    return len(host) <= _LONGEST_HOST_NAME and _HOST_NAME.fullmatch(host) is not None
