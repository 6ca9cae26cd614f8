"""Every notebook is a question: parameters, then ask, draw, say. It keeps no outputs, and it runs."""

from __future__ import annotations

import ast
import json
import re
import resource
import subprocess
import sys
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest
from odd_names import ODD_NAMES, odd_scenario
from result_schema import faults

import simkit
from simkit.report.render import render
from simkit.shown import visible

MOST_PARTS = ("lifecycle", "twelve-presets")
"""Samples with people, and with many presets; what is in the others is in these, or in other tests of notebooks."""
ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
START = ROOT / "notebooks" / "00-start-here.ipynb"
CAPACITY = ROOT / "notebooks" / "01-capacity.ipynb"
EXPIRATION = ROOT / "notebooks" / "02-expiration.ipynb"
CRON_RANGES = ROOT / "notebooks" / "03-cron-ranges.ipynb"
CONTROL_PLANE = ROOT / "notebooks" / "04-control-plane.ipynb"
DECIDE = ROOT / "notebooks" / "05-decide.ipynb"
REPLAY = ROOT / "notebooks" / "06-replay.ipynb"
LONGEST_CELL = 12  # lines


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request):
    return nbformat.read(request.param, as_version=4)


def code_cells(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def execute(source: Path, target: Path, folder: Path, **parameters: object):
    """Run a notebook with papermill's own command, started in `folder`, and return what came out."""
    given = [text for name, value in parameters.items() for text in ("-p", name, str(value))]
    command = [
        sys.executable,
        "-m",
        "papermill",
        str(source),
        str(target),
        "--no-progress-bar",
        "-k",
        "python3",
        *given,
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return nbformat.read(target, as_version=4)


def outputs(notebook) -> list:
    return [output for cell in code_cells(notebook) for output in cell.outputs]


def of_kind(notebook, kind: str) -> list:
    return [output["data"][kind] for output in outputs(notebook) if kind in output.get("data", {})]


def pictures_of(notebook) -> list:
    """Where there is nothing to draw, a sentence stands in its place."""
    said = [text for text in of_kind(notebook, "text/html") if text.startswith("<p>")]
    return of_kind(notebook, "image/png") + of_kind(notebook, "image/svg+xml") + said


def said_in(notebook) -> str:
    """Every sentence, as a terminal shows it."""
    said = [output["data"] for output in outputs(notebook) if "text/markdown" in output.get("data", {})]
    return "\n".join(data["text/plain"] for data in said)


def test_there_are_notebooks():
    assert {START, CAPACITY, EXPIRATION, CRON_RANGES, CONTROL_PLANE, DECIDE, REPLAY} <= set(NOTEBOOKS)


def test_a_notebook_is_valid_and_keeps_no_outputs(notebook):
    nbformat.validate(notebook)
    assert all(not cell.outputs and cell.execution_count is None for cell in code_cells(notebook))


def test_a_notebook_asks_draws_and_says_and_defines_nothing(notebook):
    for cell in code_cells(notebook):
        forbidden = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.For, ast.While, ast.If)
        assert not [node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, forbidden)], cell.source
        assert len(cell.source.splitlines()) <= LONGEST_CELL, cell.source


def test_a_notebook_begins_with_a_title_and_its_parameters(notebook):
    assert notebook.cells[0].cell_type == "markdown"
    assert notebook.cells[0].source.startswith("# ")
    tagged = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    assert tagged == [notebook.cells[1]]
    assert all(isinstance(node, ast.Assign) for node in ast.parse(tagged[0].source).body)
    assert all(re.search(r"  # \w", line) for line in tagged[0].source.splitlines()), "each parameter is explained"


