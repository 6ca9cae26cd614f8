"""What `simkit diff` says of a change: what was written, when desired instances differ, and what people notice."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from html import unescape
from pathlib import Path

import duckdb
import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

import simkit
from simkit.cli import main
from simkit.clock import HOUR_US, MINUTE_US, format_instant, parse_instant, zone
from simkit.coder_versions import DEFAULT_BEHAVIOUR
from simkit.errors import InputError
from simkit.model import Preset, Schedule, Workload, constant
from simkit.shown import visible_lines
from simkit.templates.diff import FORMATS, Difference, Trial, diff
from simkit.templates.diff import sides as sides_module
from simkit.templates.diff.desired import differences, weekly_periods
from simkit.templates.diff.effect import ALL, _interval
from simkit.templates.diff.text import render
from simkit.timeline import desired

TEMPLATE = """\
data "coder_workspace_preset" "{name}" {{
  name = "{name}"
  prebuilds {{
    instances = {base}
    expiration_policy {{
      ttl = {ttl}
    }}
    scheduling {{
      timezone = "{timezone}"
      schedule {{
        cron      = "{cron}"
        instances = {instances}
      }}
    }}
  }}
}}
"""
AT = parse_instant("2026-03-02T00:00:00-05:00")  # a Monday in New York


def template(
    cron: str = "* 8-17 * * 1-5",
    instances: int = 8,
    base: int = 2,
    timezone: str = "America/New_York",
    name: str = "large",
    ttl: int = 28800,
) -> str:
    return TEMPLATE.format(cron=cron, instances=instances, base=base, timezone=timezone, name=name, ttl=ttl)


@pytest.fixture
def sides(tmp_path: Path):
    """Both sides as text -> their paths."""

    def write(old: str, new: str) -> tuple[str, str]:
        paths = []
        for side, text in (("old", old), ("new", new)):
            (tmp_path / side).mkdir(exist_ok=True)
            path = tmp_path / side / "main.tf"
            path.write_text(text)
            paths.append(str(path))
        return paths[0], paths[1]

    return write


def periods(difference: Difference) -> list[tuple[str, int, int]]:
    return [(p.words, p.old, p.new) for p in difference.presets[0].periods]


def text_of(difference: Difference) -> str:
    return FORMATS["text"](difference)


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def test_equal_templates_do_not_differ(sides):
    difference = diff(*sides(template(), template()), AT)
    assert not difference.differs
    assert [preset.name for preset in difference.of("unchanged")] == ["large"]
    assert "Unchanged: large" in text_of(difference)


def test_an_hour_more_each_working_day_is_told_once_with_its_weekdays(sides):
    difference = diff(*sides(template("* 8-17 * * 1-5"), template("* 7-17 * * 1-5")), AT)
    assert periods(difference) == [("every Mon-Fri 07:00-08:00", 2, 8)]
    assert "every Mon-Fri 07:00-08:00: 2 -> 8, next Mon 2026-03-02 07:00 -05:00" in text_of(difference)


def test_the_next_of_a_weekly_period_is_one_that_is_not_over(sides):
    old, new = sides(template("* 8-17 * * 1-5"), template("* 7-17 * * 1-5"))
    difference = diff(old, new, parse_instant("2026-03-02T12:00:00-05:00"))
    assert "next Tue 2026-03-03 07:00 -05:00" in text_of(difference)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            {},
            {"base": 3},
            [("every Mon-Thu 18:00 to 08:00 the next day", 2, 3), ("every week from Fri 18:00 to Mon 08:00", 2, 3)],
        ),
        ({}, {"cron": "* 8-23 * * 1-5"}, [("every Mon-Fri 18:00-24:00", 2, 8)]),
        ({}, {"cron": "* 8-17 * * 1,3,5"}, [("every Tue, Thu 08:00-18:00", 8, 2)]),
        ({"cron": "* * * * 1-5"}, {"cron": "* * * * 1-6"}, [("every Sat all day", 2, 8)]),
    ],
)
def test_periods_that_come_every_week_have_words(sides, old, new, expected):
    assert sorted(periods(diff(*sides(template(**old), template(**new)), AT))) == sorted(expected)


def test_another_base_without_schedules_holds_at_all_times(sides):
    plain = 'data "coder_workspace_preset" "p" {{\n  name = "p"\n  prebuilds {{\n    instances = {}\n  }}\n}}\n'
    difference = diff(*sides(plain.format(1), plain.format(2)), AT)
    assert periods(difference) == [("at all times", 1, 2)]
    assert difference.presets[0].hours == (168, 336)


def test_a_period_that_comes_once_has_its_date_and_offsets(sides):
    old, new = sides(template("* 8-17 * * 1-5"), template("* 8-17 8 3 *"))
    text = text_of(diff(old, new, AT))
    assert "Sun 2026-03-08 08:00 -04:00 to 18:00 -04:00: 2 -> 8" in text


def test_a_difference_beyond_the_coming_weeks_is_still_a_difference(sides):
    difference = diff(*sides(template(), template("* 8-17 * 1-11 1-5")), AT)
    assert difference.differs
    assert periods(difference) == []
    assert "not in these weeks; first on Tue 2026-12-01 08:00 -05:00" in text_of(difference)


def test_both_days_on_which_clocks_change_are_listed(sides):
    difference = diff(*sides(template("* 0-1 * * 0"), template("* 0-2 * * 0")), AT)
    spring, autumn = difference.presets[0].clock_days
    assert spring.periods == ()  # 02:00 to 02:59 does not come
    assert [(p.end_at - p.start_at) // HOUR_US for p in autumn.periods] == [1]
    assert "Sun 2026-03-08, clocks 02:00 -> 03:00: no difference" in text_of(difference)
    weekly = difference.presets[0].periods[0]
    assert weekly.words == "every Sun 02:00-03:00"
    assert [day.isoformat() for day in weekly.except_on] == ["2026-03-08"]


def test_another_time_zone_shows_the_clock_changes_of_both(sides):
    difference = diff(*sides(template(), template(timezone="Europe/Berlin")), AT)
    assert len(difference.presets[0].clock_days) == 4
    assert [(f.name, f.old, f.new) for f in difference.presets[0].fields] == [
        ("timezone", "America/New_York", "Europe/Berlin")
    ]


def test_instance_hours_a_week_are_the_mean_of_the_weeks(sides):
    difference = diff(*sides(template(), template(instances=9)), parse_instant("2026-04-06T12:00:00-04:00"))
    assert difference.presets[0].hours == (2 * 118 + 8 * 50, 2 * 118 + 9 * 50)
    assert "636 -> 686 (+50, +7.9%)" in text_of(difference)


def test_a_field_is_told_with_both_lines(sides):
    old, new = sides(template(), "\n" + template(ttl=3600))
    difference = diff(old, new, AT)
    assert not difference.differs
    assert [(f.name, f.old, f.new, str(f.old_where), str(f.new_where)) for f in difference.presets[0].fields] == [
        ("ttl", "8h", "1h", f"{old}:6", f"{new}:7")
    ]
    assert "desired instances stay as they are" in text_of(difference)


def test_presets_that_come_and_go_count_from_and_to_none(sides):
    difference = diff(*sides(template(name="old"), template(name="new")), AT)
    assert [(p.name, p.kind) for p in difference.presets] == [("new", "added"), ("old", "removed")]
    assert difference.presets[0].hours[0] == difference.presets[1].hours[1] == 0
    assert difference.differs


@given(
    old=st.tuples(st.integers(0, 22), st.integers(0, 3)),
    new=st.tuples(st.integers(0, 22), st.integers(0, 3)),
    day=st.integers(0, 400),
)
def test_the_periods_say_what_the_schedules_do(old, new, day):
    in_zone = zone("America/New_York")
    assert in_zone is not None
    start_at = in_zone.at(in_zone.local(AT + day * 24 * HOUR_US).replace(hour=0, tzinfo=None))
    end_at = in_zone.at(in_zone.local(start_at + 28 * 24 * HOUR_US + 2 * HOUR_US).replace(hour=0, tzinfo=None))
    presets = [
        Preset("p", 1, timezone="America/New_York", schedules=(Schedule(f"* {hour}-23 * * 1-5", count),))
        for hour, count in (old, new)
    ]
    before, after = (
        desired(p, DEFAULT_BEHAVIOUR, start_at - 7 * 24 * HOUR_US, end_at + 7 * 24 * HOUR_US) for p in presets
    )
    spans = differences(before, after)
    found = weekly_periods(spans, in_zone, start_at, start_at, end_at, 4)
    for period in found:
        assert int(before.value_at(period.start_at)) == period.old
        assert int(after.value_at(period.start_at)) == period.new
        assert period.old != period.new
    assert bool(found) == any(a < end_at and b > start_at for a, b, _, _ in spans)


def test_markdown_is_one_table_with_details_and_no_star_outside_code(sides):
    text = FORMATS["markdown"](diff(*sides(template("* 8-17 * * 1-5"), template("* 7-17 * * 1-5")), AT))
    assert "| `large` | changed | 635.5 -> 665.5 (+30, +4.7%) | every Mon-Fri 07:00-08:00: 2 -> 8" in text
    assert text.count("<details>") == text.count("</details>") == 1
    assert '| `schedule "* 8-17 * * 1-5"` | `8 instances` |  |' in text


def test_markdown_of_many_presets_fits_into_a_comment(sides):
    many = ["".join(template(name=f"p{i:03}" + "x" * 300, base=b) for i in range(100)) for b in (1, 2)]
    text = FORMATS["markdown"](diff(*sides(*many), AT))
    assert len(text) < 65_536
    assert "more rows do not fit here" in text
    assert "more sections do not fit here" in text


def test_names_and_values_are_text_in_both_forms(sides):
    odd = r"::error::<b>[x](y)</b>|`\u001b[31m\n- z"
    quoted = template(name="large").replace('name = "large"', f'name = "{odd}"\n  description = "a\\n::error::b"')
    changed = quoted.replace("instances = 8", "instances = 9").replace('"a\\n', '"c\\n')
    difference = diff(*sides(quoted, changed), AT)
    for form in FORMATS.values():
        text = form(difference)
        assert visible_lines(text) == text
        assert not [line for line in text.splitlines() if line.startswith(("- z", "::error::b"))]
    text = FORMATS["markdown"](difference)
    outside = re.sub(r"`[^`]*`", "", text)
    assert "[x]" not in outside
    assert "<b>" not in outside
    assert unescape(re.sub("</?span>", "", text)).count(r"::error::<b>[x](y)</b>|`\x1b[31m\n- z</code>") == 1


# Where the sides come from


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One commit with templates/a and templates/b, then another cron in templates/a; the current folder."""
    git(tmp_path, "init", "--quiet", ".")
    for name in ("a", "b"):
        (tmp_path / "templates" / name).mkdir(parents=True)
        (tmp_path / "templates" / name / "main.tf").write_text(template(name=f"preset-{name}"))
    (tmp_path / "templates" / "a" / "variables.tf").write_text('variable "unused" {\n  default = 1\n}\n')
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "-m", "templates")
    (tmp_path / "templates" / "a" / "main.tf").write_text(template("* 7-17 * * 1-5", name="preset-a"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_git_revision_is_compared_with_the_working_tree(repository: Path):
    done = invoke("diff", "HEAD:templates", "templates/", "--at", "2026-03-02T00:00:00-05:00")
    assert done.exit_code == 1
    assert "Presets: 1 changed, 1 unchanged" in done.stdout
    assert "[HEAD:templates/a/main.tf:10]" in done.stdout
    assert "simkit-diff-" not in done.stdout


def test_two_git_revisions_and_one_file_are_compared(repository: Path, monkeypatch: pytest.MonkeyPatch):
    git(repository, "commit", "--quiet", "-am", "earlier")
    assert invoke("diff", "HEAD~1:templates", "HEAD:templates").exit_code == 1
    assert invoke("diff", "HEAD~1:templates/b/main.tf", "HEAD:templates/b").exit_code == 0
    monkeypatch.chdir(repository / "templates")
    assert invoke("diff", "HEAD~1:./a", "HEAD:templates/a/main.tf").exit_code == 1


@pytest.mark.parametrize(
    ("side", "said"),
    [
        ("nowhere:templates", 'git knows no revision "nowhere"'),
        ("--help:templates", 'git knows no revision "--help"'),
        ("HEAD:nowhere", '"HEAD" has no "nowhere"'),
        ("nowhere", "there is no such file or folder; for a git revision write REV:PATH"),
    ],
)
def test_a_revision_or_path_that_does_not_exist_is_unusable(repository: Path, side: str, said: str):
    done = invoke("diff", "--", side, "templates")
    assert done.exit_code == 2
    assert said in done.stderr


def test_a_folder_outside_of_git_is_said_to_be_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    done = invoke("diff", "main:templates", ".")
    assert (done.exit_code, "this is not a git repository" in done.stderr) == (2, True)


def test_without_git_a_revision_is_unusable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    done = invoke("diff", "main:templates", tmp_path)
    assert (done.exit_code, "no git here" in done.stderr) == (2, True)


def test_problems_of_both_sides_are_told_under_the_names_a_person_wrote(repository: Path):
    (repository / "templates" / "a" / "main.tf").write_text(template(cron="8 * * * *", name="preset-a"))
    git(repository, "commit", "--quiet", "-am", "broken")
    with pytest.raises(InputError) as raised:
        diff("HEAD:templates", "templates", AT)
    assert [str(p.where) for p in raised.value.problems] == ["HEAD:templates/a/main.tf:11", "templates/a/main.tf:11"]


def test_hidden_folders_are_passed_over(sides, tmp_path: Path):
    old, new = sides(template(), template())
    hidden = tmp_path / "new" / ".terraform" / "modules"
    hidden.mkdir(parents=True)
    (hidden / "main.tf").write_text(template(name="copy"))
    assert len(diff(str(Path(old).parent), str(Path(new).parent), AT).presets) == 1


def test_a_template_that_is_new_as_a_whole_is_added(repository: Path):
    (repository / "templates" / "c").mkdir()
    (repository / "templates" / "c" / "main.tf").write_text(template(name="preset-c"))
    difference = diff("HEAD:templates", "templates", AT)
    assert [(p.template, p.name) for p in difference.of("added")] == [("c", "preset-c")]


def test_a_variable_that_only_one_template_of_one_side_declares_is_given_to_that(repository: Path):
    variable = 'variable "base" {\n  default = 2\n}\n'
    text = template(name="preset-b").replace("instances = 2", "instances = var.base")
    (repository / "templates" / "b" / "main.tf").write_text(variable + text)
    difference = diff("HEAD:templates", "templates", AT, variables={"base": "5"})
    fields = [f for preset in difference.presets if preset.template == "b" for f in preset.fields]
    assert [(f.name, f.old, f.new) for f in fields] == [("instances", "2", "5")]
    with pytest.raises(InputError, match='declares no "bas"'):
        diff("HEAD:templates", "templates", AT, variables={"bas": "5"})


def test_a_folder_whose_name_begins_with_a_dot_is_found_in_a_revision(repository: Path):
    (repository / ".coder").mkdir()
    (repository / ".coder" / "main.tf").write_text(template(name="preset-c"))
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "-m", "hidden")
    assert invoke("diff", "HEAD:.coder", ".coder").exit_code == 0
    assert invoke("diff", "HEAD:.coder/main.tf", ".coder/main.tf").exit_code == 0


@pytest.mark.parametrize("side", ["HEAD:..", "HEAD:templates/../../x", "HEAD:../templates"])
def test_a_path_outside_of_the_repository_is_unusable(repository: Path, side: str):
    done = invoke("diff", side, "templates")
    assert (done.exit_code, 'the revision "HEAD" has no "..' in done.stderr) == (2, True)


@pytest.mark.parametrize("side", ["HEAD:README.md", "HEAD:link.tf"])
def test_what_is_no_terraform_file_is_not_taken_for_an_empty_one(repository: Path, side: str):
    (repository / "README.md").write_text("templates")
    (repository / "link.tf").symlink_to("README.md")
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "-m", "others")
    done = invoke("diff", side, "templates/b/main.tf")
    assert (done.exit_code, done.stdout) == (2, "")
    assert f"{side}: is not a Terraform file" in done.stderr


