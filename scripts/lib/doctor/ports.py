"""The published ports: free, ours, or taken, and then by whom."""

from lib import foundry, holders
from lib.addresses import bind_address, is_free, not_here, port_of
from lib.doctor.local import listeners
from lib.doctor.parts import PARTS, Part
from lib.doctor.results import Check, Result, failed, ok
from lib.doctor.scene import Scene
from lib.doctor.shell import script


def check_ports(scene: Scene) -> Result | list[Result]:
    """Every port of this stack is free or its own."""
    lost = not_here(scene.settings)
    if lost is not None:
        return failed(*lost)
    host = str(bind_address(scene.settings))
    parts = [one for one in PARTS if one.name in scene.present()]
    wrong = [result for one in parts if (result := _taken(scene, host, one))]
    if wrong:
        return wrong
    ours = [port_of(scene.settings, one.address) for one in parts if _is_ours(scene, one)]
    ports = [port_of(scene.settings, one.address) for one in parts]
    said = ", ".join(map(str, ports))
    if not ours:
        return ok(f"{said} are free", ports=ports)
    free = [port for port in ports if port not in ours]
    rest = f"; {', '.join(map(str, free))} not in use" if free else ""
    return ok(f"{', '.join(map(str, ours))} belong to this stack{rest}", ports=ports)


def _is_ours(scene: Scene, part: Part) -> bool:
    port = port_of(scene.settings, part.address)
    return scene.published().get(port) == scene.project or scene.is_ours(part)


def _taken(scene: Scene, host: str, part: Part) -> Result | None:
    """Who else holds a part's port; None where nobody does."""
    port = port_of(scene.settings, part.address)
    if _is_ours(scene, part):
        return None
    kept = foundry.is_wsl() and scene.in_virtual_machine() and holders.reserved(port)
    if is_free(host, port) and not kept:
        return None
    who = next(iter(holders.on(port, listeners(scene))), None)
    other = scene.published().get(port, "")
    facts = {
        "port": port,
        "setting": part.address.port_setting,
        "pid": who.pid if who else None,
        "program": who.name if who else None,
        "command": who.command[: holders.LONGEST_COMMAND] if who else None,
        "container_of": other or None,
    }
    title = f"Port {port}"
    if who and who.stopped and not other:
        message = f"port {port}, of {part.title}, is held by {who}, which is frozen"
        remedy = f"kill -CONT {who.pid}   (or {holders.how_to_end(who)}, with -KILL)"
        return Result("failed", message, remedy, facts | {"frozen": True}, part.name, title)
    if other:
        taken_by = f"a container of “{other}”"
        end = f"stop it (docker compose -p {other} stop)"
    else:
        taken_by = str(who) if who else "another program"
        end = holders.how_to_end(who) if who else "end that program"
    is_what = f"taken by {taken_by}"
    unseen = None if other or (who and who.pid not in {None, 1}) else holders.unseen(port)
    if unseen:
        is_what, end = unseen.what, unseen.remedy
    return Result(
        "failed",
        f"port {port}, wanted for {part.title}, is {is_what}",
        f"{end[:1].upper()}{end[1:]}, or set {part.address.port_setting} in "
        f"{scene.settings.place(part.address.port_setting)} to a free port; then: "
        f"{script('up.py')}",
        facts,
        about=part.name,
        title=title,
    )


CHECKS = (
    Check("ports", "Ports", "This machine", check_ports, needs=("settings",), after=("docker",)),
)
