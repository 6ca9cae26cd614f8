"""Chance without a sequence."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from simkit.core.chance import MASK, ONE, happens, luck_of, mix, pick

words = st.integers(0, MASK)


def test_mixing_gives_these_numbers_for_ever():
    # A changed number changes every run that has been stored.
    assert [mix(x) for x in (0, 1, 2, MASK)] == [0, 2261973619, 229111015, 2578835075]


def test_no_two_of_many_numbers_mix_to_the_same():
    assert len({mix(x) for x in range(20_000)}) == 20_000


@given(key=words, second=st.integers(0, 2**33), slot=st.integers(0, 10**6))
def test_luck_is_a_number_of_32_bits_that_belongs_to_preset_tick_and_slot(key, second, slot):
    luck = luck_of(key, second, slot)
    assert 0 <= luck <= MASK
    assert luck == luck_of(key, second, slot)
    assert luck != luck_of(key, second, slot + 1)


@given(luck=words, stream=words)
def test_a_pick_lies_in_its_range_of_samples(luck, stream):
    samples = np.array([-1, 10, 20, 30, -1], dtype=np.int64)
    assert pick(samples, 1, 3, luck, stream) in (10, 20, 30)
    assert pick(samples, 2, 1, luck, stream) == 20


def test_each_sample_is_picked_about_equally_often():
    samples = np.arange(4, dtype=np.int64)
    found = np.bincount([pick(samples, 0, 4, luck_of(7, second, 0), 11) for second in range(4000)])
    assert (abs(found - 1000) < 120).all()  # four standard deviations


def test_what_is_certain_happens_and_what_is_impossible_does_not():
    lucks = [luck_of(1, second, 0) for second in range(200)]
    assert all(happens(ONE, luck, 5) for luck in lucks)
    assert not any(happens(0, luck, 5) for luck in lucks)
    assert 60 < sum(happens(ONE // 2, luck, 5) for luck in lucks) < 140