# Trees that no `git add` makes


def stored(folder: Path, kind: str, content: bytes) -> str:
    """The id of an object that git keeps without a look at what is in it."""
    command = ["git", "hash-object", "-w", "--literally", "-t", kind, "--stdin"]
    return subprocess.run(command, cwd=folder, input=content, check=True, capture_output=True).stdout.decode().strip()


def tree(folder: Path, *entries: tuple[str, bytes, str]) -> str:
    """The id of a tree of (mode, name, id)."""
    return stored(folder, "tree", b"".join(f"{m} ".encode() + n + b"\0" + bytes.fromhex(i) for m, n, i in entries))


def committed(folder: Path, *entries: tuple[str, bytes, str]) -> str:
    """The id of a commit of a tree of (mode, name, id)."""
    identity = "Ada <ada@example.com> 0 +0000"
    text = f"tree {tree(folder, *entries)}\nauthor {identity}\ncommitter {identity}\n\nmade up\n"
    return stored(folder, "commit", text.encode())


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if ".git" not in path.parts)


@pytest.mark.parametrize(
    "name",
    [b"../../out.tf", b"{here}/out.tf", b"a/../../../out.tf", b"./out.tf", b"a//out.tf", b"..", b".", b"../out.txt"],
)
@pytest.mark.parametrize("below", [False, True])
def test_a_tree_that_leads_out_of_its_folder_is_refused_and_named(
    repository: Path, monkeypatch: pytest.MonkeyPatch, name: bytes, below: bool
):
    name = name.replace(b"{here}", os.fsencode(repository))
    scratch = repository / "scratch" / "deep"
    scratch.mkdir(parents=True)
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    entry = ("100644", name, stored(repository, "blob", template().encode()))
    if name in (b"..", b"."):
        entry = ("40000", name, tree(repository, ("100644", b"out.tf", entry[2])))
    commit = committed(repository, ("40000", b"t", tree(repository, entry)) if below else entry)
    before = files(repository)
    done = invoke("diff", f"{commit}:t" if below else f"{commit}:", "templates")
    assert (done.exit_code, done.stdout) == (2, "")
    shown = f"{commit}:{'t/' * below}{name.decode()}"
    assert f"{shown}{'/out.tf' if name in (b'..', b'.') else ''}: leads out of its folder" in done.stderr
    assert files(repository) == before


