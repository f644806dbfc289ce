"""What the app serves beside the chat: its page, health, metrics, and how it starts and stops."""

import asyncio
import json
import os
import re
import subprocess
import sys
import urllib.request

import pytest

from support.chainlit_app import SOURCE, start_chat_app


def test_page_names_no_other_address(scripted_app):
    page = scripted_app.get("/")
    assert "<title>Foundry Chat</title>" in page
    assert re.findall(r"https?://[^\s\"']+", page) == []


def test_browser_is_told_to_load_nothing_from_elsewhere(scripted_app):
    with urllib.request.urlopen(scripted_app.url, timeout=5) as response:
        policy = response.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "http" not in policy
    scripts = next(part for part in policy.split("; ") if part.startswith("script-src"))
    assert "unsafe-inline" not in scripts


def test_other_sites_may_not_read_its_answers(scripted_app):
    request = urllib.request.Request(
        f"{scripted_app.url}/project/settings", headers={"Origin": "https://example.com"}
    )
    with urllib.request.urlopen(request, timeout=5) as response:
        assert response.headers["Access-Control-Allow-Origin"] is None


def test_uploads_and_mcp_are_off(scripted_app):
    features = json.loads(scripted_app.get("/project/settings"))["features"]
    assert features["spontaneous_file_upload"]["enabled"] is False
    assert features["mcp"]["enabled"] is False
    assert features["mcp"]["servers"] == []


@pytest.mark.parametrize("path", ["/favicon", "/logo?theme=light", "/avatars/Foundry%20Chat"])
def test_pictures_are_our_own(scripted_app, path):
    assert 'aria-label="Foundry Chat"' in scripted_app.get(path)


async def test_health_tells_about_the_gateway(scripted_app, gateway):
    # In a thread: the gateway that it asks runs in this one.
    health = json.loads(await asyncio.to_thread(scripted_app.get, "/health"))
    assert health["gateway"] == {"reachable": True, "models": 1}


def test_app_is_healthy_without_a_gateway_and_stops_when_told():
    with start_chat_app("http://127.0.0.1:9") as alone:
        health = json.loads(alone.get("/health"))
        assert health["status"] == "ok"
        assert health["gateway"]["error"]["code"] == "gateway_unreachable"
        assert healthcheck(alone.url.rpartition(":")[2]) == 0
        # As `docker stop` ends it.
        assert alone.stop() == 0
        assert "Traceback" not in alone.output()


def test_healthcheck_fails_when_nothing_runs():
    assert healthcheck("9") == 1


def test_bad_setting_ends_the_start_with_a_sentence():
    result = run([], CHAINLIT_PORT="eighty")
    assert result.returncode == 2
    assert result.stderr == "CHAINLIT_PORT: expected a whole number, found 'eighty'\n"


def healthcheck(port):
    return run(["healthcheck"], CHAINLIT_PORT=port).returncode


def run(arguments, **env):
    return subprocess.run(
        [sys.executable, "-m", "foundry_chat", *arguments],
        env={**os.environ, "PYTHONPATH": str(SOURCE), **env},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
