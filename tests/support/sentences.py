"""What every message that people read must hold to: length, addresses, commands, no C++."""

from __future__ import annotations

import re

LONGEST = 200
SERVICES = (
    "chainlit|docker-view|edge|foundry-local|gateway|grafana|healthcheck|open-webui|prometheus"
    "|secrets|webgpu-static"
)
CONTAINER_ADDRESS = re.compile(
    rf"//(?:{SERVICES})\b|(?<!FOUNDRY_URL=http://)host\.docker\.internal"
)
COMMAND = re.compile(r"`([^`]+)`")
NATIVE = re.compile(
    r"(?<!\[)::|\.(?:cc|cpp|h|cs):\d|\bstd\b|Exception|\) const|^\s*at \w", re.MULTILINE
)


def complaints(text: str, *, commands: int = 1) -> list[str]:
    """Return what is wrong with a message.

    Args:
        text: As it is shown.
        commands: How many commands it may name: one for each system that it is written for.
    """
    found = {
        f"more than {LONGEST} characters": len(text) > LONGEST,
        "no full stop at its end": not text.endswith((".", "?")) or text.endswith(".."),
        "the address of a container": bool(CONTAINER_ADDRESS.search(text)),
        f"more than {commands} command(s)": len(COMMAND.findall(text)) > commands,
        "an open backtick": text.count("`") % 2 == 1,
        "C++, a stack or a source file": bool(NATIVE.search(text)),
        "left-over marks": bool(re.search(r"\*\*|\]\(|None|\{|\}|  |\n", text)),
        "no capital at its start": not (text[:1].isupper() or text[:1] in "`'"),
    }
    return [f"{what}: {text}" for what, is_wrong in found.items() if is_wrong]
