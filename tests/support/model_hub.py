"""Stands in for Microsoft's catalog, model registry and blob store, on loopback.

Only the far end is an imitation: the real runtime queries it, downloads from it block by block,
resumes, cancels, and loads what came. It asks the registry at ``https://REGION.api.azureml.ms/…``;
a region of ``127.0.0.1:PORT/`` makes that this machine, trusted through ``SSL_CERT_FILE``.
"""

from __future__ import annotations

import contextlib
import json
import math
import shutil
import ssl
import subprocess
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from foundry_host.catalog_query import matching

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CATALOG_PATH = "/asset-gallery/v1.0/models"
LONGEST_HOLD_SECONDS = 120
_DATE = "Sun, 01 Nov 2026 00:00:00 GMT"


@dataclass
class ModelHub:
    """A hub that offers ``entries``; the fields may be changed while it runs."""

    files: Path
    certificate: Path
    entries: list[dict[str, Any]] = field(default_factory=list)
    reachable: bool = True
    may_answer: threading.Event = field(default_factory=threading.Event)
    """Cleared, it keeps every query of the catalog waiting."""
    queries: int = 0
    """Of the catalog, answered or not."""
    blocks_to_send: float = math.inf
    """A download stands still after so many, until this is raised."""
    blocks_sent: int = 0
    http_port: int = 0
    https_port: int = 0
    _counting: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def offer(self, alias: str, *, version: int = 4, size_bytes: int | None = None) -> str:
        """Put a model into the catalog; its files are ``files``. Returns the variant's id."""
        name = f"{alias}-instruct-generic-cpu"
        size = sum(path.stat().st_size for path in self.files.iterdir())
        self.entries.append(_entry(alias, name, version, size_bytes or size))
        return f"{name}:{version}"

    def count_query(self) -> None:
        """One more query has come."""
        with self._counting:
            self.queries += 1

    def wait_for_turn(self) -> None:
        """Wait until one more block may be sent, and count it; not for ever."""
        deadline = time.monotonic() + LONGEST_HOLD_SECONDS
        while time.monotonic() < deadline:
            with self._counting:
                if self.blocks_sent < self.blocks_to_send:
                    self.blocks_sent += 1
                    return
            time.sleep(0.02)

    def environment(self) -> dict[str, str]:
        """What makes a Foundry host use this hub."""
        return {
            "FOUNDRY_HOST_PUBLIC_CATALOG_URL": f"http://127.0.0.1:{self.http_port}{CATALOG_PATH}",
            "FOUNDRY_HOST_CATALOG_REGION": f"127.0.0.1:{self.https_port}/",
            "SSL_CERT_FILE": str(self.certificate),
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }


