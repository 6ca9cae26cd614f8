"""A version of Coder means one of those that are modelled, and a note says so where it is another."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simkit.coder_versions import BEHAVIOURS, behaviour_note, behaviour_of, minor_version

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
    assert behaviour_of(text) is BEHAVIOURS[below[-1]]
    assert minor_version(text) == f"v{major}.{minor}"
    assert (behaviour_note(text) == "") == (f"v{major}.{minor}" in BEHAVIOURS)


def test_a_note_says_which_rules_are_used_and_why():
    assert behaviour_note("v2.35.1") == behaviour_note("2.24.0-rc.1") == ""
    assert behaviour_note("v2.30.1") == (
        "Coder v2.30 is not modelled by itself; the rules of v2.26, the newest below it, are used"
    )
    assert (
        behaviour_note("v3.1")
        == "Coder v3.1 is newer than any modelled version; the rules of v2.35, the newest, are used"
    )
