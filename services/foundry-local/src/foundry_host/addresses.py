"""Settles, before anything is started, where to listen: names looked up, ports that are free."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import time
import urllib.error
from typing import Any

from foundry_common import direct
from foundry_host.errors import AddressError
from foundry_host.settings import Address, is_address

_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - addresses compared, not bound
_PROBE_SECONDS = 2.0
#: Docker makes a container's names known at about the time its process starts.
_NAME_SECONDS = 15.0


def reachable_url(address: Address) -> str:
    """How this machine itself reaches what listens at ``address``."""
    return Address(_ANY.get(address.host, address.host), address.port).url


def resolve(addresses: tuple[Address, ...], within: float = _NAME_SECONDS) -> tuple[Address, ...]:
    """Put this machine's addresses in the place of names; the runtime binds to addresses only.

    In the stack's container a name exists on one network alone, so that what listens at its
    address is out of reach on every other. That address may be another after each start.

    Args:
        addresses: Where to listen. A name with several addresses stands for all of them.
        within: How long a name may take to become one of this machine. Seconds.

    Raises:
        AddressError: A name is not known, or is another machine's.
    """
    deadline = time.monotonic() + within
    found: list[Address] = []
    for address in addresses:
        hosts = [address.host] if is_address(address.host) else _own(address.host, deadline)
        found += [Address(host, address.port) for host in hosts]
    return tuple(dict.fromkeys(found))


def _own(name: str, deadline: float) -> list[str]:
    """Look ``name`` up until all that it stands for is this machine's, or time is up."""
    while True:
        try:
            entries = socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM)
            hosts = sorted({str(entry[4][0]) for entry in entries})
            for host in hosts:
                _bind(Address(host, 0))
        except OSError as error:
            if time.monotonic() < deadline:
                time.sleep(0.2)
                continue
            known = not isinstance(error, socket.gaierror)
            problem = "is the name of another machine" if known else "is a name that nobody knows"
            raise AddressError(
                f"Cannot listen at {name}: it {problem}.",
                "Give --url (FOUNDRY_HOST_URL) an address of this machine, such as "
                "http://127.0.0.1:51211. In a container: an alias of one of its own networks.",
            ) from error
        else:
            return hosts


def require_free(addresses: tuple[Address, ...]) -> None:
    """Make sure that the web service and its companion can listen at every one of ``addresses``.

    Raises:
        AddressError: Something else listens there, or the address is not this machine's.
    """
    for address in addresses:
        for wanted in (address, address.companion):
            try:
                _bind(wanted)
            except OSError as error:
                raise _explain(wanted, error, companion=wanted is not address) from error


def _bind(address: Address) -> None:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family) as probe:
        if os.name != "nt":
            # As the servers do: a connection of an earlier run still closing is no obstacle.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((address.host, address.port))


def _explain(address: Address, error: OSError, *, companion: bool) -> AddressError:
    if error.errno == errno.EADDRNOTAVAIL:
        return AddressError(
            f"{address.host} is not an address of this machine.",
            "Give --url one that is, such as http://127.0.0.1:51211.",
        )
    if error.errno in {errno.EACCES, errno.EPERM}:
        return AddressError(
            f"This user may not listen on port {address.port}.",
            "Choose another port with --url; on Windows, see also "
            "'netsh interface ipv4 show excludedportrange protocol=tcp'.",
        )
    purpose = "the status server, beside the web service" if companion else "the web service"
    who, remedy = identify(address)
    return AddressError(f"Port {address.port} ({purpose}) is taken by {who}.", remedy)


def identify(address: Address) -> tuple[str, str]:
    """Say what kind of program listens at ``address``, and what to do about it."""
    url = reachable_url(address)
    elsewhere = f"choose another port, for example --url http://127.0.0.1:{address.port + 100}."
    status = _get(f"{url}/status")
    if isinstance(status, dict):
        if "foundry_host" in status:
            return "another foundry_host", f"It is running already; stop it, or {elsewhere}"
        if "modelCachePath" in status:
            return (
                f"Foundry Local 2.x (process {status.get('pid', 'unknown')})",
                f"Use it as it is with FOUNDRY_URL={url}, stop it, or {elsewhere}",
            )
        if "modelDirPath" in status:
            return (
                "Foundry Local 1.x",
                (
                    f"Use it as it is with FOUNDRY_URL={url}, stop it ('foundry server stop'), "
                    f"or {elsewhere}"
                ),
            )
    if isinstance(_get(f"{url}/openai/status"), dict):
        return (
            "an older Foundry Local",
            (
                f"Use it as it is with FOUNDRY_URL={url}, stop it ('foundry service stop'), "
                f"or {elsewhere}"
            ),
        )
    kind = "another program" if status is None else "another web server"
    return kind, f"Stop it, or {elsewhere}"


def _get(url: str) -> Any:
    """The decoded answer; ``False`` for one that is not JSON, ``None`` for none at all."""
    try:
        with direct.get(url, _PROBE_SECONDS) as response:
            body = response.read(1 << 16)
    except urllib.error.HTTPError:
        return False
    except (OSError, ValueError):
        return None
    except Exception:  # noqa: BLE001 - http.client has its own errors for what is not HTTP
        return None
    with contextlib.suppress(ValueError):
        return json.loads(body)
    return False