def test_entries_that_cannot_be_beside_one_another_are_refused_and_named(repository: Path):
    blob = stored(repository, "blob", template().encode())
    folder = tree(repository, ("100644", b"x.tf", blob))
    commit = committed(repository, ("100644", b"a.tf", blob), ("40000", b"a.tf", folder), ("100644", b"a.tf", blob))
    done = invoke("diff", f"{commit}:", "templates")
    assert (done.exit_code, done.stdout) == (2, "")
    assert f"{commit}:a.tf: cannot be written to a folder" in done.stderr
    assert f"{commit}:a.tf/x.tf: cannot be written to a folder" in done.stderr
    long = committed(repository, ("100644", b"x" * 300 + b".tf", blob))
    assert (
        "cannot be written to a folder: File name too long; rename it" in invoke("diff", f"{long}:", "templates").stderr
    )


def test_names_with_line_breaks_and_other_bytes_than_utf_8_are_read(repository: Path):
    blob = stored(repository, "blob", template().encode())
    names = b"a\nb\t.tf", b"caf\xe9.tf"
    for name in names:
        commit = committed(repository, ("100644", name, blob))
        (preset,) = diff(f"{commit}:", "templates/b", AT).of("removed")
        assert preset.name == "large"


def test_a_revision_is_read_as_stored_whatever_attributes_and_filters_say(repository: Path):
    (repository / "ran.sh").write_text("#!/bin/sh\ntouch ran\ncat\n")
    (repository / "ran.sh").chmod(0o755)
    git(repository, "config", "filter.run.smudge", "./ran.sh")
    text = template(name="$Format:%H$")
    (repository / "templates" / "b" / "main.tf").write_text(text)
    (repository / ".gitattributes").write_text("*.tf filter=run export-ignore export-subst\n")
    git(repository, "add", "templates/b", ".gitattributes")
    git(repository, "commit", "--quiet", "-m", "attributes")
    difference = diff("HEAD:templates/b", "templates/b", AT)
    assert [(p.name, p.kind) for p in difference.presets] == [("$Format:%H$", "unchanged")]
    assert not (repository / "ran").exists()


