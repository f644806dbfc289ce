"""The command line of doctor.py, what it prints, and its judgements on facts that are given."""

from __future__ import annotations

import errno
import io
import json
import re
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from lib import addresses, holders
from lib.commands import doctor, up
from lib.compose import Container
from lib.console import StepFailedError
from lib.doctor import (
    configuration,
    local,
    machine,
    models,
    monitoring,
    pages,
    parts,
    ports,
    report,
    results,
    runtime,
    web,
)
from lib.doctor.local import Sighting
from lib.doctor.results import Check, Finding, Result
from lib.doctor.scene import Scene
from lib.doctor.schedule import Run
from lib.settings import Settings


def scene(tmp_path: Path, seconds: float = 30.0, **settings: str) -> Scene:
    return Scene(Settings(settings, tmp_path / ".env"), seconds)


def check(name: str, *found: Result, needs: Sequence[str] = (), otherwise: str = "") -> Check:
    return Check(name, name.title(), "Group", lambda _: list(found), tuple(needs), (), otherwise)


# ---- The command line ----------------------------------------------------------------------------


def test_help_is_the_docstring(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        doctor.main(["--help"])
    assert ended.value.code == 0
    assert doctor.__doc__ in capsys.readouterr().out


def test_wrong_usage_ends_with_two(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        doctor.main(["--nonsense"])
    assert ended.value.code == 2
    assert "--nonsense" in capsys.readouterr().err


def test_every_check_waits_only_for_earlier_ones() -> None:
    earlier: set[str] = set()
    for one in doctor.CHECKS:
        assert {*one.needs, *one.after} <= earlier, one.name
        assert one.name not in earlier
        earlier.add(one.name)


# ---- Running -------------------------------------------------------------------------------------


def test_what_hangs_on_a_failure_is_skipped_with_the_root_cause(tmp_path: Path) -> None:
    checks = [
        check("docker", results.failed("stopped", "start it"), otherwise="Docker does not answer"),
        check("compose", results.ok("fine"), needs=["docker"]),
        check("stack", results.ok("fine"), needs=["compose"]),
        check("disk", results.ok("fine")),
    ]
    found = list(Run(checks, scene(tmp_path)).findings())
    assert [one.result.state for one in found] == ["failed", "skipped", "skipped", "ok"]
    assert found[2].result.message == "not checked because Docker does not answer"


def test_a_check_that_breaks_is_told_and_silences_no_other(tmp_path: Path) -> None:
    def broken(_: Scene) -> Result:
        raise ValueError("oh")

    checks = [Check("one", "One", "Group", broken), check("two", results.ok("fine"))]
    first, second = Run(checks, scene(tmp_path)).findings()
    assert first.result.state == "failed"
    assert "ValueError: oh" in first.result.message
    assert second.result.state == "ok"


def test_a_check_that_hangs_is_given_up(tmp_path: Path) -> None:
    forever = threading.Event()

    def hangs(_: Scene) -> Result:
        forever.wait(60)
        return results.ok("at last")

    checks = [Check("one", "One", "Group", hangs), check("two", results.ok("x"), needs=["one"])]
    first, second = Run(checks, scene(tmp_path, seconds=0.2)).findings()
    forever.set()
    assert first.result.state == "failed"
    assert first.result.message.startswith("no answer within")
    assert second.result.state == "skipped"


def test_an_observation_is_made_once_even_when_it_fails(tmp_path: Path) -> None:
    made = []

    def observe() -> str:
        made.append(1)
        raise OSError("no")

    here = scene(tmp_path)
    for _ in range(2):
        with pytest.raises(OSError, match="no"):
            here.remembered("it", observe)
    assert len(made) == 1


# ---- Telling -------------------------------------------------------------------------------------


def told(*found: Result, encoding: str = "utf-8", **environment: str) -> str:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding=encoding)
    report.Report(out, environment).tell([Finding(check("one"), one) for one in found])
    out.flush()
    return raw.getvalue().decode(encoding)


def test_each_finding_is_a_line_and_each_remedy_stands_below_it() -> None:
    text = told(results.ok("all fine"), results.failed("broken “here”", "do this"))
    assert "    ✓ One              all fine\n" in text
    assert "    ✗ One              broken “here”\n                       → do this\n" in text
    assert text.endswith("1 thing is wrong.\n")
    assert text.startswith("\n==> Group\n")


def test_a_console_without_unicode_gets_plain_letters() -> None:
    text = told(results.failed("broken “here” …", "do this"), encoding="ascii")
    assert '    x One              broken "here" ...\n' in text
    assert "-> do this" in text


def test_colours_are_for_terminals_that_want_them(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        encoding = "utf-8"

        def isatty(self) -> bool:
            return True

    def painted(**environment: str) -> bool:
        out = Terminal()
        report.Report(out, environment).tell([Finding(check("one"), results.ok("fine"))])
        return "\x1b[" in out.getvalue()

    assert painted()
    assert not painted(NO_COLOR="1")
    assert not painted(TERM="dumb")


def test_what_is_skipped_for_one_reason_is_one_line() -> None:
    text = told(*[results.skipped("it is not there")] * 3)
    assert text.count("not checked because it is not there") == 1
    assert "One, One, One" in text


def test_the_document_has_the_promised_members() -> None:
    found = [Finding(check("one"), Result("failed", "m", "r", {"a": 1}, about="x"))]
    assert json.loads(report.document(found)) == {
        "status": "failed",
        "checks": [
            {
                "name": "one.x",
                "title": "One",
                "state": "failed",
                "message": "m",
                "remedy": "r",
                "facts": {"a": 1},
            }
        ],
    }


@pytest.mark.parametrize(
    ("states", "worst"),
    [
        (["ok", "info", "skipped"], "ok"),
        (["ok", "warning"], "warning"),
        (["warning", "failed"], "failed"),
    ],
)
def test_the_worst_finding_is_the_status(states: list[results.State], worst: str) -> None:
    assert results.worst([Finding(check("one"), Result(s, "m")) for s in states]) == worst


# ---- Settings ------------------------------------------------------------------------------------


def judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: bytes) -> list[Result]:
    path = tmp_path / ".env"
    path.write_bytes(text)
    monkeypatch.setenv("COMPOSE_ENV_FILES", str(path))
    settings = Settings({"COMPOSE_ENV_FILES": str(path)})
    found = configuration.check_settings(Scene(settings))
    return [found] if isinstance(found, Result) else found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"GATEWAY_MAX_QUEUE=many\n", "GATEWAY_MAX_QUEUE: expected a whole number, found 'many'"),
        (b"FOUNDRY_URL=ftp://here\n", "FOUNDRY_URL: expected an address"),
        (b"CHAINLIT_PORT=80080\n", "CHAINLIT_PORT: expected a port from 1 to 65535"),
        (b"CHAINLIT_PORT=8000\n", "GATEWAY_PORT and CHAINLIT_PORT are both 8000"),
        (b"MODEL=x\nnon sense\n", "line 2 of .env is not NAME=value: 'non sense'"),
        ("MODEL=x\n".encode("utf-16"), ".env cannot be read: it is saved as UTF-16"),
        (b"MODEL=\xe4\n", "line 1 of .env is not saved as UTF-8"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: bytes, said: str
) -> None:
    found = judged(tmp_path, monkeypatch, text)
    assert [one.state for one in found] == ["failed"]
    assert found[0].message.startswith(said)
    assert found[0].remedy


