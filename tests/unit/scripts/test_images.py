"""The images that the stack builds on: which, whether a registry has them, pulling, remembering.

A stand-in plays the docker command: no registry can be reached from where these tests run.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path

import pytest

from lib import docker, images, offline
from lib.commands import up
from lib.compose import Stack
from lib.console import StepFailedError
from lib.environment import ROOT
from lib.settings import Settings, with_block

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the stand-in is a script with a #! line")

OFFLINE = {"COMPOSE_PATH_SEPARATOR": ":", "COMPOSE_FILE": "compose.yaml:compose.offline.yaml"}
STATUS = "unexpected status from HEAD request to https://registry/v2/a/manifests/1:"
NO_NAME = "sys.exit('lookup registry.example: no such host')"


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An otherwise empty PATH, for the stand-in."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def play(
    commands: Path,
    *,
    manifest: str = "",
    pull: str = "",
    here: tuple[str, ...] = (),
    kind: str = "linux/amd64",
) -> Path:
    """Put a docker there that does this when asked; returns the list of what it was asked."""
    asked = commands / "asked"
    asked.touch()
    path = commands / "docker"
    path.write_text(
        f"#!{sys.executable}\nimport sys, time\nwords = sys.argv[1:]\n"
        f"open({str(asked)!r}, 'a').write(' '.join(words) + chr(10))\n"
        f"if words[0] == 'image': sys.exit(words[-1] not in {here!r} or print({kind!r}))\n"
        f"if words[0] == 'version': print('linux/amd64')\n"
        f"if words[:3] == ['buildx', 'imagetools', 'inspect']:\n    {manifest or 'pass'}\n"
        f"if words[0] == 'pull':\n    {pull or 'pass'}\n"
    )
    path.chmod(0o755)
    return asked


def test_the_images_are_those_that_compose_and_dockerfiles_name(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(
        "ARG X=python:3\nFROM ghcr.io/o/w:v1 AS official\nFROM ${X} AS own\nFROM official\n"
    )
    services = {
        "one": {"build": {"context": str(tmp_path), "args": {"SOURCE": "official"}}},
        "two": {"build": {"context": "/none", "args": {"NGINX_IMAGE": "nginx:1", "A_B": "c:1"}}},
        "three": {"build": {"args": {"NGINX_IMAGE": "nginx:1", "P_IMAGE": "localhost/p:1"}}},
        "four": {"image": "x"},
    }
    told = images.bases_in(json.dumps({"services": services}))
    assert told == ["ghcr.io/o/w:v1", "nginx:1"]


@pytest.mark.parametrize("written", ["$", "$$"])
def test_a_checkout_whose_name_has_a_dollar_is_read(tmp_path: Path, written: str) -> None:
    """Versions of Compose differ in how they write it."""
    folder = tmp_path / "my $HOME"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM nginx:1\n")
    context = str(folder).replace("$", written)
    assert images.bases_in(json.dumps({"services": {"a": {"build": {"context": context}}}})) == [
        "nginx:1"
    ]


def test_compose_is_asked_where_its_files_are(
    commands: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """COMPOSE_ENV_FILES may name one by the way from there, wherever the script is called."""
    play(commands)
    script = (commands / "docker").read_text()
    (commands / "docker").write_text(f"{script}import os\nprint(os.getcwd())\n")
    monkeypatch.chdir(tmp_path)
    assert docker.answer("ps") == str(ROOT)


def test_asking_for_a_manifest_is_enough(commands: Path) -> None:
    asked = play(commands)
    assert images.registry_answers(["a:1", "b:1"])
    assert "pull" not in asked.read_text()


def test_an_engine_with_a_way_of_its_own_is_asked_too(commands: Path) -> None:
    play(
        commands, manifest=NO_NAME, pull="print('1: Pulling from a', flush=True); time.sleep(3600)"
    )
    assert images.registry_answers(["a:1"], 60)


@pytest.mark.parametrize(
    ("manifest", "pull"),
    [(NO_NAME, "sys.exit('no such host')"), ("time.sleep(60)", "time.sleep(60)"), (NO_NAME, "")],
)
def test_no_answer_is_told_in_time_and_with_its_reason(
    commands: Path, capsys: pytest.CaptureFixture[str], manifest: str, pull: str
) -> None:
    play(commands, manifest=manifest, pull=pull)
    assert not images.registry_answers(["a:1"], 0.5)
    assert "a:1: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("manifest", "pull"),
    [
        (f"sys.exit('ERROR: {STATUS} 429 Too Many Requests')", ""),
        (f"sys.exit('ERROR: failed to authorize: {STATUS} 401 Unauthorized')", ""),
        (NO_NAME, "sys.exit('Error response from daemon: toomanyrequests: You have reached your')"),
        (NO_NAME, "sys.exit('Error response from daemon: unauthorized: incorrect password')"),
    ],
)
def test_a_registry_that_refuses_for_now_is_none_that_is_missing(
    commands: Path, manifest: str, pull: str
) -> None:
    play(commands, manifest=manifest, pull=pull)
    with pytest.raises(images.RefusedError) as refused:
        images.registry_answers(["a:1"], 60)
    assert "a:1" in refused.value.problem
    assert "docker login" in refused.value.remedy


def test_a_keeper_of_passwords_that_is_gone_is_no_missing_registry(commands: Path) -> None:
    """As Docker Desktop leaves one behind in config.json."""
    gone = "error getting credentials - err: exec: docker-credential-desktop: not found"
    play(commands, manifest=f"sys.exit('ERROR: {gone}')", pull=f"sys.exit('{gone}')")
    with pytest.raises(images.RefusedError) as refused:
        images.registry_answers(["a:1"], 60)
    assert gone in refused.value.problem
    assert "credsStore" in refused.value.remedy


def test_the_engines_word_counts_for_it_is_what_pulls(
    commands: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = f"sys.exit('ERROR: {STATUS} 429 Too Many Requests')"
    play(commands, manifest=manifest, pull="sys.exit('Error response from daemon: i/o timeout')")
    assert not images.registry_answers(["a:1"], 60)
    assert "a:1: i/o timeout" in capsys.readouterr().out


def test_nobody_else_is_asked_after_ctrl_c(commands: Path) -> None:
    asked = play(commands, manifest="sys.exit('ERROR: context canceled')")
    stopped = threading.Event()
    stopped.set()
    assert images.why_absent("a:1", 60, stopped) == "context canceled"
    assert "pull" not in asked.read_text()


@pytest.mark.parametrize(
    ("kind", "wished", "here"),
    [
        ("linux/amd64", "", True),
        ("linux/arm64", "", False),
        ("linux/arm64", "linux/arm64/v8", True),
        ("linux/amd64", "linux/arm64", False),
    ],
)
def test_an_image_for_another_processor_is_not_here(
    commands: Path, monkeypatch: pytest.MonkeyPatch, *, kind: str, wished: str, here: bool
) -> None:
    play(commands, here=("a:1",), kind=kind)
    monkeypatch.setenv("DOCKER_DEFAULT_PLATFORM", wished)
    assert images.missing(["a:1", "b:1"]) == (["b:1"] if here else ["a:1", "b:1"])


@pytest.mark.parametrize("ends", ["sys.exit('connection reset by peer')", "raise SystemExit(130)"])
def test_a_pull_that_breaks_off_says_what_is_kept(commands: Path, ends: str) -> None:
    play(commands, pull=ends)
    with pytest.raises(StepFailedError) as failed:
        images.pull(["a:1"])
    assert "a:1" in failed.value.problem
    assert failed.value.remedy.startswith("Mend what it says")
    assert "images that have come whole are kept" in failed.value.remedy


def test_a_proxy_of_the_shell_is_said_not_to_be_the_engines(
    commands: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(commands, pull="sys.exit('Error response from daemon: no such host')")
    for proxy, told in (("", False), ("http://proxy.example:3128", True)):
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        monkeypatch.setenv("https_proxy", "")
        with pytest.raises(StepFailedError) as failed:
            images.pull(["a:1"])
        assert ("not the engine's" in failed.value.remedy) is told


# ---- Which way, and what is remembered -----------------------------------------------------------


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    """What `up` finds: images that are here, a registry that answers, pulls that end well."""
    world = dict.fromkeys(("here", "asked", "refuses", "built"), False)
    world |= {"answers": True, "pulls": True}

    def answers(*_: object) -> bool:
        world["asked"] = True
        if world["refuses"]:
            raise images.RefusedError("a:1", "429")
        return world["answers"]

    def pull(_: object) -> None:
        if not world["pulls"]:
            raise StepFailedError("Pulling a:1 broke off.", "Run this again.")

    monkeypatch.setattr(images, "bases", lambda _: ["a:1"])
    monkeypatch.setattr(images, "is_here", lambda _: world["here"])
    monkeypatch.setattr(images, "registry_answers", answers)
    monkeypatch.setattr(images, "pull", pull)
    monkeypatch.setattr(up, "check_room", lambda *_, **__: None)
    monkeypatch.setattr(up, "is_built", lambda _: world["built"])
    monkeypatch.setattr(up.offline, "make_base_images", lambda: None)
    monkeypatch.setattr(up.offline, "build_settings", lambda *_, **__: {})
    monkeypatch.setattr(docker, "answer", lambda *_: "")
    return world


def settings(tmp_path: Path, *, remembered: bool = False, own: str = "") -> Settings:
    text = f"COMPOSE_PATH_SEPARATOR=:\nCOMPOSE_FILE={own}\n" if own else ""
    path = tmp_path / ".env"
    path.write_text(with_block(text, OFFLINE if remembered else {}))
    return Settings({}, path)


def is_offline(here: Settings, *options: str) -> bool:
    source, choices = up.choose_images(up.parse(options), here, Stack())
    files = choices.get("COMPOSE_FILE", here.own("COMPOSE_FILE"))
    assert ("compose.offline.yaml" in files) is (source is up.Source.PACKAGES)
    return source is up.Source.PACKAGES


@pytest.mark.parametrize(
    ("world", "remembered", "options", "offline"),
    [
        ({}, False, (), False),
        ({"here": True, "answers": False}, False, (), False),
        ({"answers": False}, False, (), True),
        ({}, False, ("--offline",), True),
        ({}, True, (), True),
        ({}, True, ("--online",), False),
        ({"answers": False}, True, ("--online",), True),
    ],
)
def test_the_way_to_base_images(
    tmp_path: Path,
    *,
    registry: dict[str, bool],
    world: dict[str, bool],
    remembered: bool,
    options: tuple[str, ...],
    offline: bool,
) -> None:
    registry.update(world)
    assert is_offline(settings(tmp_path, remembered=remembered), *options) is offline


def test_a_pull_that_breaks_off_is_not_taken_for_a_missing_registry(
    tmp_path: Path, registry: dict[str, bool]
) -> None:
    registry["pulls"] = False
    with pytest.raises(StepFailedError, match="broke off"):
        is_offline(settings(tmp_path))
    assert (tmp_path / ".env").read_text() == ""


def test_a_remembered_choice_is_reconsidered_aloud(
    tmp_path: Path, registry: dict[str, bool], capsys: pytest.CaptureFixture[str]
) -> None:
    assert is_offline(settings(tmp_path, remembered=True))
    assert "scripts/up.py --online" in capsys.readouterr().out
    registry["answers"] = False
    assert is_offline(settings(tmp_path, remembered=True))
    assert "--online" not in capsys.readouterr().out


@pytest.mark.parametrize("separator", ["", ";"])
def test_files_are_separated_as_the_user_says(
    tmp_path: Path, registry: dict[str, bool], separator: str
) -> None:
    here = Settings({"COMPOSE_PATH_SEPARATOR": separator}, tmp_path / ".env")
    assert not registry["asked"]
    chosen = up.choose_images(up.parse(["--offline"]), here, Stack())[1]
    assert chosen["COMPOSE_PATH_SEPARATOR"] == (separator or ":")
    assert chosen["COMPOSE_FILE"] == f"compose.yaml{separator or ':'}compose.offline.yaml"
    own = Settings({"COMPOSE_FILE": chosen["COMPOSE_FILE"]}, tmp_path / ".env")
    assert up.offline_files(own) == {}, "nor are files of one's own"


def test_the_users_own_choice_asks_nobody(tmp_path: Path, registry: dict[str, bool]) -> None:
    assert is_offline(settings(tmp_path, own=OFFLINE["COMPOSE_FILE"]))
    assert not registry["asked"]


def test_a_registry_that_refuses_for_now_changes_nothing(
    tmp_path: Path, registry: dict[str, bool]
) -> None:
    registry["refuses"] = True
    for options in ((), ("--online",)):
        with pytest.raises(images.RefusedError):
            is_offline(settings(tmp_path, remembered=bool(options)), *options)
    assert is_offline(settings(tmp_path, remembered=True))


@pytest.mark.parametrize("world", [{"answers": False}, {"refuses": True}])
def test_what_was_built_before_is_started_where_nothing_can_be_built(
    tmp_path: Path,
    registry: dict[str, bool],
    world: dict[str, bool],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The first start was `docker compose up`, which keeps no base images; then no network."""
    registry.update(world, built=True)
    here = settings(tmp_path)
    assert up.choose_images(up.parse([]), here, Stack()) == (up.Source.BUILT, {})
    assert "built before" in capsys.readouterr().out
    registry.update(answers=True, refuses=False)
    assert up.choose_images(up.parse([]), here, Stack()) == (up.Source.REGISTRY, {})


