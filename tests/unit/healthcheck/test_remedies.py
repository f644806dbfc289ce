from __future__ import annotations

import re
from dataclasses import replace
from itertools import product
from typing import get_args

import pytest

from foundry_common.remedies import CONTAINER, System
from foundry_healthcheck import remedies
from foundry_healthcheck.parts import parts
from foundry_healthcheck.reasons import REASONS, SKIPS
from foundry_healthcheck.settings import Settings
from support.sentences import complaints

EVERYTHING = Settings(
    embedded_url="http://foundry-local:51211",
    chainlit_url="http://chainlit:8080",
    open_webui_url="http://open-webui:8080",
    webgpu_url="http://webgpu-static:8080",
    prometheus_url="http://prometheus:9090",
    grafana_url="http://grafana:3000",
)


SYSTEMS = get_args(System)
ADDRESSES = ("http://host.docker.internal:51211", "http://10.0.0.5:5273", EVERYTHING.embedded_url)


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_reason_of_every_part_has_one_thing_to_do(system) -> None:
    settings = replace(EVERYTHING, host_system=system)
    wrong = []
    for part, reason, address in product(parts(EVERYTHING), REASONS, ADDRESSES):
        where = remedies.place(settings, address)
        remedy = remedies.find(part.service, reason, where)
        both = part.service == CONTAINER and not system and not where.embedded
        wrong += [
            f"{part.name}, {reason}: {one}" for one in complaints(remedy, commands=2 if both else 1)
        ]
    assert wrong == []


@pytest.mark.parametrize("part", parts(EVERYTHING), ids=lambda part: part.name)
@pytest.mark.parametrize("reason", REASONS)
def test_there_is_something_to_do_about_every_reason_of_every_part(part, reason) -> None:
    remedy = remedies.find(part.service, reason, remedies.place(EVERYTHING, ADDRESSES[0]))
    # A command, a setting or a page: something to act on, not a mere description.
    marks = ("`", ".env", "http://localhost", "FOUNDRY_URL", "Ask anything")
    assert any(mark in remedy for mark in marks)


def test_every_skip_says_what_would_end_it() -> None:
    assert set(remedies.SKIPS) == set(SKIPS)
    assert [one for text in remedies.SKIPS.values() for one in complaints(text)] == []


def test_the_stacks_own_foundry_local_is_started_with_docker() -> None:
    own = remedies.place(EVERYTHING, EVERYTHING.embedded_url)
    assert remedies.foundry("refused", own) == "Start it: `docker compose up -d foundry-local`."
    assert "EMBEDDED_MODEL" in remedies.foundry("model_missing", own)


def test_the_setting_that_is_named_is_the_one_that_counts() -> None:
    for reason in ("no_models", "model_missing", "timed_out", "no_answer"):
        for address, setting in ((ADDRESSES[0], "MODEL"), (ADDRESSES[2], "EMBEDDED_MODEL")):
            where = remedies.place(EVERYTHING, address)
            for text in (remedies.find("gateway", reason, where), remedies.slow(where)):
                assert re.findall(r"\b\w*MODEL\b", text) == [setting], text
                assert complaints(text) == []


def test_a_service_that_is_none_of_the_stacks_gets_no_compose_command() -> None:
    where = remedies.place(EVERYTHING, "http://elsewhere:1")
    assert "docker compose" not in remedies.find("", "refused", where)
