"""What `PATH=VALUES` means, and that a sample fills the grid without a double."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simkit import InputError
from simkit.decide import variation
from simkit.decide.variation import Variation, points, read_variations


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("0..4", ("0", "1", "2", "3", "4")),
        ("-1..1", ("-1", "0", "1")),
        ("2..9 step 3", ("2", "5", "8")),
        ("0.01..0.05 step 0.01", ("0.01", "0.02", "0.03", "0.04", "0.05")),
        ("0..1 step 0.25", ("0", "0.25", "0.5", "0.75", "1")),
        ("100..300 step 100", ("100", "200", "300")),
        ("1h..4h step 90m", ("1h", "2h30m", "4h")),
        ("0,4h,24h", ("0", "4h", "24h")),
        ("1..3, 8 ,2", ("1", "2", "3", "8")),
        ("7..7", ("7",)),
        ("../a/main.tf,b/../main.tf", ("../a/main.tf", "b/../main.tf")),
        ("v2.26,v2.35", ("v2.26", "v2.35")),
    ],
)
def test_values_and_ranges_are_read(text: str, values: tuple[str, ...]):
    assert read_variations([f"a.b = {text}"]) == (Variation("a.b", values),)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a", '"a" is not PATH=VALUES; write coder.provisioner_daemons=2..8'),
        ("=1", "is not PATH=VALUES"),
        ("a=", "is not PATH=VALUES"),
        ("a=1,,2", "there is an empty value between commas"),
        ("a=5..1", 'a: "5..1" ends before it begins; write 1..5'),
        ("a=1..six", '"1..six" is not a range'),
        ("a=1x..3y", '"1x" is not a duration'),
        ("a=1h..3h", '"1h..3h" has no step; write 1h..3h step 1h'),
        ("a=1..3 step 0", "has the step 0; write a number above 0"),
        ("a=1..3 step x", "has the step x; write a number above 0"),
        ("a=1..3 step -1", "write a number above 0"),
        ("a=1..", "is not a range"),
        ("a=0..1e9", "there are more than 10,000 values"),
        ("a=0..inf", "is not a range"),
    ],
)
def test_what_cannot_be_read_is_told_with_what_to_write(text: str, said: str):
    with pytest.raises(InputError) as refused:
        read_variations([text])
    assert said in str(refused.value)


def test_all_problems_are_told_at_once():
    with pytest.raises(InputError) as refused:
        read_variations(["a=1..", "b", "c=1", "c=2", "d=1", "d.e=1", "f=1", "f[0].g=2", "fg=3"])
    assert len(refused.value.problems) == 5
    with pytest.raises(InputError, match="nothing is varied"):
        read_variations([])


def test_a_grid_is_every_combination_and_the_last_path_changes_fastest():
    variations = read_variations(["a=0,1", "b=x,y,z"])
    assert points(variations) == [(a, b) for a in "01" for b in "xyz"]
    assert points(variations, 6) == points(variations, 100) == points(variations)


sizes = st.lists(st.integers(1, 9), min_size=1, max_size=4)


@given(sizes=sizes, share=st.floats(0.01, 0.99), seed=st.integers(0, 2**31))
def test_a_sample_has_no_doubles_and_begins_with_every_smaller_one(sizes: list[int], share: float, seed: int):
    variations = [Variation(f"p{i}", tuple(map(str, range(size)))) for i, size in enumerate(sizes)]
    grid = points(variations)
    count = max(1, int(len(grid) * share))
    found = points(variations, count, seed)
    assert len(found) == len(set(found)) == min(count, len(grid))
    assert set(found) <= set(grid)
    assert points(variations, count, seed) == found
    if 1 < count < len(grid):
        assert points(variations, count // 2, seed) == found[: count // 2]


def test_a_sample_fills_the_grid_evenly():
    """Of 64 points in 8 x 8 x 64 cells each value of every path has its share, and each of 4 x 4 blocks some."""
    variations = read_variations(["a=0..7", "b=0..7", "c=0..63"])
    found = points(variations, 64, seed=5)
    for path in (0, 1):
        assert all(4 <= sum(point[path] == str(value) for point in found) <= 12 for value in range(8))
    assert len({(int(a) // 2, int(b) // 2) for a, b, _ in found}) == 16
    assert points(variations, 64, seed=6) != found


def test_a_grid_beyond_all_bounds_is_refused_and_can_be_sampled():
    variations = [Variation(f"p{i}", tuple(map(str, range(1000)))) for i in range(6)]
    with pytest.raises(InputError, match=r"the grid has 1,000,000,000,000,000,000 points; take a sample of it"):
        points(variations)
    assert len(set(points(variations, 300))) == 300
    assert math.prod(len(v.values) for v in variations) > variation.MAX_POINTS
