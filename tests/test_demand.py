"""Who asks and when: a history is replayed, a profile is drawn, and a seed meets the same people."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from scenarios import MONDAY_AT, Span, history, scenario, spans

from simkit.clock import DAY_US, HOUR_US, NEVER, WEEK_US, Zone, parse_instant
from simkit.demand import Claims, draw, hour_of_week
from simkit.demand.streams import key, stream
from simkit.model import HOURS_PER_WEEK, People, Profile, Scenario, SessionHistory, SessionProfile, constant

UTC = Zone("UTC")


def profile(rate: float, preset: str = "p", zone: Zone = UTC, hour: int | None = None) -> Profile:
    """The same rate in every hour, or in one hour of the week alone."""
    return Profile(preset, zone, tuple(rate if hour in (None, h) else 0.0 for h in range(HOURS_PER_WEEK)))


def week(*profiles: Profile, start_at: int = MONDAY_AT, length_us: int = WEEK_US) -> Scenario:
    return Scenario("drawn", start_at, start_at + length_us, scenario().versions, profiles)


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


def test_nobody_may_come():
    assert draw(week(), 7, 0).at.size == draw(week(profile(0.0)), 7, 0).at.size == 0
    assert hour_of_week(np.array([], dtype=np.int64)).size == 0


@given(span=spans())
def test_the_hour_of_the_week_is_that_of_the_wall_clock(span: Span):
    at = np.array([span.start_at, (span.start_at + span.end_at) // 2, span.end_at], dtype=np.int64)
    walls = [span.zone.local(a) for a in at.tolist()]
    assert hour_of_week(at, span.zone).tolist() == [wall.weekday() * 24 + wall.hour for wall in walls]


def test_a_stream_belongs_to_its_seed_replication_and_name_alone():
    def numbers(*of: object) -> list[int]:
        return stream(*of).integers(0, 2**32, 3).tolist()  # type: ignore[arg-type]

    assert numbers(7, 0, "a") == numbers(7, 0, "a")
    assert len({tuple(numbers(*of)) for of in ((7, 0, "a"), (8, 0, "a"), (7, 1, "a"), (7, 0, "b"))}) == 4


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