@contextlib.contextmanager
def run_model_hub(files: Path, scratch: Path) -> Iterator[ModelHub]:
    """Serve the model in the directory ``files`` until the block ends."""
    certificate, key = _certificate(scratch)
    hub = ModelHub(files, certificate)
    hub.may_answer.set()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    handler = type("Handler", (_Handler,), {"hub": hub})
    plain, secure = (_Server(("127.0.0.1", 0), handler) for _ in range(2))
    secure.socket = context.wrap_socket(secure.socket, server_side=True)
    hub.http_port, hub.https_port = plain.server_address[1], secure.server_address[1]
    for server in (plain, secure):
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield hub
    finally:
        hub.may_answer.set()
        for server in (plain, secure):
            server.shutdown()
            server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing: the runtime resets connections when it cancels or is done."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    hub: ModelHub

    def do_POST(self) -> None:
        query = self.rfile.read(int(self.headers["Content-Length"]))
        self.hub.count_query()
        self.hub.may_answer.wait(LONGEST_HOLD_SECONDS)
        if not self._absent():
            entries = matching(self.hub.entries, query)
            self._send(json.dumps({"value": entries, "totalCount": len(entries)}).encode())

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if self._absent():
            return
        if "/modelregistry/" in url.path:
            container = f"http://127.0.0.1:{self.hub.http_port}/container?sig=test"
            self._send(json.dumps({"blobSasUri": container, "modelEntity": {}}).encode())
        elif parse_qs(url.query).get("comp") == ["list"]:
            self._send(self._listing(), type="application/xml")
        else:
            self._blob(self.hub.files / unquote(url.path).rpartition("/")[2])

    do_HEAD = do_GET  # noqa: N815 - a name that http.server calls

    def _absent(self) -> bool:
        """Behave as a network that is gone: the connection closes without an answer."""
        if self.hub.reachable:
            return False
        self.close_connection = True
        return True

    def _listing(self) -> bytes:
        blobs = "".join(
            f"<Blob><Name>{path.name}</Name><Properties>"
            f"<Creation-Time>{_DATE}</Creation-Time><Last-Modified>{_DATE}</Last-Modified>"
            f"<Etag>0x1</Etag><Content-Length>{path.stat().st_size}</Content-Length>"
            f"<Content-Type>application/octet-stream</Content-Type>"
            f"<BlobType>BlockBlob</BlobType></Properties></Blob>"
            for path in sorted(self.hub.files.iterdir())
        )
        return (
            f'<?xml version="1.0" encoding="utf-8"?><EnumerationResults ContainerName="container">'
            f"<Blobs>{blobs}</Blobs><NextMarker/></EnumerationResults>"
        ).encode()

    def _blob(self, path: Path) -> None:
        content = path.read_bytes()
        wanted = self.headers.get("x-ms-range")
        if wanted is None:
            self._send(content, type="application/octet-stream", blob=True)
            return
        first, last = (int(number) for number in wanted.removeprefix("bytes=").split("-"))
        last = min(last, len(content) - 1)
        self.hub.wait_for_turn()
        span = f"bytes {first}-{last}/{len(content)}"
        block = content[first : last + 1]
        self._send(block, type="application/octet-stream", status=206, span=span, blob=True)

    def _send(
        self,
        body: bytes,
        *,
        status: int = 200,
        type: str = "application/json",  # noqa: A002 - the header's name
        span: str | None = None,
        blob: bool = False,
    ) -> None:
        headers = {"Content-Type": type, "Content-Length": str(len(body))}
        if blob:
            headers |= {
                "ETag": '"0x1"',
                "Last-Modified": _DATE,
                "x-ms-creation-time": _DATE,
                "x-ms-blob-type": "BlockBlob",
                "x-ms-server-encrypted": "true",
            }
        if span:
            headers["Content-Range"] = span
        with contextlib.suppress(OSError):  # the runtime hangs up when a download is cancelled
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def _entry(alias: str, name: str, version: int, size_bytes: int) -> dict[str, Any]:
    registry = "azureml://registries/azureml/models"
    return {
        "assetId": f"{registry}/{name}/versions/{version}",
        "entityId": f"azureml://location/x/registry/azureml/type/models/objectId/{name}:{version}",
        "annotations": {
            "tags": {"alias": alias, "foundryLocal": "", "task": "chat-completion"},
            "systemCatalogData": {
                "publisher": "Microsoft",
                "displayName": alias,
                "modelLimits": {
                    "textLimits": {"inputContextWindow": 4096, "maxOutputTokens": 2048}
                },
            },
        },
        "properties": {
            "id": f"{name}:{version}",
            "name": name,
            "version": version,
            "variantInfo": {
                "parents": [{"assetId": f"{registry}/{alias}/versions/{version}"}],
                "variantMetadata": {
                    "modelType": "ONNX",
                    "device": "cpu",
                    "executionProvider": "CPUExecutionProvider",
                    "fileSizeBytes": size_bytes,
                },
            },
            "creationContext": {"createdTime": "2026-11-01T00:00:00Z"},
        },
    }


def _certificate(scratch: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that is its own authority, made for this run."""
    if shutil.which("openssl") is None:
        raise AssertionError("the 'openssl' command is missing; install the package of that name")
    certificate, key = scratch / "hub-certificate.pem", scratch / "hub-key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-keyout", key, "-out", certificate, "-subj", "/CN=127.0.0.1"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key
