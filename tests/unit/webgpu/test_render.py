"""What the page's container writes down at its start: the key, the gateway, where to listen."""

import subprocess
from pathlib import Path

import pytest

from support.webgpu import SOURCE


def render(
    folder: Path, key: str = "the-key-of-it", **settings: str
) -> subprocess.CompletedProcess[str]:
    key_file = folder / "api-key"
    key_file.write_text(key)
    environment = {
        "PATH": "/usr/bin:/bin",
        "WEBGPU_RUNTIME": str(folder / "run"),
        "GATEWAY_API_KEY_FILE": str(key_file),
        **settings,
    }
    command = ["sh", str(SOURCE / "render.sh"), "echo", "the server"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_key_goes_from_its_file_into_one_that_nobody_else_reads(tmp_path: Path):
    done = render(tmp_path, key="sk-Az09._~+/=-\n")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "the server\n", "then it becomes its command, and says nothing else"
    written = tmp_path / "run" / "gateway-key.conf"
    expected = 'proxy_set_header Authorization "Bearer sk-Az09._~+/=-";\n'
    assert written.read_text() == expected
    assert written.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "key",
    [
        *(
            "",
            "two long words",
            'a"; root /etc',
            "abcd$efgh",
            "abcd\\efgh",
            "first-one\nsecond-one",
        ),
        *("sk-1234", "k" * 201, "abcdefgh!", "abcdefgh,", "abcdefgh:", "abcdefgh;", "abcdefgh{"),
        *("abcdefgh@", "abcdefgh%", "abcdefgh(", "abcdefgh?", "abcdefgh'", "schlüssel"),
    ],
)
def test_what_is_no_key_is_refused_without_showing_it(tmp_path: Path, key: str):
    done = render(tmp_path, key=key)
    assert done.returncode == 1
    assert "GATEWAY_API_KEY_FILE" in done.stderr
    assert not key or key not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("key", ["k" * 8, "k" * 200, "-._~+/==", "12345678\n"])
def test_what_the_secrets_service_takes_is_taken_here(tmp_path: Path, key: str):
    done = render(tmp_path, key=key)
    assert done.returncode == 0, done.stderr
    assert f'"Bearer {key.strip()}"' in (tmp_path / "run" / "gateway-key.conf").read_text()


def test_missing_key_says_what_makes_it(tmp_path: Path):
    done = render(tmp_path, GATEWAY_API_KEY_FILE=str(tmp_path / "none"))
    assert done.returncode == 1
    assert "docker compose up secrets" in done.stderr


@pytest.mark.parametrize(
    ("address", "written"),
    [
        ("http://gateway:8000", "http://gateway:8000"),
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000"),
        ("http://gateway:8000/v1", "http://gateway:8000"),
        ("http://gateway", "http://gateway:80"),
        ("http://[fd00::2]:8000", "http://[fd00::2]:8000"),
    ],
)
def test_gateway_address_is_taken_over(tmp_path: Path, address: str, written: str):
    assert render(tmp_path, GATEWAY_URL=address).returncode == 0
    assert f'default "{written}";' in (tmp_path / "run" / "settings.conf").read_text()


@pytest.mark.parametrize(
    "address",
    [
        *("gateway:8000", "ftp://gateway", "http://", 'http://a"; x', "http://$host", "h"),
        *("http://a b", "http://a\nb", "http://a:", "http://a:0", "http://a:65536", "http://a:8a"),
        *(
            "http://[::1",
            "http://::1",
            "http://a..b",
            "http://-a",
            "http://u:p@a",
            "https://gateway",
        ),
        *(
            "http://a:08000",
            "http://[]:80",
            "http://a{b",
            "http://a;b",
            "http://:8000",
            "http://a:1:2",
        ),
    ],
)
def test_what_is_no_address_is_refused_by_name(tmp_path: Path, address: str):
    done = render(tmp_path, GATEWAY_URL=address)
    assert done.returncode == 1
    assert "GATEWAY_URL" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("name", "value"),
    [("WEBGPU_LISTEN", "8080; include x"), ("WEBGPU_WWW", '/srv"; x'), ("WEBGPU_WWW", "/srv\n")],
)
def test_no_other_value_gets_into_the_configuration_as_it_was_written(
    tmp_path: Path, name: str, value: str
):
    done = render(tmp_path, **{name: value})
    assert done.returncode == 1
    assert name in done.stderr
