from __future__ import annotations

import pytest

from foundry_healthcheck import remedies
from foundry_healthcheck.parts import parts
from foundry_healthcheck.reasons import REASONS, SKIPS
from foundry_healthcheck.settings import Settings

EVERYTHING = Settings(
    embedded_url="http://foundry-local:51211",
    chainlit_url="http://chainlit:8080",
    open_webui_url="http://open-webui:8080",
    webgpu_url="http://webgpu-static:8080",
    prometheus_url="http://prometheus:9090",
    grafana_url="http://grafana:3000",
)


@pytest.mark.parametrize("part", parts(EVERYTHING), ids=lambda part: part.name)
@pytest.mark.parametrize("reason", REASONS)
def test_there_is_something_to_do_about_every_reason_of_every_part(part, reason) -> None:
    remedy = remedies.find(part.service, reason, part.target)
    assert remedy.endswith(".")
    assert len(remedy) > 40
    if part.name != "foundry":
        assert (
            f" {part.service}" in remedy
            or "foundry" in remedy
            or "localhost" in remedy
            or ("more" in remedy.lower() or "Its" in remedy or "room" in remedy)
        )


def test_every_skip_says_what_would_end_it() -> None:
    assert set(remedies.SKIPS) == set(SKIPS)


def test_a_linux_user_is_told_about_the_bridge_address() -> None:
    assert "bridge address" in remedies.foundry("refused", "http://host.docker.internal:51211")
    assert "bridge address" not in remedies.foundry("refused", "http://10.0.0.5:51211")


def test_a_service_that_is_none_of_the_stacks_gets_no_compose_command() -> None:
    assert "docker compose" not in remedies.find("", "refused", "http://elsewhere:1")
