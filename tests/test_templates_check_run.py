"""From templates and test files to verdicts: what is found, what holds, and how a failure reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from simkit.errors import Findings
from simkit.templates.check import check, read_test_file, run_test
from simkit.templates.check.text import render


def template(*schedules, instances=1, timezone="America/New_York", name="goland-large") -> str:
    """A preset whose schedules stand in lines 7, 11, ..."""
    blocks = "".join(
        f'      schedule {{\n        cron      = "{cron}"\n        instances = {count}\n      }}\n'
        for cron, count in schedules
    )
    scheduling = f'    scheduling {{\n      timezone = "{timezone}"\n{blocks}    }}\n' if schedules else ""
    return (
        f'data "coder_workspace_preset" "{name}" {{\n  name = "{name}"\n'
        f"  prebuilds {{\n    instances = {instances}\n{scheduling}  }}\n}}\n"
    )


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def outcome(terraform: str, test: str, head: str = "template: main.tf\n"):
    """What becomes of one test. Its lines begin at 3."""
    Path("main.tf").write_text(terraform)
    Path("goland.simkit.yaml").write_text(f"{head}tests:\n{test}")
    findings = Findings()
    file = read_test_file("goland.simkit.yaml", findings)
    assert file is not None, [str(finding) for finding in findings]
    return run_test(file, file.tests[0])


def hints(terraform: str, expectation: str, head: str = "template: main.tf\n", more: str = "") -> list[str]:
    """The hints of one expectation that does not hold."""
    failed = outcome(terraform, f"  - name: a\n{more}    expect:\n      - {expectation}\n", head)
    (failure,) = failed.failures
    return [line.removeprefix("  Hint: ") for line in failure.text.splitlines() if line.startswith("  Hint: ")]


QUIET = """\
  - name: quiet after six
    preset: goland-large
    timezone: America/New_York
    expect:
      - desired: 1
        from: "2026-03-09 18:00"
        until: "2026-03-10 07:00"