def test_links_and_submodules_in_a_revision_are_told_and_not_followed(repository: Path):
    link = stored(repository, "blob", b"/etc/passwd")
    blob = stored(repository, "blob", template().encode())
    commit = committed(
        repository, ("120000", b"link.tf", link), ("100644", b"main.tf", blob), ("160000", b"module", "1" * 40)
    )
    difference = diff(f"{commit}:", "templates/b", AT)
    assert [str(f).partition(":")[2].partition(";")[0] for f in difference.findings] == [
        "link.tf: warning: is a symbolic link, which is not followed in a revision",
        "module: note: is a submodule",
    ]


def test_a_side_of_more_than_a_person_writes_is_refused_before_it_is_written(
    repository: Path, monkeypatch: pytest.MonkeyPatch
):
    blob = stored(repository, "blob", b" " * 1000)
    # Ten folders of ten folders, six deep: a million files in seven small objects.
    folder = tree(repository, *(("100644", b"%d.tf" % i, blob) for i in range(10)))
    for _ in range(5):
        folder = tree(repository, *(("40000", b"%d" % i, folder) for i in range(10)))
    commit = committed(repository, ("40000", b"t", folder))
    monkeypatch.setattr(sides_module, "_MOST_FILES", 20)
    assert "t/0/0/0/0/2/0.tf: with this there are more than 20 Terraform files" in str(refused(f"{commit}:"))
    monkeypatch.setattr(sides_module, "_MOST_BYTES", 5000)
    assert "t/0/0/0/0/0/5.tf: with this there are more than 20 Terraform files or 5,000 bytes" in str(
        refused(f"{commit}:t")
    )


