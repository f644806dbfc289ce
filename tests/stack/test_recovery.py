"""What is stopped is named, with what to do; what is started again is found again."""

import socket
from typing import Any

from support.stack import RunningStack, eventually, get


def embedded(stack: RunningStack) -> dict:
    found = [one for one in stack.status()["upstreams"] if one["embedded"]]
    assert len(found) == 1
    return found[0]


def errors_of(stack: RunningStack) -> list[dict[str, Any]]:
    return [one["error"] for one in stack.status()["upstreams"] if one["error"]]


def test_a_stopped_runtime_is_named_with_its_remedy_and_found_again(stack: RunningStack):
    stack.compose("stop", "--timeout", "5", "foundry-local")
    try:
        status = eventually(lambda: (now := stack.status()) and not now["ready"] and now, 30)
        assert status["status"] == "down"
        # The first that is seen of it may be the connection that broke.
        gone = "Foundry Local in its container does not run."
        errors = eventually(lambda: (now := errors_of(stack)) and now[0]["problem"] == gone and now)
        assert all(error["code"] == "foundry_unreachable" for error in errors)
        start = "Start it: `docker compose up -d foundry-local`."
        assert errors[0]["remedy"] == start
        assert all(error["remedy"] for error in errors)
        assert get(f"{stack.gateway}/ready").status == 503
        refused = stack.ask("Hello!")
        assert refused.status == 503
        assert refused.json()["error"]["message"].endswith(start)
        assert get(f"{stack.gateway}/health").status == 200, "the gateway itself is well"
    finally:
        stack.compose("up", "--detach", "--no-build", "--wait", "foundry-local")
    eventually(lambda: stack.status()["ready"], 60)
    assert embedded(stack)["state"] == "up"
    assert stack.ask("Hello!").status == 200


def test_a_stopped_chat_app_leaves_a_page_that_helps(stack: RunningStack):
    stack.compose("stop", "--timeout", "5", "chainlit")
    try:
        page = get(f"{stack.chat}/", Accept="text/html,*/*")
        assert page.status == 503
        assert page.headers["Content-Type"].startswith("text/html")
        assert b'http-equiv="refresh"' in page.body
        assert b"docker compose up -d chainlit" in page.body
        assert b"<!--#" not in page.body, "its placeholders must be filled"
        error = get(f"{stack.chat}/project/settings", Accept="application/json").json()["error"]
        assert error["message"].endswith(error["remedy"])
    finally:
        stack.compose("up", "--detach", "--no-build", "--wait", "chainlit")
    page = eventually(lambda: (now := get(f"{stack.chat}/")) and now.status == 200 and now, 30)
    assert b'<div id="root">' in page.body


def test_a_stopped_gateway_is_said_in_the_shape_that_clients_expect(stack: RunningStack):
    stack.compose("stop", "--timeout", "5", "gateway")
    try:
        answer = stack.ask("Hello!")
        assert answer.status == 503
        error = answer.json()["error"]
        assert error["code"] == "service_unavailable"
        assert "docker compose up -d gateway" in error["remedy"]
    finally:
        stack.compose("up", "--detach", "--no-build", "--wait", "gateway")
    assert eventually(lambda: stack.ask("Hello!").status == 200, 30)


def test_a_taken_port_is_named_with_its_setting(stack: RunningStack):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        blocked = RunningStack({**stack.environment, "CHAINLIT_PORT": port}, "")
        done = blocked.up_that_fails()
    assert done.returncode == 1
    assert f"Port {port}" in done.stderr
    assert "CHAINLIT_PORT" in done.stderr
    assert "Traceback" not in done.stderr
