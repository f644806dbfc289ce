"""The machine: settings, room on the disk, memory, accelerators, the clock."""

import ctypes
import email.utils
import platform
import shutil
import sys
from pathlib import Path
from typing import Any

from lib.doctor.parts import PARTS
from lib.doctor.results import Check, Result, info, ok, skipped, warning
from lib.doctor.scene import Scene
from lib.doctor.shell import ask, is_linux
from lib.environment import ROOT
from lib.requirements import NEEDED_DISK_BYTES, NEEDED_DISK_BYTES_OFFLINE, NEEDED_MEMORY_BYTES

GROUP = "This machine"
FULL_BYTES = 1024**3
"""With less than this, databases and downloads begin to fail."""
LARGEST_DRIFT_SECONDS = 2.0
VENDORS = {"0x10de": "NVIDIA", "0x1002": "AMD", "0x8086": "Intel"}
PRUNE = "`docker system prune` removes what Docker no longer uses; `docker system df` shows what."


def check_disk(scene: Scene) -> Result:
    """Room where this checkout is, and where Docker keeps images and volumes."""
    places = {"this folder": ROOT}
    root = Path(str(scene.docker_info().get("DockerRootDir") or "-"))
    if root.is_dir() and not scene.in_virtual_machine():
        places["Docker"] = root
    free = {name: shutil.disk_usage(path).free for name, path in places.items()}
    built = bool(
        scene.docker_answers() and ask(["docker", "images", "-q", "foundry-chat/gateway"]).out
    )
    offline = "compose.offline.yaml" in scene.settings.get("COMPOSE_FILE")
    to_build = NEEDED_DISK_BYTES_OFFLINE if offline else NEEDED_DISK_BYTES
    needed = FULL_BYTES if built else to_build
    said = ", ".join(f"{size / 1e9:.0f} GB free for {name}" for name, size in free.items())
    facts: dict[str, Any] = {"free_bytes": free, "needed_bytes": needed}
    least = min(free.values())
    if least < FULL_BYTES:
        message = f"{said}; databases and downloads fail below {FULL_BYTES / 1e9:.0f} GB"
        return Result("failed", message, f"Free some space. {PRUNE}", facts)
    if least < needed:
        message = f"{said}; the images need {needed / 1e9:.0f} GB"
        return Result("warning", message, f"Free some space. {PRUNE}", facts)
    return ok(said, **facts)


def check_memory(scene: Scene) -> Result:
    """Memory of this machine, and how much of it Docker may use."""
    total, available = memory()
    for_docker = int(scene.docker_info().get("MemTotal") or 0)
    facts = {"total_bytes": total, "available_bytes": available, "docker_bytes": for_docker}
    said = f"{total / 1e9:.0f} GB" if total else "unknown"
    if available is not None:
        said += f", {available / 1e9:.1f} GB of it free"
    if for_docker and (not total or for_docker < 0.95 * total):
        said += f"; Docker may use {for_docker / 1e9:.1f} GB"
    advisable = f"{NEEDED_MEMORY_BYTES / 1e9:.0f} GB are advisable"
    if for_docker and for_docker < NEEDED_MEMORY_BYTES:
        give = "Give Docker more: Docker Desktop, Settings, Resources."
        if sys.platform == "win32":
            file = "%UserProfile%\\.wslconfig"
            give = f"Give Docker more: `memory=6GB` below [wsl2] in {file}, then: wsl --shutdown"
        return Result("warning", f"{said}; {advisable}", give, facts)
    if total and total < NEEDED_MEMORY_BYTES:
        message = f"{said}; {advisable}"
        return Result("warning", message, "Choose a small MODEL, such as qwen2.5-0.5b.", facts)
    return ok(said, **facts)


def memory() -> tuple[int | None, int | None]:
    """This machine's memory and what of it is free, in bytes; None where it does not tell."""
    if is_linux():
        text = Path("/proc/meminfo").read_text(encoding="ascii")
        sizes = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in text.splitlines()}
        return sizes.get("MemTotal"), sizes.get("MemAvailable")
    if sys.platform == "win32":
        return _windows_memory()
    said = ask(["sysctl", "-n", "hw.memsize"]).out.strip()
    return (int(said) if said.isdigit() else None), None


