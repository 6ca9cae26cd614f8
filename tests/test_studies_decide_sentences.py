"""What is said of a decision holds its numbers."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pandas as pd
import pytest
from decided import decided, six_weeks

from simkit import ask, league, run, worth
from simkit.decide.compare import Difference
from simkit.decide.league import RECOMMENDED
from simkit.decide.recommendation import Advice, Recommendation
from simkit.estimates import Interval
from simkit.report.notebook import text_of
from simkit.studies.decide import sentences, tables, trials
from simkit.studies.wording import Sentence


def text(sentence: Sentence) -> str:
    return text_of(sentence.text, sentence.numbers)


@pytest.fixture(scope="module")
def found() -> Recommendation:
    return decided()


def of(advice: Advice, found: Recommendation) -> Recommendation:
    return replace(found, presets=(advice,))


def test_the_verdict_comes_first_and_its_numbers_are_kept(found: Recommendation):
    (advice,) = found.presets
    told = sentences.verdict(found)
    assert text(told).startswith("go: Meets 95.0%")
    assert told.numbers["is_met"] is True
    assert told.numbers["next_quarter_not_below"] == advice.limit
    missed = sentences.verdict(of(replace(advice, limit=0.85), found))
    assert "Does not meet 95.0%" in text(missed)
    assert "10.0 points short" in text(missed)


def test_what_it_buys_has_its_price_in_money_or_else_in_hours(found: Recommendation):
    (advice,) = found.presets
    told = sentences.bought(found)
    change = advice.after.cost_per_week - advice.before.cost_per_week
    assert change > 0
    assert f"more people a week, for {change:,.0f} USD a week more ({advice.after.cost_per_week:,.0f} in" in text(told)
    swapped = of(replace(advice, before=advice.after, after=advice.before), found)
    assert f"fewer people a week, for {change:,.0f} USD a week less" in text(sentences.bought(swapped))
    free = decided(cost=0.0)
    assert "idle instance-hours a week" in text(sentences.bought(free))
    assert "USD" not in text(sentences.bought(free))


def test_what_is_known_has_the_interval_and_what_it_stands_on(found: Recommendation):
    told = sentences.known(found)
    assert told[0].numbers["next_quarter_low"] == found.presets[0].outlook.interval.low
    assert "one history replayed" in text(told[-1])


def test_what_bound_it_is_told_with_its_code_as_code(found: Recommendation):
    (advice,) = found.presets
    (told,) = sentences.bound(of(replace(advice, bound=("Write `failures: {cleared_after: 1d}` in it.",)), found))
    assert text(told) == "Write failures: {cleared_after: 1d} in it."
    assert told.text.count("`") == 2
    odd = replace(advice, bound=("a`b: {x} is odd",))
    assert "{x} is odd" in text(sentences.bound(of(odd, found))[0])


def test_why_has_a_sentence_for_each_reason(found: Recommendation):
    assert [text(one) for one in sentences.why(found.presets[0])] == list(found.presets[0].why)


def test_the_front_says_what_a_step_down_saves_and_a_step_up_costs(found: Recommendation):
    (advice,) = found.presets
    i = [point.plan for point in advice.front].index(advice.plan)
    assert 0 < i < len(advice.front) - 1, "the case has a step to both sides"
    told = sentences.front(found)
    saved = advice.front[i].cost_per_week - advice.front[i - 1].cost_per_week
    assert told.numbers["cheaper_saves"] == pytest.approx(saved)
    assert f"saves {saved:,.1f} USD a week" in text(told)
    first = of(replace(advice, front=advice.front[i:]), found)
    assert "No cheaper plan is on the front" in text(sentences.front(first))
    last = of(replace(advice, front=advice.front[: i + 1]), found)
    assert "no dearer one serves more" in text(sentences.front(last))


def test_what_the_hard_limit_takes_is_told_beside_the_bounds(found: Recommendation):
    assert len(sentences.ladder(found)) == 1
    failing = decided(failing=0.01)
    own, told = sentences.ladder(failing)
    assert "no number may fall below 3" in text(told)
    assert told.numbers["deleted_idle"] < own.numbers["weekly_idle"] <= own.numbers["ladder_idle"]
    cleared = replace(failing.scenario.workload, failed_cleared_after_us=1)
    assert len(sentences.ladder(replace(failing, scenario=replace(failing.scenario, workload=cleared)))) == 1


def test_worth_is_told_of_today_and_of_the_answer():
    before, after = worth(six_weeks()), worth(decided().advised)
    told = [text(one) for one in sentences.worth((*before, *after))]
    assert told[0].startswith("Today's setting: One more pays most on ")
    assert told[1].startswith("The recommendation: ")
    assert "USD" in told[0]


def limits_of(**days: list[float]) -> pd.DataFrame:
    """Days until the hard limit of the recommendation at 2 %, which is as now, and of today's setting at 1 %."""
    rows = [(trials.RECOMMENDED, 0.02, True, r, d) for r, d in enumerate(days["recommended"])]
    rows += [(trials.TODAY, 0.01, False, r, d) for r, d in enumerate(days["today"])]
    frame = pd.DataFrame(rows, columns=["setting", "rate", "is_own", "replication", "days"])
    return frame.assign(window_days=42.0, hard_limit=3)