def test_a_misspelt_setting_is_told_with_its_right_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = judged(tmp_path, monkeypatch, b"FOUNDRY_ULR=http://x:1\n")
    assert [one.state for one in found] == ["warning"]
    assert "did you mean FOUNDRY_URL?" in found[0].message


def test_good_settings_are_named_and_their_values_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = b"MODEL=phi-4-mini\nWEBUI_ADMIN_EMAIL=a@b.c\nWEBUI_ADMIN_PASSWORD=swordfish\n"
    found = judged(tmp_path, monkeypatch, text)
    assert [one.state for one in found] == ["ok"]
    assert "WEBUI_ADMIN_PASSWORD" in found[0].message
    assert "swordfish" not in str(found)


@pytest.mark.parametrize(
    ("given", "place"), [({"MODEL": "phi-5"}, "the environment, which wins"), ({}, ".env")]
)
def test_an_unknown_model_is_mended_where_it_was_set(
    tmp_path: Path, given: dict[str, str], place: str
) -> None:
    here = Scene(Settings(given, tmp_path / ".env"))
    told = models.not_there(here, "phi-5", known=False, loaded=["a"], offered=[], facts={})
    assert f"Set MODEL to one of these in {place}" in str(told.remedy)


# ---- Who listens ---------------------------------------------------------------------------------

