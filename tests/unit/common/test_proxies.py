"""A proxy from Docker's settings, or of the whole system, takes part in nothing of this stack."""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from foundry_chat.gateway_client import GatewayClient
from foundry_chat.settings import Settings
from support.processes import dead_port

ROOT = Path(__file__).resolve().parents[3]
NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY")
CALLS_BEYOND = {"foundry-local"}
"""Downloads models, by the proxy where there is one; to its own loopback it goes directly."""
WITHOUT_NETWORK = {"secrets"}


@pytest.fixture
def dead_proxy(monkeypatch: pytest.MonkeyPatch) -> str:
    """Nothing listens there, so that whoever asks it fails."""
    address = f"http://127.0.0.1:{dead_port()}"
    for name in NAMES:
        monkeypatch.setenv(name, address)
        monkeypatch.setenv(name.lower(), address)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    return address


@pytest.fixture
def part() -> Iterator[int]:
    """The port of a stand-in that every health check takes for its part, as it asks little.

    Only the way there is looked at; the checks' own tests ask the real parts.
    """
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    everything: dict[str, Any] = {
        "version": "1",
        "status": "ok",
        "started": now,
        "parts": [{"last_run": now}],
        "models": [{"variant": "x", "state": "loaded"}],
        "object": "list",
        "data": [{"id": "phi-4-mini", "object": "model", "created": 0, "owned_by": "x"}],
    }

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(everything).encode()
            if self.path == "/":
                body = b'<div id="root"></div>'
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server.server_port
        server.shutdown()


def compose() -> dict[str, Any]:
    """The stack's file."""
    read: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    return read


@pytest.mark.parametrize(
    ("module", "settings"),
    [
        ("foundry_gateway", {"GATEWAY_PORT": "{port}", "GATEWAY_API_KEY": "k" * 32}),
        ("foundry_healthcheck", {"HEALTHCHECK_PORT": "{port}", "GATEWAY_API_KEY": "k" * 32}),
        ("foundry_chat", {"CHAINLIT_PORT": "{port}", "GATEWAY_API_KEY": "k" * 32}),
        ("foundry_host", {"FOUNDRY_HOST_URL": "http://127.0.0.1:{port}"}),
    ],
)
@pytest.mark.usefixtures("dead_proxy")
def test_a_parts_own_health_check_goes_past_the_proxy(
    module: str, settings: dict[str, str], part: int
) -> None:
    if module == "foundry_host":  # its companion is at the next port: the one check, in two calls
        program = (
            "from foundry_host import healthcheck as h; import sys;"
            f"sys.exit(not h._get('http://127.0.0.1:{part}/status'))"
        )
        command = [sys.executable, "-c", program]
    else:
        command = [sys.executable, "-m", module, "healthcheck"]
    given = {name: value.format(port=part) for name, value in settings.items()}
    sources = [ROOT / "packages/foundry_common/src", *ROOT.glob("services/*/src")]
    environment = {**os.environ, **given, "PYTHONPATH": os.pathsep.join(map(str, sources))}
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("dead_proxy")
def test_open_webuis_health_check_goes_past_the_proxy(part: int) -> None:
    check = compose()["services"]["open-webui"]["healthcheck"]["test"]
    in_image = (ROOT / "openwebui" / "Dockerfile").read_text(encoding="utf-8")
    assert check[-1] in in_image, "the image's own check is the same"
    program = check[-1].replace(":8080", f":{part}")
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("dead_proxy")
async def test_the_chat_asks_the_gateway_past_the_proxy(part: int) -> None:
    client = GatewayClient(Settings(gateway_url=f"http://127.0.0.1:{part}"))
    try:
        assert [model.alias for model in await client.models()] == ["phi-4-mini"]
    finally:
        await client.close()


def test_no_service_is_handed_a_proxy_but_the_one_that_downloads() -> None:
    services = compose()["services"]
    assert services.keys() >= CALLS_BEYOND | WITHOUT_NETWORK
    for name, service in services.items():
        if name in WITHOUT_NETWORK:
            assert service["network_mode"] == "none"
            continue
        environment = service["environment"]
        for proxy in (*NAMES, *map(str.lower, NAMES)):
            if name in CALLS_BEYOND:
                assert proxy not in environment
            else:
                assert environment[proxy] == "", (name, proxy)
        assert (environment.get("NO_PROXY") == "*") is (name not in CALLS_BEYOND)