def refused(side: str) -> InputError:
    with pytest.raises(InputError) as raised:
        diff(side, "templates", AT)
    return raised.value


def test_an_object_that_git_cannot_read_is_told(repository: Path):
    commit = committed(repository, ("100644", b"main.tf", "1" * 40))
    done = invoke("diff", f"{commit}:", "templates")
    assert done.exit_code == 2
    assert f"{commit}:: git cannot read this:" in done.stderr


# What people notice


@pytest.fixture
def history(tmp_path: Path) -> str:
    path = tmp_path / "claims.csv"
    rows = [f"2026-03-{day:02}T07:{minute:02}:00" for day in (2, 3, 4) for minute in (10, 11, 12, 40, 41)]
    path.write_text("started_at\n" + "\n".join(rows) + "\n")
    return str(path)


def test_both_sides_meet_the_same_claims_and_the_change_has_an_interval(sides, history: str):
    trial = Trial(
        history=history,
        workload=Workload(build=constant(6 * MINUTE_US), cost_per_instance_hour=0.5),
        replications=3,
    )
    effect = diff(*sides(template(), template("* 7-17 * * 1-5")), AT, trial=trial).effect
    assert effect is not None
    rows = {row.measure: row for row in effect.rows}
    hits = rows["hit rate"]
    assert hits.old < hits.new
    assert hits.change == pytest.approx(hits.new - hits.old)
    assert hits.low <= hits.change <= hits.high
    cost, hours = rows["pool's cost a week"], rows["pool's instance-hours a week"]
    assert cost.change == pytest.approx(0.5 * hours.change)
    assert hours.change > rows["idle instance-hours a week"].change, "what is built is paid for, too"
    assert [row.preset for row in effect.rows if row.preset == ALL] == []


