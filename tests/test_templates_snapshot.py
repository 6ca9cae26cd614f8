"""A snapshot is short, says every change once, and a comparison shows only what differs."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from simkit.cli import main
from simkit.clock import parse_instant
from simkit.errors import Finding, Findings, InputError, Where
from simkit.templates import snapshot
from simkit.templates.find import find
from simkit.templates.snapshot import snapshot_path, with_snapshots, write

TEMPLATE = """\
data "coder_workspace_preset" "large" {
  name = "large"
  prebuilds {
    instances = 2
    scheduling {
      timezone = "America/New_York"
      schedule {
        cron      = "* 8-17 * * 1,3"
        instances = 8
      }
    }
  }
}
data "coder_workspace_preset" "small" {
  name = "small"
  prebuilds {
    instances = 1
  }
}
"""
AT = parse_instant("2026-02-25T12:00:00Z")  # a Wednesday; clocks in New York change on 8 March

EXPECTED = """\
# What the schedules of main.tf ask for. After a change that is meant: simkit snapshot --update main.tf
from   2026-02-23
weeks  4, until 2026-03-23
coder  v2.35

preset "large"  America/New_York
  Mon 2026-02-23 00:00 -05:00  2  base
  Mon 2026-02-23 08:00 -05:00  8  "* 8-17 * * 1,3"
  Mon 2026-02-23 18:00 -05:00  2  base
  Wed 2026-02-25 08:00 -05:00  8  "* 8-17 * * 1,3"
  Wed 2026-02-25 18:00 -05:00  2  base
  Mon 2026-03-02 00:00 -05:00  2  base
  Mon 2026-03-02 08:00 -05:00  8  "* 8-17 * * 1,3"
  Mon 2026-03-02 18:00 -05:00  2  base
  Wed 2026-03-04 08:00 -05:00  8  "* 8-17 * * 1,3"
  Wed 2026-03-04 18:00 -05:00  2  base
  Sun 2026-03-08 03:00 -04:00  2  base  (clocks 02:00 -> 03:00)
  Mon 2026-03-09 00:00 -04:00  as in the week of Mon 2026-02-23, until Mon 2026-03-23

preset "small"  UTC
  Mon 2026-02-23 00:00 +00:00  1  base
  then the same every week until Mon 2026-03-23
