"""The menu of the stack: one list, right under other ports and names, without what does not run."""

import base64
import hashlib
import re
import subprocess
from pathlib import Path

import pytest

from lib import addresses
from support.edge import PAGES, PORT_SETTINGS, SERVICES, SOURCE, Edge, request_of, serve_edge

OWN = ("chainlit", "webgpu-static", "healthcheck")
HTML = "text/html,*/*;q=0.8"
DEFAULTS = dict.fromkeys(PORT_SETTINGS.values(), "")


def links(body: bytes) -> dict[str, str]:
    """The menu's links, by title."""
    found = re.findall(r'<li><a href="([^"]*)"[^>]*>([^<]*)</a>', body.decode())
    return {title: address for address, title in found}


@pytest.fixture(scope="module")
def offline(tmp_path_factory: pytest.TempPathFactory):
    """Default ports, Grafana left out, and nothing that runs behind."""
    nothing = dict.fromkeys(SERVICES, "127.0.0.1:9")
    folder = tmp_path_factory.mktemp("edge-offline")
    with serve_edge(
        folder, real=nothing, OPTIONAL_PARTS="grafana", ALLOWED_HOSTS="box.lan", **DEFAULTS
    ) as edge:
        yield edge


def test_leads_to_every_part_that_runs_by_the_name_by_which_one_came(offline: Edge):
    for host, name in {
        "localhost:8080": "localhost",
        "127.0.0.1": "127.0.0.1",
        "[::1]:9000": "[::1]",
        "Box.lan:1": "Box.lan",
    }.items():
        assert links(offline.get("open-webui", Accept=HTML, Host=host).body) == {
            "Chat": f"//{name}:8080/",
            "Open WebUI": "/",
            "In your browser": f"//{name}:5173/",
            "Status": f"//{name}:9180/",
            "Prometheus": f"//{name}:9090/",
            "API": f"//{name}:8000/",
        }


def test_the_list_is_that_of_the_addresses_that_are_printed_after_the_start():
    listed = [line.split("\t") for line in (SOURCE / "menu.list").read_text().splitlines()]
    menu = {row[0]: (row[1], int(row[2])) for row in listed if not row[0].startswith("#")}
    assert menu == {
        one.service: (one.port_setting, one.default_port) for one in addresses.ADDRESSES
    }
    assert {name: port for name, (_, port) in menu.items()} == SERVICES


@pytest.mark.parametrize("service", SERVICES)
def test_a_page_of_the_edge_marks_where_one_is(offline: Edge, service: str):
    page = offline.get(service, "/", Accept=HTML).body.decode()
    marked = re.findall(r'<a href="/" aria-current="page">', page)
    assert len(marked) == (0 if service == "grafana" else 1)


@pytest.mark.parametrize(
    ("optional", "profiles", "found"),
    [
        ("", "", "linked"),
        ("grafana", "", "left out"),
        ("grafana", "embedded, containers", "left out"),
        ("grafana", "embedded, grafana", "linked"),
        ("grafana", "*", "linked"),
        (" x , grafana ", "grafanas", "left out"),
    ],
)
def test_a_part_that_a_profile_brings_is_linked_where_the_profile_is_chosen(
    tmp_path: Path, optional: str, profiles: str, found: str
):
    environment = {"PATH": "/usr/bin:/bin:/usr/sbin", "EDGE_RUNTIME": str(tmp_path)}
    given = {"OPTIONAL_PARTS": optional, "COMPOSE_PROFILES": profiles}
    subprocess.run(["sh", str(SOURCE / "render.sh"), "true"], env=environment | given, check=True)
    menu = (tmp_path / "menu.map").read_text()
    assert (">Grafana</a>" in menu) == (found == "linked")
    assert ("grafana 1;" in menu) == (found == "left out")


@pytest.mark.parametrize("port", ["0", "65536", "80a", "-1", "8080;", "$x", "1e3", '"', "123456"])
def test_what_is_no_port_is_refused_by_its_name(tmp_path: Path, port: str):
    environment = {"PATH": "/usr/bin:/bin", "EDGE_RUNTIME": str(tmp_path), "WEBGPU_PORT": port}
    done = subprocess.run(
        ["sh", str(SOURCE / "render.sh"), "true"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert done.stderr.startswith("WEBGPU_PORT: expected a port")


def test_what_was_left_out_says_so_and_what_to_do_instead(offline: Edge):
    page = offline.get("grafana", "/d/overview", Accept=HTML)
    assert page.status == 404
    text = page.body.decode()
    assert "<h1>Grafana was left out</h1>" in text
    # Whoever replaces what stands there stops Foundry Local in its container.
    assert "add grafana to COMPOSE_PROFILES in .env" in text
    assert 'href="//localhost:9180/"' in text
    assert "starting" not in text
    error = offline.get("grafana", "/api/health").error
    assert error["code"] == "not_found"
    assert "left out" in error["problem"]


def test_under_a_name_that_is_not_ours_there_is_no_menu_and_the_name_is_not_repeated(edge: Edge):
    page = edge.get("chainlit", Accept=HTML, Host="evil.example")
    assert page.status == 421
    assert b"<nav" not in page.body
    assert b"evil" not in page.body
    assert b"ALLOWED_HOSTS" in page.body


@pytest.mark.parametrize("service", PAGES)
def test_the_menu_comes_with_its_style_from_the_same_port(edge: Edge, service: str):
    before = len(edge.seen.heads)
    answer = edge.get(service, "/foundry-chat/menu.css")
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/css"
    assert answer.headers["cache-control"] == "no-cache"
    assert len(edge.seen.heads) == before


@pytest.mark.parametrize("service", OWN)
def test_what_gets_the_menu_is_asked_for_plain_and_all_else_as_the_browser_wants(
    edge: Edge, service: str
):
    edge.get(service, Accept=HTML, Accept_Encoding="br, gzip")
    assert edge.seen.header("Accept-Encoding") is None
    edge.get(service, "/assets/x.js", Accept="*/*", Accept_Encoding="br, gzip")
    assert edge.seen.header("Accept-Encoding") == "br, gzip"
    edge.get("open-webui", Accept=HTML, Accept_Encoding="br, gzip")
    assert edge.seen.header("Accept-Encoding") == "br, gzip"


def test_the_one_script_of_the_edges_own_pages_is_the_one_that_the_policy_names(offline: Edge):
    page = offline.get("chainlit", Accept=HTML)
    [script] = re.findall(r"<script>(.*?)</script>", page.body.decode(), flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in page.headers["content-security-policy"]


def test_whoever_sends_something_gets_no_page_instead_of_an_answer(offline: Edge):
    answer = offline.ask("chainlit", request_of("POST", "/", Accept=HTML, Content_Length="0"))
    assert answer.status == 503
    assert answer.error["code"] == "service_unavailable"


def test_the_api_says_to_people_how_programs_use_it(edge: Edge):
    page = edge.get("gateway", Accept=HTML, Host="127.0.0.1:18000")
    assert page.status == 200
    assert b"<code>http://127.0.0.1:18000/v1</code>" in page.body
    assert edge.get("gateway").error["code"] == "not_found"


def test_compose_tells_the_edge_every_port_of_the_list():
    compose = (SOURCE.parents[1] / "compose.yaml").read_text()
    edge = re.search(r"(?ms)^  edge:\n(.*?)^  \w", compose)
    assert edge
    told = set(re.findall(r"(?m)^      (\w+_PORT):$", edge[1]))
    assert told == set(PORT_SETTINGS.values())
