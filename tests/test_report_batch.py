"""Many reports at once: what the file says, what is made, what is skipped, what fails, what stays."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from importlib import resources
from pathlib import Path

import nbformat
import pytest

import simkit
from simkit.clock import DAY_US, parse_instant
from simkit.report import batch as reports
from simkit.report.batch import HISTORY, INDEX, Batch, read_batch, render_all
from simkit.store.reports import Made, add_reports, all_reports

MADE_AT = parse_instant("2026-03-02T02:00:00Z")
PLAIN = 'window: {from: "2026-03-02", until: "2026-03-03"}\npresets: [{name: large, instances: 2}]\n'


def book(path: Path, *cells: str, parameters: str = "seed = 7") -> Path:
    made = nbformat.v4.new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    )
    first = nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]})
    made.cells = [nbformat.v4.new_markdown_cell("# A book"), first, *map(nbformat.v4.new_code_cell, cells)]
    nbformat.write(made, path)
    return path


def file_of(folder: Path, text: str) -> Path:
    path = folder / "reports.yaml"
    path.write_text(text)
    return path


def made(batch: Batch, at: int = MADE_AT, jobs: int = 1, **options: bool) -> list[tuple[str, bool, str]]:
    became = render_all(batch, made_at=at, jobs=jobs, seconds=time.monotonic, **options)
    return [(each.made.report, each.is_new, each.made.message) for each in became]


@pytest.mark.slow
def test_reports_are_made_once_fail_alone_and_are_made_again_when_something_differs(tmp_path: Path):
    cite = "import simkit\nfrom simkit.report import cite\ncite([simkit.run(simkit.load(scenario), seed)])"
    book(tmp_path / "good.ipynb", cite, parameters=f'scenario = "{tmp_path}/a.yaml"\nseed = 7')
    book(tmp_path / "bad.ipynb", "1 / 0")
    (tmp_path / "a.yaml").write_text(PLAIN)
    batch = read_batch(file_of(tmp_path, "keep: 1\nreports: [{notebook: bad.ipynb}, {notebook: good.ipynb}]"))
    assert batch.out == tmp_path / "reports"

    failed = f"{tmp_path / 'bad.ipynb'}: cell 2 failed: ZeroDivisionError: division by zero"
    assert made(batch) == [("default", True, failed), ("a", True, "")]
    page = batch.out / "good" / "a" / "good.html"
    assert page.is_file()
    assert not (batch.out / "bad").exists()
    bad, good = sorted(all_reports(batch.out / HISTORY))
    assert (bad.notebook, bad.message, bad.page, bad.hit_rate) == ("bad", failed, "", None)
    assert (good.notebook, good.message, good.page, good.claims) == ("good", "", "good/a/good.html", 0)
    assert (good.made_at, good.idle_cost_per_week, good.hard_limited_presets) == (MADE_AT, None, 0)
    assert good.idle_hours_per_week == pytest.approx(7 * 2 * 24, rel=0.02)
    index = (batch.out / INDEX).read_text()
    assert "2 reports, the newest of Mon 2026-03-02 02:00 UTC. 1 could not be made." in index
    assert 'href="good/a/good.html"' in index

    before = page.read_bytes()
    assert made(batch, MADE_AT + DAY_US) == [("default", True, failed), ("a", False, "")], "what failed is tried again"
    (tmp_path / "a.yaml").write_text(PLAIN.replace("instances: 2", "instances: 3"))
    assert made(batch, MADE_AT + 2 * DAY_US)[1] == ("a", True, "")
    older = page.parent / "older"
    assert [place.name for place in older.iterdir()] == ["2026-03-02T020000Z"]
    assert (older / "2026-03-02T020000Z" / "good.html").read_bytes() == before
    assert made(batch, MADE_AT + 3 * DAY_US, force=True)[1] == ("a", True, "")
    assert [place.name for place in older.iterdir()] == ["2026-03-04T020000Z"], "keep: 1"
    assert "+168" in (batch.out / INDEX).read_text() or "unchanged" in (batch.out / INDEX).read_text()


def test_a_report_that_fails_leaves_the_one_before_and_says_so(tmp_path: Path):
    path = book(tmp_path / "book.ipynb", "seed")
    batch = read_batch(file_of(tmp_path, "reports: [{notebook: book.ipynb}]"))
    assert made(batch) == [("default", True, "")]
    page = batch.out / "book" / "default" / "book.html"
    before = page.read_bytes()
    book(path, "import os\nos._exit(3)")
    ((_, _, message),) = made(batch, MADE_AT + DAY_US)
    assert "the kernel that executed it died" in message
    assert page.read_bytes() == before
    index = (batch.out / INDEX).read_text()
    assert "Not made Tue 2026-03-03 02:00 UTC" in index
    assert 'href="book/default/book.html"' in index


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("reports: []", "reports.yaml:1: reports: there are none; write at least one notebook"),
        ("keep: 3", 'reports.yaml:1: "reports" is missing at the top level'),
        ("reports: [{notebook: no.ipynb}]", "there is no such notebook"),
        ("reports: [{notebook: a.ipynb, parameters: {sed: 1}}]", 'declares no parameter "sed"; write "seed"'),
        ("reports: [{notebook: a.ipynb}, {notebook: a.ipynb}]", 'has the folder "default", as line 1 has'),
        ("reports: [{notebook: a.ipynb, name: ../b}]", "is for one report, and the name of a folder"),
        (
            "thresholds: {hits: {at_least: 1}}\nreports: [{notebook: a.ipynb}]",
            "reports.yaml:1: thresholds.hits: unknown key",
        ),
        ("thresholds: {hit_rate: {}}\nreports: [{notebook: a.ipynb}]", "hit_rate: write at_least or at_most"),
        ("thresholds: {hit_rate: {at_least: 95}}\nreports: [{notebook: a.ipynb}]", '"95" is not a share above 0'),
        ("keep: -1\nreports: [{notebook: a.ipynb}]", "reports.yaml:1: keep: -1 is out of range"),
        ("reports: [{notebook: a.ipynb, notes: x}]", "reports[0].notes: unknown key"),
        ("- a", 'expected a mapping ("key: value" lines), got a list'),
    ],
)
def test_everything_that_is_wrong_with_the_file_is_told_before_anything_is_made(text: str, told: str, tmp_path: Path):
    book(tmp_path / "a.ipynb", "seed")
    with pytest.raises(simkit.InputError) as caught:
        read_batch(file_of(tmp_path, text))
    assert told in str(caught.value)
    assert not (tmp_path / "reports").exists()


def test_each_scenario_is_a_report_of_its_own_and_parameters_have_the_notebooks_types(tmp_path: Path):
    book(tmp_path / "a.ipynb", "seed", parameters='scenario = "x.yaml"\nseed = 7')
    text = "reports: [{notebook: a.ipynb, scenarios: [one.yaml, sub/two.yaml], parameters: {seed: 9}}]"
    batch = read_batch(file_of(tmp_path, text), tmp_path / "elsewhere")
    assert batch.out == tmp_path / "elsewhere"
    assert [(asked.name, dict(asked.parameters)) for asked in batch.reports] == [
        ("one", {"seed": 9, "scenario": str(tmp_path / "one.yaml")}),
        ("two", {"seed": 9, "scenario": str(tmp_path / "sub/two.yaml")}),
    ]


@pytest.mark.parametrize(
    ("bounds", "hit_rate", "wait", "broken"),
    [
        ("{hit_rate: {at_least: 95%}}", 0.95, None, []),
        ("{hit_rate: {at_least: 95%}}", 0.9499, None, ["hit_rate"]),
        ("{hit_rate: {at_least: 0.95}, wait_p95: {at_most: 1m}}", 0.9, 60.5, ["hit_rate", "wait_p95_s"]),
        ("{wait_p95: {at_most: 1m}}", None, 60.0, []),
        ("{hit_rate: {at_least: 95%}}", None, None, []),
    ],
)
def test_a_threshold_is_broken_on_one_side_of_it(bounds, hit_rate, wait, broken, tmp_path: Path):
    book(tmp_path / "a.ipynb", "seed")
    batch = read_batch(file_of(tmp_path, f"thresholds: {bounds}\nreports: [{{notebook: a.ipynb}}]"))
    row = Made("a", "default", MADE_AT, "", "", 1.0, "", hit_rate=hit_rate, wait_p95_s=wait)
    assert [of.measure for of in batch.reports[0].thresholds if of.broken_by(row)] == broken


def test_a_history_that_is_something_else_is_refused(tmp_path: Path):
    book(tmp_path / "a.ipynb", "seed")
    (tmp_path / "a.yaml").write_text(PLAIN)
    batch = read_batch(file_of(tmp_path, "reports: [{notebook: a.ipynb}]"))
    batch.out.mkdir()
    simkit.run(simkit.load(tmp_path / "a.yaml")).save(batch.out / HISTORY)
    with pytest.raises(simkit.SimkitError, match="holds no history of reports"):
        made(batch)
    with pytest.raises(simkit.SimkitError, match="holds no history of reports"):
        add_reports(batch.out / HISTORY, [])


def test_the_digest_of_a_report_is_of_the_files_that_it_names(tmp_path: Path):
    (tmp_path / "rows.csv").write_text("1")
    book(tmp_path / "a.ipynb", "rows", parameters=f'rows = "{tmp_path}/rows.csv"')
    batch = read_batch(
        file_of(tmp_path, f"reports: [{{notebook: a.ipynb, parameters: {{rows: {tmp_path}/rows.csv}}}}]")
    )
    assert made(batch)[0][1:] == (True, "")
    assert made(batch)[0][1:] == (False, "")
    (tmp_path / "rows.csv").write_text("2")
    assert made(batch)[0][1:] == (True, "")
    result = json.loads((batch.out / "a" / "default" / "result.json").read_text())
    assert result["parameters"] == {"rows": f"{tmp_path}/rows.csv"}


SCENARIO = """\
window: {from: "2026-03-02", until: "2026-03-16", timezone: America/New_York}
presets:
  - name: large
    instances: 2
    scheduling: {timezone: Europe/Berlin, schedules: [{cron: "* 8-18 * * 1-5", instances: 4}]}
