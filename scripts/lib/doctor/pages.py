"""The gateway and the pages in front of it, each as a browser on this machine meets it."""

from collections.abc import Callable
from typing import Any

from lib import holders
from lib.addresses import port_of
from lib.doctor import web
from lib.doctor.local import configured_origins, listeners
from lib.doctor.parts import OK, Part, edge_speaks, part
from lib.doctor.results import Check, Result, failed, ok, skipped, warning
from lib.doctor.scene import Scene
from lib.doctor.socket_io import HandshakeError, shake_hands

GROUP = "The stack"
REFUSED = frozenset({403, 421})
LONGEST_REFUSAL = 300
"""Bytes of what the edge says to people."""


def unanswered(scene: Scene, one: Part) -> Result | None:
    """What is wrong when a part does not answer as itself; None when it does."""
    why_not = _nothing_to_ask(scene, one)
    if why_not:
        return skipped(why_not)
    reply = scene.reply(one)
    if edge_speaks(reply):
        return _as_the_edge_says(scene, one)
    if one.recognises(reply):
        return None
    url = scene.url(one)
    facts = {"url": url, "status": reply.status or None, "problem": reply.problem or None}
    logs = f"docker compose logs {one.name}"
    restart = f"docker compose restart {one.name}   (what it said: {logs})"
    if reply.problem == "refused":
        start = f"docker compose up -d {one.name}   (what it said: {logs})"
        return failed(f"nothing listens at {url}", start, **facts)
    if reply.problem == "timed_out":
        return _silent(scene, one, restart, facts)
    return _unlike_itself(one, reply, url, facts)


def _unlike_itself(one: Part, reply: web.Reply, url: str, facts: dict[str, Any]) -> Result:
    """A part that answers otherwise than when it is well; the edge's refusals to people too."""
    logs = f"docker compose logs {one.name}"
    if reply.status in REFUSED and reply.headers.get("content-type", "").startswith("text/plain"):
        words = reply.body[:LONGEST_REFUSAL].decode("utf-8", "replace").strip()
        mend = f"Mend what it says, then: docker compose up -d   (see {logs} too)"
        return failed(f"does not let this machine in: {words}", mend, **facts)
    what = f"{one.path} answers {reply.status}, which is not what it says when well"
    restart = f"docker compose restart {one.name}   (what it said: {logs})"
    return failed(f"{url}: {web.PROBLEMS.get(reply.problem, what)}", restart, **facts)


def _nothing_to_ask(scene: Scene, one: Part) -> str:
    """Why a part cannot be asked; empty when it can."""
    if one.name not in scene.present():
        return "it is not part of this stack"
    if scene.is_bad("containers", one.name):
        return "its container is not well"
    if scene.is_bad("containers", "edge"):
        return "the edge, which publishes every port, is not well"
    if scene.is_starting(one.name) and edge_speaks(scene.reply(one)):
        return "it is still starting"
    if scene.is_bad("ports", one.name):
        return "another program holds its port"
    # By hand, outside containers, one starts what one wants; everything else hangs on the gateway.
    by_hand = one.name != "gateway" and not scene.in_containers()
    return "it is not started" if by_hand and scene.reply(one).problem == "refused" else ""


def _as_the_edge_says(scene: Scene, one: Part) -> Result:
    """The edge's own words about a service that does not answer it, or a name it does not know."""
    reply = scene.reply(one)
    remedy = str(reply.error.get("remedy", ""))
    message = str(reply.error.get("message", "")).removesuffix(remedy)
    said = str(reply.error.get("problem") or message)
    facts = {"url": scene.url(one), "status": reply.status, "code": reply.error.get("code")}
    if reply.error.get("code") == "service_unavailable":
        remedy = f"docker compose up -d {one.name}   (what it said: docker compose logs {one.name})"
        said = said.partition(". ")[0]
    return failed(said.strip(" ."), remedy, **facts)


def _silent(scene: Scene, one: Part, restart: str, facts: dict[str, Any]) -> Result:
    """A part that accepts connections and says nothing: frozen, where the system tells."""
    port = port_of(scene.settings, one.address)
    frozen = next((who for who in holders.on(port, listeners(scene)) if who.stopped), None)
    if frozen:
        message = f"frozen: {frozen} is stopped and answers nothing"
        return failed(message, f"kill -CONT {frozen.pid}", **facts)
    message = f"frozen or overloaded: {scene.url(one)} accepts connections but does not answer"
    return failed(message, restart, **facts)


