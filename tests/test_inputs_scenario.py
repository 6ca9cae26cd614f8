"""Scenario files: what they may say, and every problem at its line."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

import simkit
from simkit.clock import HOUR_US, MINUTE_US, SECOND_US, format_instant, parse_instant, zone
from simkit.inputs import load
from simkit.model import Activate, Daemons, History, Pause, Profile, Resume, constant, empirical, lognormal

MINIMAL = """\
window: {from: "2026-03-02", until: "2026-03-03"}
presets:
  - {name: large, instances: 2}
"""


def write(folder: Path, text: str, name: str = "week.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def problems(path: Path) -> list[str]:
    with pytest.raises(simkit.InputError) as caught:
        load(path)
    return [str(p).replace(f"{path.parent}/", "") for p in caught.value.problems]


def test_a_window_and_a_preset_are_enough(tmp_path: Path):
    scenario = load(write(tmp_path, MINIMAL))
    assert scenario.name == "week"
    assert format_instant(scenario.start_at) == "2026-03-02T00:00:00Z"
    assert scenario.end_at - scenario.start_at == 24 * HOUR_US
    assert scenario.behaviour.version == "v2.35"
    assert scenario.demand == ()
    (preset,) = scenario.versions[0].presets
    assert (preset.name, preset.instances, preset.ttl_us, preset.where.line) == ("large", 2, 0, 3)


def test_everything_a_scenario_may_say_is_read(tmp_path: Path):
    write(tmp_path, "started_at,preset\n2026-03-02T10:00:00-05:00,large\n2026-03-02 09:00,small\n", "asked.csv")
    scenario = load(
        write(
            tmp_path,
            """\
name: everything
window: {from: "2026-03-02", until: "2026-03-09T12:00", timezone: America/New_York}
coder:
  version: v2.26
  reconciliation_interval: 30s
  reconciliation_backoff_interval: 2m
  reconciliation_backoff_lookback: 3h
  failure_hard_limit: 0
  prebuilds_quota: 40
  provisioner_daemons: 7
presets:
  - name: large
    description: eight cores
    icon: /icon/goland.svg
    default: true
    parameters: {cpu: 8, region: "us"}
    instances: 1
    ttl: 8h
    scheduling:
      timezone: America/New_York
      schedules:
        - {cron: "* 8-18 * * 1-5", instances: 5}
  - {name: small, instances: 1}
demand: {history: asked.csv, timezone: America/New_York}
durations:
  build: {median: 3m, p95: 6m}
  agent: {sample: [10s, 20s, 90s]}
  claim: 5s
  reinitialize: 1s
  delete: 15s
  delete_canceled: {median: 3s, p95: 8s}
daily_cost: 8
failures: {probability: 0.25, builds: [2, 5], cleared_after: 36h}
claim_order: random
cost: {per_instance_hour: 0.5, currency: EUR}
overrides:
  small: {durations: {build: 1m}, daily_cost: 3, cost: {per_instance_hour: 0.1}, failures: {cleared_after: 2d12h}}
events:
  - {at: "2026-03-05T10:00", event: resume}
  - {at: "2026-03-04T10:00", event: pause}
  - at: "2026-03-06T10:00-08:00"
    event: activate
    version: v2
    presets: [{name: large, instances: 9}]
