"""Targets that follow the pool: what an expression sees at a tick, and that no skipped tick would have seen more."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import uncompiled
from hypothesis import given, settings
from hypothesis import strategies as st
from scenarios import MONDAY_AT, busy_week, inhabited, scenario, scenarios

from simkit.clock import DAY_US, HOUR_US, MINUTE_US, SECOND_US
from simkit.core import kernel
from simkit.core.facts import A_AT, C_HIT, D_AT, D_BACKOFF_UNTIL, D_CREATED, D_DESIRED, D_HARD_LIMITED
from simkit.core.numbers import NONE
from simkit.decide.expressions import FUNCTIONS, NAMES, parse
from simkit.errors import Where
from simkit.model import Preset, Scenario, Schedule, Workload, constant
from simkit.runs.givens import Givens, givens, with_programs
from simkit.runs.result import KernelResult
from simkit.runs.simulate import play

# Builds take a minute and agents no time.
QUICK = Workload(constant(MINUTE_US), constant(0), claim=constant(SECOND_US))
BINARY = ("+", "-", "*", "/", "%", "<", "<=", "==", "!=", "&&", "||")
UNARY = ("ceil", "floor", "abs", "-", "!")
DEEP = st.recursive(
    st.sampled_from([*NAMES, "0", "1", "2.5", "7"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(BINARY), inner).map(lambda parts: f"({' '.join(parts)})"),
        st.tuples(st.sampled_from(["ceil", "floor", "abs", "-", "!"]), inner).map(
            lambda parts: "{}({})".format(*parts)
        ),
        st.lists(inner, min_size=2, max_size=3).map(lambda values: f"max({', '.join(values)})"),
        st.tuples(inner, inner, inner).map(lambda values: f"clamp({', '.join(values)})"),
        st.tuples(inner, inner, inner).map(lambda values: "({} ? {} : {})".format(*values)),
    ),
    max_leaves=6,
)


def with_expression(of: Scenario, text: str, seed: int = 7) -> Givens:
    program = parse(text, Where("here")).program
    return with_programs(givens(of, seed, 0), {p.name: program for v in of.all_versions for p in v.presets})


def played(of: Scenario, text: str) -> KernelResult:
    return play(with_expression(of, text))


def desired(of: Scenario, text: str) -> list[tuple[int, int]]:
    """(minute, desired number) of each tick at which prebuilds were created or deleted."""
    rows = played(of, text).rows.decisions
    return [((row[D_AT] - MONDAY_AT) // MINUTE_US, row[D_DESIRED]) for row in rows.tolist()]


def claims(*minutes: float) -> tuple[tuple[int, str], ...]:
    return tuple((MONDAY_AT + round(minute * MINUTE_US), "p") for minute in minutes)


@settings(max_examples=10)
@given(of=scenarios(), text=DEEP)
def test_a_tick_that_was_skipped_would_have_desired_nothing_else(of, text):
    given = with_expression(of, text)
    skipped = kernel.simulate(given.inputs, given.people, programs=given.programs)
    every = kernel.simulate(given.inputs, given.people, programs=given.programs, every_tick=True)
    for name, a, b in zip(skipped._fields, skipped, every, strict=True):
        np.testing.assert_array_equal(a, b, f"{name} of {text}")


@settings(max_examples=10)
@given(of=inhabited(), text=DEEP)
def test_nor_would_one_of_a_run_with_people(of, text):
    given = with_expression(of, text)
    skipped = kernel.simulate(given.inputs, given.people, programs=given.programs)
    again = with_expression(of, text)
    every = kernel.simulate(again.inputs, again.people, every_tick=True, programs=again.programs)
    for name, a, b in zip(skipped._fields, skipped, every, strict=True):
        np.testing.assert_array_equal(a, b, f"{name} of {text}")


@given(of=scenarios())
def test_the_schedules_number_as_an_expression_gives_the_rows_of_the_schedule(of):
    of = of.with_presets(_never_negative)
    given = givens(of, 7, 0)
    for a, b in zip(kernel.simulate(given.inputs, given.people), played(of, "scheduled_target").rows, strict=True):
        np.testing.assert_array_equal(a, b)


def _never_negative(preset: Preset) -> Preset:
    schedules = tuple(replace(s, instances=max(s.instances, 0)) for s in preset.schedules)
    return replace(preset, schedules=schedules)


@pytest.mark.parametrize(
    "text",
    ["claims_10m + misses_30m * 2 - starting / 3", "hour % 5 + eligible / 2", "1 / (running - 2)", "1e300 * 1e300"],
)
def test_compiled_and_plain_python_desire_the_same(text):
    given = with_expression(busy_week(hours=30), text)
    compiled = kernel.simulate(given.inputs, given.people, programs=given.programs)
    plain = uncompiled.kernel.simulate(given.inputs, given.people, programs=given.programs)
    for name, a, b in zip(compiled._fields, compiled, plain, strict=True):
        np.testing.assert_array_equal(a, b, name)


def test_a_run_leaves_its_givens_as_they_were():
    given = with_expression(busy_week(hours=30), "claims_30m + misses_30m + hour / 8")
    first, second = play(given), play(given)
    np.testing.assert_array_equal(first.rows.decisions, second.rows.decisions)
    assert given.digest != givens(busy_week(hours=30), 7, 0).digest, "another run has another name"


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("3.99", 3),  # without its fraction
        ("-5 + 8", 3),
        ("1000", 100),
        ("1 / 0", 2),  # the schedule's number
        ("5 % 0", 2),
        ("1e308 * 1e308", 2),
        ("1 / 0 > 3", 2),
        ("max(1 / 0, 9)", 2),
        ("1 > 0 ? 4 : 1 / 0", 4),  # what is not chosen can be anything
        ("0 && 1 / 0 ? 4 : 5", 5),
        ("clamp(7, 1, 4) + abs(-1) + floor(1.9) + ceil(0.1)", 7),
        ("10 % 4 * 2 + 7 / 2", 7),
        ("scheduled_target + running + eligible + starting + expired", 2),
        ("1 + (3 >= 3) + (2 < 1) + (2 == 2) + (2 != 2) + !0 + !7", 4),
        ("-2 - -5", 3),
    ],
)
def test_what_an_expression_is_worth_at_the_first_tick(text, first):
    assert desired(scenario(workload=QUICK), text)[0] == (0, first)


def test_a_claim_is_a_success_and_a_miss_is_not():
    of = scenario(Preset("p", 1), claims=claims(2.5, 2.75), workload=QUICK)
    assert desired(of, "1 + claims_5m") == [(0, 1), (3, 2), (8, 1)]
    assert desired(of, "1 + 2 * misses_5m") == [(0, 1), (3, 3), (8, 1)]
    assert desired(of, "1 + 10 * claim_rate_5m") == [(0, 1), (3, 3), (8, 1)]


@pytest.mark.parametrize("span", [5, 10, 30, 60, 120])
def test_a_claim_counts_for_its_span_to_the_minute(span):
    of = scenario(Preset("p", 1), claims=claims(2.5), workload=QUICK)
    assert desired(of, f"1 + claims_{span}m") == [(0, 1), (3, 2), (3 + span, 1)]


def test_a_claim_at_a_tick_counts_then_and_a_whole_span_later_for_the_last_time():
    of = scenario(Preset("p", 1), claims=claims(4), workload=QUICK)
    assert desired(of, "1 + claims_5m") == [(0, 1), (4, 2), (10, 1)]


def test_who_misses_wakes_a_pool_that_is_at_zero():
    of = scenario(Preset("p", 0), claims=claims(30.5, 200.5), workload=QUICK)
    assert [minute for minute, number in desired(of, "misses_10m") if number] == [31, 201]
    assert desired(of, "min(claims_10m*10, 20)") == []


def test_clocks_are_those_of_the_preset_when_they_change_too():
    """New York's clocks go from 02:00 to 03:00 on Sunday the 8th, at 07:00 UTC."""
    preset = Preset("p", 1, timezone="America/New_York", schedules=(Schedule("* 23 * * *", 1),))
    sunday_at = MONDAY_AT + 6 * DAY_US
    of = replace(scenario(preset, workload=QUICK), start_at=sunday_at, end_at=sunday_at + DAY_US)
    minute = 6 * 24 * 60
    assert desired(of, "weekday == 0 && hour == 3 ? 2 : 1") == [
        (minute, 1),
        (minute + 7 * 60, 2),
        (minute + 8 * 60, 1),
    ]
    assert desired(of, "weekday == 6 ? 2 : 1") == [(minute, 2), (minute + 5 * 60, 1)]


