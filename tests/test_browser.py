"""What people do in a browser, done in one: every notebook in JupyterLab, the panel, the index, a report on paper."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from odd_names import ODD_NAMES, odd_scenario

import simkit
from simkit.clock import DAY_US, HOUR_US, parse_instant
from simkit.report.index import index_page
from simkit.report.pdf import chromium, print_page
from simkit.report.render import render
from simkit.runs.measures import measures
from simkit.shown import visible
from simkit.store.reports import Made
from simkit.studies.explore.grid import Grid
from simkit.studies.explore.offline import offline
from simkit.studies.explore.setting import Setting
from simkit.times import about

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
    page.wait_for_url(re.compile("#failures$"))
    page.locator("summary").first.click()
    assert page.locator("details").first.get_attribute("open") is None


HOSTILE = '</script><script>window.ran = 1</script><img src=x onerror="window.ran = 2"><a href="javascript:1">x</a>'
WEEKS = f"""
name: {HOSTILE!r}
window: {{from: "2026-03-09", until: "2026-03-23", timezone: America/New_York}}
coder: {{provisioner_daemons: 2}}
presets:
  - name: {HOSTILE!r}
    instances: 1
    ttl: 8h
    scheduling:
      timezone: America/New_York
      schedules: [{{cron: "* 9-16 * * 1-5", instances: 4}}, {{cron: "* 10-11 * * 6,0", instances: 2}}]
demand:
  profiles:
    - preset: {HOSTILE!r}
      claims_per_week: 120
      weekday: [0, 0, 0, 0, 0, 0, 0, 0, 4, 9, 3, 2, 1, 3, 2, 2, 1, 0, 0, 0, 0, 0, 0, 0]
durations: {{build: {{median: 4m, p95: 8m}}}}
cost: {{per_instance_hour: 0.5, currency: "<b>"}}
"""
LISTENER = """window.refused = [];
addEventListener('securitypolicyviolation', (event) => window.refused.push(event.violatedDirective));"""
ALIVE = """() => ({
    ran: window.ran ?? null,
    refused: window.refused,
    handlers: [...document.querySelectorAll('*')].flatMap((one) => one.getAttributeNames())
        .filter((name) => name.startsWith('on')),
    links: [...document.querySelectorAll('[href], [src]')].map((one) => one.href || one.src)
        .filter((to) => /^javascript/i.test(to)),
    frames: document.querySelectorAll('iframe, object, embed, base, form[action]').length,
    scripts: document.scripts.length,
})"""


def quiet_page(browser: playwright.Browser, path: Path, **how: Any) -> playwright.Page:
    """A page from a file, in a browser without a network, that has told of nothing it was refused."""
    context = browser.new_context(offline=True, **how)
    context.add_init_script(LISTENER)
    page = context.new_page()
    page.told = []
    page.on("console", lambda message: page.told.append(message.text))
    page.on("pageerror", lambda error: page.told.append(str(error)))
    page.on("dialog", lambda dialog: page.told.append(dialog.message))
    page.goto(path.as_uri())
    return page


def assert_obeys_nobody(page: playwright.Page, scripts: int) -> None:
    """No script ran but the page's own, none was even refused, and nothing in it could be started by a click."""
    alive = page.evaluate(ALIVE)
    assert alive == {"ran": None, "refused": [], "handlers": [], "links": [], "frames": 0, "scripts": scripts}
    assert page.told == []


@pytest.fixture(scope="module")
def sliders(tmp_path_factory) -> tuple[Path, Path]:
    """A scenario with names that would be obeyed, and its page of sliders."""
    folder = tmp_path_factory.mktemp("sliders")
    (folder / "odd.yaml").write_text(WEEKS)
    page = folder / "explore.html"
    page.write_text(offline(folder / "odd.yaml", seed=3, replications=1), encoding="utf-8")
    return folder / "odd.yaml", page


def come_to(page: playwright.Page) -> list[str]:
    return page.locator("tbody td:nth-child(3)").all_inner_texts()


