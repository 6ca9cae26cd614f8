"""A test file is read strictly, and every problem in it is told with its line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simkit.clock import SECOND_US, format_instant, zone
from simkit.coder_versions import BEHAVIOURS
from simkit.errors import Findings, Where
from simkit.templates.check import read_test_file
from simkit.templates.check.types import Bound, DesiredExpectation, MetricExpectation, NeverExpectation

TEMPLATE = """\
data "coder_workspace_preset" "goland" {
  name = "goland-large"
  prebuilds {
    instances = 1
    scheduling {
      timezone = "America/New_York"
      schedule {
        cron      = "* 8-18 * * 1-5"
        instances = 5
      }
    }
  }
}
"""

# The example of the documentation.
TESTS = """\
template: main.tf
coder: v2.35
tests:
  - name: quiet after six
    preset: goland-large
    timezone: America/New_York
    expect:
      - desired: 1
        from: "2026-03-09 18:00"
        until: "2026-03-10 07:00"
      - desired: {at_least: 3}
        every: "weekday 08:00-18:00"
        over: 2026        # a year: all its days, daylight saving included
    never: [undetected_overlap, fallback_to_base]
  - name: enough for Monday
    preset: goland-large
    simulate: {demand: data/history.csv, seed: 7, replications: 20}
    expect:
      - hit_rate: {at_least: 0.95}
      - wait_p95: {at_most: 90s}
      - idle_cost_per_week: {at_most: 250}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("main.tf").write_text(TEMPLATE)
    Path("data").mkdir()
    Path("data/history.csv").write_text(
        "started_at\n2026-03-04T09:30:00-05:00\n2026-03-16T08:01:00-04:00\n2026-03-11T12:00:00-04:00\n"
    )
    return tmp_path


def read(text: str):
    """(test file, what is said about it)."""
    Path("a.simkit.yaml").write_text(text)
    findings = Findings()
    return read_test_file("a.simkit.yaml", findings), [str(finding) for finding in findings]


def problems(test: str) -> list[str]:
    """What is said about a file with this one test, whose lines begin at 3."""
    found, said = read(f"template: main.tf\ntests:\n{test}")
    assert found is None
    return said


def test_the_documentations_example_is_read_word_for_word(folder):
    found, said = read(TESTS)
    assert said == [
        "a.simkit.yaml:21: warning: idle_cost_per_week is always 0, as simulate says nothing of cost; write there "
        "cost: {per_instance_hour: 0.38, currency: USD}",
        "a.simkit.yaml:17: warning: simulate does not say how long a build takes, on which waits and hit rates hang: "
        "build 3m is assumed; write durations: {build: 6m, agent: 40s} with those of your deployment",
        "a.simkit.yaml:17: note: simulate does not say, and so assumes: agent 30s, claim 10s, delete 30s, builds never "
        "fail, 3 provisioner daemons; write what differs",
    ]
    assert (found.path, found.template, found.behaviour) == ("a.simkit.yaml", "main.tf", BEHAVIOURS["v2.35"])
    quiet, enough = found.tests
    assert (quiet.name, quiet.where, quiet.preset) == ("quiet after six", Where("a.simkit.yaml", 4), "goland-large")
    one, three, overlap, base = quiet.expectations
    new_york = zone("America/New_York")
    assert isinstance(one, DesiredExpectation)
    assert isinstance(three, DesiredExpectation)
    assert (one.bound, one.where.line) == (Bound(exactly=1), 8)
    assert [format_instant(at, new_york) for at in one.spans[0]] == [
        "2026-03-09T18:00:00-04:00",
        "2026-03-10T07:00:00-04:00",
    ]
    assert (three.bound, len(three.spans)) == (Bound(at_least=3), 261)
    assert {until - since for since, until in three.spans} == {10 * 3600 * SECOND_US}
    assert [overlap, base] == [
        NeverExpectation("undetected_overlap", Where("a.simkit.yaml", 14)),
        NeverExpectation("fallback_to_base", Where("a.simkit.yaml", 14)),
    ]
    assert enough.expectations == (
        MetricExpectation("hit_rate", Bound(at_least=0.95), Where("a.simkit.yaml", 19)),
        MetricExpectation("wait_p95", Bound(at_most=90), Where("a.simkit.yaml", 20)),
        MetricExpectation("idle_cost_per_week", Bound(at_most=250), Where("a.simkit.yaml", 21)),
    )
    assert (enough.simulation.seed, enough.simulation.replications) == (7, 20)


