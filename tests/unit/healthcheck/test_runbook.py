"""The runbook as a page: the forms that docs/alerts.md uses, and nothing of it as markup."""

from __future__ import annotations

import re

import pytest

from foundry_healthcheck.runbook import page, render


def test_the_forms_of_the_runbook_become_html() -> None:
    made = render("# A b\n\nSee `x` and **y** *z*,\n[c](#d).\n\n| H |\n|---|\n| <http://e> |\n")
    for piece in (
        '<h1 id="a-b">A b</h1>',
        '<code>x</code> and <strong>y</strong> <em>z</em>,\n<a href="#d">c</a>.',
        "<th>H</th>",
        '<td><a href="http://e">http://e</a></td>',
    ):
        assert piece in made, piece


def test_no_text_becomes_markup() -> None:
    made = render('<script>x</script> `<b>` [<i>](#"x) & **<u>** <!-- menu -->')
    assert not re.search(r"<(?:script|b|i|u|!)", made)


@pytest.mark.parametrize("to", ["../x.md", "javascript:alert(1)", "/x", "data:text/html,x"])
def test_a_link_that_leads_nowhere_becomes_its_text(to: str) -> None:
    made = render(f"See [the `rules`]({to}), [d](#d).")
    assert "href" not in made.replace('<a href="#d">d</a>', "")
    assert "<code>rules</code>" in made


def test_links_to_the_stacks_own_pages_hold_also_where_ports_and_names_are_others() -> None:
    made = render(
        "<http://localhost:9180>, <http://localhost:9180/alerts>, <http://localhost:9090>"
    )
    assert re.findall(r'href="([^"]*)"', made) == ["/", "/alerts"]
    assert "http://localhost:9090" in made
    assert "localhost" not in "".join(re.findall(r'href="([^"]*)"', page()))


def test_every_link_within_the_runbook_leads_somewhere_and_none_into_the_repository() -> None:
    text = page()
    inside = re.findall(r'href="#([^"]+)"', text)
    assert inside
    assert set(inside) <= set(re.findall(r'id="([^"]+)"', text))
    assert "](" not in text
    assert "**" not in text
    assert 'href="..' not in text


def test_the_page_has_its_frame() -> None:
    text = page()
    assert text.startswith("<!doctype html>")
    assert text.count("<!-- menu -->") == 1
    assert "<!-- runbook -->" not in text
