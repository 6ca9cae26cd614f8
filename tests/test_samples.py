"""The sample inputs give what they always gave: rows, counts, answers, decisions, and what is said of them.

What they gave stands in `samples/recorded.json`, short texts as they are, long ones and tables as a count and a hash;
`tests/sampled.py` computes it. Numbers move only with a line in the CHANGELOG: `tests/moved.py`.

    pytest tests/test_samples.py -m ''       compares the notebooks and the report, too, which are slow
    python tests/test_samples.py             records again, where a change was meant
    python tests/test_samples.py FOLDER      writes everything whole into FOLDER; do so before and after a change, and
                                             `diff -r` shows which row or line it is
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from moved import CHANGELOG, EXPLAINED, SHOWN, keep, lines_of, recordings, seal_of, unexplained
from sampled import (
    NOTEBOOKS,
    RECORDED,
    TOP,
    Answer,
    Rows,
    brief,
    commands,
    copies,
    counts,
    decisions,
    differences,
    notebook,
    reference,
    reports,
    runs,
)


def assert_as_recorded(section: str, found: Any) -> None:
    recorded = json.loads(RECORDED.read_text(encoding="utf-8"))
    for name in section.split("/"):
        recorded = recorded.get(name, {})
    moved = list(differences(recorded, brief(found)))
    if moved:
        told = "\n  ".join(moved)
        pytest.fail(
            f"{section}: this is not as tests/samples/recorded.json says:\n  {told}\n"
            "If it was not meant: `python tests/test_samples.py FOLDER` writes everything whole; do so before and "
            "after the change and compare with `diff -r`.\n"
            "If it was meant: `python tests/test_samples.py` records it, and the commit says why it moved.",
            pytrace=False,
        )


def everything(copied: Callable[[], Path]) -> dict[str, Any]:
    return {
        "runs": runs(copied()),
        "reference": reference(copied()),
        "counts": counts(copied()),
        "decisions": decisions(copied()),
        "reports": reports(copied()),
        "commands": commands(copied()),
        "notebooks": {name: notebook(name, copied()) for name in NOTEBOOKS},
    }


def write_whole(told: Any, folder: Path) -> None:
    """A folder for each level, a file for each table, answer and text."""
    for name, value in told.items():
        path = folder / re.sub(r"[^\w.,-]+", "_", name)[:100]
        if isinstance(value, dict):
            write_whole(value, path)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_text(value.whole() if hasattr(value, "whole") else f"{value}\n", encoding="utf-8")


@pytest.fixture
def folder(tmp_path) -> Path:
    return copies(tmp_path)


def test_the_sample_runs_have_the_rows_and_answers_that_they_had(folder):
    assert_as_recorded("runs", runs(folder))


@pytest.mark.slow
def test_the_reference_engine_gives_the_rows_and_answers_that_it_gave(folder):
    assert_as_recorded("reference", reference(folder))


def test_the_sample_runs_are_counted_as_they_were(folder):
    assert_as_recorded("counts", counts(folder))


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_any_number_of_threads_decides_as_it_was_decided(threads, folder, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: threads)
    assert_as_recorded("decisions", decisions(folder))


@pytest.mark.slow
def test_a_report_has_the_numbers_that_it_had(folder):
    assert_as_recorded("reports", reports(folder))


def test_the_command_line_says_what_it_said(folder):
    assert_as_recorded("commands", commands(folder))


@pytest.mark.slow
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_says_what_it_said(name, folder):
    assert_as_recorded(f"notebooks/{name}", notebook(name, folder))


def test_what_moved_is_told_by_its_path():
    recorded = {"week": {"tables": {"claims": "3 rows ab", "users": "0 rows 12"}, "status": 0}, "said": ["a", "b"]}
    found = {"week": {"tables": {"claims": "4 rows cd", "jobs": "1 rows ef"}, "status": 0}, "said": ["a", "c"]}
    assert list(differences(recorded, recorded)) == []
    assert list(differences(recorded, found)) == [
        "week: tables: claims: was 3 rows ab, is 4 rows cd",
        "week: tables: users: was 0 rows 12, is nothing",
        "week: tables: jobs: was nothing, is 1 rows ef",
        "said:",
        "    @@ -2 +2 @@",
        "    -b",
        "    +c",
    ]


def test_a_tables_hash_is_of_its_values_and_not_of_how_they_are_kept():
    text = np.array(["ab", None, ""], dtype=object)
    table = {"at": np.array([1, 2, 3]), "name": text, "run_id": text}
    kept_otherwise = {"name": text, "at": np.array([1, 0, 2, 0, 3], dtype=">i4")[::2]}
    assert Rows(table).brief() == Rows(kept_otherwise).brief()
    assert Rows(table).brief().startswith("3 rows ")
    others = (
        table | {"at": np.array([1, 2, 4])},
        table | {"at": np.array([1.0, 2.0, 3.0])},
        table | {"name": np.array(["a", "b", ""], dtype=object)},
        table | {"name": np.array(["ab", "", None], dtype=object)},
        {"at": table["at"], "title": text},
    )
    assert len({Rows(other).brief() for other in (table, *others)}) == len(others) + 1


def test_an_answers_text_does_not_depend_on_how_a_number_is_kept():
    at = pd.to_datetime(["2026-03-02T10:00:00.5Z", None])
    kept = pd.DataFrame(
        {"n": [10**13, None], "x": [0.1 + 0.2, 2.0], "at": at, "s": ['a,"b', None], "run_id": ["r", "r"]}
    )
    otherwise = kept.assign(n=kept["n"].astype("Int64"), x=[0.3, 2], at=at.as_unit("us"))
    expected = 'n,x,at,s\n10000000000000,0.3,2026-03-02T10:00:00.500000,"a,\\"b"\n,2,,\n'
    assert Answer(kept).whole() == Answer(otherwise).whole() == expected


def test_recorded_numbers_were_not_edited_by_hand_and_what_explains_them_still_stands_in_the_changelog():
    recorded = json.loads(RECORDED.read_text(encoding="utf-8"))
    assert recorded[EXPLAINED]["seal"] == seal_of(recorded), "record it: `python tests/test_samples.py`"
    changelog = " ".join((TOP / CHANGELOG).read_text(encoding="utf-8").split())
    assert [line for line in recorded[EXPLAINED]["by"] if line not in changelog] == []


def test_numbers_that_were_recorded_anew_have_a_line_in_the_changelog():
    committed = recordings(TOP)
    if not committed:
        pytest.skip("git has no recording here: only recording anew looks for a line in the CHANGELOG")
    for before, after in pairwise([*committed, json.loads(RECORDED.read_text(encoding="utf-8"))]):
        assert unexplained(before, after) == [], 'say it in the CHANGELOG, "Results change: ..."'


OLD_LINE = "# Changelog\n\n## 0.2.0 (unreleased)\n\n- Results change: an old\n  line.\n- Other.\n"
NEW_LINE = f"{OLD_LINE}- Results change: claims come\n  earlier.\n"


@pytest.fixture(params=[True, False], ids=["git", "no git"])
def project(request, tmp_path) -> Path:
    """A project with a recording of one number, in git or not."""
    (tmp_path / "tests" / "samples").mkdir(parents=True)
    (tmp_path / RECORDED.relative_to(TOP)).write_text("{}")
    (tmp_path / CHANGELOG).write_text(OLD_LINE)
    assert (
        keep({"runs": {"week": {"digest": "1", "tables": {"claims": "3 rows ab"}}}, "commands": {"a": 1}}, tmp_path)
        == []
    )
    if request.param:
        git(tmp_path, "init", "-q")
        commit(tmp_path)
    return tmp_path


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments], cwd=folder, check=True)


def commit(folder: Path) -> None:
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "recorded")


def recorded_in(folder: Path) -> Any:
    return json.loads((folder / RECORDED.relative_to(TOP)).read_text())


def test_numbers_that_move_are_recorded_only_with_a_new_line(project):
    before = recorded_in(project)
    told = {"runs": {"week": {"digest": "1", "tables": {"claims": "3 rows cd"}}}, "commands": {"a": 2}}
    assert keep(told, project) == ["runs: week: tables: claims: was 3 rows ab, is 3 rows cd"]
    assert recorded_in(project) == before, "nothing is recorded"
    released = NEW_LINE.replace(" (unreleased)", "").replace("# Changelog\n", "")
    (project / CHANGELOG).write_text(f"# Changelog\n\n## 0.3.0 (unreleased)\n\n- Other.\n{released}")
    assert keep(told, project) != [], "a line of a release explains nothing that comes after it"
    (project / CHANGELOG).write_text(NEW_LINE)
    assert keep(told, project) == []
    after = recorded_in(project)
    assert after[EXPLAINED]["by"] == ["Results change: claims come earlier."]
    assert after[EXPLAINED]["seal"] == seal_of(after)
    assert unexplained(before, after) == []


def test_one_line_explains_one_recording_and_those_that_were_not_committed(project):
    (project / CHANGELOG).write_text(NEW_LINE)
    in_git = (project / ".git").exists()
    for number, value in enumerate(("cd", "ef")):
        moved = keep({"runs": {"week": {"tables": {"claims": value}}}}, project)
        assert bool(moved) == (number == 1 and not in_git)
    if in_git:
        commit(project)
        assert keep({"runs": {"week": {"tables": {"claims": "gh"}}}}, project) != []


@pytest.mark.parametrize(
    "told",
    [
        {
            "runs": {"week": {"digest": "2", "tables": {"claims": "3 rows ab", "users": "1 rows cd"}}},
            "commands": {"a": 2},
        },
        {"runs": {"month": {"digest": "2", "tables": {"claims": "4 rows ab"}}}},
    ],
    ids=["a new table, a digest of inputs, and words", "another sample"],
)
def test_what_is_no_number_that_moved_needs_no_line(told, project):
    assert keep(told, project) == []
    assert recorded_in(project)[EXPLAINED]["by"] == []


def test_numbers_that_were_edited_by_hand_break_the_seal(project):
    recorded = recorded_in(project)
    recorded["runs"]["week"]["tables"]["claims"] = "3 rows cd"
    assert recorded[EXPLAINED]["seal"] != seal_of(recorded)
    commits = recordings(project)
    assert [unexplained(before, recorded) != [] for before in commits] == [True] * len(commits)


def test_lines_are_the_entries_about_results_under_the_unreleased_heading():
    text = f"{NEW_LINE}\n## 0.1.0\n\n- Results change: of a release.\n"
    assert lines_of(text) == ["Results change: an old line.", "Results change: claims come earlier."]
    assert lines_of("# Changelog\n\n## 0.1.0\n\n- Results change: of a release.\n") == []
    assert max(len(line[:SHOWN]) for line in lines_of((TOP / CHANGELOG).read_text(encoding="utf-8"))) <= SHOWN


def record(arguments: list[str]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        numbers = iter(range(1000))
        told = everything(lambda: copies(Path(scratch, str(next(numbers)))))
        if arguments:
            write_whole(told, Path(arguments[0]))
        else:
            moved = keep(brief(told), TOP)
            if moved:
                sys.exit(
                    "these numbers moved, and CHANGELOG.md has no new entry under its unreleased heading that begins "
                    'with "Results change:" and says why; nothing is recorded:\n  ' + "\n  ".join(moved)
                )


if __name__ == "__main__":
    record(sys.argv[1:])
