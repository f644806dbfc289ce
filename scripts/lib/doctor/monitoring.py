"""The health probe, Prometheus and Grafana: reachable, and what they themselves say is wrong."""

import json
import re
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote, urlencode

from lib.doctor import web
from lib.doctor.pages import GROUP, unanswered
from lib.doctor.parts import OK, PARTS, edge_speaks, part
from lib.doctor.results import Check, Result, State, failed, info, ok, skipped
from lib.doctor.scene import Scene

USUAL_INTERVAL_SECONDS = 15.0
UNAVAILABLE = 503
BUSY = 429
BUSY_SECONDS = 2.0
CONFIRM_SECONDS = 10.0
MISSED = 3
"""Scrapes that may be missing before a Prometheus that can write counts as not recording."""
GRACE_SECONDS = 2.0
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_RUNTIME = ("foundry", "foundry-from-containers", "models")
SERVICES = {"chainlit-socket": "chainlit", "webgpu": "webgpu-static"}
"""The services behind the probe's parts, where the names differ."""
CAUSES = {"foundry": _RUNTIME, "gateway": (*_RUNTIME, "gateway"), "chat": (*_RUNTIME, "gateway")}
"""Which of our checks name the cause of what the probe's part of this name sees."""
ABOUT_MODELS = {"no_models", "no_model_loaded", "model_missing"}
SKIPPED = re.compile(rb"^probe_skipped_due_to_reason\{[^}]*\} 1", re.MULTILINE)
FAILED_WRITES = re.compile(
    r"^(prometheus_tsdb_(?:wal_writes|wal_truncations|checkpoint_creations|compactions|head_truncations)"
    r"_failed_total)(?:\{[^}]*\})? (\S+)$",
    re.MULTILINE,
)


def check_probe(scene: Scene) -> Result | list[Result]:
    """What the health probe finds from inside, one line for each part that is down."""
    one = part("healthcheck")
    wrong = unanswered(scene, one)
    if wrong is not None:
        return wrong
    status = scene.reply(one).json
    facts = {"status": status.get("status"), "version": status.get("version")}
    down = [each for each in status["parts"] if each.get("state") == "down"]
    down = [each for each in down if _is_present(scene, each)]
    news = [each for each in down if not _is_told(scene, each)]
    with ThreadPoolExecutor(max(1, len(news))) as asking:
        confirmed = list(asking.map(lambda each: _is_still_down(scene.url(one), each), news))
    over = [each for each, still in zip(news, confirmed, strict=True) if not still]
    down = [each for each in down if each not in over]
    news = [each for each in news if each not in over]
    facts["alerts"] = [str(each.get("name")) for each in _alerts(status)]
    slow = [_slow(each) for each in status["parts"] if each.get("state") == "slow"]
    alerts = [_fires(each) for each in _alerts(status) if not _is_alert_told(scene, each)]
    alerts += _not_known(scene, status)
    if news or slow or alerts:
        return [*(_down(each) for each in news), *slow, *alerts]
    if down:
        said = ", ".join(f"{each['title']} ({each.get('reason')})" for each in down)
        reasons = {str(each["name"]): each.get("reason") for each in down}
        return info(f"sees what is said above as well: {said}", **facts, down=reasons)
    if status.get("status") == "starting":
        return info("has just been started and has not asked everything yet", **facts)
    up = sum(each.get("state") == "up" for each in status["parts"]) + len(over)
    kept = [each for each in status["parts"] if each.get("state") == "skipped"]
    rest = "".join(f"; {each['title']}: {each.get('message') or 'skipped'}" for each in kept)
    return ok(f"all of the {up} things it asks are up{rest}", **facts)


def _is_present(scene: Scene, each: Mapping[str, Any]) -> bool:
    """Whether this stack has the part at all; the probe asks for some that it may lack."""
    service = SERVICES.get(str(each["name"]), str(each["name"]))
    return service in scene.present() or service not in {one.name for one in PARTS}