@pytest.mark.parametrize(
    ("keys", "levels", "assumed"),
    [
        ("durations: {build: 6m, agent: 40s, claim: 8s, delete: 30s}, failures: {}, provisioner_daemons: 2", [], ()),
        (
            "durations: {agent: 40s, claim: 8s, delete: 30s}, failures: {}, provisioner_daemons: 2",
            ["warning"],
            ("build 3m",),
        ),
        (
            "durations: {build: 6m, claim: 8s, delete: 1m}, failures: {}, provisioner_daemons: 2",
            ["note"],
            ("agent 30s",),
        ),
        (
            "durations: {build: 1m, agent: 1s}",
            ["note"],
            ("claim 10s", "delete 30s", "builds never fail", "3 provisioner daemons"),
        ),
        (
            "seed: 1",
            ["warning", "note"],
            ("build 3m", "agent 30s", "claim 10s", "delete 30s", "builds never fail", "3 provisioner daemons"),
        ),
    ],
)
def test_what_a_simulation_assumes_is_told(folder, keys, levels, assumed):
    found, _ = read(
        f"template: main.tf\ntests:\n  - name: a\n    simulate: {{demand: data/history.csv, {keys}}}\n"
        "    expect: [hit_rate: 1]\n"
    )
    assert found.tests[0].simulation.assumed == assumed
    findings = Findings()
    read_test_file("a.simkit.yaml", findings)
    assert [finding.level for finding in findings if finding.name == "assumed"] == levels


def test_a_simulation_covers_the_weeks_of_its_history(folder):
    found, _ = read(TESTS)
    scenario = found.tests[1].simulation.scenario
    window = [format_instant(at, scenario.zone) for at in (scenario.start_at, scenario.end_at)]
    assert window == ["2026-03-02T00:00:00-05:00", "2026-03-23T00:00:00-04:00"]


def test_the_zone_of_a_test_is_its_presets_if_it_names_none(folder):
    found, said = read(
        'template: main.tf\ntests:\n  - name: a\n    expect: [{desired: 1, from: "2026-01-03", until: "2026-01-04"}]\n'
    )
    assert said == []
    assert found.tests[0].zone.name == "America/New_York"


def test_a_simulation_takes_what_a_scenario_takes(folder):
    found, said = read(
        """\
template: .
tests:
  - name: a
    simulate:
      demand: {profiles: [{preset: goland-large, claims_per_week: 50, weekday: [0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 1, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]}]}
      window: {from: "2026-03-02", until: "2026-03-30"}
      durations: {build: {median: 6m, p95: 9m}, agent: 40s}
      failures: {probability: 0.01}
      cost: {per_instance_hour: 0.4, currency: EUR}
      provisioner_daemons: 6
    expect:
      - idle_cost_per_week: {at_least: 1, at_most: 250}
        failed_builds: 0
"""
    )
    assert said == [
        "a.simkit.yaml:5: note: simulate does not say, and so assumes: claim 10s, delete 30s; write what differs"
    ]
    simulation = found.tests[0].simulation
    workload = simulation.scenario.workload
    assert (simulation.seed, simulation.replications, simulation.scenario.provisioner_daemons) == (0, 20, 6)
    assert (workload.failure_probability, workload.cost_per_instance_hour, simulation.scenario.currency) == (
        0.01,
        0.4,
        "EUR",
    )
    assert [e.bound for e in found.tests[0].expectations] == [Bound(1, 250), Bound(exactly=0)]


