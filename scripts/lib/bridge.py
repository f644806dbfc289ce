"""Where a program on this machine listens so that the stack's containers reach it."""

import json
import shutil
import subprocess
import sys

from lib import console, kinds


def addresses(*, loopback: bool) -> list[str]:
    """Where to listen so that this machine and its containers, and nobody else, can call."""
    if loopback or not sys.platform.startswith("linux"):
        return ["127.0.0.1"]
    bridge = bridge_address()
    if bridge is None:
        console.note("no Docker bridge was found, so it listens for this machine only")
        return ["127.0.0.1"]
    console.note(f"containers reach it at {bridge}; a firewall must let them")
    return ["127.0.0.1", bridge]


def bridge_address() -> str | None:
    """The address that `host-gateway` names on Docker Engine; `None` where it is not needed.

    Docker Desktop for Linux runs its containers in a virtual machine and carries loopback into it.
    """
    if shutil.which("docker"):
        system = output("docker", "info", "--format", "{{.OperatingSystem}} {{.SecurityOptions}}")
        if "Docker Desktop" in system:
            return None
        if "name=rootless" in system:
            console.note(kinds.ROOTLESS.format(up="python3 scripts/up.py"))
            return None
        networks = output("docker", "network", "inspect", "bridge")
        try:
            for pool in json.loads(networks)[0]["IPAM"]["Config"]:
                if "." in pool.get("Gateway", ""):
                    return str(pool["Gateway"])
        except (ValueError, LookupError, TypeError):
            pass
    # Without permission to ask the engine, the kernel still knows its interface.
    words = output("ip", "-4", "-oneline", "address", "show", "docker0").split()
    return words[words.index("inet") + 1].partition("/")[0] if "inet" in words else None


def output(*command: str) -> str:
    """What a command prints; nothing when it is absent, fails or takes too long."""
    try:
        done = subprocess.run(
            command,
            check=True,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout
