"""The provider's rules for presets, whatever format they were written in."""

from __future__ import annotations

import pytest

from simkit.clock import HOUR_US, SECOND_US
from simkit.errors import Findings, Where, did_you_mean
from simkit.inputs.preset import REPORTED, Given, GivenPreset, GivenSchedule, read_presets
from simkit.model import Preset, Schedule


def at(line: int) -> Where:
    return Where("f", line)


def schedule(line: int, cron: object = "* 8-18 * * 1-5", instances: object = 5) -> GivenSchedule:
    return GivenSchedule(Given(cron, at(line)), Given(instances, at(line + 1)), at(line))


def preset(line: int = 1, *schedules: GivenSchedule, **fields: object) -> GivenPreset:
    """A preset named after its line whose fields stand one to a line, in the order given, from line + 1 on."""
    fields = {"name": f"preset {line}", "instances": 1, **({"timezone": "UTC"} if schedules else {}), **fields}
    given = {name: Given(value, at(line + i)) for i, (name, value) in enumerate(fields.items(), 1)}
    return GivenPreset(at(line), schedules=schedules, **given)


def problems(*given: GivenPreset) -> list[str]:
    findings = Findings()
    presets = read_presets(given, findings)
    assert len(presets) < len(given) or not findings.errors, "whatever is wrong is left out"
    return [str(finding) for finding in sorted(findings.errors, key=lambda f: f.where)]


def test_a_preset_that_obeys_every_rule_is_read_as_it_was_written():
    given = GivenPreset(
        where=at(1),
        name=Given("Large, EU", at(2)),
        description=Given("d" * 128, at(3)),
        icon=Given("i" * 256, at(4)),
        default=Given(True, at(5)),
        parameters=Given({"region": "eu", "cpu": 8, "gpu": False, "disk": 1.5}, at(6)),
        instances=Given(2, at(7)),
        ttl_us=Given(8 * HOUR_US, at(8)),
        timezone=Given("Europe/Helsinki", at(9)),
        schedules=(schedule(10), schedule(12, "* 8-14 * * 6", -1)),
    )
    findings = Findings()
    assert read_presets((given,), findings) == (
        Preset(
            name="Large, EU",
            instances=2,
            ttl_us=8 * HOUR_US,
            timezone="Europe/Helsinki",
            schedules=(Schedule("* 8-18 * * 1-5", 5, at(10)), Schedule("* 8-14 * * 6", -1, at(12))),
            description="d" * 128,
            icon="i" * 256,
            default=True,
            parameters=(("region", "eu"), ("cpu", "8"), ("gpu", "false"), ("disk", "1.5")),
            where=at(1),
        ),
    )
    assert list(findings) == []


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"name": None}, 'f:2: name is missing; write name = "Large"'),
        ({"name": " "}, 'f:2: name is missing; write name = "Large"'),
        ({"name": 3}, 'f:2: name must be text, got 3; write "3" with the quotes'),
        ({"instances": None}, "f:3: instances is missing; write instances = 1"),
        ({"instances": -1}, "f:3: instances must be 0 to 2147483647, got -1"),
        ({"instances": 2**31}, "f:3: instances must be 0 to 2147483647, got 2147483648"),
        ({"instances": 1.5}, "f:3: instances must be a whole number, got 1.5; write instances = 1"),
        ({"instances": True}, "f:3: instances must be a whole number, got true; write instances = 1"),
        ({"instances": "two"}, 'f:3: instances must be a whole number, got "two"; write instances = 1'),
        ({"description": "d" * 129}, "f:4: description has 129 characters; Coder takes 128 at most"),
        ({"icon": "i" * 257}, "f:4: icon has 257 characters; Coder takes 256 at most"),
        ({"icon": False}, 'f:4: icon must be text, got false; write "false" with the quotes'),
        ({"default": "yes"}, 'f:4: default must be true or false, got "yes"; write one of the two'),
        ({"parameters": "x"}, 'f:4: parameters must be a mapping such as region = "eu", got "x"'),
        ({"parameters": {"a": ["x"]}}, """f:4: parameter "a" must be text, got ['x']; write a = "...\""""),
    ],
)
def test_a_value_the_provider_refuses_is_told_at_its_line(fields, problem):
    assert problems(preset(1, **fields)) == [problem]


def test_a_preset_without_name_and_instances_is_told_at_its_own_line():
    assert problems(GivenPreset(at(4))) == [
        'f:4: name is missing; write name = "Large"',
        "f:4: instances is missing; write instances = 1",
    ]


@pytest.mark.parametrize("seconds", [0, 3600, 31_536_000])
def test_a_ttl_is_never_or_an_hour_to_a_year(seconds):
    assert problems(preset(ttl_us=seconds * SECOND_US)) == []


@pytest.mark.parametrize(
    ("seconds", "seen", "nearest"),
    [
        (1800, "1800 seconds (30m)", 3600),
        (63_072_000, "63072000 seconds (730d)", 31_536_000),
        (-5, "-5 seconds (-5s)", 3600),
    ],
)
def test_any_other_ttl_is_told_in_seconds_and_as_a_duration(seconds, seen, nearest):
    assert problems(preset(ttl_us=seconds * SECOND_US)) == [
        "f:4: ttl must be 0 (never expires) or 3600 seconds (1h) to 31536000 seconds (365d), "
        f"got {seen}; the nearest is {nearest}"
    ]


def test_two_presets_of_one_name_are_told_with_both_lines():
    assert problems(preset(1, name="a"), preset(5, name="b"), preset(9, name="a")) == [
        'f:10: "a" is also the preset at f:2; names are unique'
    ]


def test_a_template_has_one_default():
    assert problems(preset(1, default=True), preset(5, default=False), preset(9, default=True)) == [
        "f:12: the preset at f:4 is the default already; a template has one"
    ]