def test_a_currency_is_text_in_markdown(sides, history: str):
    workload = Workload(build=constant(6 * MINUTE_US), cost_per_instance_hour=0.5)
    trial = Trial(history=history, workload=workload, replications=2, currency="<i>|")
    text = FORMATS["markdown"](diff(*sides(template(), template(instances=9)), AT, trial=trial))
    assert "<i>" not in text
    assert "&#60;i&#62;&#124;" in text


def test_the_interval_is_that_of_paired_differences_and_leaves_out_what_has_no_value_on_one_side():
    old, new = np.array([1, 2, 3, np.nan]), np.array([2, 4, 5, 9])
    assert _interval(old, new) == pytest.approx((2, 11 / 3, 5 / 3, 5 / 3 - 1.434, 5 / 3 + 1.434), abs=1e-3)


def test_the_same_template_twice_changes_nothing_at_all(sides, history: str):
    trial = Trial(history=history, replications=2)
    effect = diff(*sides(template(), template()), AT, trial=trial).effect
    assert effect is not None
    assert {(row.change, row.low, row.high) for row in effect.rows} == {(0, 0, 0)}
    difference = diff(*sides(template(), template()), AT, trial=trial)
    assert all("Nothing changes for" in told(difference) for told in FORMATS.values())


def test_a_preset_that_nobody_asks_for_still_costs(sides, tmp_path: Path):
    path = tmp_path / "claims.csv"
    path.write_text("started_at,preset\n2026-03-02T10:00:00Z,large\n")
    workload = Workload(cost_per_instance_hour=1)
    old, new = sides(template(), template() + template(name="idle", base=1, instances=1))
    effect = diff(old, new, AT, trial=Trial(history=str(path), workload=workload, replications=2)).effect
    assert effect is not None
    idle = {row.measure: row for row in effect.rows if row.preset == "idle"}
    assert set(idle) == {"idle instance-hours a week", "pool's instance-hours a week", "pool's cost a week"}
    assert idle["pool's cost a week"].old == 0 < idle["pool's cost a week"].new


def test_a_preset_that_is_new_had_no_prebuilds_for_its_people(sides, tmp_path: Path):
    path = tmp_path / "claims.csv"
    path.write_text("started_at,preset\n2026-03-02T10:00:00Z,new\n2026-03-02T11:00:00Z,large\n")
    trial = Trial(history=str(path), replications=2)
    effect = diff(*sides(template(), template() + template(name="new")), AT, trial=trial).effect
    assert effect is not None
    rates = {row.preset: (row.old, row.new) for row in effect.rows if row.measure == "hit rate"}
    assert rates == {"large": (1, 1), "new": (0, 1), ALL: (0.5, 1)}
    assert "new is not among the old templates: its people found no prebuild there" in effect.notes


def test_what_an_interval_holds_is_said_before_it(sides, history: str):
    difference = diff(*sides(template(), template(instances=9)), AT, trial=Trial(history=history, replications=2))
    for told in FORMATS.values():
        text = told(difference)
        assert text.index("Only the chance of builds: one history is replayed") < text.index("hit rate")


