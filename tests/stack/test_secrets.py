"""Secrets are made once, lie in files, and show nowhere else."""

import json

from support.stack import PROJECT, RunningStack

API_KEY = "/run/foundry-chat/gateway/api-key"
AUTH_SECRET = "/run/foundry-chat/chainlit/auth-secret"
WEBUI_SECRET = "/run/foundry-chat/open-webui/secret-key"
SECRETS = {"gateway": API_KEY, "chainlit": AUTH_SECRET, "open-webui": WEBUI_SECRET}
ALL = ("--wait", "edge", "secrets", "gateway", "chainlit", "open-webui", "foundry-local")


def read(stack: RunningStack, service: str, path: str) -> str:
    done = stack.run_in(service, "cat", path)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_they_are_long_and_differ(stack: RunningStack):
    made = [read(stack, service, path) for service, path in SECRETS.items()]
    assert made[0] == stack.api_key
    assert min(map(len, made)) >= 40
    assert len(set(made)) == len(made)


def test_docker_inspect_and_the_logs_do_not_show_them(stack: RunningStack):
    made = [read(stack, service, path) for service, path in SECRETS.items()]
    services = stack.compose("config", "--services").split()
    assert set(SECRETS) <= set(services)
    told = [json.dumps(stack.inspect(service)) for service in services]
    told += [stack.compose("config"), stack.compose("logs", "--no-color")]
    for text in told:
        assert not any(secret in text for secret in made)


def test_each_service_gets_only_what_it_needs(stack: RunningStack):
    assert stack.run_in("gateway", "ls", AUTH_SECRET).returncode != 0
    for service in ("edge", "foundry-local"):
        mounts = {mount["Destination"] for mount in stack.inspect(service)["Mounts"]}
        assert not any(path.startswith("/run/foundry-chat") for path in mounts), service
    refused = stack.run_in("chainlit", "sh", "-c", f"echo x > {AUTH_SECRET}")
    assert refused.returncode != 0


def test_only_their_owner_may_read_the_files(stack: RunningStack):
    mode = stack.run_in("gateway", "stat", "-c", "%a %u", API_KEY).stdout.split()
    assert mode == ["400", "10001"]


def test_they_survive_new_containers(stack: RunningStack):
    secret = read(stack, "chainlit", AUTH_SECRET)
    before = stack.container_id("secrets")
    stack.compose("up", "--detach", "--force-recreate", "--no-build", *ALL)
    assert stack.container_id("secrets") != before
    assert read(stack, "gateway", API_KEY) == stack.api_key
    assert read(stack, "chainlit", AUTH_SECRET) == secret
    assert stack.ask("Hello!").status == 200


def test_a_key_of_the_users_own_takes_its_place_and_the_gateway_follows(stack: RunningStack):
    own = "a-key-of-my-own"
    up = ("up", "--detach", "--no-build", "--wait", "edge", "gateway", "chainlit")
    chosen = RunningStack({**stack.environment, "GATEWAY_API_KEY": own}, "", own)
    try:
        chosen.compose(*up)
        assert chosen.ask("Hello!").status == 200
        assert stack.ask("Hello!").status == 401
        assert own not in json.dumps(chosen.inspect("gateway"))
    finally:
        restored = RunningStack({**stack.environment, "GATEWAY_API_KEY": stack.api_key}, "")
        restored.compose(*up)
        stack.compose(*up)
    assert stack.ask("Hello!").status == 200
    assert stack.compose("ls", "--format", "json").count(PROJECT)