@pytest.mark.parametrize(
    ("cron", "text"),
    [
        ("* 25 * * *", 'hour "25": 25 is no hour; write 0 to 23'),
        ("30 8-18 * * 1-5", 'minutes must be "*", got "30"'),
        ("* 8-18 * * 7", "7 is no day of week; write 0 to 6, Sunday is 0"),
        ("CRON_TZ=UTC * 8 * * *", "write it as timezone"),
        ("* MON-FRI", "has 2 fields, expected 5"),
        ("", 'cron is missing; write cron = "* 8-18 * * 1-5"'),
    ],
)
def test_a_cron_the_provider_refuses_is_told_at_its_line(cron, text):
    (problem,) = problems(preset(1, schedule(7, cron)))
    assert problem.startswith("f:7: ")
    assert text in problem


@pytest.mark.parametrize(
    ("timezone", "text"),
    [
        (None, 'timezone is missing; write timezone = "America/New_York"'),
        (" ", 'timezone is missing; write timezone = "America/New_York"'),
        ("Local", '"Local" is the zone of whatever machine reads it'),
        ("Europe/Berln", 'write an IANA name such as "Europe/Berlin"'),
        ("america/new york", 'write an IANA name such as "America/New_York"'),
        ("???", '"???" is not a time zone; write the IANA name of a place with these clocks, as Area/City'),
        ("Mumbai", '"Mumbai" is not a time zone; write the IANA name of a place with these clocks, as Area/City'),
        (
            "PST",
            '"PST" is not a time zone, but short for several or for half a year; write a place such as '
            '"America/Los_Angeles"',
        ),
        ("CEST", 'write a place such as "Europe/Berlin"'),
        (
            "GMT+2",
            '"GMT+2" is not a time zone; write the IANA name of a place, or "Etc/GMT-2", which is always 2 h ahead '
            "of UTC",
        ),
        ("UTC+2", '"Etc/GMT-2", which is always 2 h ahead of UTC'),
        ("UTC-05:00", '"Etc/GMT+5", which is always 5 h behind UTC'),
        ("+00:00", 'write "UTC"'),
        ("GMT+5:30", "write the IANA name of a place with these clocks, as Area/City"),
        ("Los Angeles", 'write an IANA name such as "America/Los_Angeles"'),
        ("europe/berlin", 'write an IANA name such as "Europe/Berlin"'),
    ],
)
def test_schedules_need_a_time_zone_that_exists(timezone, text):
    (problem,) = problems(preset(1, schedule(7), timezone=timezone))
    assert problem.startswith("f:4: ")
    assert text in problem


def test_schedules_without_any_timezone_are_told_at_the_first_schedule():
    given = GivenPreset(
        at(1), Given("a", at(1)), instances=Given(1, at(1)), schedules=(schedule(7), schedule(9, "* 4 * * *"))
    )
    assert problems(given) == ['f:7: timezone is missing; write timezone = "America/New_York"']


def test_scheduling_needs_a_schedule():
    assert problems(preset(1, timezone="UTC")) == [
        "f:4: scheduling has no schedule; write at least one, or leave scheduling out"
    ]


def test_every_pair_that_overlaps_is_told_at_the_later_one_with_the_line_of_the_other():
    crons = [schedule(10, "* 8-12 * * 1-5"), schedule(20, "* 12-18 * * 1-5"), schedule(30, "* 8 * * 5,6")]
    assert problems(preset(1, *crons)) == [
        'f:20: "* 12-18 * * 1-5" overlaps "* 8-12 * * 1-5" at f:10, which Coder refuses; '
        "write hours, days or months that they do not share",
        'f:30: "* 8 * * 5,6" overlaps "* 8-12 * * 1-5" at f:10, which Coder refuses; '
        "write hours, days or months that they do not share",
    ]


def test_names_and_steps_are_fine_in_one_schedule_and_told_where_they_stand_in_two():
    assert problems(preset(1, schedule(10, "* 8-18 * * MON-FRI"))) == []
    told = problems(
        preset(1, schedule(10, "* 8-18 * * MON-FRI"), schedule(20, "* */2 * * 6"), schedule(30, "* 8 * * 0"))
    )
    assert [problem.split(": ")[0] for problem in told] == ["f:10", "f:20"]
    assert '"* 8-18 * * MON-FRI": day of week "MON-FRI" is neither a number' in told[0]
    assert told[0].endswith("write numbers")
    assert 'hour "*/2"' in told[1]


def test_a_cron_that_is_refused_is_not_also_compared():
    assert len(problems(preset(1, schedule(10, "* 25 * * *"), schedule(20, "* 0-23 * * *")))) == 1


def test_what_was_reported_already_is_left_out_without_another_word():
    reported = GivenPreset(at(1), Given(REPORTED, at(2)), instances=Given(1, at(3)), ttl_us=Given(REPORTED, at(4)))
    findings = Findings()
    assert read_presets((reported, preset(5)), findings) == (Preset("preset 5", 1, where=at(5)),)
    assert list(findings) == []


def test_everything_wrong_in_every_preset_is_told_at_once():
    told = problems(
        preset(1, schedule(10, "* 25 * * *", 1.5), name="", instances=-1, timezone="Mars"),
        preset(20, description="d" * 200, ttl_us=1),
    )
    assert [problem.split(": ")[0] for problem in told] == ["f:2", "f:3", "f:4", "f:10", "f:11", "f:23", "f:24"]


def test_a_name_nobody_knows_is_answered_with_the_nearest_or_all_of_them():
    assert did_you_mean("instanses", {"instances", "ttl"}) == 'write "instances"'
    assert did_you_mean("xyz", {"b", "a"}) == "there are a, b"
    assert did_you_mean("xyz", ()) == "there are none"