def test_people_of_a_preset_without_a_pool_on_either_side_count_nowhere(sides, tmp_path: Path):
    path = tmp_path / "claims.csv"
    path.write_text("started_at,preset\n2026-03-02T10:00:00Z,none\n2026-03-02T11:00:00Z,large\n")
    none = template(name="none", base=0, instances=0)
    effect = diff(*sides(template() + none, template(base=2) + none), AT, trial=Trial(history=str(path))).effect
    assert effect is not None
    rates = {row.preset: (row.old, row.new) for row in effect.rows if row.measure == "hit rate"}
    assert rates == {"large": (1, 1), ALL: (1, 1)}


def test_a_scenario_brings_durations_costs_and_demand(sides, tmp_path: Path, history: str):
    scenario = tmp_path / "week.yaml"
    scenario.write_text(
        'window: {from: "2026-03-02", until: "2026-03-04", timezone: America/New_York}\n'
        "presets: [{name: large, instances: 0}]\ndemand: {history: claims.csv, timezone: America/New_York}\n"
        "durations: {build: {median: 5m, p95: 9m}}\ncost: {per_instance_hour: 0.4, currency: EUR}\n"
    )
    old, new = sides(template(), template("* 7-17 * * 1-5"))
    done = invoke("diff", old, new, "--scenario", scenario, "--replications", "3", "--format", "markdown")
    assert done.exit_code == 1
    assert "3 replications under common random numbers" in done.stdout
    assert "| `large` | pool's cost a week |" in done.stdout
    assert "EUR" in done.stdout


@pytest.mark.parametrize(
    "source", ["claims.parquet", "{duckdb: u.duckdb, table: claims}", " {duckdb: u.duckdb, query: %s}"]
)
def test_demand_is_whatever_a_scenario_takes_as_a_history(
    sides, tmp_path: Path, monkeypatch, history: str, source: str
):
    monkeypatch.chdir(tmp_path)
    with duckdb.connect("u.duckdb") as db:
        db.execute("CREATE TABLE claims AS SELECT * FROM read_csv(?)", [history])
        db.execute("COPY claims TO 'claims.parquet'")
    old, new = sides(template(), template(base=3))
    first = ("diff", old, new, "--replications", "2", "--demand")
    same = invoke(*first, history).stdout.split("common random numbers")[1]
    done = invoke(*first, source.replace("%s", "SELECT * FROM claims"))
    assert done.stdout.split("common random numbers")[1] == same


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{duckdb: u.duckdb}", "--demand:1: expected either table (its name) or query (a SELECT) beside duckdb"),
        ("{duckdb: none.duckdb, table: claims}", "--demand:1: duckdb: none.duckdb does not exist"),
        ("{duckdb: u.duckdb", "--demand:1: is not YAML"),
        ("{file: u.duckdb}", '"duckdb" is missing'),
    ],
)
def test_demand_that_is_no_history_is_told_where_it_was_given(sides, tmp_path: Path, monkeypatch, source, said):
    monkeypatch.chdir(tmp_path)
    duckdb.connect("u.duckdb").close()
    done = invoke("diff", *sides(template(), template(base=3)), "--demand", source)
    assert (done.exit_code, said in done.stderr) == (2, True), done.stderr


def test_what_a_simulation_without_a_scenario_assumes_is_said(sides, history: str):
    old, new = sides(template(), template(base=3))
    done = invoke("diff", old, new, "--demand", history, "--replications", "2", "--build", "6m", "--daemons", "5")
    said = "build 6m, agent 30s, claim 10s, delete 30s, builds never fail, 5 provisioner daemons"
    assert f"Note: without a scenario it is assumed: {said}." in " ".join(done.stdout.split())


def test_claim_time_failures_and_tags_of_daemons_and_jobs_are_simulated_and_told(sides, history: str):
    old, new = sides(template(), template(base=3))
    own = ("--daemons", "4", "--daemons", "2:pool=prebuilds,os=linux", "--prebuild-tag", "pool=prebuilds")
    first = ("diff", old, new, "--demand", history, "--replications", "2")
    done = invoke(*first, "--claim", "45s", "--failures", "20%", *own)
    said = " ".join(done.stdout.split())
    assert (
        "without a scenario it is assumed: build 3m, agent 30s, claim 45s, delete 30s, 0.2 of the builds fail, "
        "4 provisioner daemons without tags, 2 provisioner daemons with os=linux, pool=prebuilds, jobs of prebuilds "
        "with pool=prebuilds." in said
    )
    assert "no daemon can take" not in said
    slower = invoke(*first, "--claim", "4m").stdout
    assert "4m30s" in slower, "a claim's build and its agent are what a hit waits for"


