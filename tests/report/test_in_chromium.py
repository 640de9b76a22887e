"""Pages opened in a browser: nothing is missing, nothing complains, nothing sticks out of a phone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_page import checked, write

from s4former.report import make_report
from tiny_run import make_data

pytestmark = pytest.mark.slow

CHROMIUM = Path("/usr/bin/chromium")
if not CHROMIUM.exists() and os.environ.get("CI") != "true":
    pytest.skip("there is no /usr/bin/chromium to open pages with", allow_module_level=True)
sync_api = pytest.importorskip("playwright.sync_api")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=str(CHROMIUM), args=arguments)
        yield opened
        opened.close()


def opened(browser: Any, path: Path, scheme: str = "light") -> Any:
    """Open a page as a phone does, and make sure that nobody complains and that it is not too wide."""
    context = browser.new_context(viewport={"width": 390, "height": 800}, color_scheme=scheme)
    page, complaints = context.new_page(), []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: complaints.append(request.url) if "file:" not in request.url else None)
    page.goto(path.as_uri())
    fetched = [complaint for complaint in complaints if not complaint.startswith("data:")]
    assert fetched == []
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
    return page


def test_a_report_on_a_phone_light_and_dark(runs: tuple[Path, Path], browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(make_report(runs), encoding="utf-8")
    grounds = []
    for scheme in ("light", "dark"):
        page = opened(browser, path, scheme)
        grounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        assert page.locator("svg polyline").count() > 10
        assert page.locator("details summary").count() > 3
    assert grounds[0] != grounds[1]


def test_the_check_page_on_a_phone(browser: Any, tmp_path: Path) -> None:
    root = make_data(tmp_path / "data", train=9)
    write(*checked(root), tmp_path / "check.html")
    page = opened(browser, tmp_path / "check.html")
    table = page.locator("#classes .scroll")
    inner, outer = table.evaluate("table => [table.scrollWidth, table.clientWidth]")
    assert inner > outer
    assert "gradient" in table.evaluate("table => getComputedStyle(table).backgroundImage"), (
        "a shadow tells of more"
    )
    table.evaluate("table => table.scrollLeft = 1000")
    name = table.locator("tr:last-child td:first-child").bounding_box()
    assert 0 <= name["x"] < 100, "the name of a class stays where it is"
