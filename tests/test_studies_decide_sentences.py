"""What is said of a decision holds its numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from decided import decided, six_weeks

from simkit import worth
from simkit.decide.recommendation import Advice, Recommendation
from simkit.report.notebook import text_of
from simkit.studies.decide import sentences
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
    told = sentences.verdict(advice)
    assert text(told).startswith("go: Meets 95.0%")
    assert told.numbers["is_met"] is True
    assert told.numbers["next_quarter_not_below"] == advice.limit
    missed = sentences.verdict(replace(advice, limit=0.85))
    assert "Does not meet 95.0%" in text(missed)
    assert "10.0 points short" in text(missed)


def test_what_it_buys_has_its_price_in_money_or_else_in_hours(found: Recommendation):
    (advice,) = found.presets
    told = sentences.bought(found)
    assert f"{advice.after.cost_per_week:,.0f} for {advice.before.cost_per_week:,.0f}" in text(told)
    assert told.numbers["more_served"] > 0
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
    beaten = of(replace(advice, front=advice.front[:i]), found)
    assert "not among them" in text(sentences.front(beaten))


def test_bounds_that_leave_the_hard_limit_out_say_so(found: Recommendation):
    assert len(sentences.ladder(found)) == 1
    failing = replace(found.scenario, workload=replace(found.scenario.workload, failure_probability=0.01))
    *_, told = sentences.ladder(replace(found, scenario=failing))
    assert "any that fall below 3 would drown" in text(told)
    cleared = replace(failing, workload=replace(failing.workload, failed_cleared_after_us=1))
    assert len(sentences.ladder(replace(found, scenario=cleared))) == 1


def test_worth_is_told_of_today_and_of_the_answer():
    before, after = worth(six_weeks()), worth(decided().advised)
    told = [text(one) for one in sentences.worth((*before, *after))]
    assert told[0].startswith("Today's setting: One more pays most on ")
    assert told[1].startswith("The recommendation: ")
    assert "USD" in told[0]