def test_what_was_built_without_a_registry_is_not_taken_for_built_on_one(
    tmp_path: Path, registry: dict[str, bool]
) -> None:
    registry.update(answers=False, built=True)
    assert is_offline(settings(tmp_path, remembered=True), "--online")


@pytest.mark.parametrize("lacking", ["", "foundry-chat/edge:0.1.0"])
def test_the_stack_is_built_when_all_of_its_images_are_here(
    monkeypatch: pytest.MonkeyPatch, lacking: str
) -> None:
    monkeypatch.setattr(images, "is_here", lambda image: image != lacking)
    assert up.is_built(Stack()) is not bool(lacking)


# ---- Files of the user's own ---------------------------------------------------------------------


def test_the_images_are_those_of_the_users_own_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a company's registry is named in the place of the public ones."""
    monkeypatch.delenv("COMPOSE_FILE", raising=False)
    mirror = tmp_path / "mirror.yaml"
    mirror.write_text(
        "services: {edge: {build: {args: {NGINX_IMAGE: 'registry.example/nginx:1'}}}}"
    )
    files = up.own_files(settings(tmp_path, own=f"compose.yaml:{mirror}"))
    told = images.bases(files)
    assert "registry.example/nginx:1" in told
    assert any(image.startswith("python:") for image in told)