""",
        )
    )
    new_york = zone("America/New_York")
    assert scenario.zone == new_york
    assert format_instant(scenario.end_at, scenario.zone) == "2026-03-09T12:00:00-04:00"
    assert scenario.reconciler.interval_us == 30 * SECOND_US
    assert scenario.reconciler.backoff_interval_us == 2 * MINUTE_US
    assert scenario.reconciler.backoff_lookback_us == 3 * HOUR_US
    assert scenario.reconciler.failure_hard_limit == 0
    assert (scenario.behaviour.version, scenario.provisioner_daemons, scenario.claim_order) == ("v2.26", 7, "random")
    large = scenario.versions[0].presets[0]
    assert large.parameters == (("cpu", "8"), ("region", "us"))
    assert (large.default, large.description, large.ttl_us) == (True, "eight cores", 8 * HOUR_US)
    assert [(s.cron, s.instances, s.where.line) for s in large.schedules] == [("* 8-18 * * 1-5", 5, 22)]
    workload = scenario.workload_of("large")
    assert workload.build == lognormal(3 * MINUTE_US, 6 * MINUTE_US)
    assert workload.agent == empirical((10 * SECOND_US, 20 * SECOND_US, 90 * SECOND_US))
    assert (scenario.prebuilds_quota, workload.daily_cost, scenario.workload_of("small").daily_cost) == (40, 8, 3)
    assert workload.delete_canceled == lognormal(3 * SECOND_US, 8 * SECOND_US)
    assert (workload.failure_probability, workload.failing_builds) == (0.25, (2, 5))
    assert workload.failed_cleared_after_us == 36 * HOUR_US
    small = scenario.workload_of("small")
    assert (small.build, small.claim, small.cost_per_instance_hour) == (
        constant(MINUTE_US),
        constant(5 * SECOND_US),
        0.1,
    )
    assert small.failed_cleared_after_us == 60 * HOUR_US
    assert isinstance(scenario.demand, History)
    assert scenario.demand.preset == ("small", "large")
    assert [format_instant(at) for at in scenario.demand.claim_at.tolist()] == [
        "2026-03-02T14:00:00Z",
        "2026-03-02T15:00:00Z",
    ]
    pause, resume, activate = scenario.events
    assert isinstance(pause, Pause)
    assert isinstance(resume, Resume)
    assert isinstance(activate, Activate)
    assert activate.at == parse_instant("2026-03-06T18:00:00Z")
    assert [p.instances for p in activate.version.presets] == [9]


def test_presets_come_from_a_terraform_file_with_its_lines(tmp_path: Path):
    write(
        tmp_path,
        'variable "warm" {\n  default = 2\n}\ndata "coder_workspace_preset" "large" {\n  name = "large"\n'
        "  prebuilds {\n    instances = var.warm\n  }\n}\n",
        "main.tf",
    )
    text = MINIMAL.replace("presets:\n  - {name: large, instances: 2}", "template: main.tf")
    assert load(write(tmp_path, text)).versions[0].presets[0].instances == 2
    assert load(write(tmp_path, text), {"warm": "6"}).versions[0].presets[0].instances == 6
    assert load(write(tmp_path, text + "variables: {warm: 4}\n")).versions[0].presets[0].instances == 4
    assert load(write(tmp_path, text + "variables: {warm: 4}\n"), {"warm": "6"}).versions[0].presets[0].instances == 6
    assert load(write(tmp_path, text)).versions[0].presets[0].where.line == 4


def test_a_profile_spreads_its_claims_over_the_week(tmp_path: Path):
    hours = ", ".join("1" if 8 <= h < 18 else "0" for h in range(24))
    text = (
        MINIMAL
        + f"demand:\n  profiles:\n    - weekday: [{hours}]\n      claims_per_week: 200\n      timezone: Asia/Kolkata\n"
    )
    (profile,) = load(write(tmp_path, text)).demand
    assert isinstance(profile, Profile)
    assert profile.preset == "large"
    assert profile.zone == zone("Asia/Kolkata")
    assert sum(profile.claims_per_hour) == pytest.approx(200)
    assert profile.claims_per_hour[8:18] == (4.0,) * 10
    assert not any(profile.claims_per_hour[120:])


def test_a_compressed_history_of_one_preset_needs_no_preset_column(tmp_path: Path):
    with gzip.open(tmp_path / "asked.csv.gz", "wt") as file:
        file.write("started_at,person\n2026-03-02T12:00:00Z,1\n2026-03-02T11:00:00Z,2\n")
    history = load(write(tmp_path, MINIMAL + "demand: {history: asked.csv.gz}\n")).demand
    assert isinstance(history, History)
    assert history.preset == ("large", "large")
    assert np.all(np.diff(history.claim_at) > 0)


def test_a_relative_path_is_found_from_a_folder_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write(tmp_path, MINIMAL)
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    assert load("week.yaml").name == "week"


def test_every_problem_is_told_at_its_line(tmp_path: Path):
    path = write(
        tmp_path,
        """\
