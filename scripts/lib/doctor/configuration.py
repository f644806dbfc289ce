"""The user's settings: readable, known by name, and of values that can be used."""

from lib import composed, judgement
from lib.doctor.results import Check, Result, failed, info, ok
from lib.doctor.scene import Scene
from lib.environment import ROOT

FILES = ("compose.yaml", ".env.example", "scripts/up.py", "services/gateway/Dockerfile")


def check_settings(scene: Scene) -> Result | list[Result]:
    """The files of the stack are there, and .env says something that can be used."""
    lacking = [name for name in FILES if not (ROOT / name).exists()]
    if lacking:
        return failed(
            f"missing in {ROOT}: {', '.join(lacking)}", "Get it back with: git checkout ."
        )
    settings = scene.settings
    path = settings.path
    wrong = judgement.problems(settings) or composed.disagreements(settings)
    found = [Result("failed", one.message, one.remedy, about=one.setting) for one in wrong]
    found += [
        Result("warning", one.message, one.remedy, about=one.setting)
        for one in judgement.warnings(settings)
    ]
    if found:
        return found
    own = settings.own_names()
    facts = {"file": path.name, "exists": path.exists(), "set": sorted(own)}
    if not own:
        return ok(f"none of your own in {path.name}: the defaults", **facts)
    return ok(f"{path.name} sets {', '.join(sorted(own))}", **facts)


def check_reach(scene: Scene) -> Result:
    """Who else than this machine reaches the ports, by the address they are published on."""
    opens = judgement.opened(scene.settings)
    if not opens:
        return ok("only this machine reaches the stack", bind_address="loopback")
    return info(f"{opens}. 127.0.0.1 keeps it to this machine", bind_address="network")


CHECKS = (
    Check(
        "settings",
        "Settings",
        "This machine",
        check_settings,
        otherwise="the settings cannot be used",
    ),
    Check("reach", "Reach", "This machine", check_reach, needs=("settings",)),
)