def test_what_people_notice_fits_a_narrow_terminal_with_the_same_numbers(sides, history: str):
    workload = Workload(build=constant(6 * MINUTE_US), cost_per_instance_hour=0.5)
    trial = Trial(history=history, workload=workload, replications=2)
    difference = diff(*sides(template(), template("* 7-17 * * 1-5")), AT, trial=trial)
    wide, narrow = (render(difference, columns) for columns in (None, 60))
    lines = narrow[narrow.index("paired-t interval.") :].splitlines()[1:-1]
    assert lines[:2] == ["  large", f"    hit rate: {re.search('hit rate +(.*? %)', wide)[1]} -> 100.0 %"]
    assert max(map(len, lines)) <= 60

    def numbers(of: str) -> list[str]:
        return re.findall(r"\d[\d.,ms]*", of[of.index("paired-t interval.") :])

    assert numbers(narrow) == numbers(wide)
    assert render(difference, 200) == wide == text_of(difference)


@pytest.mark.parametrize("tags", [("--tag", "gpu=1"), ("--prebuild-tag", "gpu=1"), ("--daemons", "3:gpu=1")])
def test_jobs_that_no_daemon_takes_are_told_and_leave_the_pool_empty(sides, history: str, tags: tuple[str, str]):
    trial = ("--demand", history, "--replications", "2")
    done = invoke("diff", *sides(template(), template(base=3)), *trial, *tags)
    assert "Note: no daemon can take the jobs that build prebuilds (their tags: " in done.stdout
    assert "hit rate" not in done.stdout, "it is 0 on both sides, so nothing changes"


def test_a_scenarios_tags_hold_for_both_sides(sides, tmp_path: Path, history: str):
    text = (
        'window: {from: "2026-03-02", until: "2026-03-05", timezone: America/New_York}\n'
        "presets: [{name: large, instances: 0}]\ndemand: {history: claims.csv, timezone: America/New_York}\n"
        "provisioners: [{count: 3}, {count: 1, tags: {pool: prebuilds}}]\n"
    )
    trial = {}
    for name, tags in (("shared", ""), ("own", "workspace_tags: {prebuilds: {pool: prebuilds}}\n")):
        scenario = tmp_path / f"{name}.yaml"
        scenario.write_text(text + tags)
        effect = diff(*sides(template(base=0), template(base=5)), AT, trial=Trial(scenario=str(scenario))).effect
        assert effect is not None
        trial[name] = {row.measure: row.new for row in effect.rows}
    assert trial["own"] != trial["shared"], "one daemon builds all prebuilds"


def test_values_of_terraform_variables_are_no_tags(sides, tmp_path: Path, history: str):
    (tmp_path / "v.tfvars").write_text('region = "eu"\n')
    variable = 'variable "region" {}\n'
    old, new = sides(variable + template(), variable + template(base=3))
    values = ("--var-file", tmp_path / "v.tfvars")
    done = invoke("diff", old, new, "--demand", history, "--replications", "2", *values)
    assert done.exit_code == 1
    assert "region" not in done.stdout


def test_demand_for_a_preset_that_neither_side_has_is_unusable(sides, tmp_path: Path):
    path = tmp_path / "claims.csv"
    path.write_text("started_at,preset\n2026-03-02T10:00:00Z,huge\n")
    old, new = sides(template(), template(base=3))
    done = invoke("diff", old, new, "--demand", path)
    assert (done.exit_code, 'there is no preset "huge"' in done.stderr) == (2, True)


@pytest.mark.parametrize(
    "bad",
    [
        ("--build", "soon"),
        ("--at", "noon"),
        ("--build", "6m", "--build-p95", "5m"),
        *(("--daemons", text) for text in ("0", "-1", "two", "2:", "2:gpu", "2:=1", "²", "9" * 40, ":gpu=1")),
        ("--tag", "gpu"),
        ("--prebuild-tag", "=1"),
    ],
)
def test_an_option_that_is_wrong_ends_with_status_2(sides, history: str, bad: tuple[str, ...]):
    old, new = sides(template(), template())
    assert invoke("diff", old, new, "--demand", history, *bad).exit_code == 2


def test_an_instant_may_be_text_and_what_is_none_is_told(sides):
    old, new = sides(template("* 8-17 * * 1-5"), template("* 7-17 * * 1-5"))
    assert diff(old, new, format_instant(AT)).presets == diff(old, new, AT).presets
    assert simkit.diff is diff
    with pytest.raises(InputError, match="at: "):
        diff(old, new, "tomorrow")