name: wrong
window: {from: "2026-03-09", until: "2026-03-02", timezone: America/New_Yrok}
coder: {version: v2.x, provisioner_daemons: 0, reconciliation_interval: 0s}
presets:
  - name: large
    instances: -1
    ttl: 30m
    scheduling:
      timezone: America/New_York
      schedules:
        - {cron: "30 8-18 * * 1-5", instances: 5}
  - {name: large, instances: two}
demand: {profiles: [{weekday: [1, 2, 3], preset: lrage}]}
durations: {build: 3, agent: {median: 5m, p95: 1m}}
failures: {probability: 1.5}
claim_order: youngest
cots: {per_instance_hour: 1}
events:
  - {at: "2026-03-03", event: pauze}
""",
    )
    assert problems(path) == [
        'week.yaml:2: window.timezone: "America/New_Yrok" is not a time zone; '
        'write an IANA name such as "America/New_York"',
        "week.yaml:2: window.until: is not after window.from",
        "week.yaml:3: coder.provisioner_daemons: 0 is out of range; write a number 1 or more",
        "week.yaml:3: coder.reconciliation_interval: must be longer than 0s",
        'week.yaml:3: coder.version: "v2.x" is not a version of Coder; write one such as v2.35',
        "week.yaml:6: instances must be 0 to 2147483647, got -1",
        "week.yaml:7: ttl must be 0 (never expires) or 3600 seconds (1h) to 31536000 seconds (365d), "
        "got 1800 seconds (30m); the nearest is 3600",
        'week.yaml:11: minutes must be "*", got "30": Coder reads a schedule as whole hours; write "* 8-18 * * 1-5"',
        'week.yaml:12: "large" is also the preset at week.yaml:5; names are unique',
        'week.yaml:12: instances must be a whole number, got "two"; write instances = 1',
        'week.yaml:13: demand.profiles[0].preset: "lrage" is unknown; there are large',
        "week.yaml:13: demand.profiles[0].weekday: has 3 numbers, expected 24, one for each hour from 00:00",
        "week.yaml:14: durations.agent: the median must be longer than 0s and not above p95",
        'week.yaml:14: durations.build: "3" is not a duration; write "90s", "15m", "8h", "7d" or "1h30m"',
        "week.yaml:15: failures.probability: 1.5 is out of range; write a number from 0 to 1",
        'week.yaml:16: claim_order: "youngest" is unknown; there are oldest, newest, random',
        'week.yaml:17: cots: unknown key; write "cost"',
        'week.yaml:19: events[0].event: "pauze" is unknown; write "pause"',
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("presets: [{name: a, instances: 1, scheduling: {schedules: [{cron: * 8-18 * * 1-5}]}}]", "needs quotes"),
        ("presets:\n  - name: a\n    cron: */2 8 * * *", "needs quotes"),
        ("presets: [", "is not YAML"),
    ],
)
def test_what_is_not_yaml_is_told_at_its_line(tmp_path: Path, line: str, said: str):
    path = write(tmp_path, f'window: {{from: "2026-03-02", until: "2026-03-03"}}\n{line}\n')
    (problem,) = problems(path)
    assert said in problem


def test_an_unquoted_cron_is_shown_with_quotes(tmp_path: Path):
    path = write(tmp_path, "presets:\n  - name: a\n    scheduling:\n      schedules:\n        - cron: * 8-18 * * 1-5\n")
    assert problems(path) == [
        "week.yaml:5: a value that begins with * needs quotes in YAML; "
        'write "* 8-18 * * 1-5" in place of * 8-18 * * 1-5'
    ]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            "demand: {}",
            "week.yaml:4: demand: expected either history (a CSV file with a column started_at) or profiles",
        ),
        ("demand: {history: no.csv}", "week.yaml:4: demand.history: no.csv does not exist"),
        ("name: again\nname: twice", "week.yaml:5: name: given twice, first in line 4; keep one of them"),
        ("durations: {bild: 3m}", 'week.yaml:4: durations.bild: unknown key; write "build"'),
        ("template: main.tf", "week.yaml:1: expected either template (a Terraform file or folder) or presets"),
        ("overrides: {lrage: {}}", 'week.yaml:4: overrides.lrage: unknown key; write "large"'),
        (
            'coder: {version: v2.26}\nevents: [{at: "2026-03-02T10:00", event: invalidate}]',
            "week.yaml:5: events[0]: Coder v2.26 has no preset invalidation; v2.35 has",
        ),
        ('events: [{at: "2027-03-02T10:00", event: pause}]', "week.yaml:4: the event is outside the window"),
        (
            'events: [{at: "2026-03-02T10:00", event: invalidate, preset: small}]',
            'week.yaml:4: there is no preset "small"; there is large',
        ),
        (
            'events: [{at: "2026-03-02T10:00", event: pause, preset: a}]',
            "week.yaml:4: events[0].preset: does not belong",
        ),
        ("coder: v2.35", 'week.yaml:4: coder: expected a mapping ("key: value" lines), got "v2.35"'),
        ("failures: {cleared_after: 0s}", "week.yaml:4: failures.cleared_after: must be longer than 0s; leave it out"),
        ("failures: {cleared_after: never}", "week.yaml:4: failures.cleared_after: "),
        (
            "overrides: {large: {failures: {cleared_after: 0h}}}",
            "week.yaml:4: overrides.large.failures.cleared_after: must",
        ),
        ("failures: {cleard_after: 1d}", 'week.yaml:4: failures.cleard_after: unknown key; write "cleared_after"'),
        ("coder: {prebuilds_quota: -1}", "week.yaml:4: coder.prebuilds_quota: "),
        ("coder: {prebuild_quota: 1}", 'week.yaml:4: coder.prebuild_quota: unknown key; write "prebuilds_quota"'),
        ("daily_cost: 1.5", "week.yaml:4: daily_cost: "),
        ("overrides: {large: {daily_cost: 8 credits}}", "week.yaml:4: overrides.large.daily_cost: "),
        ("durations: {build: {sample: []}}", "week.yaml:4: durations.build.sample: the list is empty"),
    ],
)
def test_what_makes_no_sense_is_told(tmp_path: Path, more: str, said: str):
    (problem,) = problems(write(tmp_path, MINIMAL + more + "\n"))
    assert problem.startswith(said)


def test_a_history_tells_its_lines_but_not_a_thousand_of_them(tmp_path: Path):
    write(tmp_path, "started_at\n2026-03-02T10:00:00Z\n" + "nonsense\n" * 1000, "asked.csv")
    found = problems(write(tmp_path, MINIMAL + "demand: {history: asked.csv}\n"))
    assert len(found) == 11
    assert found[0] == 'asked.csv:3: started_at: "nonsense" is not an instant; write "2026-03-02T09:00:00-05:00"'
    assert found[-1] == "asked.csv:1002: ... and 990 more such lines"


def test_a_history_without_offsets_needs_a_zone(tmp_path: Path):
    write(tmp_path, "started_at,preset\n2026-03-02T10:00:00,large\n,large\n2026-03-02T10:00:00Z,xl\n", "asked.csv")
    found = problems(write(tmp_path, MINIMAL + "demand: {history: asked.csv}\n"))
    assert found[0].startswith('asked.csv:2: started_at: "2026-03-02T10:00:00" has no UTC offset')
    assert found[0].endswith('; write whose clock it is below demand, such as "timezone: America/New_York"')
    assert found[1].startswith('asked.csv:3: started_at: "" is not an instant')
    assert found[2] == 'asked.csv:4: there is no preset "xl"; there is large'


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"- a\n- b\n", b"just text", b"42"])
def test_a_file_that_is_no_scenario_is_told(tmp_path: Path, content: bytes):
    path = tmp_path / "week.yaml"
    path.write_bytes(content)
    assert problems(path)


def test_a_file_that_does_not_exist_is_told():
    with pytest.raises(simkit.InputError, match=r"nowhere/week\.yaml: there is no such file"):
        load("nowhere/week.yaml")


def test_a_sample_is_found_from_any_folder_and_what_is_nearer_comes_before_it(tmp_path: Path, monkeypatch):
    below = tmp_path / "far" / "below"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert load("data/scenarios/workweek.yaml").name == "workweek"
    (tmp_path / "data" / "scenarios").mkdir(parents=True)
    (tmp_path / "data" / "scenarios" / "workweek.yaml").write_text(f"{MINIMAL}name: mine\n")
    assert load("data/scenarios/workweek.yaml").name == "mine"


def test_daemons_and_jobs_have_tags(tmp_path: Path):
    text = MINIMAL + (
        "provisioners:\n  - {count: 4, tags: {pool: prebuilds}}\n  - {count: 3}\n"
        "workspace_tags: {prebuilds: {pool: prebuilds}}\n"
    )
    scenario = load(write(tmp_path, text))
    assert scenario.daemons == (Daemons(4, (("pool", "prebuilds"),)), Daemons(3))
    assert scenario.provisioner_daemons == 7
    assert scenario.job_tags(prebuild=True) == (("pool", "prebuilds"),)
    assert scenario.job_tags(prebuild=False) == ()
    assert scenario.notes == ()
    assert load(write(tmp_path, MINIMAL)).daemons == (Daemons(3),)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("coder: {prebuilds_quota: 40}", ["no preset has a daily_cost"]),
        ("coder: {prebuilds_quota: 0}\ndaily_cost: 1", ['less than one prebuild of "large" takes (1)']),
        ("coder: {prebuilds_quota: 7}\noverrides: {large: {daily_cost: 8}}", ["each build fails"]),
        ("coder: {prebuilds_quota: 8}\ndaily_cost: 8", []),
        ("daily_cost: 8", []),
    ],
)
def test_a_quota_that_holds_all_or_nothing_is_warned_of(tmp_path: Path, more: str, said: list[str]):
    notes = load(write(tmp_path, MINIMAL + more + "\n")).notes
    assert len(notes) == len(said)
    for note, text in zip(notes, said, strict=True):
        assert (note.level, note.where.line, text in note.text) == ("warning", 4, True)


@pytest.mark.parametrize(
    ("provisioners", "tags", "whose"),
    [
        ("[{count: 3}]", "{prebuilds: {pool: a}}", ["prebuilds"]),
        ("[{count: 3, tags: {pool: a}}]", "{prebuilds: {pool: a}}", ["people's workspaces"]),
        ("[{count: 3, tags: {pool: b}}]", "{all: {zone: eu}}", ["prebuilds", "people's workspaces"]),
        ("[{count: 3, tags: {pool: a, zone: eu}}]", "{all: {zone: eu}, prebuilds: {pool: a}}", []),
    ],
)
def test_jobs_that_no_daemon_can_take_are_told(tmp_path: Path, provisioners: str, tags: str, whose: list[str]):
    path = write(tmp_path, f"{MINIMAL}provisioners: {provisioners}\nworkspace_tags: {tags}\n")
    said = [note.text for note in load(path).notes]
    assert [text.split("that build ")[1].split(" (")[0] for text in said] == whose
    assert [f.text for f in simkit.lint(load(path)) if "no daemon" in f.text] == said


def test_bad_provisioners_are_told_at_once(tmp_path: Path):
    text = (
        MINIMAL
        + "coder: {provisioner_daemons: 2, job_reaper: maybe}\nprovisioners:\n  - {tags: {a: b}}\n  - {count: 0}\n"
    )
    assert problems(write(tmp_path, text)) == [
        'week.yaml:4: coder.job_reaper: "maybe" is unknown; there are true, false',
        "week.yaml:6: provisioners: coder.provisioner_daemons counts daemons too; keep one of them",
        'week.yaml:6: provisioners[0]: "count" is missing',
        "week.yaml:7: provisioners[1].count: 0 is out of range; write a number 1 or more",
    ]


@pytest.mark.parametrize(
    ("given", "has"), [("", True), ("coder: {job_reaper: true}\n", True), ("coder: {job_reaper: false}\n", False)]
)
def test_the_reaper_is_there_unless_it_is_switched_off(tmp_path: Path, given: str, has: bool):
    assert load(write(tmp_path, MINIMAL + given)).has_reaper is has


@pytest.mark.parametrize(
    ("version", "notes"), [("v2.24", 1), ("2.24.1", 1), ("v2.24.2", 0), ("v2.25", 0), ("v2.26", 0), ("v2.35", 0)]
)
def test_it_is_told_that_the_oldest_executor_stops_prebuilds(tmp_path: Path, version: str, notes: int):
    scenario = load(write(tmp_path, f"{MINIMAL}coder: {{version: {version}}}\n"))
    assert len([note for note in scenario.notes if "also stop prebuilds" in note.text]) == notes


def test_a_document_that_means_too_much_is_refused(tmp_path: Path):
    laughs = "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 2) if i else 'x'}]\n" for i in range(27))
    for text, said in (
        (f"{MINIMAL}variables: {'[' * 800}{']' * 800}\n", "is nested deeper than 50 levels; write less"),
        ("".join(f"{' ' * i}a:\n" for i in range(800)), "is nested deeper than 50 levels; write less"),
        (f"{MINIMAL}variables: &a [*a]\n", "is nested deeper than 50 levels; write less"),
        (laughs, "values, those of aliases counted wherever they stand; write less"),
        ("# " + "x" * 2_000_000, "cannot be read: it has more than 2,000,000 bytes, and no more are read"),
    ):
        (problem,) = problems(write(tmp_path, text))
        assert problem.endswith(said)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("!!int abc", '"abc" is no whole number; write one, or text in quotes'),
        ("0x_", '"0x_" is no whole number; write one, or text in quotes'),
        ("!!float _", '"_" is no number; write one, or text in quotes'),
        ("!!bool maybe", '"maybe" is no truth value; write one, or text in quotes'),
        (r'"\ud83d"', "has a zero byte or half of a surrogate pair in a text; leave it out"),
        (r'"\0"', "has a zero byte or half of a surrogate pair in a text; leave it out"),
    ],
)
def test_a_value_that_has_no_meaning_is_told_at_its_line_wherever_it_stands(tmp_path: Path, value: str, said: str):
    for place in ("name: {}\n", "claim_order: {}\n", "variables: {{a: [{}]}}\n", "{}: 1\n"):
        (problem,) = problems(write(tmp_path, MINIMAL + place.format(value)))
        assert problem.startswith("week.yaml:4: ")
        assert problem.endswith(said)


def test_numbers_and_durations_beyond_any_calendar_are_refused(tmp_path: Path):
    text = MINIMAL + (
        f"coder: {{failure_hard_limit: {'9' * 400}, provisioner_daemons: 1}}\n"
        f"durations: {{build: {'1' * 400}h, agent: 36601d, delete: {{median: 1us, p95: 36600d}}}}\n"
        "cost: {per_instance_hour: 1e300}\n"
    )
    limit, agent, build, cost = problems(write(tmp_path, text))
    assert limit.endswith("is out of range; write a number from 0 to 2,147,483,647")
    assert build.endswith("is longer than 36600 days; write a shorter duration")
    assert len(build) < 2100, "what is quoted is not told whole"
    assert agent.endswith('durations.agent: "36601d" is longer than 36600 days; write a shorter duration')
    assert cost.endswith("cost.per_instance_hour: 1e+300 is out of range; write a number from 0 to 1,000,000,000")


@pytest.mark.parametrize("name", ["x" * 300, "week.yaml/x", "a/" * 3000])
@pytest.mark.parametrize("key", ["template: {}", "presets: [{{name: a, instances: 1}}]\ndemand: {{history: {}}}"])
def test_a_file_of_which_there_can_be_none_does_not_exist(tmp_path: Path, name: str, key: str):
    (problem,) = problems(write(tmp_path, 'window: {from: "2026-03-02", until: "2026-03-03"}\n' + key.format(name)))
    assert "does not exist" in problem


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "demand: {profiles: [{preset: large, claims_per_week: 1e9, weekday: HOURS}]}\n",
            "some 142,857,143 claims are",
        ),
        (
            "people: [{name: p, count: 200000, preset: large, "
            "sessions: {per_week: 5000, length: 1h, weekday: HOURS}}]\n",
            "some 142,857,143 claims are expected in the window, and simkit simulates up to 20,000,000; write fewer",
        ),
        (
            'events: [{at: "2026-03-02T12:00", event: activate, version: v2, '
            "presets: [{name: large, instances: 60000}, {name: more, instances: 60000}]}]\n",
            "the presets want up to 120,000 instances, and simkit simulates up to 100,000; write fewer",
        ),
        (
            'events: [{at: "2026-03-02T12:00", event: activate, version: v2, '
            f"presets: [{', '.join(f'{{name: p{i}, instances: 1}}' for i in range(800))}]}}]\n",
            "there are 801 presets in all versions, and simkit simulates up to 800; write fewer",
        ),
        (
            f"failures: {{builds: [{', '.join(['1'] * 10_001)}]}}\n",
            "failures.builds: has 10,001 entries, and 10,000 at most are read; write fewer",
        ),
        (
            "people: [{name: p, count: 100001, preset: large, sessions: {length: 1h, weekday: HOURS}},"
            " {name: q, count: 100000, preset: large, sessions: {length: 1h, weekday: HOURS}}]\n",
            "people: there are 200,001 people, and simkit simulates up to 200,000; write fewer",
        ),
    ],
)
def test_what_nobody_could_simulate_is_refused_before_it_is_tried(tmp_path: Path, text: str, said: str):
    (problem,) = problems(write(tmp_path, MINIMAL + text.replace("HOURS", str([1] * 24))))
    assert said in problem
    assert problem.startswith("week.yaml:4: ")


def test_a_preset_has_a_hundred_schedules_at_most(tmp_path: Path):
    def with_schedules(count: int) -> Path:
        crons = (f'{{cron: "* {i % 24} {i // 24 % 28 + 1} {i // 672 + 1} *", instances: 1}}' for i in range(count))
        scheduling = f"{{timezone: UTC, schedules: [{', '.join(crons)}]}}"
        return write(tmp_path, MINIMAL.replace("instances: 2", f"instances: 2, scheduling: {scheduling}"))

    assert len(load(with_schedules(100)).versions[0].presets[0].schedules) == 100
    (problem,) = problems(with_schedules(1000))
    assert "there are 1,000 schedules, and 100 at most are read" in problem


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "overrides: {large: {cost: {per_instance_hour: 2, currency: EUR}}}",
            "overrides.large.cost.currency: all presets have one currency; write it as cost.currency",
        ),
        (
            "variables: {region: eu}",
            "the presets stand in the scenario, where no variable has a value; leave it out, or give a template",
        ),
    ],
)
def test_what_nothing_would_come_of_is_refused(tmp_path: Path, text: str, said: str):
    assert problems(write(tmp_path, f"{MINIMAL}{text}\n")) == [f"week.yaml:4: {said}"]


def test_a_variable_of_the_command_line_is_for_a_template(tmp_path: Path):
    with pytest.raises(simkit.InputError, match=r"^--var region=eu: the presets stand in the scenario, where no"):
        load(write(tmp_path, MINIMAL), {"region": "eu"})


def test_weeks_without_a_day_to_stop_on_are_warned_of(tmp_path: Path):
    schedule = "template_schedule: {autostop_requirement: {weeks: 2%s}}\n"
    (note,) = load(write(tmp_path, MINIMAL + schedule % "")).notes
    assert str(note).endswith(
        "week.yaml:4: warning: template_schedule.autostop_requirement.weeks: no workspace has to stop in any week, as "
        "no days are given; write days_of_week, too"
    )
    assert load(write(tmp_path, MINIMAL + schedule % ", days_of_week: [monday]")).notes == ()


def test_prebuilds_that_expire_more_often_than_anybody_could_simulate_are_refused(tmp_path: Path):
    years = MINIMAL.replace("2026-03-03", "2046-01-01").replace("instances: 2", "instances: 1000, ttl: 1h")
    coder = "coder: {provisioner_daemons: 1000}\n"
    (problem,) = problems(write(tmp_path, years + coder))
    assert problem.startswith(
        "week.yaml:3: some 173,880,000 prebuilds expire in the window, and simkit simulates up to"
    )
    assert load(write(tmp_path, years.replace("2046", "2044"))).end_at, "three daemons build no more than they can"
    assert load(write(tmp_path, years.replace("ttl: 1h", "ttl: 30h") + coder)).end_at


def test_of_many_unknown_keys_the_first_get_a_suggestion(tmp_path: Path):
    profiles = ", ".join(f"{{weekend{i}: []}}" for i in range(300))
    found = problems(write(tmp_path, f"{MINIMAL}demand: {{profiles: [{profiles}]}}\n"))
    said = [problem for problem in found if "unknown key" in problem]
    assert len(said) == 300
    assert 0 < sum("leave it out" in problem for problem in said) < 300