demand: {history: claims.csv}
durations: {build: {median: 3m, p95: 6m}}
events: [{at: "2026-03-04T12:00", event: pause}]
"""
CLAIMS = "started_at,preset\n" + "".join(f"2026-03-03T{i // 60:02}:{i % 60:02}:00Z,large\n" for i in range(1200))


def digest_of(tmp_path: Path, batch: Batch, scenario: str = SCENARIO, claims: str = CLAIMS) -> str:
    (tmp_path / "a.yaml").write_text(scenario)
    (tmp_path / "claims.csv").write_text(claims)
    simkit.load(tmp_path / "a.yaml")  # what cannot be read has a digest, too
    return reports._digest(batch.reports[0], reports._scenario)


@pytest.fixture
def of_one(tmp_path: Path) -> Batch:
    book(tmp_path / "a.ipynb", "seed", parameters='scenario = "x.yaml"\nseed = 7')
    return read_batch(file_of(tmp_path, "reports: [{notebook: a.ipynb, scenarios: [a.yaml]}]"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("instances: 2", "instances: 3"),
        ("8-18", "8-17"),
        ("Europe/Berlin", "Europe/Paris"),
        ("America/New_York", "UTC"),
        ("p95: 6m", "p95: 7m"),
        ("event: pause", "event: resume"),
        ("03-16", "03-17"),
        ("01:40:00Z", "01:40:01Z"),  # in the middle of a long column
    ],
)
def test_whatever_decides_a_scenario_makes_its_report_again(old: str, new: str, tmp_path: Path, of_one: Batch):
    assert old in SCENARIO + CLAIMS
    before = digest_of(tmp_path, of_one)
    assert digest_of(tmp_path, of_one, SCENARIO.replace(old, new), CLAIMS.replace(old, new)) != before


def test_where_and_how_a_scenario_is_written_makes_no_report_again(tmp_path: Path, of_one: Batch):
    before = digest_of(tmp_path, of_one)
    assert digest_of(tmp_path, of_one, "# a comment\n\n" + SCENARIO.replace("3m,", "180s,")) == before


def test_other_rules_of_time_zones_make_a_report_again(tmp_path: Path, of_one: Batch, monkeypatch):
    before = digest_of(tmp_path, of_one)
    (tmp_path / "zones" / "Europe").mkdir(parents=True)
    monkeypatch.setenv("SIMKIT_ZONEINFO", str(tmp_path / "zones"))
    rules = (resources.files("tzdata") / "zoneinfo" / "Europe" / "London").read_bytes()
    (tmp_path / "zones" / "Europe" / "Berlin").write_bytes(rules)
    reports._zones.cache_clear()
    try:
        assert digest_of(tmp_path, of_one) != before
    finally:
        reports._zones.cache_clear()


def test_whether_a_report_is_up_to_date_is_told_without_loading_what_makes_one(tmp_path: Path, of_one: Batch):
    digest_of(tmp_path, of_one)
    asked = (
        "import sys; from simkit.report import batch; "
        f"made = batch.read_batch({str(tmp_path / 'reports.yaml')!r}); batch.all_reports('none'); "
        "print(len(batch._digest(made.reports[0], batch._scenario))); "
        "print(*{'numba', 'pandas', 'papermill', 'nbconvert', 'matplotlib'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["64"]
