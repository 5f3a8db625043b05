"""What is left of hidden scripts, in a browser: nothing runs."""

import pytest

from fairing.output.safe import markup
from tests.conftest import needs
from tests.output.xss import VECTORS

TOUCH = """async html => {
    if (html !== null) document.body.innerHTML = html
    document.querySelectorAll("a, button, [tabindex]").forEach(each => {
        each.focus()
        each.dispatchEvent(new MouseEvent("click", {bubbles: true}))
    })
    await new Promise(done => { const late = new Image(); late.onerror = done; late.src = "x:late" })
    return Boolean(window.pwned)
}"""


def ran(page, sources):
    """Return those that ran, in a page of their own or put into one."""
    found = []
    for source in sources:
        page.goto("about:blank")
        page.set_content(f"<!doctype html><body>{source}</body>")
        if page.evaluate(TOUCH, None):
            found.append(source)
            continue
        page.goto("about:blank")
        if page.evaluate(TOUCH, source):
            found.append(source)
    return found


def test_no_browser_runs_anything_of_it():
    chromium = needs("chromium")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.set_default_timeout(10_000)
        assert ran(page, [markup(vector) for vector in VECTORS]) == []
        assert len(ran(page, VECTORS[:20])) > 10, "this browser runs what it is not kept from"
        browser.close()