def test_every_problem_is_told_at_once_with_its_line_and_what_to_write(folder):
    found, said = read(
        """\
template: main.tf
coder: v2.x
tets: []
tests:
  - name: a
    preset: goland-larg
    expect:
      - desired: {at_leest: 3}
        every: "weekday 8-18"
        over: 2026
      - desird: 3
  - name: b
    expect:
      - hit_rate: {at_least: 2}
    never: [undetected_overlp]
  - preset: goland-large
    timezone: America/New_Yok
"""
    )
    assert found is None
    assert sorted(said, key=lambda text: int(text.split(":")[1])) == [
        'a.simkit.yaml:2: coder: "v2.x" is not a version of Coder; write one such as v2.35',
        'a.simkit.yaml:3: tets: unknown key; write "tests"',
        'a.simkit.yaml:6: tests[0].preset: there is no preset "goland-larg"; write "goland-large"',
        'a.simkit.yaml:8: tests[0].expect[0].desired.at_leest: unknown key; write "at_least"',
        'a.simkit.yaml:9: tests[0].expect[0].every: "weekday 8-18" is not days and times; write days and times such as '
        '"weekday 08:00-18:00" or "mon-thu,sat 22:00-06:00"',
        'a.simkit.yaml:11: tests[0].expect[1].desird: unknown key; write "desired"',
        "a.simkit.yaml:14: tests[1].expect[0].hit_rate: comes from a simulation; write simulate: {demand: FILE.csv} "
        "beside expect",
        "a.simkit.yaml:14: tests[1].expect[0].hit_rate.at_least: 2 is out of range; write a number from 0 to 1",
        'a.simkit.yaml:15: tests[1].never[0]: "undetected_overlp" is unknown; write "undetected_overlap"',
        'a.simkit.yaml:16: tests[2]: "name" is missing',
        "a.simkit.yaml:16: tests[2]: expects nothing; write expect or never",
        'a.simkit.yaml:17: tests[2].timezone: "America/New_Yok" is not a time zone; write an IANA name such as '
        '"America/New_York"',
    ]


@pytest.mark.parametrize(
    ("expectation", "said"),
    [
        ('{desired: 1, from: "2026-03-09 18:00"}', '"until" is missing; write from:'),
        ("{desired: 1}", '"from" is missing; write from:'),
        ('{from: "2026-03-09", until: "2026-03-10"}', '"desired" is missing; write desired: 1'),
        ('{desired: 1, from: "2026-03-09", until: "2026-03-09"}', "until: is not after from"),
        ('{desired: 1, from: "2026-03-09", until: "2056-03-09"}', "until: is more than 20 years after from"),
        ('{desired: 1, from: "9 March", until: "2026-03-09"}', '"9 March" is not an instant'),
        ('{desired: 1, every: "weekday 08:00-18:00"}', "every: needs over; write over: 2026"),
        (
            '{desired: 1, every: "sun 08:00-18:00", over: {from: "2026-03-09", until: "2026-03-10"}}',
            "no such time is in over",
        ),
        ('{desired: 1, over: 2026, from: "2026-03-09"}', "from: stands alone or inside over"),
        ("{desired: 1, over: soon}", '"soon" is neither a year nor a month'),
        ("{desired: -1, over: 2026}", "-1 is out of range; write a number 0 or more"),
        ("{desired: {}, over: 2026}", "desired: says no number; write at_least, at_most or both"),
        ("{desired: {at_least: 3, at_most: 2}, over: 2026}", "at_most: is below at_least"),
        ("{desired: 1, over: 2026, hit_rate: 1}", "desired: does not go with hit_rate"),
        ("{}", "expects nothing; write desired, or a metric such as hit_rate"),
        ("3", 'expected a mapping ("key: value" lines), got "3"'),
    ],
)
def test_an_expectation_that_makes_no_sense_is_refused(folder, expectation, said):
    (found,) = problems(f"  - name: a\n    expect:\n      - {expectation}\n")
    assert found.startswith("a.simkit.yaml:5: tests[0].expect[0]")
    assert said in found


@pytest.mark.parametrize(
    ("simulate", "said"),
    [
        ("{}", '"demand" is missing'),
        ("{demand: nowhere.csv}", "nowhere.csv does not exist"),
        ("{demand: data/history.csv, replications: 1}", '"1" is not a whole number from 2 to 100000'),
        ("{demand: data/history.csv, seed: -1}", '"-1" is not a whole number from 0 to'),
        ("{demand: data/history.csv, duration: 3}", 'duration: unknown key; write "durations"'),
        ("{demand: {profiles: [{weekday: [1]}]}}", "has 1 numbers, expected 24"),
        ("{demand: {profiles: []}}", '"window" is missing; write window:'),
    ],
)
def test_a_simulation_that_cannot_run_is_refused(folder, simulate, said):
    found = problems(f"  - name: a\n    simulate: {simulate}\n    expect: [hit_rate: 1]\n")
    assert any(said in text for text in found), found
    assert all(text.startswith("a.simkit.yaml:4: tests[0].simulate") for text in found)


