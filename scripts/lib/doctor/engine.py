"""Docker and Compose: there, running, new enough, allowed; and what this stack is made of."""

import shutil

from lib import docker, kinds
from lib.compose import CONTROL_SEQUENCE, Container
from lib.doctor import container_view
from lib.doctor.results import Check, Result, failed, ok, skipped
from lib.doctor.scene import Scene
from lib.doctor.shell import COMPOSE_SECONDS, ask, script
from lib.environment import ROOT

ONE_SHOTS = {"secrets"}
"""Services whose container is meant to end."""


def check_docker(scene: Scene) -> Result:
    """The engine: installed, running, allowed, new enough."""
    if shutil.which("docker") is None:
        return failed("Docker is not installed", docker.how_to_install(), installed=False)
    client = ask(["docker", "--version"]).out
    said = scene.docker_version()
    server = kinds.read_object(said.out)
    unfit = kinds.obstacle(client, server, scene.docker_info(), docker.endpoint(), ROOT)
    if unfit is not None:
        what = unfit.problem.removesuffix(".")
        return failed(what, unfit.remedy, installed=True, running=bool(server))
    if said.timed_out:
        return failed(
            "the Docker engine does not answer (no word within 10 s)",
            f"Restart it: {docker.how_to_restart()}",
            installed=True,
            running=False,
        )
    if not scene.docker_answers():
        problem = docker.why_silent(said.err)
        return failed(problem.problem, problem.remedy, installed=True, running=False)
    version = str(server.get("Version", ""))
    facts = {
        "installed": True,
        "running": True,
        "version": version,
        "system": scene.docker_info().get("OperatingSystem"),
        "project": scene.project,
        "rootless": kinds.is_rootless(scene.docker_info()),
    }
    oldest = ".".join(map(str, docker.OLDEST_ENGINE))
    if docker.version_in(version) < docker.OLDEST_ENGINE:
        message = f"Engine {version} is too old; {oldest} or newer is expected"
        return Result("failed", message, docker.how_to_upgrade(), facts)
    where = "in a virtual machine" if scene.in_virtual_machine() else "on this machine's kernel"
    if facts["rootless"]:
        where += ", rootless"
    return ok(f"Engine {version} is running, {where}", **facts)


def check_compose(scene: Scene) -> Result:
    """Compose and Buildx: there and new enough; and the stack's files make sense to Compose."""
    found: dict[str, str] = {}
    for name in ("Compose", "Buildx"):
        compose = found.get("compose", "")
        oldest = docker.oldest_buildx(compose) if compose else docker.OLDEST_COMPOSE
        version = docker.version_in(docker.plugin_version(name.lower()))
        wanted = ".".join(map(str, oldest))
        if not version:
            return failed(
                f"Docker {name} is missing; {wanted} or newer is expected", docker.how_to_install()
            )
        found[name.lower()] = ".".join(map(str, version))
        if version < oldest:
            message = f"{name} {found[name.lower()]} is too old; {wanted} or newer is expected"
            return Result("failed", message, docker.how_to_upgrade(), found)
    read = ask(["docker", "compose", "config", "--quiet"], COMPOSE_SECONDS)
    if not read.ok:
        why = "did not end in time" if read.timed_out else read.last_line or "failed"
        return failed(
            f"Compose cannot read this stack's files: {why}",
            "Mend what it says in .env or the file it names, then look with: "
            "docker compose config --quiet",
            **found,
        )
    services = list(scene.services())
    return ok(
        f"{found['compose']}, and it understands the {len(services)} services",
        **found,
        services=services,
        files=scene.settings.get("COMPOSE_FILE", "compose.yaml"),
        profiles=scene.settings.get("COMPOSE_PROFILES"),
    )


def check_stack(scene: Scene) -> Result:
    """Whether the stack is started at all."""
    containers = scene.containers()
    if containers:
        running = sum(one.state == "running" for one in containers)
        return ok(f"started: {running} containers run", containers=len(containers))
    if scene.is_started():
        where = "outside containers" if scene.docker_answers() else "with containers out of sight"
        return ok(f"started, {where}: something of it answers at its ports", containers=0)
    if not scene.docker_answers():
        return skipped("Docker does not answer")
    return failed("not started", script("up.py"), containers=0)


