"""What people do in a browser, done in one: every notebook in JupyterLab, the panel, the index, a report on paper."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from simkit.clock import DAY_US, parse_instant
from simkit.report.index import index_page
from simkit.report.pdf import chromium, print_page
from simkit.report.render import render
from simkit.store.reports import Made

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(chromium() is None, reason="there is no Chromium (Debian: apt install chromium)"),
]
playwright = pytest.importorskip("playwright.sync_api", reason="make test-browser installs playwright")

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
TOKEN = "for-these-tests"
AT = parse_instant("2026-03-02T04:30:00Z")


@pytest.fixture(scope="module")
def browser() -> Iterator[playwright.Browser]:
    with playwright.sync_playwright() as started:
        found = started.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Iterator[str]:
    """JupyterLab over a copy of the project's notebooks and data; its address."""
    home = tmp_path_factory.mktemp("lab")
    for folder in ("notebooks", "data"):
        shutil.copytree(ROOT / folder, home / folder)
    command = [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root", "--ServerApp.port=0"]
    command += [f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={home}"]
    command += ["--LabApp.news_url=", "--expose-app-in-browser"]
    log = (home / "log").open("w+")
    server = subprocess.Popen(command, cwd=home, stdout=log, stderr=subprocess.STDOUT)
    try:
        address = ""
        while not address:
            assert server.poll() is None, (home / "log").read_text()
            lines = [line for line in (home / "log").read_text().splitlines() if "http://127.0.0.1:" in line]
            address = "http://127.0.0.1:" + lines[-1].split("http://127.0.0.1:")[1].split("/")[0] if lines else ""
            time.sleep(0.1)
        yield address
    finally:
        server.terminate()
        server.wait()
        log.close()


def opened(browser: playwright.Browser, lab: str, name: str) -> playwright.Page:
    """A notebook in a workspace of its own, all of its cells run."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(f"{lab}/lab/workspaces/auto-{name}/tree/notebooks/{name}.ipynb?token={TOKEN}")
    page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=120_000)
    # As "Run All Cells" in the menu does; the command is done when the last cell is.
    page.evaluate(
        """async () => {
            await window.jupyterapp.shell.currentWidget.sessionContext.ready;
            await window.jupyterapp.commands.execute('notebook:run-all-cells');
        }"""
    )
    return page


OUTPUTS = """() => [...window.jupyterapp.shell.currentWidget.content.model.cells]
    .filter((cell) => cell.type === 'code').flatMap((cell) => cell.outputs.toJSON())"""
"""Of all cells: JupyterLab draws only those near the view."""


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom_in_jupyterlab(notebook: Path, browser, lab):
    page = opened(browser, lab, notebook.stem)
    outputs = page.evaluate(OUTPUTS)
    assert [output for output in outputs if output["output_type"] in ("error", "stream")] == []
    kinds = {kind for output in outputs for kind in output.get("data", {})}
    assert kinds & {"image/png", "image/svg+xml", "text/html"}
    if kinds & {"image/png", "image/svg+xml"}:
        page.locator(".jp-OutputArea-output img, .jp-OutputArea-output svg").first.wait_for(state="attached")
    page.close()


def test_a_slider_that_is_moved_changes_the_numbers_beside_it(browser, lab):
    page = opened(browser, lab, "00-start-here")
    handle = page.locator(".widget-slider [role=slider], .widget-slider .noUi-handle").first
    handle.scroll_into_view_if_needed()
    shown = "[...document.querySelectorAll('.jp-OutputArea table')].map((table) => table.innerText).find(Boolean) ?? ''"
    page.wait_for_function(f"() => ({shown}).includes('as set')")
    before = page.evaluate(shown)
    handle.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.wait_for_function(f"([before]) => ![before, ''].includes({shown})", arg=[before])
    after = page.evaluate(shown)
    assert after.split()[:6] == before.split()[:6], "the same table"
    assert after != before
    page.close()


@pytest.fixture
def index(tmp_path: Path) -> Path:
    rows = [
        Made("a", "week", AT, "d", "", 61.0, "a/week/a.html", 100.0, 0.9, 75.0, 1000.0, 400.0, "EUR", 0.0),
        Made("b", "quarter", AT, "d", "", 5.0, "b/quarter/b.html", 10.0, 0.99, 9.0, 90.0, 80.0, "EUR", 0.0),
        Made("c", "year", AT + DAY_US, "d", "", 5.0, "c/year/c.html"),
    ]
    path = tmp_path / "index.html"
    path.write_text(index_page(tmp_path, rows, {}), encoding="utf-8")
    return path


def names(page: playwright.Page) -> list[str]:
    return [text.split("·")[1].strip() for text in page.locator("tbody tr:visible th").all_inner_texts()]


def test_the_index_is_searched_and_sorted_by_mouse_and_by_keyboard(index, browser):
    page = browser.new_page()
    told: list[str] = []
    page.on("console", lambda message: told.append(message.text))
    page.goto(index.as_uri())
    assert names(page) == ["week", "quarter", "year"]
    page.get_by_role("searchbox").fill("quar")
    assert names(page) == ["quarter"]
    assert page.locator("output").inner_text() == "1 of 3"
    page.get_by_role("searchbox").fill("")
    page.get_by_role("button", name="claims").click()
    assert names(page) == ["quarter", "week", "year"], "what has no number is last"
    page.get_by_role("button", name="claims").click()
    assert names(page) == ["week", "quarter", "year"]
    page.get_by_role("button", name="hit rate").focus()
    page.keyboard.press("Enter")
    assert names(page) == ["week", "quarter", "year"]
    assert page.locator("th[aria-sort=ascending]").inner_text().startswith("hit rate")
    assert told == [], "its policy allows its script, and no other is there"


@pytest.mark.parametrize("width", [1280, 420])
def test_nothing_of_the_index_is_beside_the_screen_in_light_and_dark(width, index, browser):
    inks = []
    for scheme in ("light", "dark"):
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page.goto(index.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        inks.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        page.close()
    assert inks == ["rgb(255, 255, 255)", "rgb(20, 24, 31)"]


def test_the_index_and_a_report_are_whole_on_paper(index, browser, tmp_path):
    from pypdf import PdfReader

    printed = print_page(chromium() or "", index)
    text = " ".join(page.extract_text() for page in PdfReader(printed).pages)
    assert all(word in text for word in ("a · week", "90.0%", "400 EUR", "c · year"))

    scenario = ROOT / "data/scenarios/three-regions.yaml"
    given = {"scenario": str(scenario), "replications": "2"}
    made = render(ROOT / "notebooks/01-capacity.ipynb", given, tmp_path / "r", made_at=AT)
    pages = PdfReader(print_page(chromium() or "", made.html)).pages
    text = " ".join(" ".join(page.extract_text() for page in pages).split())
    for column in ("preset", "claims", "hit rate", "pool's cost", "builds / failed"):
        assert column in text
    assert "How old prebuilds get" in text


def test_a_report_fits_a_phone_and_scrolls_only_what_is_wide(browser, tmp_path):
    scenario = ROOT / "data/scenarios/three-regions.yaml"
    given = {"scenario": str(scenario), "replications": "2"}
    made = render(ROOT / "notebooks/01-capacity.ipynb", given, tmp_path / "r", made_at=AT)
    page = browser.new_page(viewport={"width": 420, "height": 900})
    page.goto(made.html.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= 420
    assert page.locator("img").count() == 9
    assert all(len(image.get_attribute("alt") or "") > 20 for image in page.locator("img").all())
    page.get_by_role("link", name="Failures").click()
    assert page.url.endswith("#failures")
    page.locator("summary").first.click()
    assert page.locator("details").first.get_attribute("open") is None
