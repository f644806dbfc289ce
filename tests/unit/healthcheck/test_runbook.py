"""The runbook as a page: every form that docs/alerts.md uses, and nothing of it as markup."""

from __future__ import annotations

import re

from foundry_healthcheck.runbook import page, render


def test_the_forms_of_the_runbook_become_a_page() -> None:
    made = render("# A b\n\nSee `x` and **y** *z*,\n[c](#d).\n\n| H |\n|---|\n| <http://e> |\n")
    for piece in (
        '<h1 id="a-b">A b</h1>',
        '<p>See <code>x</code> and <strong>y</strong> <em>z</em>, <a href="#d">c</a>.</p>',
        '<th scope="col">H</th>',
        '<td><a href="http://e">http://e</a></td>',
    ):
        assert piece in made, piece


def test_no_text_becomes_markup() -> None:
    made = render('<script>x</script> `<b>` [<i>](#"x) & **<u>**')
    assert not re.search(r"<(?:script|b|i|u)>", made.partition("<article>")[2])


def test_every_link_within_the_runbook_leads_somewhere_and_none_into_the_repository() -> None:
    text = page()
    inside = re.findall(r'href="#([^"]+)"', text)
    assert inside
    assert set(inside) <= set(re.findall(r'id="([^"]+)"', text))
    assert "](" not in text
    assert "**" not in text
    assert 'href="..' not in text