"""


@pytest.fixture
def template(tmp_path: Path) -> Path:
    path = tmp_path / "main.tf"
    path.write_text(TEMPLATE)
    return path


def change(template: Path, old: str, new: str) -> None:
    text = template.read_text()
    assert old in text
    template.write_text(text.replace(old, new))


def differing(template: Path) -> tuple[Finding, ...]:
    """What differs; the input is without a fault."""
    wrong, found = snapshot.differences(with_snapshots([template]))
    assert wrong == ()
    return found


def update(template: Path, variables: dict[str, str] | None = None, coder: str | None = None) -> tuple[Path, ...]:
    return snapshot.update(with_snapshots([template]), variables, coder).paths


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def test_a_snapshot_says_each_week_once_and_shows_the_one_in_which_clocks_change(template: Path):
    ((path,), _) = write([template], AT, weeks=4)
    assert path == template.with_name("main.simkit.snapshot")
    assert path.read_text() == EXPECTED


def test_another_schedule_is_shown_by_its_lines_alone(template: Path):
    write([template], AT, weeks=2)
    change(template, "8-17 * * 1,3", "8-17 * * 1,4")
    (finding,) = differing(template)
    assert str(finding).splitlines() == [
        f'{snapshot_path(template)}:8: preset "large" is not as main.tf has it',
        '    - Mon 2026-02-23 08:00 -05:00  8  "* 8-17 * * 1,3"',
        '    + Mon 2026-02-23 08:00 -05:00  8  "* 8-17 * * 1,4"',
        '    - Wed 2026-02-25 08:00 -05:00  8  "* 8-17 * * 1,3"',
        "    - Wed 2026-02-25 18:00 -05:00  2  base",
        '    + Thu 2026-02-26 08:00 -05:00  8  "* 8-17 * * 1,4"',
        "    + Thu 2026-02-26 18:00 -05:00  2  base",
        '    - Mon 2026-03-02 08:00 -05:00  8  "* 8-17 * * 1,3"',
        '    + Mon 2026-03-02 08:00 -05:00  8  "* 8-17 * * 1,4"',
        '    - Wed 2026-03-04 08:00 -05:00  8  "* 8-17 * * 1,3"',
        "    - Wed 2026-03-04 18:00 -05:00  2  base",
        '    + Thu 2026-03-05 08:00 -05:00  8  "* 8-17 * * 1,4"',
        "    + Thu 2026-03-05 18:00 -05:00  2  base",
        f"    if that is meant, run: simkit snapshot --update {template}",
    ]
    assert differing(snapshot_path(template)) == (finding,)


def test_what_does_not_change_desired_instances_does_not_differ(template: Path):
    write([template], AT)
    change(template, 'name = "small"', 'name = "small"\n  description = "for a start"')
    assert differing(template) == ()


def test_presets_that_come_and_go_are_named(template: Path):
    write([template], AT)
    change(template, '"small"', '"tiny"')
    assert [f.text.splitlines()[0] for f in differing(template)] == [
        'preset "small" is no longer in main.tf',
        'preset "tiny" is new in main.tf',
    ]


def test_other_presets_order_and_edited_first_lines_are_noticed(template: Path):
    ((path,), _) = write([template], AT)
    head, large, small = path.read_text().split("\n\n")
    path.write_text("\n\n".join([head, small.rstrip("\n"), large]) + "\n")
    assert "in another order" in differing(template)[0].text
    path.write_text("\n\n".join(["# mine\n" + head, large, small]))
    assert "its first lines is not as" in differing(template)[0].text


def test_an_update_keeps_the_weeks_so_that_only_the_change_shows(template: Path):
    ((path,), _) = write([template], AT, weeks=4)
    change(template, "instances = 8", "instances = 9")
    assert update(template) == (path,)
    assert path.read_text() == EXPECTED.replace("  8  ", "  9  ")
    assert differing(template) == ()


def test_values_of_variables_stand_in_the_snapshot(template: Path):
    change(template, "instances = 1\n", "instances = var.base\n")
    template.write_text('variable "base" {\n  type = number\n}\n' + template.read_text())
    with pytest.raises(InputError):
        write([template], AT)
    ((path,), _) = write([template], AT, variables={"base": "3"})
    assert "var    base=3" in path.read_text()
    assert differing(template) == ()
    update(template, {"base": "4"})
    assert "+00:00  4  base" in path.read_text()


def test_a_value_goes_to_the_templates_that_declare_its_variable(template: Path, tmp_path: Path):
    other = tmp_path / "other" / "main.tf"
    other.parent.mkdir()
    other.write_text(
        'variable "base" {\n  type = number\n}\n' + TEMPLATE.replace("instances = 1", "instances = var.base")
    )
    write([tmp_path], AT, variables={"base": "3"})
    assert "base=3" in snapshot_path(other).read_text()
    assert "base=3" not in snapshot_path(template).read_text()
    with pytest.raises(InputError, match='declares no "bas"'):
        write([tmp_path], AT, variables={"bas": "3"})


def test_weeks_begin_on_monday_and_cover_their_time_whatever_the_day(template: Path):
    for days in range(9):
        day = date(2026, 10, 28) + timedelta(days=days)
        write([template], parse_instant(f"{day}T23:30:00Z"), weeks=1)
        first = date.fromisoformat(snapshot_path(template).read_text().splitlines()[1].split()[1])
        assert first.weekday() == 0
        assert first <= day < first + timedelta(weeks=1)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("from   2026-02-23", "from   2026-02-24", "2026-02-24 is not a Monday"),
        ("from   2026-02-23", "from   soon", '"soon" is not a date'),
        ("weeks  4", "weeks  0", '"0" is not 1 to 520 weeks'),
        ("from   2026-02-23\n", "", 'has no line "from"'),
    ],
)
def test_a_snapshot_that_says_no_weeks_is_unusable(template: Path, old: str, new: str, said: str):
    ((path,), _) = write([template], AT, weeks=4)
    path.write_text(path.read_text().replace(old, new))
    wrong, found = snapshot.differences(with_snapshots([template]))
    assert any(said in finding.text for finding in wrong)
    assert found == ()


def test_a_template_without_a_snapshot_has_no_problem_and_a_broken_one_is_told(template: Path):
    assert snapshot.differences(find([template], Findings())) == ((), ())
    write([template], AT)
    template.write_text(TEMPLATE + "locals {")
    wrong, found = snapshot.differences(find([template], Findings()))
    assert ([finding.where for finding in wrong], found) == ([Where(str(template), 20)], ())


@pytest.mark.parametrize(
    "value", ["two\nlines", "\u2028", " spaces ", "", 'a "quoted" = text', "caf\xe9", "\udce9", "[1]"]
)
def test_a_value_of_a_variable_is_read_back_as_it_was_whatever_is_in_it(template: Path, value: str):
    template.write_text('variable "motd" {}\n' + TEMPLATE)
    ((path,), _) = write([template], AT, weeks=1, variables={"motd": value})
    assert len(path.read_text(encoding="utf-8").split("\n\n")[0].splitlines()) == 5
    window, _ = snapshot.window_of(path, Findings())
    assert window is not None
    assert [(name, given.value) for name, given in window.variables] == [("motd", value)]
    assert differing(template) == ()


@given(st.text(), st.text("abc.-_", min_size=1))
def test_any_value_is_read_back_from_a_line(value: str, name: str):
    line = snapshot.variable_line(name, value)
    assert line.isprintable()
    assert snapshot.read_variable(line) == (name, value)


def test_a_value_written_by_hand_stays_what_it_was(template: Path):
    template.write_text('variable "motd" {}\n' + TEMPLATE)
    ((path,), _) = write([template], AT, weeks=1, variables={"motd": "x"})
    path.write_text(path.read_text().replace("motd=x", 'motd="a:b"'))
    window, _ = snapshot.window_of(path, Findings())
    assert window is not None
    assert dict(window.variables)["motd"].value == '"a:b"'


@pytest.mark.parametrize(
    ("line", "said"),
    [("motd", '"motd" is not NAME=VALUE'), ("motd:x", '"motd:x" is not NAME=VALUE'), ("mtod=x", 'declares no "mtod"')],
)
def test_a_variable_that_cannot_be_used_is_told_at_its_line(template: Path, line: str, said: str):
    template.write_text('variable "motd" {}\n' + TEMPLATE)
    ((path,), _) = write([template], AT, weeks=1, variables={"motd": "x"})
    path.write_text(path.read_text().replace("motd=x", line))
    ((problem,), found) = snapshot.differences(with_snapshots([template]))
    assert (problem.where, said in problem.text, found) == (Where(str(path), 5), True, ())


def test_nothing_is_written_if_one_template_is_wrong(template: Path, tmp_path: Path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "main.tf").write_text(TEMPLATE.replace("8-17", "88-17"))
    with pytest.raises(InputError):
        write([tmp_path], AT)
    assert list(tmp_path.rglob("*.snapshot")) == []


def test_nothing_is_written_if_one_snapshot_cannot_be(template: Path, tmp_path: Path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "main.tf").write_text(TEMPLATE)
    (other / "main.simkit.snapshot").mkdir()
    with pytest.raises(InputError, match="cannot be written"):
        write([tmp_path], AT)
    assert [path for path in tmp_path.rglob("*.snapshot") if path.is_file()] == []


def test_the_command_writes_checks_and_updates(template: Path):
    folder = template.parent
    assert invoke("snapshot", folder, "--check").exit_code == 2
    done = invoke("snapshot", folder, "--at", "2026-02-25T12:00:00Z", "--weeks", "4")
    assert (done.exit_code, done.stdout) == (0, f"Wrote {snapshot_path(template)}\n")
    assert invoke("snapshot", folder, "--check").exit_code == 0
    change(template, "instances = 8", "instances = 9")
    done = invoke("snapshot", "--check", template)
    assert (done.exit_code, "+ Mon 2026-02-23 08:00 -05:00  9" in done.stdout) == (1, True)
    assert invoke("snapshot", "--update", folder).exit_code == 0
    assert invoke("snapshot", "--check", folder).exit_code == 0
    assert invoke("snapshot", folder / "nothing").exit_code == 2


def test_a_snapshot_says_for_which_version_of_coder_it_is(template: Path):
    ((path,), notes) = write([template], AT, weeks=1, coder="2.24.3+early-ranges")
    assert path.read_text().splitlines()[3] == "coder  v2.24+early-ranges"
    assert notes == ()
    assert "Mon 2026-02-23 07:59 -05:00  8" in path.read_text()
    assert differing(template) == ()
    assert update(template, coder="v2.35.1") == (path,)
    assert path.read_text().splitlines()[3] == "coder  v2.35"
    assert "Mon 2026-02-23 08:00 -05:00  8" in path.read_text()


def test_a_snapshot_without_a_version_is_of_v2_35_and_stays_as_it_is_until_it_is_updated(template: Path):
    ((path,), _) = write([template], AT, weeks=1)
    text = path.read_text()
    path.write_text(text.replace("coder  v2.35\n", ""))
    assert differing(template) == ()
    update(template)
    assert path.read_text() == text


def test_a_version_without_rules_of_its_own_is_recorded_and_told_of_once(template: Path):
    (template.with_name("other.tf")).write_text(TEMPLATE.replace('"large"', '"big"').replace('"small"', '"tiny"'))
    (paths, notes) = write([template.parent], AT, weeks=1, coder="v2.27.1")
    assert [path.read_text().splitlines()[3] for path in paths] == ["coder  v2.27"] * 2
    assert [note.text for note in notes] == [
        "Coder v2.27 is not modelled by itself; the rules of v2.26, the newest below it, are used"
    ]
    said, found = snapshot.differences(with_snapshots([template.parent]))
    assert (len(said), found) == (1, ())


@pytest.mark.parametrize("version", ["v2.x", "v2.23", "v2", ""])
def test_what_is_no_version_is_refused_where_it_stands(template: Path, version: str):
    with pytest.raises(InputError, match=r"^coder: "):
        write([template], AT, coder=version)
    assert list(template.parent.glob("*.snapshot")) == []
    ((path,), _) = write([template], AT)
    with pytest.raises(InputError, match=r"^coder: "):
        snapshot.update(with_snapshots([template]), coder=version)
    if version:
        path.write_text(path.read_text().replace("v2.35", version))
        ((problem,), _) = snapshot.differences(with_snapshots([template]))
        assert problem.where == Where(str(path), 4)
