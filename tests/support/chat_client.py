"""A browser's side of a Chainlit chat without a browser: its Socket.IO protocol.

Works with any Chainlit 2.12 app, so that the benchmark can compare two of them.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import aiohttp
import socketio  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

ANSWER_TIMEOUT = 60.0
EVENTS = (
    "new_message",
    "update_message",
    "delete_message",
    "stream_start",
    "stream_token",
    "element",
    "action",
    "remove_action",
    "chat_settings",
    "toast",
    "task_start",
    "task_end",
)


@dataclass
class Answer:
    """What came back for one question. Times are seconds since it was sent."""

    question_id: str
    first_token: float | None = None
    finished: float | None = None
    message: dict[str, Any] = field(default_factory=dict)
    # Everything the note under the answer has shown, in order.
    notes: list[dict[str, Any]] = field(default_factory=list)
    actions: list[dict[str, Any]] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The answer as it stands."""
        return str(self.message.get("output", ""))

    @property
    def is_error(self) -> bool:
        """Whether the page marks it as an error."""
        return bool(self.message.get("isError"))

    @property
    def note(self) -> dict[str, Any]:
        """What the note under the answer shows now."""
        return self.notes[-1] if self.notes else {}


class ChatClient:
    """One chat. Use as an async context manager; connects on entering."""

    def __init__(self, url: str, *, origin: str | None = None) -> None:
        self.url = url
        self.session_id = str(uuid.uuid4())
        self.messages: dict[str, dict[str, Any]] = {}
        self.settings: list[dict[str, Any]] = []
        self.toasts: list[dict[str, Any]] = []
        self.answers: list[Answer] = []
        self._origin = origin
        self.ready = False
        self._sent_at = 0.0
        self._task_started = asyncio.Event()
        self._task_ended = asyncio.Event()
        self._changed = asyncio.Condition()
        self._notes: dict[str, list[dict[str, Any]]] = {}
        self._actions: dict[str, list[dict[str, Any]]] = {}
        self._lost: list[Any] = []
        self._socket = self._new_socket()

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.disconnect()

    async def connect(self) -> None:
        """Connect, or connect again to the same chat."""
        try:
            await self._connect()
        except socketio.exceptions.ConnectionError:
            await self._socket.eio.http.close()  # the library leaves it open
            raise
        # With an answer: what the app sends to a browser that comes back has come before it.
        await self._socket.call("connection_successful")

    async def _connect(self) -> None:
        await self._socket.connect(
            self.url,
            socketio_path="/ws/socket.io",
            transports=["websocket"],
            headers={"Origin": self._origin} if self._origin else {},
            auth={
                "sessionId": self.session_id,
                "clientType": "webapp",
                "userEnv": "{}",
                "chatProfile": "",
                "threadId": "",
            },
        )

    async def disconnect(self) -> None:
        """Close the connection, as a closed tab does."""
        for socket in (self._socket, *self._lost):
            await socket.disconnect()

    def lose_line(self) -> None:
        """Hear no more without the app's noticing; ``connect`` then comes back."""
        self._lost.append(self._socket)
        self._socket = self._new_socket()

    async def leave(self) -> None:
        """Press New Chat, which gives this one up."""
        await self._socket.call("clear_session")
        await self.disconnect()

    async def ask(self, text: str, within: float = ANSWER_TIMEOUT) -> Answer:
        """Send a question and wait for the end of its answer."""
        answer = await self.send(text)
        return await self.finish(answer, within)

    async def send(self, text: str) -> Answer:
        """Send a question and return at once; the answer fills as it comes."""
        message_id = str(uuid.uuid4())
        answer = self._begin(message_id)
        await self._socket.emit(
            "client_message",
            {"message": self._user_message(message_id, text), "fileReferences": []},
        )
        return answer

    async def edit(self, question_id: str, text: str) -> Answer:
        """Edit an earlier question, which asks it anew; returns at once."""
        answer = self._begin(question_id)
        await self._socket.emit("edit_message", {"message": self._user_message(question_id, text)})
        return answer

    async def press(self, action: dict[str, Any]) -> Answer:
        """Press a button under a message; returns at once."""
        answer = self._begin(str(action["payload"].get("question_id", "")))
        async with (
            aiohttp.ClientSession() as http,
            http.post(
                f"{self.url}/project/action",
                json={"sessionId": self.session_id, "action": action},
            ) as response,
        ):
            assert response.status == 200, await response.text()
        return answer

    async def stop(self) -> None:
        """Press Stop."""
        await self._socket.emit("stop")

    async def change_settings(self, **values: Any) -> None:
        """Confirm the settings panel with these values."""
        current = {widget["id"]: widget["initial"] for widget in self.settings}
        self._task_started.clear()
        self._task_ended.clear()
        await self._socket.emit("chat_settings_change", {**current, **values})
        # Chainlit shows taking over settings as a task of its own.
        async with asyncio.timeout(ANSWER_TIMEOUT):
            await self._task_ended.wait()

    async def finish(self, answer: Answer, within: float = ANSWER_TIMEOUT) -> Answer:
        """Wait until the app says that it is done."""
        async with asyncio.timeout(within):
            await self._task_started.wait()
            await self._task_ended.wait()
        return answer

    async def until(self, condition: Callable[[], Any], within: float = ANSWER_TIMEOUT) -> None:
        """Wait for something to have come."""
        try:
            async with asyncio.timeout(within), self._changed:
                await self._changed.wait_for(condition)
        except TimeoutError:
            raise AssertionError(f"not within {within:g} s; messages: {self.messages}") from None

    def shown(self) -> list[str]:
        """The texts on the page, in order, without Chainlit's invisible steps."""
        return [
            message["output"]
            for message in self.messages.values()
            if message.get("type", "").endswith("message")
        ]

    def widget(self, widget_id: str) -> dict[str, Any]:
        """One input of the settings panel."""
        return next(widget for widget in self.settings if widget["id"] == widget_id)

    def choices(self, widget_id: str) -> list[str]:
        """The labels that a select of the settings panel offers."""
        return [item["label"] for item in self.widget(widget_id)["items"]]

    def _begin(self, question_id: str) -> Answer:
        answer = Answer(question_id)
        self.answers.append(answer)
        self._task_started.clear()
        self._task_ended.clear()
        self._sent_at = time.perf_counter()
        return answer

    def _user_message(self, message_id: str, text: str) -> dict[str, Any]:
        message = {
            "id": message_id,
            "threadId": "",
            "name": "User",
            "type": "user_message",
            "output": text,
            "createdAt": "2026-01-01T00:00:00.000Z",
        }
        self.messages[message_id] = message
        return message

    def _new_socket(self) -> Any:
        socket = socketio.AsyncClient(reconnection=False)
        for event in EVENTS:
            socket.on(event, self._handler(event, socket))
        return socket

    def _handler(self, event: str, socket: Any) -> Callable[..., Any]:
        async def handle(data: Any = None) -> None:
            if socket is not self._socket:
                return
            getattr(self, f"_on_{event}")(data)
            async with self._changed:
                self._changed.notify_all()

        return handle

    def _on_new_message(self, message: dict[str, Any]) -> None:
        known = self.messages.setdefault(message["id"], {})
        known.update(message)
        if message.get("type") == "assistant_message" and self.answers:
            answer = self.answers[-1]
            if not answer.message or answer.message["id"] == message["id"]:
                answer.message = known
                answer.notes = self._notes.setdefault(message["id"], [])
                answer.actions = self._actions.setdefault(message["id"], [])
                if answer.text and answer.first_token is None:
                    answer.first_token = time.perf_counter() - self._sent_at

    def _on_update_message(self, message: dict[str, Any]) -> None:
        if message["id"] in self.messages:
            self._on_new_message(message)

    def _on_stream_start(self, message: dict[str, Any]) -> None:
        self._on_new_message(message)

    def _on_stream_token(self, token: dict[str, Any]) -> None:
        message = self.messages.get(token["id"])
        if message is not None:
            message["output"] = message.get("output", "") + token["token"]
            if self.answers and self.answers[-1].first_token is None:
                self.answers[-1].first_token = time.perf_counter() - self._sent_at

    def _on_delete_message(self, message: dict[str, Any]) -> None:
        self.messages.pop(message["id"], None)

    def _on_element(self, element: dict[str, Any]) -> None:
        self._notes.setdefault(element["forId"], []).append(element["props"])

    def _on_action(self, action: dict[str, Any]) -> None:
        self._actions.setdefault(action["forId"], []).append(action)

    def _on_remove_action(self, action: dict[str, Any]) -> None:
        shown = self._actions.get(action["forId"], [])
        shown[:] = [other for other in shown if other["id"] != action["id"]]

    def _on_chat_settings(self, widgets: list[dict[str, Any]]) -> None:
        self.settings = widgets

    def _on_toast(self, toast: dict[str, Any]) -> None:
        self.toasts.append(toast)

    def _on_task_start(self, _: Any) -> None:
        if self.ready or self.answers:
            self._task_started.set()

    def _on_task_end(self, _: Any) -> None:
        # The first one after the settings ends the start of the chat, not an answer.
        if self.settings and not self.ready:
            self.ready = True
            return
        if self._task_started.is_set():
            self._task_ended.set()
            if self.answers and self.answers[-1].finished is None:
                self.answers[-1].finished = time.perf_counter() - self._sent_at
