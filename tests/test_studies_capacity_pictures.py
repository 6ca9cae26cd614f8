"""Pictures show what the answers say, on axes that name units and zone."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from simkit import ask, replicate, run
from simkit.clock import DAY_US, HOUR_US, SECOND_US, parse_instant, zone
from simkit.model import (
    Invalidate,
    Pause,
    Preset,
    Profile,
    Resume,
    Scenario,
    Schedule,
    TemplateVersion,
    Workload,
)
from simkit.studies.capacity import pictures

NEW_YORK = zone("America/New_York")
KOLKATA = zone("Asia/Kolkata")
MONDAY = date(2026, 10, 26)  # New York's clocks go back on the Sunday of this week


def pool_of(name: str, timezone: str, ttl_us: int = 8 * HOUR_US) -> Preset:
    return Preset(name, 1, ttl_us, timezone, (Schedule("* 9-17 * * 1-5", 3),))


def people(preset: str, per_hour: float) -> Profile:
    hours = tuple(per_hour if h < 120 and 8 <= h % 24 < 18 else 0.0 for h in range(168))
    return Profile(preset, NEW_YORK, hours)


def scenario(*presets: Preset, per_hour: float = 8.0, failing: float = 0.0, cost: float = 1.0) -> Scenario:
    return Scenario(
        name="test",
        start_at=parse_instant("2026-10-26T00:00", NEW_YORK),
        end_at=parse_instant("2026-11-02T00:00", NEW_YORK),
        zone=NEW_YORK,
        versions=(TemplateVersion("t", "v1", presets),),
        demand=tuple(people(p.name, per_hour) for p in presets) if per_hour else (),
        workload=Workload(failure_probability=failing, cost_per_instance_hour=cost),
    )


def answers(given: Scenario, replications: int = 2) -> dict:
    """Every answer over all runs, and under "one ..." those for the first."""
    results = list(replicate(given, seed=7, replications=replications))
    many = ("summary", "demand", "idle", "hours", "hit_rate_by_hour", "first_hour", "fates", "age_at_claim")
    one = ("pool", "runs", "first_hour", "failures")
    return {q: ask(results, q) for q in many} | {f"one {q}": ask(results[0], q) for q in one}


@pytest.fixture(scope="module")
def busy() -> dict:
    return answers(scenario(pool_of("go", "America/New_York")))


@pytest.fixture(scope="module")
def two() -> dict:
    return answers(scenario(pool_of("go", "America/New_York"), pool_of("py", "Asia/Kolkata"), failing=0.1))


@pytest.fixture(scope="module")
def nothing() -> dict:
    return answers(scenario(Preset("go", 0), per_hour=0))


def drawn(of: dict, presets: list[str]) -> dict[str, pictures.Picture]:
    return {
        "demand": pictures.demand(of["demand"]),
        "idle": pictures.idle(of["idle"]),
        "week": pictures.week(of["one pool"], of["one runs"], presets, MONDAY),
        "first_hours": pictures.first_hours(of["one pool"], of["one first_hour"], of["one runs"], presets),
        "first_hour": pictures.first_hour(of["first_hour"]),
        "hit_rate_by_hour": pictures.hit_rate_by_hour(of["hit_rate_by_hour"], presets),
        "cost": pictures.cost(of["hours"], of["idle"], of["demand"]),
        "failures": pictures.failures(of["one failures"], of["one runs"]),
        "age_at_claim": pictures.age_at_claim(of["age_at_claim"], of["fates"]),
    }


def words(picture: pictures.Picture) -> str:
    """Every text in a picture."""
    return "\n".join(text.get_text() for text in picture.findobj(lambda artist: hasattr(artist, "get_text")))


def line(ax, label: str):
    return next(x for x in ax.lines if x.get_label() == label)


def test_every_picture_names_its_units_and_its_zone(two):
    shown = {name: words(picture) for name, picture in drawn(two, ["go", "py"]).items()}
    for name in ("week", "first_hours", "hit_rate_by_hour"):
        assert "local time, America/New_York" in shown[name], name
        assert "local time, Asia/Kolkata" in shown[name], name
    for name in ("demand", "idle"):
        assert "hour of day, local time of each preset's zone" in shown[name], name
        assert {"go, America/New_York", "py, Asia/Kolkata"} <= set(shown[name].splitlines()), name
    assert "claims per hour" in shown["demand"]
    assert "idle prebuilds, on average" in shown["idle"]
    assert "wait (minutes)" in shown["hit_rate_by_hour"]
    assert "(USD;" in shown["cost"]
    assert "local time, America/New_York" in shown["failures"], "presets differ, so it is the scenario's zone"


def test_one_zone_stands_on_the_axis_itself(busy):
    assert "hour of day, local time, America/New_York" in words(pictures.demand(busy["demand"]))


def test_a_scenario_in_which_nothing_happens_gives_sentences_and_no_crash(nothing):
    pictures_of = drawn(nothing, ["go"])
    said = [name for name, picture in pictures_of.items() if picture is None]
    assert said == ["idle", "failures", "age_at_claim"], "where the sentence beside it says that there is nothing"
    for name, picture in pictures_of.items():
        if picture is None:
            continue
        assert picture.png().startswith(b"\x89PNG"), name
        if name != "week":
            assert not picture.axes, name
            assert words(picture).strip().endswith("."), name


def test_a_picture_is_the_same_bytes_every_time_and_says_what_it_shows(busy):
    first, second = pictures.demand(busy["demand"]), pictures.demand(busy["demand"])
    assert (first.png(), first.svg()) == (second.png(), second.svg())
    ((kind, shown),) = first._repr_mimebundle_()[1].items()
    assert int.from_bytes(first.png()[16:20], "big") == 2 * shown["width"], "twice as sharp as it is wide"
    assert "go" in shown["alt"]
    assert kind == "image/svg+xml"
    assert len(first.svg()) < len(first.png())


def test_a_picture_of_many_points_is_shown_as_png(busy):
    picture = pictures.demand(busy["demand"])
    picture.axes[0].plot(range(20_000), [i * 7919 % 20_011 for i in range(20_000)])
    assert list(picture._repr_mimebundle_()[0]) == ["image/png"]


def test_the_heatmap_has_the_mean_number_of_claims_in_each_hour_of_the_week(busy):
    answer = busy["demand"]
    image = pictures.demand(answer).axes[0].images[0].get_array()
    at_nine = answer[(answer["weekday"] == 2) & (answer["hour"] == 9)]
    assert image[2, 9] == at_nine["claims"].sum() / at_nine["hours"].sum() > 0
    assert image[5, 9] == 0


def test_hours_outside_the_window_stay_empty():
    day = scenario(pool_of("go", "UTC"))
    part = Scenario(**{**vars(day), "end_at": day.start_at + 20 * HOUR_US})
    image = pictures.idle(run(part).ask("idle")).axes[0].images[0].get_array()
    assert np.isnan(np.ma.filled(image, np.nan)).sum() == 168 - 20


def test_a_week_shows_the_pool_as_the_steps_of_the_answer(busy):
    pool = busy["one pool"]
    upper, lower = pictures.week(pool, busy["one runs"], ["go"], MONDAY).axes
    for name in ("running", "desired"):
        drawn = line(upper, name)
        assert drawn.get_drawstyle() == "steps-post"
        at = pool["changed_at"].dt.as_unit("us").astype("int64").to_numpy()
        x = np.asarray(drawn.get_xdata())[:-1]
        expected = pool[name].to_numpy()[np.searchsorted(at / DAY_US, x, side="right") - 1]
        assert np.array_equal(np.asarray(drawn.get_ydata())[:-1], expected)
        assert (np.diff(expected) != 0).all(), "a step is drawn once"
        assert (pool[name].diff().fillna(1) != 0).sum() == x.size, "and none is left out"
    served, missed = (patch.get_data() for patch in lower.patches[:2])
    assert served.values.sum() == pool["claimed"].iloc[-1] > 0
    assert (missed.values - served.values).sum() == pool["missed"].iloc[-1] > 0


def test_the_day_on_which_clocks_go_back_is_an_hour_longer(busy):
    lower = pictures.week(busy["one pool"], busy["one runs"], ["go"], MONDAY).axes[1]
    assert np.round(np.diff(lower.get_xticks(minor=True)) * 24).tolist() == [24] * 6 + [25]
    noon = lower.get_xticks()[19]
    assert NEW_YORK.local(round(noon * DAY_US)).isoformat() == "2026-11-01T12:00:00-05:00"
    assert lower.get_xticklabels()[19].get_text() == "12\nSun 1 Nov"


def test_weeks_that_are_compared_by_eye_have_one_scale(two: dict):
    pool = two["one pool"].copy()
    pool.loc[pool["preset"] == "py", ["desired", "running", "eligible"]] *= 3

    def tops(**how: bool) -> list[float]:
        return [ax.get_ylim()[1] for ax in pictures.week(pool, two["one runs"], ["go", "py"], MONDAY, **how).axes]

    own, alike = tops(), tops(alike=True)
    assert own[0] < own[2], "otherwise this proves nothing"
    assert set(alike[::2]) == {own[2]}
    assert set(alike[1::2]) == {max(own[1::2])}


def test_a_week_outside_the_window_is_empty_and_does_not_crash(busy):
    upper, lower = pictures.week(busy["one pool"], busy["one runs"], ["go"], date(2027, 1, 4)).axes
    assert not lower.patches
    assert upper.get_title(loc="left") == "go"


def test_the_worst_morning_counts_the_people_who_came_and_who_found_none(busy):
    pool, days = busy["one pool"], busy["one first_hour"]
    came, missed = pictures.first_hours(pool, days, busy["one runs"], ["go"]).axes[1].lines
    assert np.asarray(came.get_ydata())[0] == 0
    assert np.asarray(came.get_ydata())[-1] >= np.asarray(missed.get_ydata())[-1] > 0
    misses = pool["missed"].to_numpy()
    at = pool["changed_at"].dt.as_unit("us").astype("int64").to_numpy()
    x = np.asarray(came.get_xdata()) * DAY_US
    inside = misses[np.searchsorted(at, [round(x[0]) - 1, round(x[-1]) - 1], side="right") - 1]
    assert np.asarray(missed.get_ydata())[-1] == inside[1] - inside[0]


def test_the_first_hour_is_told_as_a_share_of_those_who_came(busy):
    answer = busy["first_hour"]
    monday = answer[answer["local_date"].dt.day_of_week == 0]
    claims, hits = monday["claims"].sum(), monday["hits"].sum()
    assert f"{(claims - hits) / claims:.0%} of {claims / 2:.3g}" in words(pictures.first_hour(answer))


def test_hit_rates_are_medians_with_whiskers_over_replications(busy):
    answer = busy["hit_rate_by_hour"]
    rate = pictures.hit_rate_by_hour(answer, ["go"]).axes[0]
    eight = answer[answer["hour"] == 8]["hit_rate"]
    x, y = rate.lines[0].get_data()
    assert y[list(x).index(8)] == eight.min() < 1, "of two, the lower one is the median by nearest rank"
    segments = rate.collections[0].get_segments()
    assert segments[list(x).index(8)][:, 1].tolist() == pytest.approx([eight.min(), eight.max()])


def test_what_pools_cost_is_split_into_building_and_idle_in_hours_with_and_without_claims(busy):
    ax = pictures.cost(busy["hours"], busy["idle"], busy["demand"]).axes[0]
    building, with_claims, without = (bar.get_width() for bar in ax.patches)
    assert min(building, with_claims, without) > 0
    total = busy["hours"].groupby("run_id")["pool_cost"].sum()
    assert total.min() - 2 <= building + with_claims + without <= total.max() + 2, "medians of parts, rounded apart"
    assert f"{total.min():,.0f} USD" in words(ax.figure)


def test_idle_instance_hours_are_shown_where_nothing_costs_anything():
    free = run(scenario(pool_of("go", "UTC"), cost=0.0))
    assert "(instance-hours;" in words(pictures.cost(free.ask("hours"), free.ask("idle"), free.ask("demand")))


def test_failures_stand_at_their_instant_in_the_row_of_their_preset(two):
    failures = two["one failures"]
    failed = failures[failures["what"] == "build failed"]
    drawn = line(pictures.failures(failures, two["one runs"]).axes[0], "build failed")
    at = failed["happened_at"].dt.as_unit("us").astype("int64").to_numpy()
    assert np.array_equal(drawn.get_xdata(), at / DAY_US)
    assert at.size > 0


def test_ages_stand_against_the_ttl_which_is_left_out_where_prebuilds_never_expire(busy):
    left = pictures.age_at_claim(busy["age_at_claim"], busy["fates"]).axes[0]
    assert "TTL" in words(left.figure)
    assert left.lines[0].get_xdata()[0] == pytest.approx(busy["age_at_claim"]["age_s"].median())
    never = run(scenario(pool_of("go", "UTC", ttl_us=0)))
    assert "TTL" not in words(pictures.age_at_claim(never.ask("age_at_claim"), never.ask("fates")))


def test_what_became_of_the_prebuilds_adds_up_to_all_of_them(two):
    right = pictures.age_at_claim(two["age_at_claim"], two["fates"]).axes[1]
    ends = [
        max(bar.get_x() + bar.get_width() for bar in right.patches if round(bar.get_y() + 0.325) == row)
        for row in (0, 1)
    ]
    assert ends == pytest.approx([1, 1])


def test_a_ttl_is_a_mark_at_its_own_length(busy):
    left = pictures.age_at_claim(busy["age_at_claim"], busy["fates"]).axes[0]
    marks = [line for line in left.get_lines() if line.get_label() == "TTL"]
    assert marks[0].get_xdata()[0] == 8 * HOUR_US / SECOND_US


def test_of_many_presets_those_that_matter_least_share_the_last_row_or_panel():
    presets = [replace(pool_of(f"p{i:02d}", "America/New_York"), instances=i % 5 + 1) for i in range(30)]
    of = answers(scenario(*presets, per_hour=1.0, failing=0.2), replications=1)
    for name, picture in drawn(of, ["p00"]).items():
        if name in ("week", "first_hours", "hit_rate_by_hour"):
            continue  # these show chosen ones
        texts = words(picture)
        shown = {preset.name for preset in presets if preset.name in texts}
        most = 11 if name in ("demand", "idle") else 23
        assert len(shown) == most, name
        assert f"the other {30 - most}" in texts, name
    spent = of["hours"].set_index("preset")["pool_cost"].sort_values()
    others = spent.index[:7]
    ax = pictures.cost(of["hours"], of["idle"], of["demand"]).axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()][-1] == "the other 7, each"
    assert f" {spent[others].median():,.0f} USD" in words(ax.figure), "half of them cost at most that"
    sums = of["demand"].groupby("preset")["claims"].sum().sort_values(kind="stable", ascending=False)
    rest = of["demand"][of["demand"]["preset"].isin(sums.index[11:])]
    cells = pictures.demand(of["demand"]).axes[11].images[0].get_array()
    mine = rest[(rest["weekday"] == 0) & (rest["hour"] == 9)]
    assert cells[0, 9] == pytest.approx(mine["claims"].sum() / mine["hours"].sum())


def test_a_name_is_text_in_a_picture_and_leaves_room_for_it():
    odd = "$x^2$ _a_ \x1b[31m\n" + "b" * 100
    pool = answers(scenario(pool_of(odd, "America/New_York"), pool_of("_$", "America/New_York")))
    picture = pictures.cost(pool["hours"], pool["idle"], pool["demand"])
    picture.png()
    first, second = picture.axes[0].get_yticklabels()
    assert (first.get_text(), second.get_text()) == ("$x^2$ _a_ \\x1b[31m\\n" + "b" * 39 + "…", "_$")
    assert not first.get_parse_math()
    alt = next(iter(picture._repr_mimebundle_()[1].values()))["alt"]
    assert alt.startswith("What pools cost by preset in USD: building and idle. ")
    assert "building $x^2$ _a_ \\x1b[31m\\nbbb" in alt


def test_a_pause_an_invalidation_and_a_hard_limit_are_seen_where_they_were():
    quiet = scenario(pool_of("go", "America/New_York"), failing=0.0)
    tuesday = quiet.start_at + DAY_US
    failing = Workload(failing_builds=(4, 5, 6, 7, 8), cost_per_instance_hour=1.0)
    happening = (Pause(tuesday + 9 * HOUR_US), Resume(tuesday + 11 * HOUR_US), Invalidate(tuesday + 12 * HOUR_US, "go"))
    result = run(replace(quiet, events=happening, workload=failing))
    events, limits = result.ask("events"), result.ask("hard_limits")
    assert events["event"].tolist() == ["pause", "invalidate"], "the end of a pause is no event of its own"
    assert len(limits) == 1
    pool, runs = result.ask("pool"), result.ask("runs")
    week = pictures.week(pool, runs, ["go"], MONDAY, events, limits)
    shades = {patch.get_label(): patch for patch in week.axes[0].patches}
    assert {"reconciler paused", "hard-limited"} <= set(shades)
    pause = shades["reconciler paused"]
    assert pause.get_x() * DAY_US == pytest.approx(tuesday + 9 * HOUR_US)
    assert pause.get_width() * DAY_US == pytest.approx(2 * HOUR_US, rel=1e-5)
    assert line(week.axes[0], "prebuilds invalidated").get_xdata()[0] * DAY_US == pytest.approx(tuesday + 12 * HOUR_US)
    assert {"reconciler paused", "hard-limited", "prebuilds invalidated"} <= set(words(week).splitlines())
    assert "hard-limited for" in words(pictures.hit_rate_by_hour(result.ask("hit_rate_by_hour"), ["go"], limits))
    assert "hard-limited for" in words(pictures.first_hour(result.ask("first_hour"), limits))
    failures = pictures.failures(result.ask("failures"), runs, events)
    assert "hard-limited" in words(failures)
    assert "reconciler paused" in words(failures)


def test_what_happens_to_another_preset_is_not_drawn():
    two_pools = scenario(pool_of("go", "UTC"), pool_of("py", "UTC"))
    result = run(replace(two_pools, events=(Invalidate(two_pools.start_at + DAY_US, "py"),)))
    of_go = pictures.week(result.ask("pool"), result.ask("runs"), ["go"], MONDAY, result.ask("events"))
    of_py = pictures.week(result.ask("pool"), result.ask("runs"), ["py"], MONDAY, result.ask("events"))
    assert "prebuilds invalidated" not in words(of_go)
    assert "prebuilds invalidated" in words(of_py)
