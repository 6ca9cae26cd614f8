"""Who asks and when: a history is replayed, a profile is drawn, and a seed meets the same people."""

from __future__ import annotations

from math import exp, lgamma, log

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from scenarios import MONDAY_AT, Span, history, scenario, spans

from simkit.clock import DAY_US, HOUR_US, NEVER, WEEK_US, Zone, parse_instant
from simkit.demand import Claims, Draws, hour_of_week
from simkit.demand.claims import _poisson
from simkit.demand.streams import choices, key, keys, numbers, shares
from simkit.model import HOURS_PER_WEEK, People, Profile, Scenario, SessionHistory, SessionProfile, constant

UTC = Zone("UTC")


def profile(rate: float, preset: str = "p", zone: Zone = UTC, hour: int | None = None) -> Profile:
    """The same rate in every hour, or in one hour of the week alone."""
    return Profile(preset, zone, tuple(rate if hour in (None, h) else 0.0 for h in range(HOURS_PER_WEEK)))


def week(*profiles: Profile, start_at: int = MONDAY_AT, length_us: int = WEEK_US) -> Scenario:
    return Scenario("drawn", start_at, start_at + length_us, scenario().versions, profiles)


def draw(of: Scenario, seed: int, replication: int) -> Claims:
    return Draws(of).claims(seed, replication)


def asked(claims: Claims, preset: str) -> list[tuple[int, int]]:
    """(instant, luck) of a preset's claims."""
    mine = claims.preset == claims.names.index(preset)
    return list(zip(claims.at[mine].tolist(), claims.luck[mine].tolist(), strict=True))


def test_a_history_is_the_same_in_every_replication_but_for_luck():
    given = scenario(demand=history((MONDAY_AT, "a"), (MONDAY_AT + 1, "b"), (MONDAY_AT + 2, "a")))
    one, other = draw(given, 7, 0), draw(given, 7, 1)
    assert one.at.tolist() == other.at.tolist() == [MONDAY_AT, MONDAY_AT + 1, MONDAY_AT + 2]
    assert [one.names[p] for p in one.preset] == ["a", "b", "a"]
    assert one.luck.tolist() != other.luck.tolist()


def test_a_history_outside_the_window_is_left_out_and_changes_no_luck_inside():
    inside = (MONDAY_AT, "p"), (MONDAY_AT + 12 * HOUR_US, "p")
    outside = (MONDAY_AT - 1, "p"), *inside, (MONDAY_AT + 12 * HOUR_US + 1, "p")
    claims = draw(scenario(demand=history(*outside)), 7, 0)
    assert claims.at.tolist() == [at for at, _ in inside]


def test_a_claims_luck_belongs_to_its_preset_and_instant():
    rows = [(MONDAY_AT, "p"), (MONDAY_AT + 5, "p"), (MONDAY_AT + 5, "q"), (MONDAY_AT + 5, "p")]
    few = draw(scenario(demand=history(*rows)), 7, 0)
    assert len(set(few.luck.tolist())) == 4
    more = draw(scenario(demand=history(rows[0], (MONDAY_AT + 3, "p"), *rows[1:])), 7, 0)
    assert more.luck[[0, 2, 3, 4]].tolist() == few.luck.tolist()


def test_a_profile_draws_about_as_many_as_it_expects_in_order_of_time():
    claims = draw(week(profile(10.0)), 7, 0)
    assert abs(claims.at.size - 1680) < 4 * 41  # four standard deviations
    assert (np.diff(claims.at) >= 0).all()
    assert claims.at[0] >= MONDAY_AT
    assert claims.at[-1] <= MONDAY_AT + WEEK_US
    assert draw(week(profile(10.0)), 8, 0).at.tolist() != claims.at.tolist()


