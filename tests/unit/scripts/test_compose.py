"""Reading what Compose tells about containers."""

import json

import pytest

from lib.compose import Container, containers_in

GATEWAY = {"Service": "gateway", "State": "running", "Health": "starting", "ExitCode": 0}
SECRETS = {"Service": "secrets", "State": "exited", "Health": "", "ExitCode": 0}
READ = [Container("gateway", "running", "starting", 0), Container("secrets", "exited", "", 0)]


@pytest.mark.parametrize(
    "listing",
    [
        json.dumps(GATEWAY) + "\n" + json.dumps(SECRETS) + "\n",
        json.dumps([GATEWAY, SECRETS]),
    ],
)
def test_both_formats_are_read(listing: str):
    assert containers_in(listing) == READ


@pytest.mark.parametrize("listing", ["", "[]", "\n"])
def test_no_container_is_an_empty_list(listing: str):
    assert containers_in(listing) == []


@pytest.mark.parametrize(
    ("container", "well", "failed", "word"),
    [
        (Container("a", "running", "healthy", 0), True, False, "healthy"),
        (Container("a", "running", "", 0), True, False, "running"),
        (Container("a", "running", "starting", 0), False, False, "starting"),
        (Container("a", "running", "unhealthy", 0), False, True, "unhealthy"),
        (Container("a", "exited", "", 0), True, False, "done"),
        (Container("a", "exited", "", 3), False, True, "ended with exit code 3"),
        (Container("a", "created", "", 0), False, False, "created"),
        (Container("a", "restarting", "", 1), False, False, "restarting"),
    ],
)
def test_a_container_is_judged(container: Container, *, well: bool, failed: bool, word: str):
    assert (container.is_well, container.has_failed, container.word) == (well, failed, word)