def test_sliders_of_a_page_are_moved_by_keyboard_and_say_what_a_run_of_that_setting_gives(sliders, browser):
    scenario, path = sliders
    page = quiet_page(browser, path)
    before = come_to(page)
    assert page.locator("tbody td:nth-child(2)").all_inner_texts() == before, "it opens with today's setting"
    for label, key, times in (
        ("base", "ArrowRight", 2),
        ("Monday to Friday: instances", "End", 1),
        ("Monday to Friday: until", "ArrowRight", 1),
        ("TTL", "Home", 1),
        ("daemons", "ArrowRight", 1),
    ):
        page.get_by_label(label, exact=True).focus()
        for _ in range(times):
            page.keyboard.press(key)
    given = simkit.load(scenario)
    setting = Setting.of(given, HOSTILE)
    blocks = (replace(setting.blocks[0], last=17, instances=8), *setting.blocks[1:])
    moved = replace(setting, base=3, blocks=blocks, ttl_us=4 * HOUR_US, daemons=4).scenario(given, HOSTILE)
    run = measures(simkit.run(moved, seed=3))
    assert come_to(page) == [
        f"{run.hits[0] / run.claims[0]:.1%}",
        str(about(run.wait_us[0, 1] / 1e6)),
        f"{run.idle_us[0] / HOUR_US / 2:,.0f}",
        f"{run.builds[0] / 2:,.0f}",
        f"{run.spent_us[0, :3].sum() / HOUR_US / 2 * 0.5:,.0f}",
    ]
    assert come_to(page) != before
    assert page.get_by_role("status").first.inner_text().startswith(f"hit rate {come_to(page)[0]}, wait p95 ")
    assert page.get_by_label("base", exact=True).get_attribute("aria-valuetext") == "3"
    assert "2 in place of" not in page.locator("#daemons").inner_text()
    assert page.locator("#daemons").inner_text().startswith("With 4 provisioner daemons in place of 2")
    assert "Monday to Friday 09:00-18:00 8" in page.locator("#words").inner_text()
    highest = page.locator("#week path").last.get_attribute("d")
    assert highest.count("H") == 168
    page.get_by_role("button", name="Back to today").click()
    page.wait_for_function(f"() => document.querySelector('tbody td:nth-child(3)').innerText === '{before[0]}'")
    assert come_to(page) == before
    assert_obeys_nobody(page, scripts=2)


def test_the_block_of_a_page_is_copied(sliders, browser):
    page = quiet_page(browser, sliders[1], permissions=["clipboard-read", "clipboard-write"])
    page.get_by_label("base", exact=True).focus()
    page.keyboard.press("End")
    page.get_by_role("button", name="Copy").click()
    page.get_by_text("Copied.").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    setting = Setting.of(simkit.load(sliders[0]), HOSTILE)
    assert copied == page.locator("#block").text_content()
    assert f"instances = {max(Grid.of(simkit.load(sliders[0]), HOSTILE).moves[0].values)}" in copied
    assert f'cron      = "{setting.blocks[0].cron}"' in copied


