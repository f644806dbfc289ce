"""Every setting has one rule, and doctor and up.py name what breaks it before anything starts."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lib import judgement
from lib.addresses import ADDRESSES, address
from lib.commands import up
from lib.console import StepFailedError
from lib.doctor import configuration, local
from lib.doctor.results import Result
from lib.doctor.scene import Scene
from lib.rules import PORTS, RULES, SECRETS, Refused
from lib.settings import Settings
from support.prometheus import FOLDER, binary, environment
from support.stack import ROOT

EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")

BROKEN = [
    ("FOUNDRY_URL=http://[::1", "FOUNDRY_URL", "expected an address like http://host:51211"),
    ("FOUNDRY_URL=http://host:99999", "FOUNDRY_URL", "expected a port from 1 to 65535"),
    ("FOUNDRY_URL=,", "FOUNDRY_URL", "at least one address"),
    ("MODEL=my model", "MODEL", "expected a model's alias"),
    ("MODEL=a,b", "MODEL", "expected a model's alias"),
    ("MODELS=a,b c", "MODELS", "expected a model's alias"),
    ("EMBEDDED_MODEL=a,b", "EMBEDDED_MODEL", "expected a model's alias"),
    ("EMBEDDING_MODEL=ä", "EMBEDDING_MODEL", "expected a model's alias"),
    ("EMBEDDED_MEMORY_LIMIT=lots", "EMBEDDED_MEMORY_LIMIT", "expected a size such as 6g"),
    ("EMBEDDED_MEMORY_LIMIT=6", "EMBEDDED_MEMORY_LIMIT", "expected 256m to 1024t"),
    ("EMBEDDED_MEMORY_LIMIT=9000000t", "EMBEDDED_MEMORY_LIMIT", "256m to 1024t"),
    ("EMBEDDED_MODELS_DIR=models", "EMBEDDED_MODELS_DIR", "begins with ./"),
    ("EMBEDDED_MODELS_DIR=./a:b", "EMBEDDED_MODELS_DIR", "without a colon"),
    ("EMBEDDED_MODELS_DIR=~ada/models", "EMBEDDED_MODELS_DIR", "begins with ./, / or ~/"),
    ("EMBEDDED_MODELS_DIR=./modles", "EMBEDDED_MODELS_DIR", f"no folder '{ROOT / 'modles'}'"),
    ("EMBEDDED_MODELS_DIR=./README.md", "EMBEDDED_MODELS_DIR", "there is no folder"),
    ("BUILD_CA_BUNDLE=/nowhere/ca.pem", "BUILD_CA_BUNDLE", "there is no file '/nowhere/ca.pem'"),
    ("BUILD_PIP_CONF=pip.conf", "BUILD_PIP_CONF", f"there is no file '{ROOT / 'pip.conf'}'"),
    ("BUILD_NPMRC=./docs", "BUILD_NPMRC", "there is no file"),
    ("FOUNDRY_HOST_PUBLIC_CATALOG=nope", "FOUNDRY_HOST_PUBLIC_CATALOG", "yes, true, on, 1 or no"),
    ("BIND_ADDRESS=localhost", "BIND_ADDRESS", "expected an IP address"),
    ("BIND_ADDRESS=*", "BIND_ADDRESS", "expected an IP address"),
    ("BIND_ADDRESS=::1", "BIND_ADDRESS", "in brackets, as [::1]"),
    ("BIND_ADDRESS=[127.0.0.1]", "BIND_ADDRESS", "without brackets"),
    ("ALLOWED_HOSTS=a..b", "ALLOWED_HOSTS", "expected host names"),
    ("ALLOWED_HOSTS=http://chat.lan", "ALLOWED_HOSTS", "expected host names"),
    ("CHAINLIT_PORT=0", "CHAINLIT_PORT", "expected a port from 1 to 65535"),
    ("CHAINLIT_PORT=008080", "CHAINLIT_PORT", "expected a port from 1 to 65535"),
    ("WEBGPU_PORT=70000", "WEBGPU_PORT", "expected a port from 1 to 65535"),
    ("GRAFANA_PORT=" + "9" * 5000, "GRAFANA_PORT", "expected a port from 1 to 65535"),
    ("OPEN_WEBUI_PORT=\uff13\uff10\uff10\uff10", "OPEN_WEBUI_PORT", "expected a port"),
    ("PROMETHEUS_PORT=' 9090'", "PROMETHEUS_PORT", "no blanks around it"),
    ("HEALTHCHECK_PORT=8080", "HEALTHCHECK_PORT", "CHAINLIT_PORT and HEALTHCHECK_PORT are both"),
    ("CHAINLIT_PORT=8000\nGATEWAY_PORT=8001\nGRAFANA_PORT=8000", "GRAFANA_PORT", "are both 8000"),
    ("WEBUI_ADMIN_EMAIL=ada@example.com", "WEBUI_ADMIN_PASSWORD", "without a password"),
    ("WEBUI_ADMIN_EMAIL=a@b.c\nWEBUI_ADMIN_PASSWORD=' '", "WEBUI_ADMIN_PASSWORD", "without a"),
    ("WEBUI_ADMIN_EMAIL=ada\nWEBUI_ADMIN_PASSWORD=x", "WEBUI_ADMIN_EMAIL", "e-mail address"),
    (f"WEBUI_ADMIN_PASSWORD={'x' * 73}", "WEBUI_ADMIN_PASSWORD", "at most 72 bytes"),
    ("WEBUI_ADMIN_PASSWORD=sword$fish", "WEBUI_ADMIN_PASSWORD", "Compose changes"),
    ('WEBUI_ADMIN_PASSWORD="sword\\tfish"', "WEBUI_ADMIN_PASSWORD", "Compose changes"),
    ("WEBUI_AUTH=maybe", "WEBUI_AUTH", "yes, true, on, 1 or no, false, off, 0"),
    ("WEBUI_AUTH=no\nBIND_ADDRESS=0.0.0.0", "WEBUI_AUTH", "everybody who connects"),
    ("WEBUI_AUTH=off\nBIND_ADDRESS=[::]", "WEBUI_AUTH", "everybody who connects"),
    ("GATEWAY_API_KEY=short", "GATEWAY_API_KEY", "8 to 200 letters"),
    ("GATEWAY_API_KEY=abcd;efgh", "GATEWAY_API_KEY", "8 to 200 letters"),
    ("GATEWAY_API_KEY='abcd$efgh'", "GATEWAY_API_KEY", "8 to 200 letters"),
    ("GATEWAY_API_KEY=abcdefgh$HOME", "GATEWAY_API_KEY", "Compose changes"),
    ("GATEWAY_MAX_QUEUE=-1", "GATEWAY_MAX_QUEUE", "expected"),
    ("GATEWAY_MAX_CONCURRENCY=1.5", "GATEWAY_MAX_CONCURRENCY", "expected a whole number"),
    ("GATEWAY_QUEUE_TIMEOUT=inf", "GATEWAY_QUEUE_TIMEOUT", "expected"),
    ("GATEWAY_LOG_LEVEL=LOUD", "GATEWAY_LOG_LEVEL", "DEBUG, INFO, WARNING, ERROR"),
    ("HEALTHCHECK_CHAT_INTERVAL=9999", "HEALTHCHECK_CHAT_INTERVAL", "at most 600 seconds"),
    ("HEALTHCHECK_INTERVAL=0", "HEALTHCHECK_INTERVAL", "more than 0 seconds"),
    ("HEALTHCHECK_CHAT_MAX_TOKENS=0", "HEALTHCHECK_CHAT_MAX_TOKENS", "expected 1 or more"),
    ("HEALTHCHECK_LOADS_MODELS=y", "HEALTHCHECK_LOADS_MODELS", "yes, true, on, 1 or no"),
    ("DOCKER_VIEW_URL=docker view", "DOCKER_VIEW_URL", "expected an address"),
    ("DOCKER_GID=docker", "DOCKER_GID", "expected a whole number"),
    ("COMPOSE_PROFILES=embeded", "COMPOSE_PROFILES", "expected containers or embedded"),
    ("COMPOSE_FILE=nothing.yaml", "COMPOSE_FILE", "there is no 'nothing.yaml'"),
    ("COMPOSE_FILE=compose.offline.yaml", "COMPOSE_FILE", "compose.yaml and what changes it"),
    ("PROMETHEUS_RETENTION=300y", "PROMETHEUS_RETENTION", "at most 100y"),
    ("PROMETHEUS_RETENTION=abc", "PROMETHEUS_RETENTION", "such as 15d"),
    ("PROMETHEUS_RETENTION_SIZE=1G", "PROMETHEUS_RETENTION_SIZE", "such as 1GB"),
    ("PROMETHEUS_SCRAPE_INTERVAL=4s", "PROMETHEUS_SCRAPE_INTERVAL", "5s to 60s"),
    ("PROMETHEUS_WITHOUT=graphana", "PROMETHEUS_WITHOUT", "expected jobs of gateway"),
    ("MODEL=${FAVOURITE}", "MODEL", "'${FAVOURITE}' in it stands for nothing"),
    ("CHAINLIT_SYSTEM_PROMPT=It costs $five", "CHAINLIT_SYSTEM_PROMPT", "'$five' in it stands for"),
    ("BUILD_NPMRC='  '", "BUILD_NPMRC", "only blanks"),
    ("COMPOSE_PROJECT_NAME=My Chat", "COMPOSE_PROJECT_NAME", "expected small letters"),
    ("MODEL='phi'-4-mini", "MODEL", "ends at its closing quote"),
    ("WEBUI_ADMIN_PASSWORD='sword'fish", "WEBUI_ADMIN_PASSWORD", "ends at its closing quote"),
]


def of(folder: Path, text: str) -> Settings:
    path = folder / ".env"
    path.write_text(text, encoding="utf-8")
    return Settings({}, path)


def doctors_word(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> list[Result]:
    monkeypatch.setenv("COMPOSE_ENV_FILES", str(settings.path))
    found = configuration.check_settings(Scene(settings))
    return [found] if isinstance(found, Result) else found


def test_every_setting_that_is_told_of_has_a_rule():
    told = set(re.findall(r"^#?([A-Z][A-Z0-9_]+)=", EXAMPLE, re.MULTILINE))
    assert told - set(RULES) == set()
    told_by_compose = set(
        re.findall(r"^ {6}([A-Z_]+):$", (ROOT / "compose.yaml").read_text(), re.MULTILINE)
    )
    ours = told_by_compose - {"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"}
    assert ours - set(RULES) == set()


@pytest.mark.parametrize(("text", "setting", "says"), BROKEN, ids=[one[0][:40] for one in BROKEN])
def test_a_broken_setting_is_named_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, setting: str, says: str
):
    settings = of(tmp_path, f"{text}\n")
    told = [one for one in doctors_word(settings, monkeypatch) if one.about == setting]
    assert [one.state for one in told] == ["failed"]
    assert says in told[0].message
    assert told[0].remedy
    assert ".env" in told[0].remedy
    with pytest.raises(StepFailedError) as stopped:
        up.check_settings(settings)
    assert told[0].message in stopped.value.problem
    assert len(told[0].message) < 400
    assert "efgh" not in told[0].message, "a secret is never shown"
    assert "fish" not in told[0].message


@pytest.mark.parametrize(
    ("given", "setting"),
    [
        ({"MODEL": "my model"}, "MODEL"),
        ({"CHAINLIT_PORT": "8000"}, "CHAINLIT_PORT"),
        ({"WEBUI_AUTH": "no", "BIND_ADDRESS": "0.0.0.0"}, "WEBUI_AUTH"),
        ({"COMPOSE_PROFILES": "embeded"}, "COMPOSE_PROFILES"),
    ],
)
def test_what_the_environment_sets_is_mended_in_the_environment(
    tmp_path: Path, given: dict[str, str], setting: str
):
    """Mending the file would change nothing, and there may be none."""
    (found,) = judgement.problems(Settings(given, tmp_path / ".env"))
    assert found.setting == setting
    assert "the environment, which wins over .env" in found.remedy


def test_a_line_that_the_environment_overrules_is_pointed_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path = tmp_path / ".env"
    path.write_text("MODEL=mine\nMODELS=same\nGATEWAY_API_KEY=sesame-open\n", encoding="utf-8")
    here = Settings(
        {"MODEL": "other", "MODELS": "same", "GATEWAY_API_KEY": "mutton-open", "TZ": "UTC"}, path
    )
    found = configuration.check_settings(Scene(here))
    assert [(one.state, one.about) for one in found] == [
        ("warning", "MODEL"),
        ("warning", "GATEWAY_API_KEY"),
    ]
    assert found[0].message == "MODEL has another value in the environment, which wins over .env"
    up.check_settings(here)
    said = capsys.readouterr().out
    assert found[0].message in said
    assert "open" not in said.replace("open to", "")


def test_a_setting_that_stands_twice_is_pointed_out(tmp_path: Path):
    here = of(tmp_path, "MODEL=a\n#MODELS=b\nMODELS=c\nMODEL=d\n")
    assert here.remember({"COMPOSE_FILE": "compose.yaml"})
    (found,) = judgement.warnings(Settings({}, here.path))
    assert found.message == "MODEL is set more than once in .env, and only the last line counts"


def test_only_what_is_broken_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    found = doctors_word(
        of(tmp_path, "WEBUI_AUTH=maybe\nMODEL=fine\nGRAFANA_PORT=x\n"), monkeypatch
    )
    assert {one.about for one in found} == {"WEBUI_AUTH", "GRAFANA_PORT"}


def test_the_example_with_every_mark_taken_away_is_fine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Its two secrets stand empty and its paths lead nowhere: a person can fill them in."""
    text = re.sub(r"^#([A-Z][A-Z0-9_]+=)", r"\1", EXAMPLE, flags=re.MULTILINE)
    (tmp_path / "mine").mkdir()
    text = text.replace("EMBEDDED_MODELS_DIR=./models", f"EMBEDDED_MODELS_DIR={tmp_path / 'mine'}")
    (tmp_path / "file").touch()
    text = re.sub(r"(BUILD_\w+)=.+", rf"\1={tmp_path / 'file'}", text)
    text = text.replace("WEBUI_ADMIN_PASSWORD=\n", "WEBUI_ADMIN_PASSWORD='pa$word of my own'\n")
    text = text.replace("GATEWAY_API_KEY=\n", "GATEWAY_API_KEY=a-key-of-my-own\n")
    settings = of(tmp_path, text)
    assert judgement.problems(settings) == []
    assert [one.state for one in doctors_word(settings, monkeypatch)] == ["ok"]
    up.check_settings(settings)


