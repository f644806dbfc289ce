"""Whom the edge lets in: this machine, by its names, and pages served from here."""

from pathlib import Path

import pytest

from support.edge import HEALTH_PORT, PAGES, SERVICES, Edge, request_of, serve_edge

NEIGHBOUR = "127.0.0.2"
PATH = "/v1/models"
"""An API path on every port, so errors come as JSON."""


# ---- Machines ------------------------------------------------------------------------------------


@pytest.mark.parametrize("service", SERVICES)
def test_a_neighbour_is_refused_whatever_it_asks(edge: Edge, service: str):
    before = len(edge.seen.heads)
    for request in (
        request_of("GET", PATH),
        request_of("POST", PATH, b"{}", Content_Type="application/json"),
        request_of("GET", "/"),
        request_of("GET", "/.problem/json"),
        request_of("GET", PATH, Host="evil.example"),
        request_of("GET", PATH, Origin="http://evil.example"),
        request_of("BREW", PATH),
        request_of("GET", "/v1/../metrics"),
        request_of("GET", "/debug/pprof"),
        request_of("GET", "/ws/socket.io/", Upgrade="websocket", Connection="close, Upgrade"),
    ):
        answer = edge.ask(service, request, source=NEIGHBOUR)
        assert answer.status == 403, request
        assert b"BIND_ADDRESS" in answer.body
    assert len(edge.seen.heads) == before, "none of them reached the service"


@pytest.mark.parametrize("service", SERVICES)
def test_a_neighbour_is_told_why_and_what_to_do(edge: Edge, service: str):
    error = edge.get(service, PATH, source=NEIGHBOUR).error
    assert error["code"] == "not_local"
    assert error["remedy"].startswith(
        "To open it to your network, set BIND_ADDRESS=0.0.0.0 in .env"
    )
    assert error["message"] == f"{error['problem']} {error['remedy']}"


def test_a_neighbour_is_told_in_words_on_pages(edge: Edge):
    answer = edge.get("chainlit", "/", source=NEIGHBOUR)
    assert answer.headers["content-type"] == "text/plain"
    assert answer.body.startswith(b"This stack takes connections from its own machine only. To")


@pytest.mark.parametrize("source", ["127.0.0.1", "127.0.0.3"])
@pytest.mark.parametrize("service", SERVICES)
def test_this_machine_is_served_itself_and_by_docker(edge: Edge, service: str, source: str):
    assert edge.get(service, PATH, source=source).status == 200


def test_an_open_address_lets_neighbours_in(tmp_path: Path):
    with serve_edge(tmp_path, BIND_ADDRESS="0.0.0.0") as opened:
        assert {opened.get(name, PATH, source=NEIGHBOUR).status for name in SERVICES} == {200}


def test_its_own_health_is_published_nowhere():
    assert HEALTH_PORT not in SERVICES.values()


# ---- Names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "LOCALHOST:8080", "chat.localhost", "a.b.localhost:1", "127.0.0.1", "[::1]"),
        *(
            "10.1.2.3:65535",
            "[fd00::1]:80",
            "box.lan",
            "BOX.lan:8080",
            "x.home.arpa",
            "a.b.home.arpa",
        ),
    ],
)
def test_our_names_and_all_addresses_are_served(edge: Edge, host: str):
    assert edge.get("chainlit", Host=host).status == 200


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "evillocalhost"),
        *(
            "localhost.",
            "box.lan.",
            "xbox.lan",
            "a.box.lan",
            "home.arpa",
            "xhome.arpa",
            ".localhost",
        ),
        *(
            "boxxlan",
            "localhost:",
            "localhost:x",
            "localhost:123456",
            "localhost:80:80",
            "-.localhost",
        ),
        *(
            "user@localhost",
            "localhost,evil.example",
            "localhost|x",
            "[::1%eth0]",
            "1.2.3",
            "1.2.3.4.5",
        ),
        *("127.0.0.1:80@evil.example", "0x7f000001", "2130706433", 'localhost"', "localhost'"),
    ],
)
@pytest.mark.parametrize("service", ["chainlit", "gateway"])
def test_any_other_name_is_refused(edge: Edge, service: str, host: str):
    answer = edge.get(service, PATH, Host=host)
    assert answer.status in {400, 421}, "400 is nginx's own word on what cannot be a name"
    assert answer.error["code"] in {"bad_request", "unknown_host"}


def test_the_name_in_the_address_does_not_stand_in_for_the_header(edge: Edge):
    request = request_of("GET", "http://localhost/v1/models", Host="evil.example")
    assert edge.ask("chainlit", request).status == 421


# ---- Pages ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "origin",
    [
        *("https://evil.example", "null", "http://localhost:8081", "http://localhost", "file://"),
        *("http://localhost:8080.evil.example", "http://evil@localhost:8080", "localhost:8080"),
        *("http://localhost:8080/", "http://localhost:8080, http://evil.example", "*", "http://"),
        *("ftp://localhost:8080", "http://127.0.0.1:8080", "http://localhost:8080|localhost:8080"),
        *("|localhost:8080", "http://localhost.:8080", "http://[::1]:8080"),
    ],
)
@pytest.mark.parametrize("service", ["chainlit", "gateway"])
def test_a_page_of_another_origin_is_refused(edge: Edge, service: str, origin: str):
    answer = edge.get(service, PATH, Host="localhost:8080", Origin=origin)
    assert answer.status == 403
    assert answer.error["code"] == "foreign_origin"


@pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1:8080", "[::1]:8080", "box.lan"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_page_of_this_origin_is_served(edge: Edge, host: str, scheme: str):
    assert edge.get("chainlit", Host=host, Origin=f"{scheme}://{host}").status == 200
    assert edge.get("chainlit", Host=host, Origin=f"{scheme}://{host}".upper()).status == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site", "unheard-of"])
@pytest.mark.parametrize(
    ("method", "mode", "dest"),
    [
        ("GET", "no-cors", "image"),
        ("GET", "no-cors", "script"),
        ("GET", "cors", "empty"),
        ("GET", "navigate", "iframe"),
        ("GET", "navigate", "embed"),
        ("GET", "navigate", "object"),
        ("POST", "navigate", "document"),
        ("GET", "websocket", "websocket"),
        ("GET", "", ""),
    ],
)
def test_being_a_part_of_another_page_is_refused(
    edge: Edge, site: str, method: str, mode: str, dest: str
):
    """Also of one on another port of localhost: to browsers that is the same site."""
    fetch = {"Sec_Fetch_Site": site, "Sec_Fetch_Mode": mode, "Sec_Fetch_Dest": dest}
    fetch = {name: value for name, value in fetch.items() if value}
    assert edge.ask("chainlit", request_of(method, PATH, **fetch)).status == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("dest", [{"Sec_Fetch_Dest": "document"}, {}])
def test_a_link_from_elsewhere_is_welcome(edge: Edge, site: str, dest: dict[str, str]):
    fetch = {"Sec_Fetch_Site": site, "Sec_Fetch_Mode": "navigate", **dest}
    assert {edge.get(name, PATH, **fetch).status for name in PAGES} == {200}


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_its_own_pages_and_the_address_bar_are_served(edge: Edge, site: str):
    assert edge.get("chainlit", Sec_Fetch_Site=site, Sec_Fetch_Mode="no-cors").status == 200


# ---- The frame in which Open WebUI runs Python --------------------------------------------------

PYTHON_FILE = "/sandbox/" + "0123456789abcdef" * 2 + "/pyodide.js"
FRAME = {"Host": "localhost:3000", "Sec-Fetch-Site": "cross-site"}


def asked(edge: Edge, service: str, method: str, path: str, **headers: str) -> int:
    return edge.ask(service, request_of(method, path, **{**FRAME, **headers})).status


def test_a_frame_without_an_origin_gets_pythons_files_and_nothing_else(edge: Edge):
    assert asked(edge, "open-webui", "GET", PYTHON_FILE) == 200
    assert asked(edge, "open-webui", "GET", PYTHON_FILE, Origin="null") == 200
    for method, path in [
        ("POST", PYTHON_FILE),
        ("OPTIONS", PYTHON_FILE),
        ("GET", "/pyodide/pyodide.js"),
        ("GET", "/api/config"),
        ("GET", "/sandbox/"),
        ("GET", PYTHON_FILE.replace("0", "g")),
        ("GET", PYTHON_FILE + "/below"),
        ("GET", PYTHON_FILE[:-11] + "/"),
    ]:
        assert asked(edge, "open-webui", method, path, Origin="null") == 403, path
    up = PYTHON_FILE.replace("pyodide.js", "%2e%2e/x")
    assert asked(edge, "open-webui", "GET", up, Origin="null") == 403
    for service in (name for name in SERVICES if name != "open-webui"):
        assert asked(edge, service, "GET", PYTHON_FILE, Origin="null") in (403, 404), service


def test_pages_of_other_sites_do_not_get_them_and_no_rule_before_it_is_softened(edge: Edge):
    for origin in ("https://evil.example", "http://localhost:8080", "file://"):
        assert asked(edge, "open-webui", "GET", PYTHON_FILE, Origin=origin) == 403
    same_site = {"Sec-Fetch-Site": "same-site", "Origin": "null"}
    assert asked(edge, "open-webui", "GET", PYTHON_FILE, **same_site) == 403
    assert asked(edge, "open-webui", "GET", PYTHON_FILE, Origin="null", Host="evil.example") == 421
    request = request_of("GET", PYTHON_FILE, **FRAME, Origin="null")
    assert edge.ask("open-webui", request, source=NEIGHBOUR).status == 403


def test_only_open_webui_says_that_a_frame_may_read_them(edge: Edge):
    # The stand-in behind this edge does not, as Open WebUI does not to a name that it did not give.
    answer = edge.ask("open-webui", request_of("GET", PYTHON_FILE, **FRAME, Origin="null"))
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in answer.headers


def test_no_page_gets_a_microphone(edge: Edge):
    assert "microphone=()" in edge.get("open-webui").headers["permissions-policy"]