NETSTAT = """
Aktive Verbindungen

  Proto  Lokale Adresse         Remoteadresse          Status           PID
  TCP    127.0.0.1:8080         0.0.0.0:0              ABHÖREN          4711
  TCP    127.0.0.1:50000        127.0.0.1:8080         HERGESTELLT      815
  TCP    [::1]:51211            [::]:0                 ABHÖREN          42
"""
TASKS = (
    '"node.exe","4711","Console","1","10.000 K"\n"Inference.Service.Agent.exe","42","x","1","9"\n'
)
LSOF = "p4711\ncnode\nf23\nn127.0.0.1:8080\nf24\nn[::1]:51211\np42\ncControlCe\nf9\nn*:5000\n"


def test_netstat_is_read_in_any_language() -> None:
    found = holders.in_netstat(NETSTAT)
    assert [(one.address, one.port, one.pid) for one in found] == [
        ("127.0.0.1", 8080, 4711),
        ("::1", 51211, 42),
    ]
    assert holders.in_tasklist(TASKS) == {4711: "node.exe", 42: "Inference.Service.Agent.exe"}


def test_lsof_is_read_with_a_process_of_several_ports() -> None:
    assert [(o.address, o.port, o.pid, o.name) for o in holders.in_lsof(LSOF)] == [
        ("127.0.0.1", 8080, 4711, "node"),
        ("::1", 51211, 4711, "node"),
        ("*", 5000, 42, "ControlCe"),
    ]


def test_an_address_that_is_not_this_machines_is_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert addresses.is_here("127.0.0.1")
    assert addresses.is_here("0.0.0.0")
    for lost in ("192.0.2.1", "[2001:db8::1]", "[fe80::1]"):  # nobody's, and one that needs a zone
        settings = Settings({"BIND_ADDRESS": lost}, tmp_path / ".env")
        result = ports.check_ports(Scene(settings))
        assert isinstance(result, results.Result)
        assert (
            result.message == f"BIND_ADDRESS {lost.strip('[]')} is not an address of this machine"
        )
        with pytest.raises(StepFailedError) as stopped:
            up.check_ports(settings)
        assert (stopped.value.problem, stopped.value.remedy) == (
            f"{result.message}.",
            result.remedy,
        )

    def no_ipv6(*_: object) -> None:
        raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")

    monkeypatch.setattr(addresses.socket, "socket", no_ipv6)
    assert not addresses.is_here("::1")


# ---- Foundry Local -------------------------------------------------------------------------------


def lost(tmp_path: Path, problem: str, others: Sequence[Sighting] = ()) -> Result:
    url = "http://host.docker.internal:5273"
    here = scene(tmp_path, FOUNDRY_URL=url, DOCKER_HOST="unix:///none")
    here.remembered("sightings", lambda: [Sighting(url, "127.0.0.1", 5273, problem=problem)])
    here.remembered("elsewhere", lambda: list(others))
    here.remembered("containers", list)
    here.remembered("is_started", bool)
    for part in ("gateway", "chainlit", "open-webui", "webgpu-static", "healthcheck"):
        here.remembered(f"reply of {part}", lambda: web.Reply(problem="refused"))
    for part in ("prometheus", "grafana"):
        here.remembered(f"reply of {part}", lambda: web.Reply(problem="refused"))
    found = runtime.check_foundry(here)
    return found if isinstance(found, Result) else found[0]


def test_stopped_and_on_another_port_are_told_apart(tmp_path: Path) -> None:
    nowhere = lost(tmp_path, "refused")
    assert nowhere.message == "stopped: nothing listens at http://host.docker.internal:5273"
    everywhere = holders.Listener("0.0.0.0", 51211, 1)
    other = Sighting("http://127.0.0.1:51211", "127.0.0.1", 51211, "v2", listeners=[everywhere])
    moved = lost(tmp_path, "refused", [other])
    assert moved.message.startswith("wrong port: ")
    assert moved.message.endswith("Foundry Local answers on port 51211")
    assert moved.remedy is not None
    assert "Set FOUNDRY_URL=http://host.docker.internal:51211 in the environment" in moved.remedy


def test_a_silent_one_is_frozen_and_not_on_another_port(tmp_path: Path) -> None:
    other = Sighting("http://127.0.0.1:51211", "127.0.0.1", 51211, "v2")
    assert lost(tmp_path, "timed_out", [other]).message.startswith("frozen or overloaded: ")