def test_the_example_tells_of_each_setting_once():
    """Who takes the mark away in two places gets only the last."""
    told = re.findall(r"^#?([A-Z][A-Z0-9_]+)=", EXAMPLE, re.MULTILINE)
    assert sorted(told) == sorted(set(told))


def test_no_settings_at_all_are_fine(tmp_path: Path):
    assert judgement.problems(of(tmp_path, "")) == []


@pytest.mark.parametrize(
    "text",
    [
        "FOUNDRY_URL=host:51211, http://[::1]:51211",
        "BIND_ADDRESS=[::1]\nWEBUI_AUTH=no",
        "EMBEDDED_MEMORY_LIMIT=1.5GiB",
        "EMBEDDED_MODELS_DIR=~/my models",
        "EMBEDDED_MODELS_DIR=C:\\models",
        "EMBEDDED_MODELS_DIR=./docs",
        "BUILD_NPMRC=~/.npmrc",
        "BUILD_PIP_CONF=offline/none/pip.conf",
        "COMPOSE_PROFILES=containers,embedded",
        "COMPOSE_PROFILES=containers, embedded ,",
        "COMPOSE_PROFILES=*",
        "FAVOURITE=phi-4-mini\nMODEL=$FAVOURITE",
        "CHAINLIT_SYSTEM_PROMPT='It costs $five'",
        "HEALTHCHECK_LOADS_MODELS=On",
    ],
)
def test_what_works_is_not_found_fault_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
):
    monkeypatch.setenv("USERPROFILE" if os.name == "nt" else "HOME", str(tmp_path))
    (tmp_path / "my models").mkdir()
    (tmp_path / ".npmrc").touch()
    assert judgement.problems(of(tmp_path, f"{text}\n")) == []