def _windows_memory() -> tuple[int | None, int | None]:
    """From GlobalMemoryStatusEx: https://learn.microsoft.com/windows/win32/api/sysinfoapi/."""
    # Its structure: two 32-bit numbers (its own size, load in per cent) and seven 64-bit ones.
    buffer = (ctypes.c_uint64 * 8)()
    buffer[0] = ctypes.sizeof(buffer)
    kernel = getattr(ctypes, "windll").kernel32  # noqa: B009 - other systems' stubs lack it
    if not kernel.GlobalMemoryStatusEx(ctypes.byref(buffer)):
        return None, None
    return int(buffer[1]), int(buffer[2])


def check_gpu(_scene: Scene) -> Result:
    """Accelerators that Foundry Local on this machine may use. Tells, judges nothing."""
    names = nvidia_gpus() or other_gpus()
    npu = platform.machine() in {"ARM64", "aarch64"} and sys.platform == "win32"
    names += ["NPU of this processor (through QNN)"] if npu else []
    if not names:
        return info("none found; Foundry Local answers on the processor", gpus=[])
    where = "Foundry Local on this machine can use it; in a container it runs on the processor"
    return info(f"{', '.join(names)}: {where}", gpus=names)


def nvidia_gpus() -> list[str]:
    """What NVIDIA's own tool lists."""
    query = ["--query-gpu=name,memory.total", "--format=csv,noheader"]
    said = ask(["nvidia-smi", *query], seconds=8)
    return [line.strip().replace(", ", " ") for line in said.out.splitlines()] if said.ok else []


def other_gpus() -> list[str]:
    """Display adapters as the system lists them."""
    if sys.platform == "win32":
        command = "(Get-CimInstance Win32_VideoController).Name"
        said = ask(["powershell", "-NoProfile", "-Command", command], seconds=12)
        return [
            f"{line.strip()} (through DirectML)" for line in said.out.splitlines() if line.strip()
        ]
    if sys.platform == "darwin":
        return ["Apple GPU (through WebGPU)"] if platform.machine() == "arm64" else []
    found = []
    for path in sorted(Path("/sys/class/drm").glob("card[0-9]*/device/vendor")):
        vendor = path.read_text(encoding="ascii").strip()
        if vendor in VENDORS:
            found.append(f"{VENDORS[vendor]} GPU")
    return list(dict.fromkeys(found))


def check_clock(scene: Scene) -> Result:
    """This machine's clock against the containers', by what they date their answers."""
    drifts = []
    for part in PARTS:
        reply = scene.reply(part) if part.name in scene.present() else None
        if reply is not None and reply.status and part.is_ours(reply):
            drift = drift_seconds(reply.headers.get("date", ""), reply.at)
            drifts += [] if drift is None else [drift]
    if not drifts:
        return skipped("nothing of the stack answers with a date")
    drift = min(drifts, key=abs)
    if abs(drift) <= LARGEST_DRIFT_SECONDS:
        return ok("the containers' and this machine's agree", drift_seconds=drift)
    behind = "behind" if drift < 0 else "ahead of"
    remedy = "Synchronise this machine's clock, then: docker compose restart"
    if scene.in_virtual_machine():
        remedy = "Restart Docker Desktop" + (
            " (on Windows first: wsl --shutdown)." if sys.platform == "win32" else "."
        )
    return warning(
        f"the containers' clock is {abs(drift):.0f} s {behind} this machine's; figures and alerts "
        f"are dated wrong",
        remedy,
        drift_seconds=drift,
    )


def drift_seconds(date: str, at: float) -> float | None:
    """How far a `Date` field is from the moment it arrived; it counts whole seconds only."""
    try:
        told = email.utils.parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError):
        return None
    difference = at - told
    return (
        0.0 if 0 <= difference < 1 else round(-difference if difference < 0 else 1 - difference, 1)
    )


CHECKS = (
    Check("disk", "Disk", GROUP, check_disk, after=("docker",)),
    Check("memory", "Memory", GROUP, check_memory, after=("docker",)),
    Check("gpu", "Accelerator", GROUP, check_gpu),
)
CLOCK = Check("clock", "Clock", "The stack", check_clock, needs=("stack",))
