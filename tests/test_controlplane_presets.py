"""Presets: kept with their parameters and schedules, and found for the parameters that somebody gives."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simkit.clock import HOUR_US
from simkit.controlplane import presets, templates
from simkit.errors import RefusedError
from simkit.model import Preset, Schedule
from simkit.store.database import Database, Transaction


@pytest.fixture
def tx() -> Iterator[Transaction]:
    with Database(":memory:", "test") as database, database.transaction() as transaction:
        yield transaction


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    with Database(":memory:", "test") as opened:
        yield opened


def with_parameters(name: str, **parameters: str) -> Preset:
    return Preset(name, 0, parameters=tuple(parameters.items()))


def test_a_preset_is_read_as_it_was_kept(tx):
    preset = Preset("p", 2, 3 * HOUR_US, "Asia/Kathmandu", (Schedule("* 9 * * *", 5), Schedule("* 2 * * *", 0)))
    first, second = presets.insert(tx, 1, preset, "Asia/Kathmandu", 0.5), presets.insert(tx, 2, Preset("q", 0), "UTC")
    assert templates.presets(tx, 1) == {first: preset}
    assert templates.presets(tx) == {first: preset, second: Preset("q", 0)}
    assert tx.execute("SELECT timezone, cost_per_instance_hour FROM template_version_presets ORDER BY id") == [
        ("Asia/Kathmandu", 0.5),
        ("UTC", 0.0),
    ]


@pytest.mark.parametrize(
    ("preset", "rule"),
    [
        (Preset("p", 0, description="x" * 129), "length"),
        (Preset("p", 0, icon="x" * 257), "length"),
        (Preset("p", -1), "no_negative_instances"),
        (Preset("p", 0, -HOUR_US), "no_negative_ttl"),
    ],
)
def test_a_preset_that_breaks_a_rule_is_refused_by_its_name(preset, rule):
    with Database(":memory:", "test") as database:
        with (
            pytest.raises(RefusedError, match=f"the rule {rule} of template_version_presets refuses this"),
            database.transaction() as tx,
        ):
            presets.insert(tx, 1, preset, "UTC")
        assert database.rows("SELECT * FROM template_version_presets") == []


def test_the_limits_of_length_are_those_of_coder(tx):
    presets.insert(tx, 1, Preset("p", 0, description="ä" * 128, icon="x" * 256), "UTC")


def test_the_largest_exact_subset_of_what_is_given_is_the_match(tx):
    small = presets.insert(tx, 1, with_parameters("small", region="eu"), "UTC")
    large = presets.insert(tx, 1, with_parameters("large", region="eu", size="l"), "UTC")
    presets.insert(tx, 2, with_parameters("other version", region="eu", size="l", disk="1"), "UTC")
    assert presets.match(tx, 1, {"region": "eu", "size": "l", "disk": "1"}) == large
    assert presets.match(tx, 1, {"region": "eu", "size": "m"}) == small
    assert presets.match(tx, 1, {"region": "us", "size": "l"}) is None
    assert presets.match(tx, 1, {}) is None
    assert presets.match(tx, 9, {"region": "eu"}) is None


def test_a_preset_without_parameters_matches_anything_if_nothing_better_does(tx):
    small = presets.insert(tx, 1, with_parameters("small", region="eu"), "UTC")
    any_ = presets.insert(tx, 1, Preset("any", 0), "UTC")
    assert presets.match(tx, 1, {}) == any_
    assert presets.match(tx, 1, {"region": "us"}) == any_
    assert presets.match(tx, 1, {"region": "eu"}) == small


def test_of_equally_large_ones_the_first_matches(tx):
    first = presets.insert(tx, 1, with_parameters("first", a="1"), "UTC")
    presets.insert(tx, 1, with_parameters("second", b="2"), "UTC")
    assert presets.match(tx, 1, {"a": "1", "b": "2"}) == first


PARAMETERS = st.dictionaries(st.sampled_from("abcd"), st.sampled_from(("1", "2", "'; --")), max_size=4)


@given(st.lists(PARAMETERS, max_size=5), PARAMETERS)
def test_the_match_is_that_of_comparing_one_by_one(database, of_presets, given):
    with database.transaction() as tx:
        for table in ("template_version_presets", "template_version_preset_parameters"):
            tx.execute(f"DELETE FROM {table}")
        ids = [presets.insert(tx, 1, with_parameters("p", **each), "UTC") for each in of_presets]
        found = presets.match(tx, 1, given)
    fitting = [i for i, each in enumerate(of_presets) if each.items() <= given.items()]
    assert found == (ids[max(fitting, key=lambda i: (len(of_presets[i]), -i))] if fitting else None)
