"""A plan says in numbers, cron text and Terraform the same."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scenarios import scenario

from simkit.clock import HOUR_US, MINUTE_US, UTC_ZONE, WEEK_US, parse_instant, zone
from simkit.coder_versions import DEFAULT_BEHAVIOUR
from simkit.cron import first_detected_overlap
from simkit.decide.plan import EVERY_DAY, Block, Plan, terraform
from simkit.inputs.templates import read_template
from simkit.model import Preset, Profile, Scenario, TemplateVersion, Workload, lognormal
from simkit.runs.counts import count
from simkit.runs.givens import givens
from simkit.templates.check import check
from simkit.timeline import desired

MONDAY_AT = parse_instant("2026-03-02T00:00:00-05:00")
WORK = Workload(lognormal(4 * MINUTE_US, 9 * MINUTE_US, 64), failure_probability=0.02)


@st.composite
def blocks(draw: st.DrawFn) -> Block:
    first = draw(st.integers(0, 23))
    return Block(first, draw(st.integers(first, 23)), draw(st.integers(1, EVERY_DAY)), draw(st.integers(0, 30)))


@pytest.mark.parametrize(
    ("given", "merged"),
    [
        ([Block(8, 15, 31, 2), Block(16, 16, 31, 2)], [Block(8, 16, 31, 2)]),
        ([Block(8, 9, 1, 3), Block(8, 9, 6, 3)], [Block(8, 9, 7, 3)]),
        ([Block(8, 9, 1, 2), Block(10, 11, 1, 2), Block(8, 11, 6, 2)], [Block(8, 11, 7, 2)]),
        ([Block(8, 9, 31, 3), Block(10, 16, 31, 2)], [Block(8, 9, 31, 3), Block(10, 16, 31, 2)]),
        ([Block(8, 9, 31, 2), Block(11, 16, 31, 2)], [Block(8, 9, 31, 2), Block(11, 16, 31, 2)]),
        ([Block(8, 9, 15, 2), Block(10, 16, 31, 2)], [Block(8, 9, 15, 2), Block(10, 16, 31, 2)]),
    ],
)
def test_blocks_that_one_can_say_are_one(given: list[Block], merged: list[Block]):
    assert Plan(0, tuple(given)).merged == Plan(0, tuple(merged))
    assert Plan(0, tuple(given)).levels.tolist() == Plan(0, tuple(merged)).levels.tolist()


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    kept: list[Block] = []
    base = draw(st.integers(0, 9))
    for block in draw(st.lists(blocks(), max_size=4)):
        if block.instances != base and not any(block.overlaps(other) for other in kept):
            kept.append(block)
    return Plan(base, tuple(kept))


@pytest.mark.parametrize(
    ("block", "cron", "words"),
    [
        (Block(9, 17, 0b0011111, 8), "* 9-17 * * 1-5", "Monday to Friday 09:00-18:00"),
        (Block(0, 23, EVERY_DAY, 1), "* * * * *", "every day"),
        (Block(7, 7, 0b1000001, 2), "* 7 * * 0-1", "Monday and Sunday 07:00-08:00"),
        (Block(0, 23, 0b1100000, 0), "* * * * 0,6", "Saturday and Sunday"),
        (Block(22, 23, 0b0000001, 3), "* 22-23 * * 1", "Monday 22:00-24:00"),
    ],
)
def test_a_block_is_a_cron_range_and_words(block: Block, cron: str, words: str):
    assert (block.cron, block.words) == (cron, words)


@settings(max_examples=60, deadline=None)
@given(plan=plans(), ttl=st.sampled_from([0, 4 * HOUR_US, WEEK_US]))
def test_text_reads_back_as_the_numbers_that_were_meant(tmp_path_factory, plan: Plan, ttl: int):
    folder = tmp_path_factory.mktemp("template")
    meant = plan.of(Preset("dev", 99, ttl, "America/New_York"), "UTC")
    text = f'data "coder_workspace_preset" "dev" {{\n  name = "dev"\n{terraform(meant)}\n}}\n'
    (folder / "main.tf").write_text(text)
    contents = read_template(folder / "main.tf", {})
    assert contents.errors == ()
    (read,) = contents.presets
    assert (read.instances, read.ttl_us) == (plan.base, ttl)
    assert read.fallback == "", "Coder looks at all of the schedules"
    steps = desired(read, DEFAULT_BEHAVIOUR, MONDAY_AT, MONDAY_AT + WEEK_US - 1)
    hours = MONDAY_AT + np.arange(168) * HOUR_US
    # The Sunday after is the one on which clocks change in New York; the week before it has 168 hours but for that.
    before_the_change = hours < parse_instant("2026-03-08T02:00:00-05:00")
    assert (steps.value_at(hours) == plan.levels)[before_the_change].all()


@settings(max_examples=40, deadline=None)
@given(
    plan=plans(),
    ttl=st.sampled_from([0, HOUR_US, 8 * HOUR_US, 365 * 24 * HOUR_US]),
    name=st.sampled_from(["UTC", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]),
    seed=st.integers(0, 99),
)
def test_a_block_passes_the_check_and_runs_as_the_types_it_was_made_of(
    tmp_path_factory, plan: Plan, ttl: int, name: str, seed: int
):
    """Through text, Coder's rules on it and back: every count of a run, hour by hour, is the same."""
    file = tmp_path_factory.mktemp("template") / "main.tf"
    meant = plan.of(Preset("dev", 99, ttl), name)
    file.write_text(f'data "coder_workspace_preset" "dev" {{\n  name = "dev"\n{terraform(meant)}\n}}\n')
    assert check([file]).status == 0
    (read,) = read_template(file, {}).presets
    rates = tuple(2.0 if 7 <= hour % 24 < 19 else 0.2 for hour in range(168))
    given = scenario(demand=(Profile("dev", UTC_ZONE, rates),), provisioner_daemons=3, workload=WORK)
    given = replace(given, start_at=MONDAY_AT, end_at=MONDAY_AT + WEEK_US)
    by_types, by_text = (counted(replace(given, versions=(version(p),)), seed) for p in (meant, read))
    assert by_types == by_text
    assert sum(by_types["claims"]) > 0
    one_more = Plan(plan.base + 1, tuple(replace(b, instances=b.instances + 1) for b in plan.blocks)).of(meant, name)
    assert counted(replace(given, versions=(version(one_more),)), seed) != by_types, "another number is seen"


