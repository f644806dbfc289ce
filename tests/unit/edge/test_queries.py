"""Queries that Prometheus' own limits do not bound are refused before they reach it."""

import urllib.parse

import pytest

from support.edge import Edge, request_of

NESTED = "up"
for _ in range(4):
    NESTED = f'label_replace({NESTED}, "a", "$1$1", "a", "(.*)")'

TOO_MUCH = {
    "four label_replace": f"query={urllib.parse.quote(NESTED)}",
    "in capitals": f"query={urllib.parse.quote(NESTED.upper())}",
    "with encoded letters": f"query={urllib.parse.quote(NESTED).replace('label', '%6cabel')}",
    "with an encoded underscore": f"query={urllib.parse.quote(NESTED).replace('_', '%5F')}",
    "mixed with label_join": "query=" + "label_join(label_replace(" * 2,
    "spread over fields": "&".join(["match[]=label_replace"] * 4),
    "a large count": "query=up%7Ba%3D~%22(x%7B1000%7D)%22%7D",
    "a large upper count": "query=up{a=~'x{1,1000}'}",
    "encoded comma": "query=up%7Ba%3D~%22x%7B1%2C1000%7D%22%7D",
    "an open count": "query=up{a=~'x{100,}'}",
    "encoded digits": "query=up{a=~'x{%31000}'}",
    "too long": "query=" + "a" * 8100,
}
FINE = {
    "what a page asks": "query=rate(http_requests_total%7Bjob%3D~%22gateway%7Cprobe%22%7D%5B5m%5D)",
    "three label_replace": "query=" + "label_replace(" * 3,
    "a small count": "query=up%7Ba%3D~%22x%7B1%2C16%7D%22%7D",
    "a time": "query=up&time=1764040000.123",
    "words in another script": "query=up%7Ba%3D%22%C3%A9t%C3%A9%22%7D",
}


@pytest.mark.parametrize("kind", TOO_MUCH)
@pytest.mark.parametrize("path", ["/api/v1/query", "/api/v1/query_range", "/api/v1/series"])
def test_a_query_that_grows_beyond_every_limit_is_refused(edge: Edge, path: str, kind: str):
    answer = edge.get("prometheus", f"{path}?{TOO_MUCH[kind]}")
    assert answer.status == 400
    assert "Prometheus" in answer.error["problem"]


@pytest.mark.parametrize("kind", FINE)
def test_any_other_is_asked(edge: Edge, kind: str):
    assert edge.get("prometheus", f"/api/v1/query?{FINE[kind]}").status == 200


def test_other_services_are_asked_what_they_like(edge: Edge):
    assert edge.get("chainlit", f"/x?{TOO_MUCH['a large count']}").status == 200


def test_queries_come_by_get(edge: Edge):
    asked = request_of("POST", "/api/v1/query", b"query=up")
    assert edge.ask("prometheus", asked).status == 405
    completing = request_of("POST", "/api/v1/labels", b"start=1")
    assert edge.ask("prometheus", completing).status == 200