def _is_told(scene: Scene, each: Mapping[str, Any]) -> bool:
    """Whether an earlier check has named the cause of what the probe sees."""
    name = str(each["name"])
    service = SERVICES.get(name, name)
    if each.get("reason") in ABOUT_MODELS and scene.is_bad("models", or_warned=True):
        return True
    causes = CAUSES.get(name, (name,))
    bad = (scene.is_bad(one) or scene.is_bad("containers", one) for one in (*causes, service))
    return scene.is_starting(service) or any(bad)


def _alerts(status: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The alerts that fire and say more than the probe's own parts."""
    items = (status.get("alerts") or {}).get("items") or ()
    return [each for each in items if not each.get("told")]


def _is_alert_told(scene: Scene, alert: Mapping[str, Any]) -> bool:
    """Whether an earlier check has named the cause of an alert."""
    return any(_is_told(scene, {"name": name}) for name in alert.get("parts") or ())


def _not_known(scene: Scene, status: Mapping[str, Any]) -> list[Result]:
    """That nobody can say whether an alert fires, where no other finding says so."""
    alerts = status.get("alerts") or {}
    if alerts.get("told") is not False or scene.is_bad("prometheus"):
        return []
    remedy = "docker compose logs --tail 50 prometheus"
    return [Result("warning", str(alerts.get("error")), remedy, {}, "alerts", "Alerts")]


def _fires(alert: Mapping[str, Any]) -> Result:
    state: State = "failed" if alert.get("severity") == "page" else "warning"
    since = f" since {alert['since']}" if alert.get("since") else ""
    message = f"fires{since}: {alert.get('summary')}. {alert.get('description') or ''}".strip()
    remedy = alert.get("remedy") or "docs/alerts.md says what it means"
    name = str(alert.get("name"))
    facts = {key: alert.get(key) for key in ("severity", "since", "parts")}
    return Result(state, message, remedy, facts, f"alert-{name}", f"Alert {name}")


def _slow(each: Mapping[str, Any]) -> Result:
    message = f"slow: {each.get('message') or 'it answers, but late'}"
    return Result("warning", message, each.get("remedy"), {}, str(each["name"]), str(each["title"]))


def _is_still_down(probe_url: str, each: Mapping[str, Any]) -> bool:
    """Have the probe look again: its last word may be old, on the chat a minute."""
    query = urlencode({"module": each.get("module") or "", "target": each.get("target") or ""})
    until = time.monotonic() + CONFIRM_SECONDS
    while True:
        left = max(until - time.monotonic(), 1.0)
        reply = web.get(f"{probe_url}/probe?{query}", left)
        if reply.status != BUSY or until - time.monotonic() < BUSY_SECONDS:
            break
        time.sleep(BUSY_SECONDS)  # somebody else has it look already
    answered = reply.status == OK and b"probe_success " in reply.body
    fails_now = b"\nprobe_success 0" in reply.body and not SKIPPED.search(reply.body)
    return fails_now or not answered


def _down(each: Mapping[str, Any]) -> Result:
    since = f" since {each['since']}" if each.get("since") else ""
    reason = f" ({each['reason']})" if each.get("reason") else ""
    message = f"down{since}{reason}: {each.get('message') or 'no more is known'}"
    remedy = each.get("remedy") or "docker compose logs healthcheck"
    facts = {name: each.get(name) for name in ("target", "since", "reason", "facts")}
    return Result("failed", message, remedy, facts, str(each["name"]), str(each["title"]))


def check_prometheus(scene: Scene) -> Result:
    """Prometheus is ready, and what it scrapes reaches its disk."""
    one = part("prometheus")
    wrong = unanswered(scene, one)
    url = scene.url(one)
    if wrong is not None:
        reply = scene.reply(one)
        if reply.status == UNAVAILABLE and wrong.state == "failed" and not edge_speaks(reply):
            wait = "Wait a minute: it reads its log. If it stays so: docker compose logs prometheus"
            return failed(f"is not ready (status {reply.status})", wait, url=url)
        return wrong
    metrics = web.get(f"{url}/metrics").body.decode("utf-8", "replace")
    written = failed_writes(metrics)
    age, interval = newest_sample_age(url), scrape_interval(url)
    facts = {
        "url": url,
        "newest_sample_age_seconds": age,
        "scrape_interval_seconds": interval,
        "failed_writes": written,
    }
    if written and (age is None or age > interval + GRACE_SECONDS):
        return failed(
            f"cannot write to its storage ({', '.join(written)}): its disk is full, most likely",
            "Free some space (`docker system df` shows what Docker keeps), or set a smaller "
            "PROMETHEUS_RETENTION_SIZE in .env; then: docker compose up -d --force-recreate "
            "prometheus",
            **facts,
            reason="storage_failed",
        )
    late = MISSED * interval + GRACE_SECONDS
    if age is None and uptime(metrics) < late:
        return ok("ready; it has only just started", **facts)
    if age is None or age > late:
        since = "for minutes" if age is None else f"for {age:.0f} s"
        return failed(
            f"is ready, but has recorded nothing {since}",
            "docker compose logs prometheus   (then: docker compose restart prometheus)",
            **facts,
            reason="not_recording",
        )
    return ok(f"ready and recording, newest sample {age:.0f} s old", **facts)


def failed_writes(metrics: str) -> list[str]:
    """The counters of failed writes that are above zero, from Prometheus's own metrics."""
    return [name for name, value in FAILED_WRITES.findall(metrics) if float(value) > 0]


def newest_sample_age(url: str) -> float | None:
    """Seconds since Prometheus last recorded anything; None where that is minutes ago or never."""
    reply = web.get(f"{url}/api/v1/query?query={quote('max(timestamp(up))')}")
    try:
        result = json.loads(reply.body)["data"]["result"]
        return max(0.0, time.time() - float(result[0]["value"][1])) if result else None
    except (ValueError, LookupError, TypeError):
        return None


def scrape_interval(url: str) -> float:
    """The shortest interval of all that Prometheus scrapes, in seconds."""
    answer = web.get(f"{url}/api/v1/targets?state=active").json
    try:
        targets = answer["data"]["activeTargets"]
        intervals = [duration(target["scrapeInterval"]) for target in targets]
    except (LookupError, TypeError):
        intervals = []
    return min((one for one in intervals if one > 0), default=USUAL_INTERVAL_SECONDS)


def duration(text: str) -> float:
    """A duration as Prometheus writes it (`1m30s`) in seconds."""
    return sum(int(n) * UNITS[unit] for n, unit in re.findall(r"(\d+)(ms|[smhd])", text))


def uptime(metrics: str) -> float:
    """Seconds since a process has started, by its own metrics; endless where they do not tell."""
    found = re.search(r"^process_start_time_seconds (\S+)$", metrics, re.MULTILINE)
    return time.time() - float(found[1]) if found else float("inf")


def check_grafana(scene: Scene) -> Result:
    """Grafana answers and its database does; or this stack was built without it."""
    one = part("grafana")
    offline = "compose.offline.yaml" in scene.settings.get("COMPOSE_FILE")
    if "grafana" not in scene.present():
        if offline:
            return info(
                "not built: no package of it exists without a registry; the status page stands in"
            )
        return skipped("it is not part of this stack")
    wrong = unanswered(scene, one)
    if wrong is not None and not scene.docker_answers() and edge_speaks(scene.reply(one)):
        return info("stopped, or not built; which, only Docker could tell")
    if wrong is not None:
        return wrong
    database = scene.reply(one).json.get("database")
    if database != "ok":
        remedy = "docker compose logs grafana   (is the disk full? `docker system df`)"
        return failed(f"its database is {database!r}", remedy)
    return ok(f"answers at {scene.url(one).replace('127.0.0.1', 'localhost')}", url=scene.url(one))


CHECKS = (
    Check("prometheus", "Prometheus", GROUP, check_prometheus, ("stack",), ("ports", "containers")),
    Check("grafana", "Grafana", GROUP, check_grafana, ("stack",), ("ports", "containers")),
    Check(
        "healthcheck",
        "Health probe",
        GROUP,
        check_probe,
        needs=("stack",),
        after=(
            *("foundry", "foundry-from-containers", "models", "ports", "containers", "gateway"),
            *("chainlit", "chainlit-socket", "open-webui", "webgpu", "prometheus", "grafana"),
        ),
    ),
)
