"""What Docker's own client says of a registry that answers: one on this machine, made for this.

No registry can be reached from where these tests run, so the words that tell one that refuses from
none at all are Docker's, and the registry is not. The engine is out of reach: the client is judged.
"""

from __future__ import annotations

import hashlib
import json
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from lib import images

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
PLATFORMS = ("amd64", "arm64", "arm", "386", "ppc64le", "s390x", "riscv64")
INDEX = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": INDEX_TYPE,
        "manifests": [
            {
                "mediaType": MANIFEST_TYPE,
                "digest": f"sha256:{hashlib.sha256(name.encode()).hexdigest()}",
                "size": 1,
                "platform": {"os": "linux", "architecture": name},
            }
            for name in PLATFORMS
        ],
    }
).encode()


class Registry(ThreadingHTTPServer):
    """A registry with one image for several platforms; `status` is how it answers for it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.status = HTTPStatus.OK
        self.asked: list[str] = []

    @property
    def image(self) -> str:
        """The image's name; Docker speaks plain HTTP to this address."""
        return f"127.0.0.1:{self.server_port}/some/image:1"


class Answering(BaseHTTPRequestHandler):
    """Answers for the manifest of the image, as the distribution specification has it."""

    server: Registry

    def do_GET(self) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        found = self.server.status == HTTPStatus.OK
        body = INDEX if found else b'{"errors": [{"code": "SOMETHING"}]}'
        self.send_response(self.server.status)
        self.send_header("Content-Type", INDEX_TYPE if found else "application/json")
        self.send_header("Content-Length", str(len(body)))
        if found:
            digest = hashlib.sha256(INDEX).hexdigest()
            self.send_header("Docker-Content-Digest", f"sha256:{digest}")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Registry]:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no-engine.sock")
    monkeypatch.delenv("BUILDX_BUILDER", raising=False)
    with Registry() as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_asking_costs_one_manifest_whatever_platforms_there_are(registry: Registry) -> None:
    """Registries count each manifest that is read as a pull, and allow some an hour."""
    assert images.registry_answers([registry.image])
    assert [line for line in registry.asked if line.startswith("GET") and "manifests" in line] == [
        f"GET /v2/some/image/manifests/sha256:{hashlib.sha256(INDEX).hexdigest()}"
    ]


def test_a_registry_that_counts_pulls_is_not_taken_for_none(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "engine_gets", lambda *_: (False, ""))
    registry.status = HTTPStatus.TOO_MANY_REQUESTS
    with pytest.raises(images.RefusedError, match="Too Many Requests"):
        images.registry_answers([registry.image])


def test_an_image_that_the_registry_does_not_have_is_told(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(images, "engine_gets", lambda *_: (False, ""))
    registry.status = HTTPStatus.NOT_FOUND
    assert not images.registry_answers([registry.image])
    assert "not found" in capsys.readouterr().out