def check_containers(scene: Scene) -> Result | list[Result]:
    """Whether each of its containers is well."""
    containers = scene.containers()
    if not containers:
        return skipped("none can be seen")
    starting = [one.service for one in containers if one.health == "starting"]
    problems = [
        _container_problem(one)
        for one in containers
        if not (is_well(one) or one.service in starting or _is_told(scene, one))
    ]
    present = {one.service for one in containers}
    problems += [
        Result(
            "failed",
            "it has no container",
            f"docker compose up -d {name}",
            {"service": name, "condition": "absent"},
            about=name,
            title=name,
        )
        for name in scene.services()
        if name not in present
    ]
    if problems:
        return problems
    if starting:
        message = f"still starting: {', '.join(starting)}"
        wait = "Wait a minute and look again; `docker compose ps` shows it too."
        return Result("warning", message, wait, {"starting": starting})
    said_above = any(not is_well(one) for one in containers)
    message = "all others are healthy" if said_above else "all healthy"
    return ok(message, services=sorted(present))


def _is_told(scene: Scene, one: Container) -> bool:
    """Whether the check of Foundry Local has named this container already."""
    if one.service != container_view.EMBEDDED:
        return False
    # Docker asks it every half a minute, the gateway every few seconds: the newer word counts.
    return scene.is_bad("foundry") or container_view.embedded_is_up(scene)


def is_well(one: Container) -> bool:
    """Whether a container does what it is for; one that has ended does so only as a one-shot."""
    return one.is_well and (one.state == "running" or one.service in ONE_SHOTS)


def condition(one: Container) -> str:
    """A container's condition in one word, as a sentence about it goes on."""
    if one.state == "running":
        return f"is {one.health or 'running'}"
    return one.word if one.state == "exited" and one.exit_code else f"is {one.state}"


def _container_problem(one: Container) -> Result:
    """One container that is not well, with the reason that the engine or its log gives."""
    service = one.service
    facts = {"service": service, "condition": one.state, "health": one.health}
    form = "{{.State.OOMKilled}}"
    id_ = ask(["docker", "compose", "ps", "--all", "--quiet", service]).out.strip()
    if id_ and ask(["docker", "inspect", "--format", form, id_]).out.strip() == "true":
        message = "it was ended because it had used up its memory limit"
        remedy = (
            "Give it more (EMBEDDED_MEMORY_LIMIT in .env for foundry-local, mem_limit in "
            f"compose.yaml for the others), then: docker compose up -d {service}"
        )
        return Result("failed", message, remedy, facts, about=service, title=service)
    if one.state == "paused":
        message, remedy = "the container is paused", f"docker compose unpause {service}"
        return Result("failed", message, remedy, facts, about=service, title=service)
    last = ""
    if one.exit_code or one.state == "restarting":
        tail = ["logs", "--no-color", "--no-log-prefix", "--tail", "3", service]
        said = CONTROL_SEQUENCE.sub("", ask(["docker", "compose", *tail]).out).strip().splitlines()
        last = f"; it said last: {said[-1][:160]}" if said else ""
    verb = "restart" if one.state == "running" else "up -d"
    remedy = f"docker compose {verb} {service}   (what it said: docker compose logs {service})"
    message = f"the container {condition(one)}{last}"
    return Result("failed", message, remedy, facts, about=service, title=service)


CHECKS = (
    Check(
        "docker",
        "Docker",
        "This machine",
        check_docker,
        after=("settings",),
        otherwise="Docker does not answer",
    ),
    Check("compose", "Compose", "This machine", check_compose, needs=("docker",)),
)
STACK = (
    Check(
        "stack",
        "Stack",
        "The stack",
        check_stack,
        needs=("settings",),
        after=("docker", "compose"),
        otherwise="the stack is not started",
    ),
    Check("containers", "Containers", "The stack", check_containers, ("stack",), ("foundry",)),
)
