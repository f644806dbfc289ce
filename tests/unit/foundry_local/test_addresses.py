"""Where it listens: names become this machine's addresses, or the start says why not."""

from __future__ import annotations

import socket

import pytest

from foundry_host import addresses
from foundry_host.addresses import resolve
from foundry_host.errors import AddressError
from foundry_host.settings import Address

# Names to the resolver, which needs no network to know what they stand for.
OF_THIS_MACHINE = "127.0.0x201"
OF_ANOTHER = "192.0.0x201"


def test_an_address_is_taken_as_it_is() -> None:
    given = (Address("127.0.0.1", 51211), Address("::1", 51211), Address("0.0.0.0", 51211))
    assert resolve(given, within=0) == given


def test_a_name_stands_for_its_address_and_twice_the_same_is_listened_at_once() -> None:
    given = (Address("127.0.0.1", 51211), Address("localhost", 51211))
    assert resolve(given, within=0) == (Address("127.0.0.1", 51211),)
    assert resolve((Address(OF_THIS_MACHINE, 1),), within=0) == (Address("127.0.2.1", 1),)


@pytest.mark.parametrize(
    ("name", "says"), [("foundry.invalid", "nobody knows"), (OF_ANOTHER, "another machine")]
)
def test_a_name_that_is_not_this_machines_ends_the_start_with_a_remedy(name: str, says: str):
    with pytest.raises(AddressError, match=says) as error:
        resolve((Address("127.0.0.1", 51211), Address(name, 51211)), within=0)
    assert name in error.value.message
    assert "alias" in error.value.remedy


def test_a_name_that_becomes_known_a_moment_later_is_waited_for(monkeypatch: pytest.MonkeyPatch):
    asked: list[str] = []
    look_up = socket.getaddrinfo

    def late(name: str, *rest: object) -> object:
        asked.append(name)
        return look_up("localhost" if len(asked) > 2 else name, *rest)  # type: ignore[call-overload]

    monkeypatch.setattr(addresses.socket, "getaddrinfo", late)
    assert resolve((Address("foundry.invalid", 5),), within=20) == (Address("127.0.0.1", 5),)
    assert asked == ["foundry.invalid"] * 3
