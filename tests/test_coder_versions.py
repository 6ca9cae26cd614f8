"""A version of Coder means one of those that are modelled, and a note says so where it is another."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simkit.clock import MINUTE_US
from simkit.coder_versions import (
    BEHAVIOURS,
    Behaviour,
    behaviour_note,
    behaviour_of,
    differences,
    minor_version,
    patches,
)

MODELLED = sorted((tuple(map(int, version.removeprefix("v").split("."))), version) for version in BEHAVIOURS)
NUMBERS = st.integers(0, 99)


@given(
    prefix=st.sampled_from(["", "v", "V"]),
    major=st.integers(0, 4),
    minor=NUMBERS,
    rest=st.sampled_from(["", ".0", ".1", ".17", ".0-rc.1", ".1-devel+0a1b2c3", ".1+0a1b2c3"]),
)
def test_every_way_to_write_a_version_means_the_newest_modelled_one_not_above_its_minor(prefix, major, minor, rest):
    text = f"{prefix}{major}.{minor}{rest}"
    below = [version for number, version in MODELLED if number <= (major, minor)]
    if not below:
        with pytest.raises(ValueError, match=rf"older than any modelled version; there are {', '.join(BEHAVIOURS)}"):
            behaviour_of(text)
        return
    used, own = behaviour_of(text), f"v{major}.{minor}" in BEHAVIOURS or minor in (28, 30)
    assert behaviour_of(used.version) == used
    assert minor_version(text) == f"v{major}.{minor}"
    if (major, minor) not in {(2, 24), (2, 25), (2, 33), (2, 34)}:
        between = {(2, 28): "v2.28", **{(2, minor): "v2.30" for minor in (30, 31, 32)}}
        assert used.version == between.get((major, minor), below[-1])
        assert (behaviour_note(text) == "") == (major == 2 and own)


@pytest.mark.parametrize(
    ("text", "retries", "wakes"),
    [
        ("v2.29.19", False, False),
        ("v2.30.0", False, True),
        ("v2.33.7", False, True),
        ("2.33.8", True, True),
        ("v2.33", True, True),
        ("v2.34.0-rc.2", False, True),
        ("v2.34.1", False, True),
        ("v2.34.2", True, True),
        ("v2.34", True, True),
        ("v2.35.0", True, True),
    ],
)
def test_a_failed_stop_is_tried_again_from_the_patch_releases_on_that_brought_it(text, retries, wakes):
    used = behaviour_of(text)
    assert (used.retries_failed_stops, used.start_wakes) == (retries, wakes)
    assert used.invalidates
    assert not used.has_tasks or text.startswith("v2.35")


def test_v2_28_cancels_what_is_pending_and_does_not_invalidate():
    used = behaviour_of("v2.28.3")
    assert (used.cancels_pending, used.claims_by_prebuilds, used.invalidates) == (True, False, False)
    assert behaviour_of("v2.27.1") is BEHAVIOURS["v2.26"]


def test_what_differs_between_the_columns_is_told_with_the_version_that_brought_it():
    assert patches() == [
        "v2.24.2: the executor leaves prebuilds alone: yes",
        "v2.28.0: initiator of a claim's build: who claims; pending starts of an inactive version: cancelled",
        "v2.30.0: schedule changes and deleted workspaces: left alone; a start wakes a dormant workspace: yes",
        "v2.33.8: a failed stop is tried again: yes",
        "v2.34.0: a failed stop is tried again: no",
        "v2.34.2: a failed stop is tried again: yes",
    ]


@pytest.mark.parametrize(
    ("text", "skips"),
    [("v2.24", False), ("2.24.1", False), ("2.24.2", True), ("v2.24.3-rc.1", True), ("v2.25.0", True)],
)
def test_the_executor_leaves_prebuilds_alone_from_the_second_patch_of_v2_24_on(text: str, skips: bool):
    used = behaviour_of(text)
    assert used.executor_skips_prebuilds is skips
    assert behaviour_of(used.version) == used
    assert used.reconciliation_interval_us == BEHAVIOURS["v2.24"].reconciliation_interval_us
    assert behaviour_of(f"{text}+early-ranges").executor_skips_prebuilds is skips


def test_a_note_says_which_rules_are_used_and_why():
    assert behaviour_note("v2.35.1") == behaviour_note("2.24.0-rc.1") == ""
    assert behaviour_note("v2.30.1") == behaviour_note("v2.28") == behaviour_note("v2.34.1") == ""
    assert behaviour_note("v2.32.1") == (
        "Coder v2.32 is not modelled by itself; the rules of v2.30, the newest below it, are used"
    )
    assert (
        behaviour_note("v3.1")
        == "Coder v3.1 is newer than any modelled version; the rules of v2.35, the newest, are used"
    )


@pytest.mark.parametrize("version", ["", "v2.24", "v2.26.3", "2.31", "v2.35"])
def test_early_ranges_can_be_given_to_any_version(version):
    text = f"{version}+early-ranges" if version else "early-ranges"
    plain, early = behaviour_of(version or "v2.35"), behaviour_of(text)
    assert early == replace(plain, version=f"{plain.version}+early-ranges", range_early_us=MINUTE_US)
    assert behaviour_of(early.version) == early
    assert minor_version(text) == f"{minor_version(version or 'v2.35')}+early-ranges"
    assert behaviour_note(text) == behaviour_note(version or "v2.35")


def test_the_table_of_differences_has_a_row_for_each_and_columns_that_differ():
    heads, *rows = differences()
    assert heads == ("behaviour", *BEHAVIOURS)
    assert len(rows) == len(fields(Behaviour)) - len({"version", "range_early_us"})
    assert all(len({*row[1:]}) > 1 for row in rows), "a row in which nothing differs says nothing"
    assert len({tuple(row[i] for row in rows) for i in range(1, len(heads))}) == len(BEHAVIOURS)
