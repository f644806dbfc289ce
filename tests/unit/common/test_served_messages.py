"""The messages that nginx itself writes, at the edge and in front of the WebGPU page."""

from __future__ import annotations

import re

import pytest

from support.foundry import ROOT
from support.sentences import complaints

FILES = (
    "services/edge/errors.conf",
    "services/edge/pages/unavailable.conf",
    "services/webgpu-static/errors.conf",
)
SENTENCE = re.compile(r"\"([A-Z][^\"{}]{12,}[^\"{}])\"")
VALUES = {
    "own_host": "localhost:8000",
    "server_name": "open-webui",
    "service_title": "Open WebUI",
    "largest_body": "64 MB",
}


def said_in(name: str) -> list[str]:
    """Every sentence of a configuration, as it is sent."""
    text = (ROOT / name).read_text(encoding="utf-8")
    text = re.sub(r"(?m)^\s*#.*$", "", text)
    found = [one for one in SENTENCE.findall(text) if " " in one]
    return [re.sub(r"\$(\w+)", lambda name: VALUES.get(name[1], name[0]), one) for one in found]


@pytest.mark.parametrize("name", FILES)
def test_every_message_is_short_and_asks_for_one_thing(name: str) -> None:
    said = said_in(name)
    assert said
    # Titles have no full stop, and neither has what ends in a command to be copied.
    wrong = [one for text in said for one in complaints(text) if not one.startswith("no full stop")]
    assert wrong == []