def version(preset: Preset) -> TemplateVersion:
    return TemplateVersion("template", "v1", (preset,))


def counted(of: Scenario, seed: int) -> dict[str, list[int]]:
    """All that a run is counted for, hour by hour."""
    counts = count(givens(of, seed, 0), np.arange(of.start_at, of.end_at + 1, HOUR_US))
    return {field.name: np.ravel(getattr(counts, field.name)).tolist() for field in fields(counts)}


@settings(max_examples=200, deadline=None)
@given(plan=plans(), most=st.integers(0, 12))
def test_a_plan_of_at_most_so_many_is_the_plan_but_for_what_is_above(plan: Plan, most: int):
    capped = plan.at_most(most)
    assert (capped.levels == np.minimum(plan.levels, most)).all()
    assert capped.is_sound
    assert len(capped.blocks) <= len(plan.blocks)


@settings(max_examples=300, deadline=None)
@given(one=blocks(), other=blocks())
def test_two_blocks_overlap_where_coder_says_so(one: Block, other: Block):
    assert one.overlaps(other) == (first_detected_overlap([one.cron, other.cron]) is not None)


def test_a_preset_without_a_zone_gets_that_of_the_plan_and_one_with_a_zone_keeps_it():
    plan = Plan(1, (Block(9, 17, 0b11111, 4),))
    assert plan.of(Preset("p", 0), "Europe/Berlin").timezone == "Europe/Berlin"
    assert plan.of(Preset("p", 0, timezone="Asia/Kolkata"), "Europe/Berlin").timezone == "Asia/Kolkata"
    assert Plan(2).of(Preset("p", 0), "Europe/Berlin").timezone == "", "no schedule, no zone"


def test_the_zone_of_the_tests_changes_its_clocks():
    new_york = zone("America/New_York")
    assert new_york is not None
    assert len(new_york.offsets(MONDAY_AT, MONDAY_AT + WEEK_US)[0]) == 2