"""


def test_a_failure_says_where_what_when_why_and_how_to_run_it_alone(folder):
    failed = outcome(template(("* 8-18 * * 1-5", 5), ("* 8-14 * * 6", 0)), QUIET)
    (failure,) = failed.failures
    assert not failed.ok
    assert failure.text == (
        "goland.simkit.yaml:7: quiet after six: expected 1 desired instance from Mon 2026-03-09 18:00 until "
        "Tue 2026-03-10 07:00, in America/New_York\n"
        "  It does not hold for 1h of the 13h, in 1 span:\n"
        "    Mon 2026-03-09T18:00:00-04:00 to Mon 2026-03-09T19:00:00-04:00: 5 instances, by schedule 1\n"
        "  The schedules of goland-large at main.tf:1, in America/New_York; where two hold at once the first decides:\n"
        '    1. main.tf:7: "* 8-18 * * 1-5", 5 instances: Monday to Friday, 08:00 to 18:59\n'
        '    2. main.tf:11: "* 8-14 * * 6", 0 instances: Saturday, 08:00 to 14:59\n'
        "    When none holds: 1 instance, the base.\n"
        '  Hint: "8-18" ends at 18:59; write "8-17" to end at 18:00.\n'
        "  To run it alone: simkit check goland.simkit.yaml -k 'quiet after six'"
    )


def test_a_schedule_as_it_was_meant_passes(folder):
    assert outcome(template(("* 8-17 * * 1-5", 5)), QUIET).ok


def test_of_many_spans_the_first_few_are_shown_and_the_rest_counted(folder):
    failed = outcome(
        template(("* 9-16 * * 1-5", 5)),
        '  - {name: all year, expect: [{desired: {at_least: 3}, every: "weekday 08:00-18:00", over: 2026}]}\n',
    )
    (failure,) = failed.failures
    assert len(failure.spans) == 2 * 261
    assert failure.text.splitlines()[:8] == [
        'goland.simkit.yaml:3: all year: expected at least 3 desired instances every "weekday 08:00-18:00" in 2026, in '
        "America/New_York",
        "  It does not hold for 522h of the 2610h, in 522 spans:",
        "    Thu 2026-01-01T08:00:00-05:00 to Thu 2026-01-01T09:00:00-05:00: 1 instance, by the base",
        "    Thu 2026-01-01T17:00:00-05:00 to Thu 2026-01-01T18:00:00-05:00: 1 instance, by the base",
        "    Fri 2026-01-02T08:00:00-05:00 to Fri 2026-01-02T09:00:00-05:00: 1 instance, by the base",
        "    Fri 2026-01-02T17:00:00-05:00 to Fri 2026-01-02T18:00:00-05:00: 1 instance, by the base",
        "    Mon 2026-01-05T08:00:00-05:00 to Mon 2026-01-05T09:00:00-05:00: 1 instance, by the base",
        "    ... and 517 more, the last until Thu 2026-12-31T18:00:00-05:00",
    ]
    assert '"9-16" ends at 16:59; write "9-17" to end at 18:00.' in failure.text


def test_a_preset_without_schedules_is_always_at_its_base(folder):
    failed = outcome(template(instances=2), "  - {name: a, expect: [{desired: 3, over: 2026-03}]}\n")
    assert "  goland-large at main.tf:1 has no schedule: always 2 instances, the base." in failed.failures[0].text


def test_a_number_below_0_acts_as_0(folder):
    terraform = template(("* * * * *", -2), timezone="UTC")
    assert outcome(terraform, "  - {name: a, expect: [{desired: 0, over: 2026}]}\n").ok
    failed = outcome(terraform, "  - {name: a, expect: [{desired: 1, over: 2026}]}\n")
    assert '"* * * * *", -2 instances, which acts as 0: every day, all day' in failed.failures[0].text


def test_a_year_knows_the_hour_that_is_skipped_and_the_one_that_comes_twice(folder):
    night = template(("* 2 * * *", 5))
    failed = outcome(night, '  - {name: a, expect: [{desired: 1, every: "sun 01:00-03:00", over: "2026-03"}]}\n')
    spans = [(s.until_at - s.from_at) // 60_000_000 for s in failed.failures[0].spans]
    assert spans == [60, 60, 60, 60], "of five Sundays one has no such hour"
    twice = template(("* 1 * * *", 5))
    failed = outcome(twice, '  - {name: a, expect: [{desired: 1, every: "sun 00:00-03:00", over: "2026-11"}]}\n')
    assert [(s.until_at - s.from_at) // 60_000_000 for s in failed.failures[0].spans] == [120, 60, 60, 60, 60]


def test_early_ranges_are_a_hint(folder):
    said = hints(
        template(("* 8-17 * * 1-5", 5)),
        '{desired: {at_least: 3}, every: "weekday 08:00-18:00", over: "2026-03"}',
        head="template: main.tf\ncoder: v2.24+early-ranges\n",
    )
    assert said == ["With early-ranges each range begins and ends one minute early; no release of Coder does so."]


def test_a_schedule_behind_another_is_a_hint(folder):
    said = hints(
        template(("* 9 1 * 1", 1), ("* 9 2 * 2", 4)),
        '{desired: 4, from: "2026-02-02 09:00", until: "2026-02-02 10:00"}',
    )
    assert said == ["schedule 2 holds then, too, and asks for 4 instances; schedule 1 stands before it and decides."]


def test_a_list_that_was_meant_as_a_range_is_a_hint(folder):
    said = hints(
        template(("* 8-17 * * 1,5", 5)),
        '{desired: 5, from: "2026-03-10 08:00", until: "2026-03-10 18:00"}',
    )
    assert said == [
        'main.tf:7: "1,5" is Monday and Friday only; write "1-5" for Monday to Friday, or "5,1" if you mean the two '
        "days."
    ]


def test_two_time_zones_are_a_hint(folder):
    said = hints(
        template(("* 8-17 * * 1-5", 5), timezone="UTC"),
        '{desired: 5, from: "2026-03-10 08:00", until: "2026-03-10 18:00"}',
        more="    timezone: America/New_York\n",
    )
    assert said == [
        "the test's times are in America/New_York, the schedules' in UTC, 4h ahead; write timezone: UTC if you mean "
        "that."
    ]


def test_a_change_of_the_clocks_is_a_hint(folder):
    said = hints(
        template(("* 2 * * *", 5)),
        '{desired: 5, from: "2026-03-08 01:30", until: "2026-03-08 03:30"}',
    )
    assert said == [
        "the clocks of America/New_York change on Sun 2026-03-08 from 02:00 to 03:00: 1h of the wall clock is skipped."
    ]


def test_what_must_never_be_found_is_told_as_the_linter_tells_it(folder):
    failed = outcome(
        template(("* 9 1 * 1", 1), ("* 9 2 * 2", 2)), "  - name: a\n    never: [undetected_overlap, no_backoff]\n"
    )
    (failure,) = failed.failures
    assert failure.text == (
        "goland.simkit.yaml:4: a: expected no undetected_overlap (two schedules hold at once and Coder is silent)\n"
        '  Found at main.tf:11: warning: "* 9 2 * 2" overlaps "* 9 1 * 1" at main.tf:7, which Coder does not notice: '
        "both hold on Mon 2026-02-02T09:00:00-05:00, and the one written first wins (1, not 2 instances); where day of "
        "month and day of week are given either is enough: write one\n"
        "  The schedules of goland-large at main.tf:1, in America/New_York; where two hold at once the first decides:\n"
        '    1. main.tf:7: "* 9 1 * 1", 1 instance: day 1 of the month or Monday (either is enough), 09:00 to 09:59\n'
        '    2. main.tf:11: "* 9 2 * 2", 2 instances: day 2 of the month or Tuesday (either is enough), '
        "09:00 to 09:59\n"
        "    When none holds: 1 instance, the base.\n"
        "  To run it alone: simkit check goland.simkit.yaml -k a"
    )


HISTORY = "started_at\n" + "".join(
    f"2026-03-{day:02d}T{hour:02d}:{minute:02d}:00-05:00\n"
    for day in range(2, 7)
    for hour in range(8, 12)
    for minute in (0, 1, 2, 30)
)
SIMULATED = """\
  - name: enough for Monday
    preset: goland-large
    simulate:
      demand: history.csv
      seed: 7
      replications: 5
      durations: {build: {median: 5m, p95: 20m}}
      failures: {probability: 0.02}
      cost: {per_instance_hour: 0.5}
    expect:
