"""The command line of up.py and its small decisions."""

import socket
from pathlib import Path

import pytest

from lib import addresses
from lib.commands import foundry_host, up
from lib.console import StepFailedError
from lib.settings import Settings


def settings(tmp_path: Path, **values: str) -> Settings:
    return Settings(values, tmp_path / ".env")


@pytest.mark.parametrize(
    ("arguments", "embedded"), [([], None), (["--embedded"], True), (["--no-embedded"], False)]
)
def test_the_runtime_can_be_chosen(arguments: list[str], embedded: bool | None):  # noqa: FBT001
    assert up.parse(arguments).embedded is embedded


def test_wrong_usage_ends_with_two(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ended:
        up.parse(["--nonsense"])
    assert ended.value.code == 2
    assert "--nonsense" in capsys.readouterr().err


@pytest.mark.parametrize("seconds", ["nan", "-1", "0", "inf", "soon", ""])
def test_a_patience_that_means_nothing_is_refused(
    seconds: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        up.parse([f"--timeout={seconds}"])
    assert ended.value.code == 2
    assert "--timeout: expected seconds" in capsys.readouterr().err


@pytest.mark.parametrize("number", ["0", "65536", "-1", "http", "5.5"])
def test_a_port_that_is_none_is_wrong_usage(
    number: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        foundry_host.parse([f"--port={number}"])
    assert ended.value.code == 2
    assert "--port: expected a port from 1 to 65535" in capsys.readouterr().err


def test_help_is_the_docstring(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ended:
        up.parse(["--help"])
    assert ended.value.code == 0
    assert up.__doc__ in capsys.readouterr().out


def test_a_taken_port_is_seen():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert not addresses.is_free("127.0.0.1", port)
    assert addresses.is_free("127.0.0.1", port)


@pytest.mark.parametrize("value", ["0", "65536", "http", "-1", "8o80"])
def test_a_port_that_is_none_is_refused_by_name(tmp_path: Path, value: str):
    with pytest.raises(StepFailedError) as failed:
        addresses.port_of(settings(tmp_path, CHAINLIT_PORT=value), addresses.ADDRESSES[0])
    assert "CHAINLIT_PORT" in failed.value.problem
    assert value in failed.value.problem


@pytest.mark.parametrize(
    ("bound", "address"),
    [
        ("127.0.0.1", "http://127.0.0.1:8080"),
        ("0.0.0.0", "http://127.0.0.1:8080"),
        ("192.168.1.5", "http://192.168.1.5:8080"),
        ("::1", "http://[::1]:8080"),
    ],
)
def test_the_stack_is_called_where_it_is_bound(tmp_path: Path, bound: str, address: str):
    assert (
        addresses.address(settings(tmp_path, BIND_ADDRESS=bound), addresses.ADDRESSES[0]) == address
    )
