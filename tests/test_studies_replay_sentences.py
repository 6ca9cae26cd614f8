"""What is said of a replay holds its numbers, and says first if it can be trusted."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from replayed import replayed

from simkit import compare
from simkit.decide.compare import Comparison
from simkit.deployment.replay import Replay
from simkit.report.notebook import text_of
from simkit.studies.replay import sentences, setting, tables
from simkit.studies.wording import Sentence


def text(*told: Sentence) -> str:
    return "\n".join(text_of(one.text, one.numbers) for one in told)


@cache
def comparison() -> Comparison:
    return compare(replayed().scenario, setting.changed(replayed()), replications=3)


def agreeing() -> Replay:
    """The same, as if the first replay were what happened."""
    of = replayed()
    claims = of.claims[of.claims["replication"] >= 0]
    first = claims[claims["replication"] == 0].assign(replication=-1)
    presets = tuple(
        replace(one, days=(), recorded={name: spread.median for name, spread in one.replayed.items()})
        for one in of.presets
    )
    import pandas as pd

    return replace(of, presets=presets, claims=pd.concat([first, claims], ignore_index=True))


def test_a_history_with_a_pause_is_not_what_is_replayed_and_its_other_days_are():
    of = replayed()
    told = sentences.answer(of)
    mine = of.claims[of.claims["replication"] == -1]
    assert told[0].numbers["recorded_hit_rate"] == mine["hit"].mean()
    assert told[0].numbers["claims"] == len(mine)
    said = text(*told)
    assert said.startswith("simkit replays ")
    assert "what happened lies outside" in said
    assert "Without them simkit replays" in said
    other = next(one.numbers for one in told if "other_days_recorded" in one.numbers)
    assert other["other_days_recorded"] > told[0].numbers["recorded_hit_rate"]
    assert "Of large, small & cheap, 'x' the hit rate lies outside." in said
    assert not sentences.is_right(of)


def test_a_history_that_is_one_of_its_replays_is_trusted():
    of = agreeing()
    said = text(*sentences.answer(of))
    assert sentences.is_right(of)
    assert "what happened lies within" in said
    assert said.endswith("A changed schedule can be judged by these replays.")
    assert "Without them" not in said
    assert "Choose a schedule" in text(*sentences.next_steps(of, comparison()))


def test_the_day_has_its_numbers_and_its_suspects():
    of = replayed()
    said = text(*sentences.day(tables.worst_day(of)))
    day = of.presets[0].days[0]
    assert f"large on Wednesday 2026-03-04: {day.hits} of {day.claims} claims were hits" in said
    assert "The reconciler was paused at 09:30." in said
    assert "No day's hits are out of reach" in text(*sentences.day(tables.worst_day(agreeing())))
    assert text(*sentences.day(None)) == "There is no pool to show."


def test_weeks_and_waits_are_counted():
    of = replayed()
    told = sentences.weeks(tables.weeks(of))
    assert told.numbers["weeks_of_presets"] == 2
    apart = tables.weeks(of).set_index("preset")
    away = (apart["recorded"] - apart["median"]).abs()
    assert told.numbers["worst_week_preset"] == away.idxmax()
    assert "95% of them" in text(sentences.waits(of))


def test_a_change_says_what_it_buys_and_what_it_costs():
    assert "nothing is compared" in text(*sentences.compared(None))
    assert "import more of them" in text(*sentences.next_steps(replayed(), None))
    (told,) = sentences.compared(comparison())
    assert text(told).startswith("Under today's schedule +1 ")
    rate = comparison().changes[0].of("all presets", "hit_rate")
    assert told.numbers["change_points"] == 100 * rate.difference
    assert told.numbers["change_idle"] > 0


def test_what_to_do_next_follows_from_what_was_seen():
    of = replayed()
    assert "Read the table of days" in text(*sentences.next_steps(of, comparison()))
    assert "Builds waited" not in text(*sentences.next_steps(agreeing(), comparison()))
    [day, *others] = of.presets[0].days
    slow = replace(
        day, why=("Builds waited 14m in the queue (median); replayed 4s: fewer daemons?", "7 builds failed.")
    )
    odd = replace(of, presets=(replace(of.presets[0], days=(slow, *others)), *of.presets[1:]))
    said = text(*sentences.next_steps(odd, comparison()))
    assert "coder.provisioner_daemons" in said
    assert "Builds failed on some days" in said