def test_a_plan_that_drowns_is_told_in_bold_with_its_days_and_one_that_lives_is_not():
    nan = float("nan")
    (told,) = sentences.drowned(limits_of(recommended=[2.0, nan, 6.0], today=[nan]))
    assert "In 2 of 3 replications the hard limit stops it within these 42 days, half of those within 4.0" in text(told)
    assert told.text.startswith("**In")
    assert sentences.drowned(limits_of(recommended=[nan, nan], today=[3.0])) == []


def test_failure_rates_at_which_a_pool_lives_are_told_for_each_setting():
    nan = float("nan")
    said = text(sentences.until_limited(limits_of(recommended=[nan, nan], today=[3.0, nan])))
    assert "the recommendation never meets it at 2.0% or less" in said
    assert "today's setting meets it even at 1.0%, in 1 of 2" in said
    unlike = limits_of(recommended=[nan], today=[nan]).assign(is_own=False)
    assert "As written no build fails" in text(sentences.until_limited(unlike))
    off = limits_of(recommended=[nan], today=[nan]).assign(hard_limit=0)
    assert "The hard limit is off here" in text(sentences.until_limited(off))


def effect(what: str, points: float, half: float) -> trials.Effect:
    def difference(measure: str, value: float, by: float) -> Difference:
        interval = Interval(value, value - by, value + by)
        return Difference("go", measure, 0.9, 0.9 + value, value, interval, None, False, 5.0, None)

    return trials.Effect(what, "x 2", difference("hit_rate", points / 100, half / 100), difference("idle_hours", 1, 2))


def test_what_moves_the_hit_rate_most_has_its_interval_and_what_is_open_is_named():
    effects = [effect("failures", -8.0, 3.0), effect("demand", 9.0, 2.0), effect("daemons", 1.0, 4.0)]
    said = text(sentences.sensitivity(effects))
    assert "Most moves the hit rate demand: x 2 (+9.0 points, +7.0 to +11.0)" in said
    assert "what would hurt most is failures: x 2 (-8.0 points, -11.0 to -5.0)" in said
    assert "Not told from chance in these replications: daemons: x 2." in said
    assert "No difference of the hit rate is told from chance" in text(sentences.sensitivity(effects[2:]))


def test_the_league_is_told_by_who_reaches_the_target_for_less(found: Recommendation):
    played = league(found.scenario, target_hit_rate=0.95, preset="go", advised=found.advised)
    told = sentences.league(played)
    mine = next(row for row in played.rows if row.policy == RECOMMENDED)
    cheaper = [r for r in played.rows if played.reaches(r) and r.total.pool_cost < mine.total.pool_cost]
    assert told[0].numbers["league_cheaper"] == len(cheaper)
    assert any("can never leave zero" in text(one) for one in told[1:])


def test_a_week_is_told_for_both_settings(found: Recommendation):
    pools = (ask(run(one, 0), "pool") for one in (found.scenario, found.advised))
    both = tables.side_by_side(*pools, "go")
    told = sentences.week(both, date(2026, 3, 2))
    assert told.numbers["before_claims"] == told.numbers["after_claims"] == 60
    assert told.numbers["before_misses"] > told.numbers["after_misses"]


def test_what_to_do_next_depends_on_whether_the_target_is_met_and_the_plan_lives(found: Recommendation):
    (advice,) = found.presets
    nan = float("nan")
    living, drowning = (limits_of(recommended=[d], today=[nan]) for d in (nan, 3.0))
    said = " ".join(text(one) for one in sentences.next_steps(found, living))
    assert "Write the block into the template" in said
    assert f"below {advice.limit:.1%}" in said
    assert "deleted" not in said
    missed = of(replace(advice, limit=0.5), found)
    said = " ".join(text(one) for one in sentences.next_steps(missed, drowning))
    assert "The target of 95.0% is not met" in said
    assert "see to it that failed prebuilds are deleted" in said
