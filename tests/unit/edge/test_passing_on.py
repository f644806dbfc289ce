"""What the edge hands to a service, and what it keeps from it."""

import pytest

from support.edge import SERVICES, Edge, request_of

OWN = {
    "chainlit": (
        "X-Chainlit-Session-id=s1",
        "oauth_state=st",
        "access_token=at",
        "access_token_0=a0",
        "access_token_1=a1",
    ),
    "open-webui": (
        "token=tk",
        "owui-session=ow",
        "oauth_session_id=os",
        "oauth_id_token=oi",
        "mfa_challenge=mf",
    ),
    "grafana": ("grafana_session=gs", "grafana_session_expiry=ge", "oauth_state=st"),
}
FOREIGN = (
    "session=of-another-app",
    "mytoken=x",
    "token2=x",
    "xaccess_token=x",
    "Token=x",
    "csrftoken=; token",
    'q="token=inside"',
)


@pytest.mark.parametrize("service", SERVICES)
def test_each_service_gets_its_own_cookies_and_no_others(edge: Edge, service: str):
    every = [*FOREIGN, *dict.fromkeys(one for some in OWN.values() for one in some)]
    edge.get(service, "/v1/x", Cookie="; ".join(every))
    sent = edge.seen.header("Cookie")
    assert set(sent.split("; ") if sent else []) == set(OWN.get(service, ()))


@pytest.mark.parametrize("apart", [";", "; ", ";  "])
def test_cookies_are_found_wherever_they_stand(edge: Edge, apart: str):
    for cookies in (["token=tk", "a=b"], ["a=b", "token=tk"], ["a=b", "token=tk", "c=d"]):
        edge.get("open-webui", Cookie=apart.join(cookies))
        assert edge.seen.header("Cookie") == "token=tk"


def test_a_cookie_in_a_second_header_field_is_treated_alike(edge: Edge):
    request = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    edge.ask("open-webui", request + b"Cookie: a=b\r\nCookie: token=tk; c=d\r\n\r\n")
    assert edge.seen.header("Cookie") == "token=tk"


def test_a_page_works_with_32_kb_of_a_developers_cookies(edge: Edge):
    many = "; ".join(f"app-{number}={'v' * 1000}" for number in range(32))
    assert len(many) > 32_000
    assert edge.get("chainlit", Cookie=f"{many}; access_token=at").status == 200
    assert edge.seen.header("Cookie") == "access_token=at"


@pytest.mark.parametrize("service", ["gateway", "healthcheck", "webgpu-static"])
def test_a_service_that_answers_only_to_its_own_name_is_called_by_it(edge: Edge, service: str):
    edge.get(service, "/v1/x", Host="box.lan:1234", Origin="http://box.lan:1234")
    host = edge.seen.header("Host")
    assert host
    assert host.startswith("127.0.0.1:"), "the test's stand-in for the service's name and port"
    assert edge.seen.header("X-Forwarded-Host") == "box.lan:1234"
    origin = {"webgpu-static": "http://box.lan:1234"}.get(service)
    assert edge.seen.header("Origin") == origin, "checked here; only the page's own server asks"


@pytest.mark.parametrize("service", ["chainlit", "open-webui", "grafana"])
def test_a_service_that_builds_links_learns_the_callers_name(edge: Edge, service: str):
    edge.get(service, Host="box.lan:1234", Origin="http://box.lan:1234")
    assert edge.seen.header("Host") == "box.lan:1234"
    assert edge.seen.header("Origin") == "http://box.lan:1234"


def test_a_caller_cannot_say_that_it_calls_for_somebody_else(edge: Edge):
    edge.get(
        "grafana",
        X_Forwarded_For="6.6.6.6",
        X_Forwarded_Host="evil.example",
        X_Forwarded_Proto="https",
        X_Forwarded_Prefix="/evil",
        X_Forwarded_Port="1",
        X_Real_IP="6.6.6.6",
        Forwarded="for=6.6.6.6",
    )
    assert "6.6.6.6" not in edge.seen.last
    assert "evil" not in edge.seen.last
    assert edge.seen.header("X-Forwarded-Proto") == "http"
    assert edge.seen.header("X-Forwarded-Port") is None


@pytest.mark.parametrize(
    ("service", "upgrade", "passed"),
    [
        ("chainlit", "websocket", "websocket"),
        ("open-webui", "WebSocket", "websocket"),
        ("grafana", "websocket", "websocket"),
        ("chainlit", "h2c", None),
        ("gateway", "websocket", None),
        ("prometheus", "websocket", None),
    ],
)
def test_only_websockets_and_only_where_there_are_some(
    edge: Edge, service: str, upgrade: str, passed: str | None
):
    edge.get(service, "/v1/x", Upgrade=upgrade, Connection="close, Upgrade")
    assert edge.seen.header("Upgrade") == passed