def test_a_notebook_begins_with_the_answer_and_ends_with_what_to_do_next(notebook):
    sections = [i for i, cell in enumerate(notebook.cells) if cell.source.startswith("## ")]
    first, last = sections[0], sections[-1]
    assert notebook.cells[first].source.splitlines()[0] == "## The answer"
    answered = notebook.cells[first + 1]
    assert answered.cell_type == "code"
    assert re.search(r"^say(_each)?\(", answered.source, re.MULTILINE), "it is a sentence"
    before = notebook.cells[2:first]
    assert all(cell.cell_type == "code" for cell in before), "nothing to read comes before it"
    assert not any("pictures." in cell.source for cell in before)
    heading, *text = notebook.cells[last].source.splitlines()
    assert heading == "## What to do next"
    assert any(text) or "next_steps" in notebook.cells[last + 1].source


WARM_S = 30
"""Of processor time, which other work on the machine does not lengthen as it does an hour by the clock."""


@pytest.mark.longest
@pytest.mark.parametrize("source", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_as_it_is_from_any_folder_and_warm_within_thirty_seconds(source, tmp_path):
    def seconds() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    for _ in range(2):  # the first may compile the event loop
        begun = seconds()
        done = execute(source, tmp_path / "out.ipynb", tmp_path)
        taken = seconds() - begun
        if taken <= WARM_S:
            break
    assert 0 < taken <= WARM_S
    assert [output for output in outputs(done) if output.output_type in ("stream", "error")] == []
    answered = next(i for i, cell in enumerate(done.cells) if cell.source == "## The answer")
    assert any("text/markdown" in output.get("data", {}) for output in done.cells[answered + 1].outputs)


@pytest.mark.slow
def test_the_first_notebook_leads_to_all_others_with_an_answer_each(tmp_path):
    done = execute(START, tmp_path / "out.ipynb", tmp_path.parent, scenario=ROOT / "data/scenarios/workweek.yaml")
    text = "\n".join(cell.source for cell in done.cells if cell.cell_type == "markdown")
    linked = set(re.findall(r"\]\(([^)]+\.ipynb)\)", text))
    assert linked == {path.name for path in (ROOT / "notebooks").glob("*.ipynb")} - {START.name}
    said = said_in(done)
    assert "The pools served 94.1% of 948 claims" in said
    assert "On Monday 2026-11-16 at 09:00 EST goland-large had 0 ready" in said
    cron, panel, story = (text for text in of_kind(done, "text/html") if "<pre" in text)
    assert "prebuilds {" in panel
    assert "Holds Monday to Friday, 09:00 to 17:59" in cron
    assert "claims found no prebuild" in story
    assert [output for output in outputs(done) if output.output_type in ("stream", "error")] == []


@pytest.mark.slow
def test_the_capacity_notebook_runs_from_its_own_folder_with_two_replications(tmp_path):
    done = execute(CAPACITY, tmp_path / "out.ipynb", ROOT / "notebooks", replications=2, week="2026-11-18")
    said = said_in(done)
    assert "of 948 claims" in said
    assert "In the week from Monday 2026-11-16" in said
    assert said.count("No build of a prebuild failed.") == 1
    assert len(pictures_of(done)) == 8
    assert [output for output in outputs(done) if output.output_type in ("stream", "error")] == []


@pytest.mark.slow
def test_the_expiration_notebook_runs_from_its_own_folder_and_says_what_freshness_costs(tmp_path):
    done = execute(EXPIRATION, tmp_path / "out.ipynb", ROOT / "notebooks", replications=2, ttls="4h")
    said = said_in(done)
    assert "Halving the TTL of goland-large from 8h to 4h costs" in said
    assert "always at 02:00 on the wall clock of America/New_York; in UTC that is 06:00 and then 07:00" in said
    assert "At Sat 31 Oct 02:00 EDT the workspace stops" in said
    assert "workspace_builds_deadline_below_max_deadline would refuse" in said
    assert len(pictures_of(done)) == 7
    assert [output for output in outputs(done) if output.output_type in ("stream", "error")] == []


@pytest.mark.slow
def test_the_expiration_notebook_says_so_where_a_scenario_has_no_people(tmp_path):
    scenario = "data/scenarios/workweek.yaml"
    done = execute(EXPIRATION, tmp_path / "out.ipynb", ROOT, scenario=scenario, replications=1, ttls="")
    said = said_in(done)
    assert said.count("The scenario has no people") == 4
    assert len(pictures_of(done)) == 7
    assert [output for output in outputs(done) if output.output_type in ("stream", "error")] == []


@pytest.mark.slow
def test_the_cron_ranges_notebook_shows_every_edge_case_and_what_it_does_to_the_pool(tmp_path):
    done = execute(CRON_RANGES, tmp_path / "out.ipynb", ROOT / "notebooks", pools=3, pools_for_a_year=1)
    said = said_in(done)
    for sentence in (
        "Mon 08:59:00 to 17:58:59 under v2.24",
        "* 2 * * * does not hold at all that day",
        "* 1 * * * holds 1h longer than on any other day",
        "the clocks of Africa/Cairo show 01:00: 00:00 to 01:00 is skipped",
        "* 2 * * * holds 30m less than on any other day",
        "as written for 1,240 hours on 124 days, as meant for 120 hours on 12 days: 112 days that nobody meant",
        "183 days that nobody meant",
        "both hold for 50 hours on 5 days, first on Monday 2026-02-02",
        "the provider takes 6 alone and 3 beside",
        "uses 0 of 1 schedules",
        '"1,5" is Monday and Friday only',
    ):
        assert sentence in said, sentence
    assert said.count("What it does to the pool:") == 13
    assert len(pictures_of(done)) == 14
    assert [output for output in outputs(done) if output.output_type in ("stream", "error")] == []


@pytest.mark.slow
def test_the_cron_ranges_notebook_runs_where_clocks_stand_still(tmp_path):
    other = {"timezone": "UTC", "year": 2028, "monday": "2028-01-03", "pools": 1, "pools_for_a_year": 1}
    done = execute(CRON_RANGES, tmp_path / "out.ipynb", ROOT, **other)
    said = said_in(done)
    assert "The clocks of UTC do not go forward in 2028." in said
    assert len(pictures_of(done)) == 14
    assert [output for output in outputs(done) if output.output_type in ("stream", "error")] == []


@pytest.mark.slow
def test_the_control_plane_notebook_shows_a_day_and_each_subsystem(tmp_path):
    done = execute(CONTROL_PLANE, tmp_path / "out.ipynb", ROOT / "notebooks")
    sections = [cell.source.splitlines()[0] for cell in done.cells if cell.source.startswith("## ")]
    assert [title.split()[1] for title in sections[:3]] == ["The", "The", "Jobs"]
    assert [title.removeprefix("## ") for title in sections[-2:]] == ["Notifications and metrics", "What to do next"]
    assert len(sections) == 16
    said = said_in(done)
    for sentence in (
        "On Tuesday 2026-11-10, from 06:00 EST to 22:00 EST, there were 17 workspaces",
        "the reaper ended 2 jobs whose daemon was silent for 5 minutes, and 2 that nobody took for 30",
        "failures in 3 completions left 0 tables changed",
        "1,048,111 bytes of 1,048,576",
        "2 of 4 steps are kept",
        "9,216,000 bytes travel in 5 pieces, and 4 uploads leave 3 files",
        "3 of 5 sets of parameters find a preset",
        "the rule prebuilds_have_no_lifecycle of workspaces refuses this",
        "the reconciler acted 0 times. After it, it deleted as expired: 1",
        "3 prebuilds are refused by the quota. us is hard-limited then: yes",
        "4 of 5 reports change the state",
        "has 2 agents, and a claim can reinitialise only one",
        "1 resource was replaced in a claim, because of env, hostname",
        "1 of 2 devcontainers start",
        'this is not the token of agent "main"',
        "2 of 3 builds are AI tasks",
    ):
        assert sentence in said, sentence
    pages = unescape("\n".join(of_kind(done, "text/html")))
    assert "Provisioner logs exceeded the max size of 1MB" in pages
    assert "PrebuildFailureLimitReached" in pages
    assert "coderd_prebuilt_workspaces_claimed_total{" in pages
    assert len(pictures_of(done)) == 1
    assert [output for output in outputs(done) if output.output_type in ("stream", "error")] == []


@pytest.mark.slow
def test_the_control_plane_notebook_runs_elsewhere_on_another_day_by_older_rules(tmp_path):
    other = {"day": "2026-03-29", "timezone": "Europe/Berlin", "daemons": 1, "coder": "v2.24"}
    done = execute(CONTROL_PLANE, tmp_path / "out.ipynb", ROOT, **other)
    said = said_in(done)
    assert "On Sunday 2026-03-29, from 06:00 CEST to 22:00 CEST" in said
    assert "invalidating was refused: Coder v2.24 has no preset invalidation" in said
    assert [output for output in outputs(done) if output.output_type in ("stream", "error")] == []


@pytest.mark.slow
def test_the_decide_notebook_answers_first_and_shows_what_bound_it(tmp_path):
    done = execute(DECIDE, tmp_path / "out.ipynb", ROOT / "notebooks", preset="backend-us")
    said = said_in(done)
    for sentence in (
        "backend-us: Meets 95.0%",
        "Never fewer than 3: of builds that fail",
        "In the same weeks 97.1% of the claims find a prebuild, today 31.2%",
        "Next quarter (13 weeks)",
        "One step down (",
        "The hard limit has a price: no number may fall below 3",
        "replications the hard limit stops it within these 42 days",
        "In the week from Monday 2026-10-05, 13 of 138 claims find no prebuild as recommended",
        "The hard limit stopped today's setting, on Monday 2026-10-19",
        "2 of the others reach the target in these weeks",
        "Most moves the hit rate failures: none",
        "the recommendation never meets it at",
        "Choose again after 13 weeks",
    ):
        assert sentence in said, sentence
    assert 'cron      = "* 9 * * 1-5"' in unescape("".join(of_kind(done, "text/html")))
    assert len(pictures_of(done)) == 9
    assert [output for output in outputs(done) if output.output_type in ("stream", "error")] == []


@pytest.mark.slow
def test_the_replay_notebook_answers_first_and_shows_the_days_that_differ(tmp_path):
    done = execute(REPLAY, tmp_path / "out.ipynb", ROOT / "notebooks")
    said = said_in(done)
    for sentence in (
        "of 1,513 claims found a prebuild",
        "Without them simkit replays",
        "Most differs backend-us on Wednesday 2026-10-07",
        "The reconciler was paused at 09:00.",
        "Under today's schedule +1 9",
        "a real difference",
        "Replay again after the next month",
    ):
        assert sentence in said, sentence
    assert said.splitlines()[1].startswith("simkit replays ")
    assert len(pictures_of(done)) == 3
    assert [output for output in outputs(done) if output.output_type in ("stream", "error")] == []


@pytest.mark.slow
def test_the_replay_notebook_takes_a_history_with_odd_names_and_short_of_a_week(tmp_path):
    scenario = tmp_path / "odd.yaml"
    one, other = json.dumps(ODD_NAMES[1]), json.dumps(ODD_NAMES[2])
    week = f"weekday: [{', '.join(['0.4'] * 24)}]}}"
    scenario.write_text(
        f"name: {json.dumps(ODD_NAMES[0])}\n"
        'window: {from: "2026-10-27", until: "2026-11-01", timezone: America/New_York}\n'
        f"presets: [{{name: {one}, instances: 2}}, {{name: {other}, instances: 0}}]\n"
        f"demand: {{profiles: [{{preset: {one}, {week}, {{preset: {other}, {week}]}}\n"
    )
    simkit.run(simkit.load(scenario), seed=1).save(tmp_path / "my.duckdb")
    given = {"history": str(tmp_path / "my.duckdb"), "replications": "2"}
    made = render(REPLAY, given, tmp_path / "reports", made_at=0)
    page = Page(made.html.read_text(encoding="utf-8"))
    assert page.obeyed == []
    assert visible(ODD_NAMES[1]) in page.text
    assert faults(json.loads(made.result.read_text())) == []


class Page(HTMLParser):
    """What a browser could obey on a page, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.obeyed: list[str] = []
        self.policy = self.text = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        links = [attributes.get(name) or "#" for name in ("href", "src", "action", "data", "srcdoc", "formaction")]
        is_odd = tag in ("script", "iframe", "object", "embed", "svg", "form", "base", "link", "video")
        is_odd |= any(name.startswith("on") for name in attributes)
        if is_odd or not all(
            link.startswith(("#", "data:image/png;base64,", "data:image/svg+xml;base64,")) for link in links
        ):
            self.obeyed.append(self.get_starttag_text())
        if attributes.get("http-equiv") == "Content-Security-Policy":
            self.policy = attributes["content"]
        if tag == "img":
            self.text += attributes.get("alt", "")

    def handle_data(self, data):
        self.text += data


def test_the_page_of_odd_names_is_looked_at_as_a_browser_does():
    assert (
        len(Page('<a href=" JavaScript:x">1</a><p onclick=x><img src="//x"><IFRAME></IFRAME><a href="#x">').obeyed) == 4
    )


@pytest.mark.parametrize(
    "notebook",
    [pytest.param(path, marks=pytest.mark.slow) for path in (CAPACITY, EXPIRATION, DECIDE)],
    ids=lambda path: path.stem,
)
def test_names_are_text_on_the_page_whatever_is_in_them(notebook, tmp_path):
    scenario = tmp_path / "odd.yaml"
    scenario.write_text(odd_scenario())
    given = {"scenario": str(scenario), "replications": "2"}
    made = render(
        notebook,
        given | ({"ttls": "4h"} if notebook == EXPIRATION else {}),
        tmp_path / "reports",
        made_at=0,
    )
    page = Page(made.html.read_text(encoding="utf-8"))
    assert page.obeyed == []
    assert "default-src 'none'" in page.policy
    assert not {"script-src", "frame-src", "connect-src"} & set(page.policy.split())
    for name in map(visible, ODD_NAMES):
        assert name in page.text, "each is seen as it is"
    # As a sentence has it, where Markdown could be at work; in JupyterLab MathJax looks at the page for formulas.
    said = nbformat.read(made.notebook, as_version=4)
    assert not any(re.search(r"[$\\]\w", text) for text in of_kind(said, "text/markdown") + of_kind(said, "text/html"))
    assert [output for output in outputs(said) if output.output_type in ("stream", "error")] == []
    recorded = json.loads(made.result.read_text())
    assert faults(recorded) == []
    rows = {row["preset"] for row in recorded["runs"][0]["presets"]}
    assert rows
    assert rows <= set(ODD_NAMES)
    assert recorded["runs"][0]["scenario"] == ODD_NAMES[0]
    assert visible(ODD_NAMES[0]) in recorded["sentences"][0]


@pytest.mark.parametrize(
    "scenario",
    [
        pytest.param(path, marks=pytest.mark.slow if path.stem in MOST_PARTS else pytest.mark.longest, id=path.stem)
        for path in sorted((ROOT / "data" / "scenarios").glob("*.yaml"))
    ],
)
@pytest.mark.parametrize(
    ("notebook", "pictures"), [(CAPACITY, 9), (EXPIRATION, 7)], ids=lambda x: getattr(x, "stem", "")
)
def test_a_notebook_runs_with_every_sample_scenario(notebook, pictures, scenario, tmp_path):
    done = execute(notebook, tmp_path / "out.ipynb", ROOT, scenario=scenario.relative_to(ROOT), replications=2)
    not_drawn = ("No build of a prebuild failed.", "No prebuild stood idle.") if notebook == CAPACITY else ()
    assert len(pictures_of(done)) + sum(said_in(done).count(said) for said in not_drawn) == pictures
    assert [output for output in outputs(done) if output.output_type in ("stream", "error")] == []