def test_a_page_of_sliders_fits_a_phone_is_dark_and_prints_what_is_set(sliders, browser, tmp_path):
    from pypdf import PdfReader

    inks = []
    for scheme in ("light", "dark"):
        page = quiet_page(browser, sliders[1], viewport={"width": 420, "height": 900}, color_scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= 420
        inks.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        assert page.locator("#week").bounding_box()["width"] <= 420
    assert inks == ["rgb(255, 255, 255)", "rgb(20, 24, 31)"]
    page.get_by_label("Monday to Friday: instances", exact=True).focus()
    page.keyboard.press("End")
    page.emulate_media(media="print")
    page.pdf(path=tmp_path / "page.pdf")
    text = " ".join(" ".join(sheet.extract_text() for sheet in PdfReader(tmp_path / "page.pdf").pages).split())
    assert HOSTILE[:20] in text, "a name is text"
    assert "Monday to Friday 09:00-17:00 8" in text
    for told in (*come_to(page), "cost of the pool, <b>", "instances = 8", "today 4"):
        assert told in text


def test_a_page_of_sliders_is_heard_as_it_is_seen(sliders, browser):
    page = quiet_page(browser, sliders[1])
    heard = page.locator("body").aria_snapshot()
    assert re.findall(r"heading .*\[level=(\d)\]", heard) == ["1", "2", "2", "2"]
    assert 'slider "base": "1"' in heard
    assert 'table "What it comes to, a week"' in heard
    assert re.search(r'rowheader "hit rate"', heard)
    wanted = "Wanted: 1, Monday to Friday 09:00-17:00 4, Saturday and Sunday 10:00-12:00 2."
    assert f'img "{wanted} Dots, as it is today: {wanted}"' in heard
    assert 'button "Copy"' in heard


ODD_HISTORY = f"""
window: {{from: "2026-10-27", until: "2026-11-01", timezone: America/New_York}}
presets: [{{name: {json.dumps(ODD_NAMES[1])}, instances: 2}}]
demand: {{profiles: [{{preset: {json.dumps(ODD_NAMES[1])}, weekday: [{", ".join(["0.4"] * 24)}]}}]}}
"""
GIVEN = {
    "00-start-here": {},
    "01-capacity": {"replications": "2"},
    "02-expiration": {"replications": "2", "ttls": "4h"},
    "03-cron-ranges": {"pools": "2", "pools_for_a_year": "1"},
    "04-control-plane": {},
    "05-decide": {"replications": "2"},
    "06-replay": {"replications": "2"},
}
"""What makes a notebook quick. Those that take neither a scenario nor a history have no names from outside."""


@pytest.fixture(scope="module", params=NOTEBOOKS, ids=lambda path: path.stem)
def report_page(request, tmp_path_factory) -> Path:
    """The report of each notebook, of inputs with names that a page could obey."""
    folder, notebook = tmp_path_factory.mktemp("odd"), request.param
    given = dict(GIVEN[notebook.stem])
    if notebook.stem == "06-replay":
        (folder / "history.yaml").write_text(ODD_HISTORY)
        given["history"] = str(folder / "my.duckdb")
        simkit.run(simkit.load(folder / "history.yaml"), seed=1).save(given["history"])
    elif notebook.stem not in ("03-cron-ranges", "04-control-plane"):
        (folder / "odd.yaml").write_text(odd_scenario())
        given["scenario"] = str(folder / "odd.yaml")
    return render(notebook, given, folder / "reports", made_at=AT).html


def test_no_script_of_a_name_runs_on_the_page_of_any_notebook(report_page, browser):
    page = quiet_page(browser, report_page)
    for summary in page.locator("summary").all():  # a fold opens and closes, and nothing in it wakes up
        summary.click()
        summary.click()
    assert_obeys_nobody(page, scripts=0)
    if report_page.stem not in ("03-cron-ranges", "04-control-plane"):
        shown = page.locator("body").inner_text()
        assert visible(ODD_NAMES[1]).split()[0] in shown, "it is there, as text"


STRUCTURE = """() => ({
    levels: [...document.querySelectorAll('h1, h2, h3, h4, h5, h6')].map((heading) => Number(heading.tagName[1])),
    mains: document.querySelectorAll('main').length,
    language: document.documentElement.lang,
    unlabelled: [...document.querySelectorAll('nav:not([aria-label])')].length,
    unheaded: [...document.querySelectorAll('table')].filter((table) =>
        table.querySelector('th:not([scope])')
        || [...table.tBodies[0].rows].some((row) => row.cells[0].scope !== 'row'))
        .map((table) => table.innerText.slice(0, 80)),
    pictures: [...document.querySelectorAll('img')].map((image) => image.alt),
})"""


def test_the_page_of_any_notebook_is_heard_as_it_is_seen(report_page, browser):
    page = quiet_page(browser, report_page)
    found = page.evaluate(STRUCTURE)
    assert found["levels"][0] == 1
    assert found["levels"].count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(found["levels"])), found["levels"]
    assert (found["mains"], found["language"], found["unlabelled"]) == (1, "en", 0)
    assert found["unheaded"] == []
    without = [alt for alt in found["pictures"] if not re.search(r"[0-9]", alt) and not alt.endswith(".")]
    assert without == [], "a picture's text has the numbers that it shows"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.locator(".skip").bounding_box()["x"] >= 0
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(f"#{page.locator('details').first.get_attribute('id')}$"))
    heard = page.locator("main").aria_snapshot()
    assert len(re.findall(r"heading .* \[level=2\]", heard)) == page.locator("summary h2").count() > 1
    if report_page.stem == "01-capacity":
        assert 'columnheader "hit rate"' in heard
        assert "rowheader" in heard