def test_an_agent_that_becomes_ready_is_seen_at_the_next_tick():
    slow = replace(QUICK, agent=constant(150 * SECOND_US))
    of = scenario(Preset("p", 1), workload=slow, hours=1)
    # Built after a minute, ready at 3:30.
    assert desired(of, "eligible == 1 ? 2 : 1")[:2] == [(0, 1), (4, 2)]


def test_what_a_tick_created_is_seen_at_the_next():
    of = scenario(Preset("p", 0), workload=replace(QUICK, build=constant(HOUR_US)), hours=1)
    assert desired(of, "min(running + starting + 1, 3)") == [(0, 1), (1, 2), (2, 3)]


def test_desired_numbers_are_what_the_claims_table_says():
    """Counted again from the rows, at each tick that acted."""
    result = played(busy_week(hours=60), "1 + claims_10m + misses_30m")
    decisions, rows = result.rows.decisions, result.rows.claims
    hit, at = rows[:, C_HIT], result.inputs.claims[:, A_AT]
    eager = result.inputs.claims[:, 1]
    checked = 0
    for row in decisions.tolist():
        now_at, preset = row[D_AT], row[1]
        if row[D_CREATED] == 0 or row[D_DESIRED] == 0:
            continue
        mine = (eager == preset) & (at <= now_at)
        taken = mine & (hit == 1) & (at >= now_at - 10 * MINUTE_US)
        missed = mine & (hit == 0) & (at >= now_at - 30 * MINUTE_US)
        assert row[D_DESIRED] == min(1 + int(taken.sum()) + int(missed.sum()), 100)
        checked += 1
    assert checked > 20
    assert NONE not in hit.tolist()


def test_backoff_and_the_hard_limit_hold_a_target_back_too():
    failing = replace(QUICK, failing_builds=frozenset(range(1, 4)))
    result = played(scenario(Preset("p", 3), workload=failing, hours=3), "3")
    assert (result.rows.decisions[:, D_BACKOFF_UNTIL] > 0).any()
    assert result.rows.decisions[:, D_HARD_LIMITED].any()


def test_names_and_functions_are_those_of_the_draft():
    spans = (5, 10, 30, 60, 120)
    assert set(NAMES) == {
        *("scheduled_target", "running", "eligible", "starting", "expired", "hour", "weekday"),
        *(f"{what}_{n}m" for what in ("claims", "misses", "claim_rate") for n in spans),
    }
    assert set(FUNCTIONS) == {"min", "max", "ceil", "floor", "abs", "clamp"}