def test_files_of_ones_own_may_bring_profiles_of_their_own(tmp_path: Path):
    text = "COMPOSE_FILE=compose.yaml:monitoring/prometheus/prometheus.yml\nCOMPOSE_PROFILES=mine\n"
    assert judgement.problems(of(tmp_path, text)) == []


AMOUNTS = {
    "PROMETHEUS_SCRAPE_INTERVAL": [
        *("5s", "15s", "60s"),
        *("4s", "61s", "15", "1m", "often", "015s", "15S", "15s ", "1234567890s", "15s\n"),
    ],
    "PROMETHEUS_RETENTION": [
        *("15d", "1y", "2w", "36h", "100y", "36500d", "876000h", "5214w"),
        *("0d", "d", "15", "forever", "1d2h", "-1d", "101y", "5215w", "876001h", "999999y"),
        "1000000h",
    ],
    "PROMETHEUS_RETENTION_SIZE": [
        *("1GB", "512MB", "1TB", "999999TB"),
        *("1G", "0GB", "-1GB", "1gb", "1.5GB", "1000000GB"),
    ],
    "PROMETHEUS_WITHOUT": [
        "grafana",
        "grafana,chainlit",
        " grafana ",
        ",",
        "graphana",
        ".*",
        "a;b",
    ],
}