def test_claims_come_in_the_local_hours_that_have_a_rate():
    new_york = Zone("America/New_York")
    claims = draw(week(profile(20.0, zone=new_york, hour=9)), 7, 0)
    assert claims.at.size > 0
    assert set(hour_of_week(claims.at, new_york)) == {9}
    assert {at // HOUR_US * HOUR_US for at in claims.at.tolist()} == {parse_instant("2026-03-02T09:00:00-05:00")}


def test_a_longer_window_or_another_preset_leaves_a_days_claims_as_they_were():
    few = asked(draw(week(profile(2.0)), 7, 0), "p")
    more = asked(draw(week(profile(2.0), profile(5.0, "q"), length_us=2 * WEEK_US), 7, 0), "p")
    assert few == [claim for claim in more if claim[0] <= MONDAY_AT + WEEK_US]
    behind = asked(draw(week(profile(5.0, "q"), profile(2.0)), 7, 0), "p")
    assert few == behind
    later = asked(draw(week(profile(2.0), start_at=MONDAY_AT + DAY_US), 7, 0), "p")
    assert [claim for claim in few if claim[0] >= MONDAY_AT + DAY_US] == [c for c in later if c[0] <= few[-1][0]]


def test_an_hour_that_the_clocks_skip_has_no_claims_and_one_they_repeat_has_them_once():
    new_york = Zone("America/New_York")
    spring = parse_instant("2026-03-08T00:00:00-05:00")
    skipped = draw(week(profile(50.0, zone=new_york, hour=6 * 24 + 2), start_at=spring, length_us=DAY_US), 7, 0)
    assert skipped.at.size == 0
    autumn = parse_instant("2026-11-01T00:00:00-04:00")
    repeated = draw(week(profile(50.0, zone=new_york, hour=6 * 24 + 1), start_at=autumn, length_us=DAY_US), 7, 0)
    assert repeated.at.size > 0
    assert {at // HOUR_US * HOUR_US for at in repeated.at.tolist()} == {parse_instant("2026-11-01T01:00:00-04:00")}


LONG_US = 200 * WEEK_US


def too_far(seen: npt.NDArray[np.int64], expected: npt.NDArray[np.float64]) -> bool:
    """Is Pearson's sum five standard deviations above what chance alone gives?"""
    many = seen.size - 1
    return float(((seen - expected) ** 2 / expected).sum()) > many + 5 * (2 * many) ** 0.5


@pytest.mark.parametrize("rate", [0.02, 1.0, 40.0])
def test_numbers_of_claims_are_poisson(rate: float):
    """Of an hour of the week, of a day, and of independent hours: as often as the distribution says."""
    claims = draw(week(profile(rate), length_us=LONG_US), 7, 0)
    hours = np.bincount((claims.at - MONDAY_AT) // HOUR_US, minlength=LONG_US // HOUR_US)[: LONG_US // HOUR_US]
    most = int(rate + 4 * rate**0.5 + 2)
    expected = np.array([exp(k * log(rate) - rate - lgamma(k + 1)) for k in range(most)])
    kept = expected * hours.size > 5
    seen = np.bincount(hours, minlength=most)[:most]
    rest = hours.size - seen[kept].sum(), hours.size * (1 - expected[kept].sum())
    assert not too_far(np.append(seen[kept], rest[0]), np.append(hours.size * expected[kept], rest[1]))
    days = hours.reshape(-1, 24).sum(axis=1)
    assert abs(days.mean() - 24 * rate) < 5 * (24 * rate / days.size) ** 0.5
    assert abs(days.var() / days.mean() - 1) < 5 * (2 / days.size) ** 0.5 + 1 / (24 * rate * days.size) ** 0.5
    assert abs(np.corrcoef(hours[:-1], hours[1:])[0, 1]) < 5 / hours.size**0.5


def test_claims_spread_over_the_hours_as_the_profile_says_and_evenly_within_them():
    rates = np.tile([*[0.0] * 8, 2, 8, 4, 2, 1, 3, 2, 2, 0.5, *[0.0] * 7], 7) * np.repeat([1, 2, 3, 4, 5, 0, 0.1], 24)
    claims = draw(week(Profile("p", UTC, tuple(rates.tolist())), length_us=LONG_US), 11, 0)
    seen = np.bincount(hour_of_week(claims.at), minlength=HOURS_PER_WEEK)
    assert seen[rates == 0].sum() == 0
    assert not too_far(seen[rates > 0], 200 * rates[rates > 0])
    for share in (claims.at % HOUR_US / HOUR_US, claims.luck / 2**32):
        parts = np.bincount((share * 64).astype(np.int64), minlength=64)
        assert not too_far(parts, np.full(64, claims.at.size / 64))
    assert abs(np.corrcoef(claims.at % HOUR_US, claims.luck)[0, 1]) < 5 / claims.at.size**0.5


def test_presets_and_replications_are_independent():
    of = week(*(profile(1.0, preset) for preset in "pqr"), length_us=LONG_US)
    counts = []
    for replication in range(3):
        claims = draw(of, 7, replication)
        counts += [
            np.bincount((claims.at[claims.preset == i] - MONDAY_AT) // DAY_US, minlength=1401)[:1400] for i in range(3)
        ]
    apart = np.corrcoef(counts)[np.triu_indices(9, 1)]
    assert abs(apart).max() < 5 / 1400**0.5


def test_more_claims_come_besides_the_same_ones():
    """A profile with higher rates keeps whoever came before: what is compared differs in what was changed alone."""
    few, more = (set(draw(week(profile(rate)), 7, 0).luck.tolist()) for rate in (1.0, 1.5))
    assert few < more
    assert len(more) > len(few) * 1.2


@pytest.mark.parametrize("expected", [1e-9, 0.3, 5.0, 745.0, 1e4, 1e7])
def test_any_expectation_has_its_distribution(expected: float):
    least, until = _poisson(expected)
    chance = np.diff(until, prepend=0.0)
    number = least + np.arange(until.size)
    mean = float(number @ chance)
    assert mean == pytest.approx(expected, rel=1e-9)
    assert float((number - mean) ** 2 @ chance) == pytest.approx(expected, rel=1e-6)
    assert until[-1] == 1


def test_nobody_may_come():
    assert draw(week(), 7, 0).at.size == draw(week(profile(0.0)), 7, 0).at.size == 0
    assert hour_of_week(np.array([], dtype=np.int64)).size == 0


@given(span=spans())
def test_the_hour_of_the_week_is_that_of_the_wall_clock(span: Span):
    at = np.array([span.start_at, (span.start_at + span.end_at) // 2, span.end_at], dtype=np.int64)
    walls = [span.zone.local(a) for a in at.tolist()]
    assert hour_of_week(at, span.zone).tolist() == [wall.weekday() * 24 + wall.hour for wall in walls]


def test_a_key_belongs_to_its_seed_replication_and_name_alone():
    assert keys(7, 0, "a", "b").tolist() == [*keys(7, 0, "a").tolist(), *keys(7, 0, "b").tolist()]
    assert len({*keys(7, 0, "a", "b").tolist(), *keys(8, 0, "a").tolist(), *keys(7, 1, "a").tolist()}) == 4


def test_a_number_belongs_to_its_key_and_position_alone():
    of = keys(7, 0, "a")
    positions = np.array([3, -1, 2**62, 0])
    assert numbers(of, positions)[[3, 0]].tolist() == numbers(of, np.array([0, 3])).tolist()
    assert len(set(numbers(keys(7, 0, "a", "b")[:, None], positions).ravel().tolist())) == 8


def test_shares_and_choices_reach_both_ends_and_no_further():
    ends = np.array([0, 2**64 - 1], dtype=np.uint64)
    assert shares(ends).tolist() == [0.0, 1 - 2.0**-53]
    assert choices(ends, 1).tolist() == [0, 0]
    assert choices(ends, 5).tolist() == [0, 4]


def test_numbers_are_splitmix64():
    """Its first numbers from the seed 1234567, as its author's program gives them."""
    known = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    assert numbers(np.array([1234567], dtype=np.uint64), np.arange(4)).tolist() == known


def test_a_key_is_a_number_of_32_bits():
    keys = [key(7, replication, "prebuilds/t/p") for replication in range(50)]
    assert len(set(keys)) == 50
    assert min(keys) >= 0
    assert max(keys) < 2**32


def staff(name: str, count: int, rate: float = 0.05, connected: float = 1.0) -> People:
    """People who work an hour at a time, at any hour."""
    return People(name, count, "p", SessionProfile(UTC, (rate,) * HOURS_PER_WEEK, constant(HOUR_US), connected))


def sessions(*people: People, replication: int = 0) -> list[tuple[int, ...]]:
    claims = draw(Scenario("s", MONDAY_AT, MONDAY_AT + WEEK_US, scenario().versions, people=people), 7, replication)
    return list(zip(*(column.tolist() for column in claims[:-1]), strict=True))


def test_people_work_as_often_and_as_long_as_their_profile_expects():
    drawn = sessions(staff("a", 20))
    assert abs(len(drawn) - 168) < 4 * 13
    assert {until - at for at, _, _, _, until, _ in drawn} == {HOUR_US}
    assert {person for _, _, _, person, _, _ in drawn} == set(range(20))
    assert sorted(drawn) == drawn
    assert sessions(staff("a", 20), replication=1) != drawn


def test_each_of_some_people_works_as_often_as_any_other():
    drawn = sessions(staff("a", 40, rate=0.5))
    seen = np.bincount([person for _, _, _, person, _, _ in drawn], minlength=40)
    assert not too_far(seen, np.full(40, 84.0))
    assert len({luck for _, _, luck, _, _, _ in drawn}) == len(drawn)


def test_another_group_changes_nobodys_sessions():
    alone = sessions(staff("b", 5))
    together = [
        (at, preset, luck, person - 3, until, on)
        for at, preset, luck, person, until, on in sessions(staff("a", 3), staff("b", 5))
        if person >= 3
    ]
    assert together == alone


def test_a_share_of_sessions_is_connected():
    drawn = sessions(staff("a", 50, connected=0.25))
    share = sum(on for *_, on in drawn) / len(drawn)
    assert 0.15 < share < 0.35


def test_a_history_of_sessions_is_replayed_and_an_end_that_it_lacks_is_drawn():
    at = np.array([MONDAY_AT - 1, MONDAY_AT, MONDAY_AT + HOUR_US], dtype=np.int64)
    until = np.array([MONDAY_AT, NEVER, MONDAY_AT + 2 * HOUR_US], dtype=np.int64)
    history_ = SessionHistory(at, until, np.array([0, 1, 0]), length=constant(5))
    drawn = sessions(People("a", 2, "p", history_))
    assert [(start, person, end) for start, _, _, person, end, _ in drawn] == [
        (MONDAY_AT, 1, MONDAY_AT + 5),
        (MONDAY_AT + HOUR_US, 0, MONDAY_AT + 2 * HOUR_US),
    ]