"""


@pytest.fixture
def simulated(folder):
    Path("history.csv").write_text(HISTORY)

    def outcome_of(*expectations: str):
        lines = "".join(f"      - {expectation}\n" for expectation in expectations)
        return outcome(template(("* 8-17 * * 1-5", 4)), SIMULATED + lines)

    return outcome_of


def test_a_simulated_expectation_that_holds_tells_its_estimate(simulated):
    passed = simulated("hit_rate: {at_least: 0.5}", "wait_p50: 10s", "idle_cost_per_week: {at_least: 1}")
    assert passed.ok
    assert [m.text for m in passed.measured][:2] == [
        "goland.simkit.yaml:13: enough for Monday: hit_rate is 85.2 %, with 95% confidence between 76.3 % and 94.1 % "
        "(Student's t, 5 replications); expected at least 50 %",
        "goland.simkit.yaml:14: enough for Monday: wait_p50 is 10s in each of 5 replications; expected exactly "
        "10s in every replication",
    ]


def test_a_simulated_expectation_that_fails_tells_its_estimate_and_its_interval(simulated):
    (failure,) = simulated("hit_rate: {at_least: 0.95}").failures
    assert failure.text == (
        "goland.simkit.yaml:13: enough for Monday: expected hit_rate of at least 95 %\n"
        "  The simulation gives 85.2 %, with 95% confidence between 76.3 % and 94.1 % (Student's t, 5 replications).\n"
        "  Simulated: Mon 2026-03-02T00:00:00-05:00 to Mon 2026-03-09T00:00:00-04:00, 5 replications of seed 7.\n"
        "  Assumed: agent 30s, claim 10s, delete 30s, 3 provisioner daemons.\n"
        "  The schedules of goland-large at main.tf:1, in America/New_York; where two hold at once the first decides:\n"
        '    1. main.tf:7: "* 8-17 * * 1-5", 4 instances: Monday to Friday, 08:00 to 17:59\n'
        "    When none holds: 1 instance, the base.\n"
        "  To run it alone: simkit check goland.simkit.yaml -k 'enough for Monday'"
    )


def test_the_cure_of_a_cold_beginning_was_tried_where_the_test_simulates(simulated, folder):
    (failure,) = simulated("hit_rate: {at_least: 0.1}\n    never: [cold_begin]").failures
    assert "to have them at 08:00: it buys" in failure.text
    assert "of the hit rate for" in failure.text
    assert "if claims come that early" not in failure.text
    late = HISTORY.replace("T08:0", "T10:0").replace("T09:0", "T10:0")
    Path("history.csv").write_text(late)
    (failure,) = simulated("hit_rate: {at_least: 0.1}\n    never: [cold_begin]").failures
    assert "to have them at 08:00 was tried and buys nothing" in failure.text


def test_one_that_is_too_close_to_call_fails_and_says_what_would_settle_it(simulated):
    (failure,) = simulated("hit_rate: {at_least: 0.88}").failures
    assert failure.text.splitlines()[1:3] == [
        "  The simulation gives 85.2 %, with 95% confidence between 76.3 % and 94.1 % (Student's t, 5 replications).",
        "  That is too close to call: about 29 replications would settle it, if the others are like these; write "
        "replications: 29.",
    ]
    assert failure.estimate.needed == 29


def test_a_history_of_which_no_row_is_in_the_window_is_refused(folder):
    Path("history.csv").write_text("started_at\n2026-03-04T09:00:00Z\n")
    with pytest.raises(AssertionError, match="its row is not in the window"):
        outcome(
            template(),
            "  - name: a\n    simulate: {demand: history.csv, window: {from: 2026-04-06, until: 2026-04-07}}\n"
            "    expect: [hit_rate: {at_least: 0.5}]\n",
        )


def test_the_same_test_gives_the_same_words(simulated):
    assert simulated("hit_rate: {at_least: 0.95}") == simulated("hit_rate: {at_least: 0.95}")


# What is looked at, and how it ends.


def test_without_any_test_file_templates_are_still_looked_at(folder):
    Path("main.tf").write_text(template(("* 8-18 * * 1,5", 1)))
    checked = check(["."])
    assert (checked.status, checked.outcomes, checked.presets) == (0, (), 1)
    assert [finding.level for finding in checked.findings] == ["note", "warning"]
    assert check(["."], strict=True).status == 1


def test_terraform_without_presets_is_passed_over(folder):
    Path("net").mkdir()
    Path("net/main.tf").write_text('resource "x" "y" {\n  broken = \n')
    Path("main.tf").write_text(template())
    assert check(["."]).findings == ()
    (only,) = check(["net"]).findings
    assert str(only).startswith('net: there is neither a data "coder_workspace_preset" in a .tf file here nor')


def test_a_test_fails_with_status_1_and_an_unusable_input_with_2(folder):
    Path("main.tf").write_text(template(("* 8-18 * * 1-5", 5)))
    Path("a.simkit.yaml").write_text(f"template: main.tf\ntests:\n{QUIET}")
    assert check(["."]).status == 1
    Path("b.simkit.yaml").write_text("template: main.tf\ntests: 3\n")
    checked = check(["."])
    assert (checked.status, len(checked.outcomes)) == (2, 1), "the file that can be read was run"


def test_a_template_elsewhere_that_a_test_names_is_looked_at(folder):
    Path("tests").mkdir()
    Path("main.tf").write_text(template(("* 8-18 * * 1,5", 1)))
    Path("tests/a.simkit.yaml").write_text("template: ../main.tf\ntests: [{name: a, never: [no_backoff]}]\n")
    checked = check(["tests"])
    assert checked.presets == 1
    assert {finding.where.path for finding in checked.findings} == {"main.tf"}


@pytest.mark.parametrize(
    ("keyword", "ran"),
    [("quiet", ["quiet"]), ("QUIET AFTER", ["quiet after six"]), ("u", ["quiet", "quiet after six"])],
)
def test_a_keyword_chooses_the_test_of_that_name_or_those_with_it_in_their_names(folder, keyword, ran):
    Path("main.tf").write_text(template())
    tests = "".join(f"  - {{name: {name}, never: [never_holds]}}\n" for name in ("quiet", "quiet after six", "other"))
    Path("a.simkit.yaml").write_text(f"template: main.tf\ntests:\n{tests}")
    assert [outcome.test.name for outcome in check(["."], keyword).outcomes] == ran


def test_a_keyword_that_no_test_has_is_told(folder):
    Path("main.tf").write_text(template())
    Path("a.simkit.yaml").write_text("template: main.tf\ntests: [{name: quiet, never: [never_holds]}]\n")
    checked = check(["."], "quite")
    assert checked.status == 2
    assert [str(f) for f in checked.findings] == ['-k quite: no test has this in its name; write "quiet"']


def test_variables_are_given_to_those_templates_that_declare_them(folder):
    for name in ("a", "b"):
        Path(name).mkdir()
        Path(name, "main.tf").write_text(template())
    Path("a/main.tf").write_text('variable "n" {\n  type = number\n}\n' + template(instances="var.n"))
    Path("a/x.simkit.yaml").write_text("template: main.tf\ntests: [{name: a, expect: [{desired: 4, over: 2026}]}]\n")
    assert check(["."]).status == 2
    assert check(["."], variables={"n": "4"}).status == 0
    (failure,) = check(["."], variables={"n": "3"}).outcomes[0].failures
    assert failure.text.splitlines()[-1] == "  To run it alone: simkit check a/x.simkit.yaml -k a --var n=3"
    assert [str(f) for f in check(["."], variables={"n": "4", "m": "1"}).findings] == [
        '--var m=1: the template declares no "m"; there are n'
    ]


def test_what_was_checked_is_told_in_one_text(folder):
    Path("main.tf").write_text(template(("* 8-18 * * *", 1)))
    Path("a.simkit.yaml").write_text("template: main.tf\ntests: [{name: a, expect: [{desired: 1, over: 2026}]}]\n")
    assert render(check(["."], strict=True)) == (
        "main.tf:1: note: the 91 hours a week that no schedule covers use the base of 1; write another schedule if "
        "that is too many\n\n1 preset, 1 test, it passed; 1 note\n"
    )


@pytest.mark.parametrize(
    ("cron", "expected", "said"),
    [
        (
            "* 22-23,0-6 * * 1-5",
            '{desired: 4, from: "2026-03-13 22:00", until: "2026-03-14 07:00"}',
            "not the morning of Saturday, and also that of Monday; for the nights that begin on Monday to Friday write "
            'two schedules, "* 22-23 * * 1-5" and "* 0-6 * * 2-6".',
        ),
        (
            "* 20-23,0-3 * * 0-4",
            '{desired: {at_most: 1}, from: "2026-03-08 00:00", until: "2026-03-08 12:00"}',
            "not the morning of Friday, and also that of Sunday; for the nights that begin on Monday to Thursday and "
            'Sunday write two schedules, "* 20-23 * * 0-4" and "* 0-3 * * 1-5".',
        ),
    ],
)
def test_a_night_that_a_test_misses_is_hinted(folder, cron, expected, said):
    found = hints(template((cron, 4)), expected)
    assert [hint for hint in found if hint.endswith(said)]


def test_nights_are_not_hinted_where_they_are_not_to_blame(folder):
    found = hints(
        template(("* 22-23,0-6 * * 1-5", 4)), '{desired: 3, from: "2026-03-11 22:00", until: "2026-03-12 07:00"}'
    )
    assert not [hint for hint in found if "mornings" in hint]