@pytest.mark.parametrize(
    ("service", "path"),
    [
        *(
            ("prometheus", path)
            for path in ("/debug/pprof", "/debug/pprof/heap", "/debug", "/debug/")
        ),
        *(("prometheus", path) for path in ("/-/quit", "/-/reload", "/-", "/-/", "/-/readyx")),
        *(("prometheus", f"/api/v1/{name}") for name in ("read", "write", "otlp/v1/metrics")),
        *(("prometheus", f"/api/v1/admin/tsdb/{name}") for name in ("snapshot", "delete_series")),
        *(("chainlit", path) for path in ("/docs", "/redoc", "/openapi.json", "/metrics")),
        *(("chainlit", path) for path in ("/docs/", "/docs/oauth2-redirect", "/openapi.json/")),
        *(("open-webui", path) for path in ("/docs", "/redoc", "/openapi.json", "/docs/x")),
        *(
            ("gateway", path)
            for path in ("/", "/shutdown", "/models/load/x", "/openai/status", "/v1")
        ),
    ],
)
def test_what_is_for_operators_or_describes_a_service_is_closed_in_every_spelling(
    edge: Edge, service: str, path: str
):
    first, rest = path[1:2], path[2:]
    spellings = {
        path,
        "/" + path,
        "//" + path,
        f"/%{ord(first or '/'):02x}{rest}",
        path.replace("/", "/%2e/", 1),
        "/./" + path[1:],
        "/x/.." + path,
        "/x/%2E%2e" + path,
        "/x/..%2f" + path[1:],
        "/v1/.." + path,
        "/v1/..;" + path,
        "/v1\\.." + path,
        "/%2f" + path[1:],
        "http://localhost" + path,
        path + "?x=/v1/",
        path + "#/v1/",
        path.upper() if path != "/v1" else path,
    }
    before = len(edge.seen.heads)
    for spelling in spellings:
        request = (
            b"GET "
            + spelling.encode()
            + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )
        assert edge.ask(service, request).status in {400, 404}, spelling
    assert len(edge.seen.heads) == before


@pytest.mark.parametrize(
    ("service", "path"),
    [
        *(
            ("prometheus", path)
            for path in ("/-/ready", "/-/healthy", "/api/v1/query?query=up", "/")
        ),
        *(
            ("prometheus", path)
            for path in ("/api/v1/label/a%2Fb/values", "/debugging", "/metrics")
        ),
        *(
            ("open-webui", path)
            for path in ("/metrics", "/c/docs", "/api/v1/files/x%2Fy..z/content")
        ),
        *(
            ("gateway", path)
            for path in ("/v1/models/a%2Fb", "/health", "/ready", "/status", "/metrics")
        ),
        *(("chainlit", path) for path in ("/documents", "/public/a..b.css", "/.well-known/x")),
    ],
)
def test_the_rest_is_passed_on_as_it_was_written(edge: Edge, service: str, path: str):
    assert edge.get(service, path).status == 200
    assert edge.seen.last.startswith(f"GET {path} HTTP/1.1")


@pytest.mark.parametrize(
    ("service", "methods"),
    [
        ("gateway", {"GET", "HEAD", "POST"}),
        ("webgpu-static", {"GET", "HEAD", "POST"}),
        ("prometheus", {"GET", "HEAD"}),
        ("healthcheck", {"GET", "HEAD"}),
        ("chainlit", {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}),
    ],
)
def test_only_needed_methods_pass(edge: Edge, service: str, methods: set[str]):
    tried = (
        "GET",
        "HEAD",
        "POST",
        "PUT",
        "PATCH",
        "DELETE",
        "OPTIONS",
        "PROPFIND",
        "BREW",
        "TRACE",
    )
    taken = {one for one in tried if edge.ask(service, request_of(one, "/v1/x")).status == 200}
    assert taken == methods


@pytest.mark.parametrize("service", SERVICES)
def test_no_page_has_the_names_of_its_links_looked_up(edge: Edge, service: str):
    assert edge.get(service, "/v1/x").headers["x-dns-prefetch-control"] == "off"
    refused = edge.get(service, "/v1/x", Host="evil.example")
    assert refused.headers["x-dns-prefetch-control"] == "off"