@pytest.mark.parametrize("problem", ["timed_out", local.SOMETHING_ELSE])
def test_a_machine_without_the_command_line_is_not_sent_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problem: str
) -> None:
    monkeypatch.setattr("lib.doctor.local.shutil.which", lambda _: None)
    monkeypatch.setattr("lib.doctor.local.is_linux", lambda: True)
    remedy = lost(tmp_path, problem).remedy or ""
    assert "foundry_host.py" in remedy
    assert not re.search(r"foundry (?:server|service|model) ", remedy)


@pytest.mark.parametrize("command", ["/usr/bin/foundry", None])
def test_how_to_load_a_model_depends_on_where_it_is_to_be(
    monkeypatch: pytest.MonkeyPatch, command: str | None
) -> None:
    monkeypatch.setattr("lib.doctor.local.shutil.which", lambda _: command)
    one = Sighting("http://127.0.0.1:51211", "127.0.0.1", 51211, "v2")
    own = models.none_loaded("x", one, {}, embedded=True).remedy or ""
    assert own.endswith("docker compose restart foundry-local")
    here = models.none_loaded("x", one, {}).remedy or ""
    assert here.endswith("foundry model load x" if command else "/models/load/x")
    assert models.none_loaded("x", None, {}).remedy == "Ask a question in the chat"


# ---- The health probe ----------------------------------------------------------------------------


def probed(
    tmp_path: Path,
    *parts: dict[str, object],
    bad: dict[str, Result],
    alerts: Sequence[dict[str, object]] = (),
    not_known: str | None = None,
) -> Sequence[Result]:
    here = scene(tmp_path)
    said = {"items": alerts, "error": not_known, "told": not_known is None}
    status = {"status": "down", "version": "1", "parts": parts, "alerts": said}
    body = json.dumps(status).encode()
    here.remembered("reply of healthcheck", lambda: web.Reply(200, body=body))
    here.remembered("containers", list)
    here.remembered("present", lambda: ["gateway", "chainlit", "healthcheck"])
    for name, result in bad.items():
        here.note(name, [result])
    found = monitoring.check_probe(here)
    return [found] if isinstance(found, Result) else found


def down(name: str, reason: str) -> dict[str, object]:
    return {"name": name, "title": name, "state": "down", "reason": reason, "message": "m"}


FAILED = results.failed("x", "y")


@pytest.mark.parametrize(
    ("part", "cause"),
    [
        (down("foundry", "refused"), "foundry"),
        (down("chat", "no_answer"), "foundry"),
        (down("chat", "refused"), "gateway"),
        (down("gateway", "not_ready"), "models"),
        (down("chainlit-socket", "handshake_failed"), "chainlit-socket"),
        (down("chainlit", "refused"), "chainlit"),
    ],
)
def test_what_an_earlier_check_has_named_is_not_told_again(
    tmp_path: Path, part: dict[str, object], cause: str
) -> None:
    assert [one.state for one in probed(tmp_path, part, bad={cause: FAILED})] == ["info"]
    assert [one.state for one in probed(tmp_path, part, bad={"disk": FAILED})] == ["failed"]


def alert(severity: str, *parts: str, told: bool = False) -> dict[str, object]:
    texts = {"summary": "Answers break", "description": "", "remedy": "Mend it."}
    return {"name": "X", "severity": severity, "parts": parts, "told": told, **texts}


def test_an_alert_that_fires_is_told_and_not_twice(tmp_path: Path) -> None:
    states = {"page": "failed", "ticket": "warning"}
    for severity, state in states.items():
        (found,) = probed(tmp_path, bad={}, alerts=[alert(severity, "foundry")])
        assert (found.state, found.title, found.remedy) == (state, "Alert X", "Mend it.")
        assert "Answers break" in found.message
    cause = {"foundry": FAILED}
    assert [
        one.state for one in probed(tmp_path, bad=cause, alerts=[alert("page", "foundry")])
    ] == ["ok"]
    said = [alert("page", "foundry", told=True)]
    assert [one.state for one in probed(tmp_path, bad={}, alerts=said)] == ["ok"]


def test_that_nobody_knows_whether_an_alert_fires_is_a_warning(tmp_path: Path) -> None:
    (found,) = probed(tmp_path, bad={}, not_known="It cannot be read.")
    assert (found.state, found.title, found.message) == ("warning", "Alerts", "It cannot be read.")
    said = probed(tmp_path, bad={"prometheus": FAILED}, not_known="It cannot be read.")
    assert [one.state for one in said] == ["ok"]