@pytest.mark.parametrize(
    ("name", "text"), [(name, text) for name, texts in AMOUNTS.items() for text in texts]
)
def test_the_rules_for_prometheus_are_those_of_its_start(tmp_path: Path, name: str, text: str):
    done = subprocess.run(
        ["sh", str(FOLDER / "start.sh"), "check"],
        env=environment(PROMETHEUS_RUNTIME=str(tmp_path), **{name: text}),
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        RULES[name](text)
        accepted = True
    except Refused:
        accepted = False
    assert accepted is (done.returncode == 0), done.stderr


@pytest.mark.parametrize(
    ("option", "largest"),
    [
        *(("time", most) for most in ("876000h", "36500d", "5214w", "100y")),
        *(("size", f"999999{unit}") for unit in ("MB", "GB", "TB")),
    ],
)
def test_prometheus_itself_takes_the_largest_that_is_let_through(
    tmp_path: Path, option: str, largest: str
):
    done = subprocess.run(
        [
            *(binary("prometheus"), f"--config.file={tmp_path / 'none'}"),
            *(f"--storage.tsdb.path={tmp_path}", f"--storage.tsdb.retention.{option}={largest}"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Error loading config" in done.stderr, "it has read its command line"


@pytest.mark.parametrize(
    ("text", "setting", "says"),
    [
        ("WEBUI_ADMIN_PASSWORD=sesame", "WEBUI_ADMIN_PASSWORD", "without WEBUI_ADMIN_EMAIL"),
        ("CHAINLIT_PORT=6000", "CHAINLIT_PORT", "is 6000, which browsers do not open"),
        ("COMPOSE_PROFILES=containers", "COMPOSE_PROFILES", "without DOCKER_VIEW_URL"),
        ("DOCKER_VIEW_URL=http://docker-view:8080", "DOCKER_VIEW_URL", "in the profile containers"),
    ],
)
def test_what_has_not_the_effect_that_was_meant_is_pointed_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, setting: str, says: str
):
    (found,) = doctors_word(of(tmp_path, f"{text}\n"), monkeypatch)
    assert (found.state, found.about) == ("warning", setting)
    assert says in found.message
    assert "sesame" not in found.message


# ---- No setting makes a script stumble -----------------------------------------------------------

TEXT = st.one_of(
    st.text(st.characters(exclude_categories=("Cs",)), max_size=60),
    st.text("[]:/.,$@{}*%\\'\"0123456789abc \t", max_size=30),
)


@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.dictionaries(st.sampled_from(sorted(RULES)), TEXT, max_size=6))
def test_whatever_is_set_is_judged_in_words(tmp_path: Path, given_settings: dict[str, str]):
    path = tmp_path / "none"
    for here in (
        Settings(given_settings, path),
        of(tmp_path, "".join(f"{name}={text}\n" for name, text in given_settings.items())),
    ):
        found = judgement.problems(here)
        for one in found:
            assert one.message
            assert one.remedy
            assert len(one.message) < 500
        try:
            up.check_settings(here)
        except StepFailedError:
            assert found
        else:
            # What is let through must not make anything that follows stumble.
            scene = Scene(here)
            for entry in ADDRESSES:
                assert address(here, entry).startswith("http://")
            assert local.configured_origins(scene)


def test_bytes_that_are_no_text_are_told_in_words(tmp_path: Path):
    """An environment may hold any bytes; Python shows them as lone surrogates."""
    given_settings = dict.fromkeys(RULES, b"\xff$\xfe".decode("utf-8", "surrogateescape"))
    for one in judgement.problems(Settings(given_settings, tmp_path / "none")):
        (one.message + one.remedy).encode("utf-8")


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_a_secret_is_in_no_problem(tmp_path: Path, name: str):
    secret = "sesame-äöü-open"
    for text in (secret, secret * 10):
        for one in judgement.problems(of(tmp_path, f"{name}={text}\n")):
            assert "sesame" not in one.message


def test_ports_are_judged_by_their_numbers(tmp_path: Path):
    for name in PORTS:
        assert {one.setting for one in judgement.problems(of(tmp_path, f"{name}=0x50\n"))} == {name}


@pytest.mark.parametrize(
    ("bound", "opens"),
    [("", False), ("127.0.0.1", False), ("[::1]", False), ("0.0.0.0", True), ("[::]", True)],
)
def test_what_an_address_opens_is_told(tmp_path: Path, bound: str, *, opens: bool):
    settings = of(tmp_path, f"BIND_ADDRESS={bound}\n")
    told = judgement.opened(settings)
    assert bool(told) is opens
    result = configuration.check_reach(Scene(settings))
    assert result.state == ("info" if opens else "ok")
    assert ("whoever connects may chat" in told) is opens
