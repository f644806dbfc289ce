"""The pages of the stack behind the edge, as people meet them: menu, policies and all."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from support.chat_stack import ChatStack
from support.edge import Edge, serve_edge
from support.status_page import CannedProbe, canned_probe
from support.webgpu import Page as WebgpuPage
from support.webgpu import install_packages

AXE = Path(__file__).resolve().parents[1] / "browser"


@dataclass(frozen=True)
class Pages:
    """Every page that is ours, in front of the real services; Grafana is left out."""

    edge: Edge
    probe: CannedProbe
    """What the status page tells: the prober cannot be put into every state."""

    def url(self, service: str, path: str = "/", host: str = "localhost") -> str:
        """Where the edge serves a page."""
        return f"http://{host}:{self.edge.ports[service]}{path}"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def pages(
    chat_stack: ChatStack, webgpu_page: WebgpuPage, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Pages]:
    """The edge in front of the chat, the WebGPU page and the status page, for the session."""
    async with canned_probe() as probe:
        real = {
            "chainlit": urlsplit(chat_stack.app.url).netloc,
            "webgpu-static": urlsplit(webgpu_page.url).netloc,
            "healthcheck": urlsplit(probe.url).netloc,
            "gateway": urlsplit(chat_stack.gateway.url).netloc,
            # Nothing listens there: what the edge then says is a page of ours, too.
            "prometheus": "127.0.0.1:9",
        }
        folder = tmp_path_factory.mktemp("pages")
        with contextlib.ExitStack() as stack:
            edge = stack.enter_context(serve_edge(folder, real=real, OPTIONAL_PARTS="grafana"))
            yield Pages(edge, probe)


@pytest.fixture(scope="session")
def axe() -> str:
    """axe-core as a script to be run in a page."""
    install_packages(AXE)
    return (AXE / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