@pytest.mark.parametrize(
    ("simulate", "said"),
    [
        ("{demand: data/empty.csv}", "data/empty.csv:1: has no rows below it"),
        (
            '{demand: data/history.csv, window: {from: "2031-03-03", until: "2031-03-10"}}',
            "in the window, 2031-03-03",
        ),
    ],
)
def test_a_simulation_of_nobody_is_refused_at_its_history(folder, simulate, said):
    Path("data/empty.csv").write_text("started_at\n")
    found = problems(f"  - name: a\n    simulate: {simulate}\n    expect: [hit_rate: 1]\n")
    assert any(said in text for text in found), found


def test_a_simulation_that_nothing_asks_for_is_a_warning(folder):
    found, said = read(
        "template: main.tf\ntests:\n"
        "  - {name: a, simulate: {demand: data/history.csv}, expect: [{desired: {at_least: 1}, over: 2026}]}\n"
    )
    assert said == ["a.simkit.yaml:3: warning: simulate is not used: nothing under expect is simulated"]
    assert len(found.tests) == 1


@pytest.mark.parametrize("nothing", ["", ", expect: []", ", expect: [], never: []"])
def test_a_test_that_expects_nothing_is_refused(folder, nothing):
    assert problems(f"  - {{name: a{nothing}}}\n") == [
        "a.simkit.yaml:3: tests[0]: expects nothing; write expect or never"
    ]


def test_two_tests_of_one_name_are_refused(folder):
    one = "  - {name: a, never: [undetected_overlap]}\n"
    assert problems(2 * one) == ['a.simkit.yaml:4: the test at a.simkit.yaml:3 is also called "a"; names are unique']


def test_what_is_wrong_with_the_template_is_told_by_its_own_lines(folder):
    Path("main.tf").write_text(TEMPLATE.replace("8-18", "8-25"))
    (said,) = problems("  - {name: a, preset: goland-large, never: [undetected_overlap]}\n")
    assert said.startswith('main.tf:8: hour "8-25": 25 is no hour; write 0 to 23')


def test_a_template_that_is_not_there_is_told(folder):
    assert read("template: man.tf\ntests: [{name: a, never: [never_holds]}]\n")[1] == [
        "a.simkit.yaml:1: template: man.tf does not exist"
    ]


@pytest.mark.parametrize("is_repository", [True, False])
@pytest.mark.parametrize(
    "names",
    [
        "template: {}\ntests: [{{name: a, never: [never_holds]}}]\n",
        "template: main.tf\ntests: [{{name: a, simulate: {{demand: {}}}, expect: [hit_rate: 1]}}]\n",
        "template: main.tf\ntests: [{{name: a, simulate: {{demand: {{history: {}}}}}, expect: [hit_rate: 1]}}]\n",
        "template: main.tf\ntests: [{{name: a, simulate: {{demand: {{history: {{duckdb: {}, table: t}}}}}}, "
        "expect: [hit_rate: 1]}}]\n",
    ],
)
def test_no_file_outside_of_the_repository_is_read_for_a_test_file(folder, names, is_repository):
    outside = folder.parent / f"{folder.name}.secret"
    outside.write_text("a secret\n")
    if is_repository:
        Path(".git").mkdir()
    Path("link").symlink_to(outside)
    for path in (f"../{outside.name}", str(outside), "link", f"data/../../{outside.name}"):
        said = read(names.format(path))[1]
        refused = [text for text in said if "is outside of the repository of this file" in text or "is a link" in text]
        assert refused, said
        assert not [text for text in said if "secret\n" in text or "a secret" in text]


def test_nothing_is_told_of_a_file_that_is_no_history_wherever_it_is(folder):
    outside = folder.parent / f"{folder.name}.secret"
    outside.write_text("a secret\n")
    (said,) = read(f"template: main.tf\ntests: [{{name: a, expect: [{{within_of_best: 10%, against: {outside}}}]}}]\n")[
        1
    ]
    assert "a secret" not in said


