"""Every remedy for Foundry Local, for every reader: all combinations are rendered and read."""

from __future__ import annotations

import itertools
import re
from typing import get_args

import pytest

from foundry_common import remedies, runtime_words
from foundry_common.remedies import Generation, Place, System, host_system, place
from support.foundry import ROOT
from support.sentences import COMMAND, complaints

SYSTEMS: tuple[System, ...] = get_args(System)
GENERATIONS: tuple[Generation, ...] = get_args(Generation)
REASONS = (
    *("name_not_resolved", "refused", "timed_out", "silent"),
    *("unreachable", "not_foundry", "tls_failed", "other"),
)
HOSTS = ("host.docker.internal", "127.0.0.1", "::1", "10.0.0.5", "models.example.lan")
LONG_ALIAS = "a-model-with-a-name-" * 10

PLACES = [
    *(Place("foundry-local", embedded=True, system=system) for system in SYSTEMS),
    *(
        Place(host, port, system=system, generation=generation, ours=ours)
        for host, port, system, generation, ours in itertools.product(
            HOSTS, (51211, 5273), SYSTEMS, GENERATIONS, (False, True)
        )
    ),
    *(place("http://localhost:51211", system=one, asked_in_container=True) for one in SYSTEMS),
]


def said_of(where: Place) -> dict[str, str]:
    """Everything that can be said of one place."""
    said = {f"unreachable {reason}": remedies.unreachable(reason, where) for reason in REASONS}
    said["restart"] = remedies.restart(where)
    said["name"] = f"{where.name} is meant."
    for alias in ("phi-4-mini", LONG_ALIAS):
        said[f"not downloaded {alias[:9]}"] = remedies.not_downloaded(where, alias)
    for available in ((), ("a", "b"), (LONG_ALIAS, "phi-4-mini"), ("some-longish-alias-here",) * 9):
        said[f"no such model {len(available)}"] = remedies.no_such_model(where, available)
    for fault in runtime_words.LOAD_FAULTS:
        said[f"load {fault}"] = remedies.load_failed(fault, where)
        said[f"load {fault} there"] = remedies.load_failed(fault, where, "/home/ada/models/mine")
    return said


def test_each_remedy_is_one_short_sentence_or_two_for_this_reader() -> None:
    # Where the system is not known, one command for each that it may be.
    wrong = [
        f"{where}: {what}: {one}"
        for where in PLACES
        for what, text in said_of(where).items()
        for one in complaints(text, commands=1 if where.embedded or where.system else 2)
    ]
    assert wrong == []


def test_each_command_exists_where_it_is_to_be_typed() -> None:
    for where in PLACES:
        for text in said_of(where).values():
            for command in COMMAND.findall(text):
                assert exists(command.split(), where), text


def exists(words: list[str], where: Place) -> bool:
    """Whether a command can be typed by a reader of this place."""
    theirs = where.is_here and where.system != "linux"
    match words:
        case ["foundry", "service", *_]:
            return theirs and where.generation == "legacy"
        case ["foundry", "server", *_]:
            return theirs and where.generation != "legacy"
        case ["foundry", "model", "download", _]:
            return theirs
        case ["python3", name, *_]:
            return where.system != "windows" and (ROOT / name).exists()
        case ["docker", "compose", verb, *_]:
            return verb in ("up", "restart", "logs")
        case _:
            return words[0] == ("py" if where.system == "windows" else "chmod")


def test_the_stacks_own_container_is_never_sent_to_a_command_that_it_does_not_have() -> None:
    for where in (one for one in PLACES if one.embedded):
        for text in said_of(where).values():
            assert "`foundry" not in text
            assert "foundry_host" not in text


def test_an_address_is_written_as_the_readers_machine_knows_it() -> None:
    assert place("http://host.docker.internal:51211").name == (
        "Foundry Local at http://localhost:51211"
    )
    assert place("http://foundry-local:51211", embedded=True).name == (
        "Foundry Local in its container"
    )
    assert place("http://10.0.0.5:5273").name == "Foundry Local at http://10.0.0.5:5273"
    assert place("http://[::1]:51211").name == "Foundry Local at http://[::1]:51211"


def test_localhost_in_a_containers_setting_is_told_as_the_mistake_that_it_is() -> None:
    where = place("http://127.0.0.1:5273", asked_in_container=True)
    remedy = remedies.unreachable("refused", where)
    assert "FOUNDRY_URL=http://host.docker.internal:5273" in remedy
    assert not place("http://host.docker.internal:1", asked_in_container=True).misnamed


@pytest.mark.parametrize(
    ("system", "release", "found"),
    [
        ("Linux", "5.15.167.4-microsoft-standard-WSL2", "windows"),
        ("Linux", "6.10.14-linuxkit", "desktop"),
        ("Linux", "6.13.7-orbstack-00283-g9d1400e7e9c6", "desktop"),
        ("Linux", "6.1.0-28-amd64", "linux"),
        ("Darwin", "24.1.0", "desktop"),
        ("Windows", "11", "windows"),
        ("FreeBSD", "14", ""),
    ],
)
def test_the_system_is_known_by_the_kernel_that_a_container_shares(
    system: str, release: str, found: str
) -> None:
    assert host_system(system, release) == found


def test_a_linux_user_is_given_what_containers_reach() -> None:
    remedy = remedies.unreachable("refused", place("http://host.docker.internal:1", system="linux"))
    assert "`python3 scripts/foundry_host.py --port 1`" in remedy


def test_each_cause_has_a_remedy_of_its_own() -> None:
    for where in (Place(system="linux"), Place(system="windows"), Place("10.0.0.5")):
        told = ("name_not_resolved", "refused", "timed_out", "not_foundry", "silent")
        assert len({remedies.unreachable(reason, where) for reason in told}) == len(told)


def test_the_names_that_fit_are_all_a_reader_gets() -> None:
    remedy = remedies.no_such_model(Place(), ["x" * 100, "a", "b"])
    assert remedy.startswith("Use one of: a, b; or set MODEL")
    assert re.search(r"EMBEDDED_MODEL in \.env", remedies.no_such_model(Place(embedded=True)))