def test_an_answer_that_is_slow_is_a_warning(tmp_path: Path) -> None:
    late = {"name": "chat", "title": "Chat", "state": "slow", "message": "It took 30 s."}
    (found,) = probed(tmp_path, late, bad={})
    assert (found.state, "30 s" in found.message) == ("warning", True)


def test_an_unloaded_model_that_was_warned_of_is_not_told_again(tmp_path: Path) -> None:
    warned = {"models": results.warning("no model is loaded", "load one")}
    unloaded = down("foundry", "no_model_loaded")
    assert [one.state for one in probed(tmp_path, unloaded, bad=warned)] == ["info"]
    stalled = down("chat", "stream_broken")
    assert [one.state for one in probed(tmp_path, stalled, bad=warned)] == ["failed"]


def test_parts_that_this_stack_does_not_have_are_left_out(tmp_path: Path) -> None:
    absent = down("grafana", "name_not_resolved")
    assert [one.state for one in probed(tmp_path, absent, bad={})] == ["ok"]


# ---- Prometheus and the clock --------------------------------------------------------------------

METRICS = """\
# TYPE prometheus_tsdb_wal_writes_failed_total counter
prometheus_tsdb_wal_writes_failed_total 3
prometheus_tsdb_compactions_failed_total 0
process_start_time_seconds 1
"""


def test_failed_writes_are_read_from_prometheus_own_metrics() -> None:
    assert monitoring.failed_writes(METRICS) == ["prometheus_tsdb_wal_writes_failed_total"]
    assert monitoring.failed_writes(METRICS.replace(" 3", " 0")) == []


@pytest.mark.parametrize(("text", "seconds"), [("15s", 15), ("1m30s", 90), ("250ms", 0.25)])
def test_prometheus_durations(text: str, seconds: float) -> None:
    assert monitoring.duration(text) == seconds


@pytest.mark.parametrize(
    ("at", "drift"), [(0.0, 0.0), (0.9, 0.0), (5.0, -4.0), (-3.0, 3.0), (1.5, -0.5)]
)
def test_a_clock_is_off_by_what_whole_seconds_cannot_explain(at: float, drift: float) -> None:
    date = "Sun, 22 Nov 2026 18:00:00 GMT"
    assert machine.drift_seconds(date, 1795370400 + at) == drift
    assert machine.drift_seconds("yesterday", 0) is None


# ---- A part that lets nobody in ------------------------------------------------------------------


def refused(status: int, body: str, content_type: str) -> web.Reply:
    return web.Reply(status, {"content-type": content_type}, body.encode())


@pytest.mark.parametrize("code", ["unknown_host", "not_local", "foreign_origin"])
def test_the_edges_refusal_is_its_own_and_passed_on(tmp_path: Path, code: str) -> None:
    said = {"message": "Not you. Go away.", "problem": "Not you.", "code": code}
    reply = refused(403, json.dumps({"error": {**said, "remedy": "Go away."}}), "application/json")
    assert parts.edge_speaks(reply)
    here = scene(tmp_path)
    here.remembered("present", lambda: ["gateway"])
    here.remembered("containers", list)
    here.remembered("reply of gateway", lambda: reply)
    told = pages.unanswered(here, parts.part("gateway"))
    assert told is not None
    assert (told.state, told.message, told.remedy) == ("failed", "Not you", "Go away.")


def test_a_refusal_in_words_is_passed_on(tmp_path: Path) -> None:
    here = scene(tmp_path)
    here.remembered("present", lambda: ["chainlit"])
    here.remembered("containers", lambda: [Container("chainlit", "running", "healthy", 0)])
    here.remembered("reply of chainlit", lambda: refused(403, "From here only.", "text/plain"))
    told = pages.unanswered(here, parts.part("chainlit"))
    assert told is not None
    assert told.message == "does not let this machine in: From here only."


def test_a_probe_that_is_busy_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [web.Reply(429), web.Reply(429), web.Reply(200, {}, b"\nprobe_success 1\n")]
    monkeypatch.setattr(web, "get", lambda *_: answers.pop(0))
    monkeypatch.setattr(monitoring, "BUSY_SECONDS", 0.01)
    assert not monitoring._is_still_down("http://127.0.0.1:1", {"module": "chat"})
    assert answers == []