def test_a_test_file_may_name_what_is_elsewhere_in_its_repository(folder):
    Path(".git").mkdir()
    Path("tests").mkdir()
    Path("tests/a.simkit.yaml").write_text("template: ../main.tf\ntests: [{name: a, never: [never_holds]}]\n")
    findings = Findings()
    assert read_test_file("tests/a.simkit.yaml", findings) is not None, list(findings)


@pytest.mark.parametrize("name", ["x" * 300, "y/" * 3000, "x/" + "y" * 256])
def test_a_name_that_no_file_can_have_is_told(folder, name):
    (said,) = read(f"template: {json.dumps(name)}\ntests: [{{name: a, never: [never_holds]}}]\n")[1]
    assert said.startswith("a.simkit.yaml:1: template: ")
    assert said.endswith("does not exist")


@pytest.mark.parametrize("text", ["", "tests: [", "- a\n", "3\n", "template: main.tf\ntests: []\n"])
def test_a_file_that_holds_no_tests_is_told_and_never_a_traceback(folder, text):
    found, said = read(text)
    assert found is None
    assert said


def test_a_folder_or_bytes_in_place_of_a_file_are_told(folder):
    findings = Findings()
    Path("b.simkit.yaml").write_bytes(b"\xff\xfe")
    Path("c.simkit.yaml").mkdir()
    assert read_test_file("b.simkit.yaml", findings) is None
    assert read_test_file("c.simkit.yaml", findings) is None
    assert [str(f.where) for f in findings] == ["b.simkit.yaml:1", "c.simkit.yaml"]


ODD = (
    *(None, True, 0, 1, -1, 2.5, "", "a", [], {}, [1], {"at_least": 1}, {"from": "9999-12-31", "until": "2026"}),
    *("2026", "2026-03", "9999", "0001-01-01", "9999-12-31T23:59:00Z", "UTC", "weekday 08:00-18:00", "daily"),
    *("goland-large", "never_holds", "data/history.csv", "main.tf", "v2.24", "90s", {"history": "data/history.csv"}),
)
"""What somebody may write where something else belongs."""


def mappings(keys: tuple[str, ...], of: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.dictionaries(st.sampled_from([*keys, "odd"]), of, max_size=len(keys))


EXPECTATIONS = mappings(("desired", "from", "until", "every", "over", "hit_rate", "wait_p95"), st.sampled_from(ODD))
SIMULATIONS = mappings(
    ("demand", "seed", "replications", "window", "durations", "failures", "cost"), st.sampled_from(ODD)
)
DOCUMENTS = st.fixed_dictionaries(
    {
        "template": st.sampled_from(["main.tf", ".", "nowhere", 3, None]),
        "tests": st.lists(
            st.fixed_dictionaries(
                {"name": st.sampled_from(ODD), "expect": st.lists(EXPECTATIONS, max_size=3) | st.sampled_from(ODD)},
                optional={
                    "preset": st.sampled_from(ODD),
                    "timezone": st.sampled_from(ODD),
                    "never": st.lists(st.sampled_from(ODD), max_size=2),
                    "simulate": SIMULATIONS | st.sampled_from(ODD),
                },
            ),
            max_size=2,
        ),
    },
    optional={"coder": st.sampled_from(ODD), "odd": st.sampled_from(ODD)},
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(DOCUMENTS)
def test_whatever_a_file_says_it_is_read_or_told_and_never_a_traceback(folder, document):
    found, said = read(json.dumps(document))  # YAML reads JSON
    assert (found is None) == any(": warning: " not in text for text in said)
    assert all(text.startswith(("a.simkit.yaml:", "data/history.csv", "main.tf")) for text in said)


@pytest.mark.parametrize(
    "span", ['{from: "9999-12-30", until: "9999-12-31"}', '{from: "0001-01-01", until: "0001-01-02"}']
)
def test_an_age_without_a_calendar_is_refused(folder, span):
    found = problems(f"  - {{name: a, expect: [{{desired: 1, over: {span}}}]}}\n")
    assert len(found) == 2
    assert all("is out of range; write a year from 1900 to 9000" in text for text in found)
