"""Microsoft's public catalog, relayed to the runtime so that its absence costs nothing.

Left to itself the runtime retries an unreachable catalog for about 4 s, at its first touch and at
every unknown id, writes errors each time, and forgets downloaded models while the public catalog
is away and another catalog answers (seen with 2.2.1). The relay passes queries and answers through
untouched while the catalog can be reached, keeps the entries on disk, and answers from those
otherwise. It looks for the catalog again in the background, ever more seldom.
"""

from __future__ import annotations

import contextlib
import json
import ssl
import threading
import urllib.error
import urllib.request
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import truststore

from foundry_host import catalog_query
from foundry_host.catalog_entry import v2_page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from foundry_host.catalog_query import Entry

#: The runtime learns the nearest region for downloads from this header.
CLUSTER_HEADER = "azureml-served-by-cluster"

_PASSED_ON = {"content-type", "user-agent", "x-ms-use-full-service-contracts"}
_MAX_PAGES = 20
_MAX_ANSWER_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Timing:
    """How patient the relay is, in seconds."""

    first_answer: float = 1.5
    answer: float = 5.0
    request: float = 15.0
    first_retry: float = 5.0
    last_retry: float = 600.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What the runtime is given."""

    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


class PublicCatalog:
    """Relays queries to ``url``; calls ``changed`` whenever it comes into or out of reach.

    Attributes:
        reachable: ``None`` until it was tried.
        cause: Why it could not be reached the last time.
    """

    def __init__(
        self,
        url: str,
        store: Path,
        changed: Callable[[], None],
        timing: Timing = Timing(),
    ) -> None:
        self.reachable: bool | None = None
        self.cause = ""
        self._url = url
        self._store = store
        self._changed = changed
        self._timing = timing
        self._tls = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._broad_query = b""
        self._headers: dict[str, str] = {}
        self._retrying = False
        self._from_memory = False
        self._entries, self._cluster = self._restore()

    def answer(self, query: bytes, headers: Mapping[str, str]) -> Answer:
        """Answer one of the runtime's queries, in bounded time whatever the network does."""
        self._headers = {k: v for k, v in headers.items() if k.lower() in _PASSED_ON}
        if catalog_query.is_broad(query):
            self._broad_query = query
        if self.reachable is not False and not self._from_memory:
            patience = self._timing.answer if self.reachable else self._timing.first_answer
            request = self._ask_in_background(query)
            if wait([request], patience).done and (answer := request.result()):
                self._found()
                return answer
            self._lost("no answer in time" if not request.done() else None)
            request.add_done_callback(self._late)
        return self._remembered(query)

    def entries(self) -> list[Entry]:
        """Every entry seen, in this run or an earlier one."""
        with self._lock:
            return list(self._entries.values())

    @contextlib.contextmanager
    def from_memory(self) -> Iterator[None]:
        """Answer from the entries at hand, while the runtime is made to ask for one by one."""
        self._from_memory = True
        try:
            yield
        finally:
            self._from_memory = False

    def size_bytes(self, variant: str) -> int | None:
        """The size of a variant's files, where the catalog said it."""
        with self._lock:
            entry = self._entries.get(variant)
        return catalog_query.size_bytes(entry) if entry else None

    def close(self) -> None:
        """Stop looking for the catalog."""
        self._closed.set()

    def _ask_in_background(self, query: bytes) -> Future[Answer | None]:
        """Ask on a thread that may be left behind: names can take long to not resolve."""
        future: Future[Answer | None] = Future()
        threading.Thread(
            target=lambda: future.set_result(self._ask(query)), name="public-catalog", daemon=True
        ).start()
        return future

    def _ask(self, query: bytes) -> Answer | None:
        """Ask the public catalog; ``None`` when it cannot be reached or talks nonsense."""
        request = urllib.request.Request(  # noqa: S310 - the scheme is the user's own setting
            self._url,
            data=query,
            headers=self._headers,
        )
        try:
            with urllib.request.urlopen(  # noqa: S310 - as above
                request, timeout=self._timing.request, context=self._tls
            ) as response:
                body: bytes = response.read(_MAX_ANSWER_BYTES)
                cluster = response.headers.get(CLUSTER_HEADER)
            page = json.loads(body)
            items = page.get("value", page.get("summaries"))
        except urllib.error.URLError as error:
            self.cause = str(error.reason)
            return None
        except (OSError, ValueError, AttributeError) as error:
            self.cause = str(error)
            return None
        if not isinstance(items, list):
            self.cause = "its answer holds no models"
            return None
        self._remember(items, cluster)
        return Answer(body, {CLUSTER_HEADER: cluster} if cluster else {})

    def _found(self) -> None:
        with self._lock:
            before, self.reachable = self.reachable, True
        if before is not True:
            self._changed()

    def _late(self, request: Future[Answer | None]) -> None:
        """Take an answer that the runtime did not wait for."""
        if request.result():
            self._found()

    def _lost(self, cause: str | None = None) -> None:
        with self._lock:
            self.cause = cause or self.cause
            before, self.reachable = self.reachable, False
            start, self._retrying = not self._retrying, True
        if start:
            threading.Thread(target=self._retry, name="public-catalog-retry", daemon=True).start()
        if before is not False:
            self._changed()

    def _retry(self) -> None:
        """Look for the catalog again until it answers, ever more seldom."""
        delay = self._timing.first_retry
        while not self._closed.wait(delay):
            if self._ask_every_page(self._broad_query):
                self._found()
                break
            delay = min(delay * 2, self._timing.last_retry)
        with self._lock:
            self._retrying = False

    def _ask_every_page(self, query: bytes) -> bool:
        with contextlib.suppress(ValueError):
            decoded: dict[str, Any] = json.loads(query or b"{}")
            for _ in range(_MAX_PAGES):
                answer = self._ask(json.dumps(decoded).encode())
                if answer is None:
                    return False
                token = json.loads(answer.body).get("continuationToken")
                if not token:
                    return True
                decoded["continuationToken"] = token
        return True

    def _remembered(self, query: bytes) -> Answer:
        body = json.dumps(v2_page(catalog_query.matching(self.entries(), query))).encode()
        return Answer(body, {CLUSTER_HEADER: self._cluster} if self._cluster else {})

    def _remember(self, items: list[Any], cluster: str | None) -> None:
        with self._lock:
            self._entries |= {
                catalog_query.variant(item): item for item in items if isinstance(item, dict)
            }
            self._cluster = cluster or self._cluster
            stored = {"cluster": self._cluster, "entries": list(self._entries.values())}
            temporary = self._store.with_suffix(".tmp")
            with contextlib.suppress(OSError):
                temporary.write_text(json.dumps(stored), encoding="utf-8")
                temporary.replace(self._store)

    def _restore(self) -> tuple[dict[str, Entry], str | None]:
        try:
            stored = json.loads(self._store.read_text(encoding="utf-8"))
            entries = {catalog_query.variant(item): item for item in stored["entries"]}
            return entries, stored["cluster"]
        except (OSError, ValueError, LookupError, TypeError):
            return {}, None