def check_gateway(scene: Scene) -> Result | list[Result]:
    """The gateway answers, and says what it thinks itself is wrong."""
    wrong = unanswered(scene, part("gateway"))
    if wrong is not None:
        return wrong
    status = scene.gateway_status()
    queue = status["queue"]
    facts: dict[str, Any] = {
        "version": status["version"],
        "ready": status["ready"],
        "status": status["status"],
        "queue": queue,
        "last_error": status["last_error"],
    }
    found = [_gateways_own_word(scene, status, facts)]
    if queue["waiting"] and queue["waiting"] >= queue["max_waiting"]:
        message = f"its queue is full: {queue['active']} run, {queue['waiting']} wait"
        remedy = (
            "Wait, or raise GATEWAY_MAX_CONCURRENCY or GATEWAY_MAX_QUEUE in .env, then: "
            "docker compose up -d"
        )
        found.append(Result("warning", message, remedy, {"queue": queue}, about="queue"))
    known = {one["url"] for one in status["upstreams"]}
    unknown = [url for url in configured_origins(scene) if url not in known]
    if unknown:
        message = f"was started before FOUNDRY_URL named {unknown[0]}"
        found.append(Result("warning", message, "docker compose up -d", about="settings"))
    error = status["last_error"]
    if error:
        message = f"last trouble, at {error['at']}: {error['message']}"
        about = {"code": error["code"], "cause": error["cause"], "at": error["at"]}
        found.append(Result("info", message, error["remedy"], about, about="last-error"))
    return found


def _gateways_own_word(scene: Scene, status: Any, facts: dict[str, Any]) -> Result:
    queue = status["queue"]
    running = f"version {status['version']}, {queue['active']} of {queue['limit']} places in use"
    if status["ready"] and status["status"] == "ok":
        return ok(f"ready: {running}", **facts)
    errors = [one["error"] for one in status["upstreams"] if one["error"]]
    error = errors[0] if errors else status["last_error"]
    if status["ready"]:
        why = error["message"] if error else "a preferred Foundry Local is away"
        return warning(f"answers, but {why}", (error or {}).get("remedy", ""), **facts)
    if any(map(scene.is_bad, ("foundry", "foundry-from-containers", "models"))):
        return Result("ok", f"runs, and waits for Foundry Local: {running}", facts=facts)
    if error:
        return failed(f"cannot answer a chat: {error['message']}", error["remedy"], **facts)
    return failed("cannot answer a chat", f"See {scene.url(part('gateway'))}/status.", **facts)


def page(name: str) -> Callable[[Scene], Result]:
    """A check that a page is served."""

    def look(scene: Scene) -> Result:
        one = part(name)
        wrong = unanswered(scene, one)
        if wrong is not None:
            return wrong
        if scene.reply(one).status != OK:
            restart = f"docker compose restart {name}"
            return failed(f"it is not ready (status {scene.reply(one).status})", restart)
        return ok(
            f"answers at {scene.url(one).replace('127.0.0.1', 'localhost')}", url=scene.url(one)
        )

    return look


def check_chainlit_socket(scene: Scene) -> Result:
    """A chat's page works through a socket; a served page alone answers nobody."""
    url = scene.url(part("chainlit"))
    try:
        shake_hands(url)
    except HandshakeError as error:
        return failed(
            f"the page is served, but its socket is dead: {error} (at the step {error.step}); "
            f"nobody can chat there",
            "docker compose restart chainlit   (if it stays so: docker compose restart edge)",
            url=url,
            step=error.step,
            reason="handshake_failed",
        )
    return ok("connects as the page does", url=url)


CHECKS = (
    Check(
        "gateway",
        "Gateway",
        GROUP,
        check_gateway,
        needs=("stack",),
        after=("foundry", "foundry-from-containers", "models", "ports", "containers"),
    ),
    Check(
        "chainlit",
        "Chat",
        GROUP,
        page("chainlit"),
        needs=("stack",),
        after=("ports", "containers"),
        otherwise="its page is not served",
    ),
    Check("chainlit-socket", "Chat's socket", GROUP, check_chainlit_socket, needs=("chainlit",)),
    Check(
        "open-webui",
        "Open WebUI",
        GROUP,
        page("open-webui"),
        needs=("stack",),
        after=("ports", "containers"),
    ),
    Check(
        "webgpu",
        "WebGPU page",
        GROUP,
        page("webgpu-static"),
        needs=("stack",),
        after=("ports", "containers"),
    ),
)