def test_an_override_that_compose_reads_by_itself_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(up, "ROOT", tmp_path)
    told = up.offline_files(settings(tmp_path))
    assert told == {"COMPOSE_PATH_SEPARATOR": ":", "COMPOSE_FILE": OFFLINE["COMPOSE_FILE"]}
    for name in ("docker-compose.override.yml", "compose.override.yaml"):
        (tmp_path / name).touch()
    wanted = ["compose.yaml", "compose.override.yaml"]
    assert up.own_files(settings(tmp_path)) == wanted
    told = up.offline_files(settings(tmp_path))
    assert told["COMPOSE_FILE"] == ":".join([*wanted, "compose.offline.yaml"])


def test_files_that_leave_out_the_one_without_a_registry_are_refused(
    tmp_path: Path, registry: dict[str, bool]
) -> None:
    registry["answers"] = False
    with pytest.raises(StepFailedError) as failed:
        is_offline(settings(tmp_path, own="compose.yaml:compose.dev.yaml"))
    wanted = "COMPOSE_FILE=compose.yaml:compose.dev.yaml:compose.offline.yaml"
    assert wanted in failed.value.remedy


# ---- Who builds ----------------------------------------------------------------------------------


def test_builds_see_the_images_that_were_pulled_or_made_here(
    commands: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A builder of the user's own sees none of them, and asks a registry for every one."""
    monkeypatch.setenv("BUILDX_BUILDER", "in-a-container")
    built = commands / "built-by"
    docker_command = commands / "docker"
    docker_command.write_text(
        f"#!{sys.executable}\nimport os, sys\n"
        "if sys.argv[1:] == ['context', 'show']: print('desktop-linux')\n"
        "if 'build' in sys.argv:\n"
        f"    open({str(built)!r}, 'a').write(os.environ['BUILDX_BUILDER'] + ' ')\n"
    )
    docker_command.chmod(0o755)
    monkeypatch.setattr(offline, "is_here", lambda _: True)
    offline.make_base_images()
    up.build(Stack())
    assert built.read_text().split() == ["desktop-linux"] * (len(offline.BUILT) + 1)


# ---- Room ----------------------------------------------------------------------------------------


def test_room_is_needed_where_docker_keeps_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = {"images": "sha256:1"}
    monkeypatch.setattr(docker, "root", lambda: tmp_path)
    monkeypatch.setattr(docker, "answer", lambda *words: built.get(words[0], ""))
    free = {up.ROOT: 10**12, tmp_path: 10**9}
    monkeypatch.setattr(
        up.shutil, "disk_usage", lambda place: up.shutil._ntuple_diskusage(0, 0, free[place])
    )
    up.check_room(2 * 10**9)
    with pytest.raises(StepFailedError, match=f"found 1.0 for {tmp_path}"):
        up.check_room(2 * 10**9, again=True)
    built.clear()
    with pytest.raises(StepFailedError, match=f"found 1.0 for {tmp_path}"):
        up.check_room(2 * 10**9)
