"""A comparison in words: what is real, what is open and what it needs, as text, Markdown and JSON."""

from __future__ import annotations

import json
from dataclasses import replace

from simkit.decide.compare import ALL, Changed, Comparison, Difference
from simkit.decide.compared import as_json, groups, headings, markdown, one_sided, row_of, sentences
from simkit.estimates import Interval

OVER = Interval(-10.0, -12.0, -8.0)
IDLE = Difference("go|land", "idle_hours", 50.0, 40.0, -10.0, OVER, Interval(-10.0, -15.0, -5.0), False, None, None)
DRAWN = replace(IDLE, of_weeks=None)
ONE = Comparison(
    base="a.yaml",
    changes=(Changed("b.yaml", (IDLE,), (), ()),),
    replications=50,
    seed=7,
    weeks=6,
    left_out_us=0,
    zone="UTC",
    currency="EUR",
    is_replayed=True,
    within=0.05,
    until_settled=None,
    is_settled=False,
)


def changed(*differences: Difference, **more: object) -> Comparison:
    return replace(ONE, changes=(Changed("b.yaml", differences, (), ()),), **more)


def test_a_row_has_both_half_widths_where_a_history_is_replayed():
    assert list(row_of(IDLE, ONE)) == ["idle instance-hours", "50.0", "40.0", "-10.0", "2.0", "5.0", "yes"]
    assert list(row_of(DRAWN, ONE))[4:] == ["2.0", "", "yes"]
    assert headings(ONE)[4:6] == ("± builds", "± weeks")
    assert headings(replace(ONE, is_replayed=False))[4:6] == ("±", "")
    assert headings(replace(ONE, weeks=1))[4:6] == ("± builds", "")
    assert row_of(replace(IDLE, difference=-0.001), ONE).difference == "+0.0"


def test_each_measure_is_written_as_people_read_it():
    rates = replace(IDLE, measure="hit_rate", base=0.9, change=0.95, difference=0.05, of_weeks=None)
    rates = replace(rates, of_replications=Interval(0.05, 0.0375, 0.0625))
    assert list(row_of(rates, ONE))[:5] == ["hit rate", "90.0%", "95.0%", "+5.00 pp", "1.25"]
    waits = replace(IDLE, measure="wait_p95_s", base=90.0, change=30.5, difference=-29.5, of_weeks=None)
    assert list(row_of(waits, ONE))[:5] == ["wait p95", "1m30s", "30.5s", "-29.5s", "2s"]
    costs = replace(IDLE, measure="pool_cost", of_weeks=None, of_replications=Interval(-0.004, -0.005, -0.003))
    assert list(row_of(replace(costs, difference=-0.004), ONE))[:5] == [
        *("pool cost, EUR", "50.0", "40.0", "-0.004", "0.001"),
    ]


def test_verdicts_say_what_is_real_and_what_the_open_ones_need():
    wide = replace(DRAWN, of_replications=Interval(-10.0, -25.0, 5.0))
    told = {
        "yes": DRAWN,
        "no, < 5%": wide,
        "open 75r": replace(wide, replications=75.0),
        "open 75r 3w": replace(wide, replications=75.0, weeks=3.0),
        "open 1,200w": replace(wide, weeks=1200.0),
        "open": replace(wide, replications=float("inf")),
        "no difference": replace(DRAWN, is_same=True),
        "-": replace(DRAWN, of_replications=Interval(-10.0, float("nan"), float("nan"))),
    }
    assert {text: row_of(row, ONE).verdict for text, row in told.items()} == {text: text for text in told}
    assert not replace(IDLE, of_weeks=Interval(-10.0, -21.0, 1.0)).is_real, "both have to leave out 0"


def test_sentences_say_what_the_intervals_hold():
    replayed, drawn = sentences(ONE), sentences(changed(DRAWN, is_replayed=False))
    assert "50 replications with seed 7 of 6 whole weeks, from Monday in UTC" in replayed[0]
    assert "the chance of builds alone" in replayed[1]
    assert "over the paired differences of weeks" in replayed[2]
    assert any("draws its own people" in text for text in drawn)
    assert "There is one week" in " ".join(sentences(replace(ONE, weeks=1)))
    assert "1d of cut weeks are left out" in sentences(replace(ONE, left_out_us=86_400_000_000))[0]


def test_sentences_say_what_open_means_only_where_something_is():
    assert not any("Open" in text for text in sentences(ONE))
    told = sentences(changed(replace(IDLE, of_replications=Interval(-1.0, -3.0, 1.0), replications=3.0), within=0.025))
    assert any("known to within 2.5% of the base" in text for text in told)


def test_sentences_warn_of_many_intervals_and_say_whether_it_is_settled():
    assert any("of 40, about 2 do not" in text for text in sentences(changed(*[IDLE] * 40)))
    assert sentences(replace(ONE, until_settled=0.05, is_settled=True))[-1].startswith("Settled: ")
    assert sentences(replace(ONE, until_settled=0.05))[-1].startswith("Not settled: ")


def test_presets_of_one_side_are_told():
    assert one_sided(Changed("b", (), ("x", "y"), ())) == ["Only the base has x, y; in all presets they count."]
    assert one_sided(Changed("b", (), (), ("z",))) == ["Only the change has z; in all presets they count."]
    assert list(groups(Changed("b", (IDLE, replace(IDLE, preset=ALL)), (), ()))) == ["go|land", ALL]


def test_markdown_is_a_table_in_which_names_are_text():
    text = markdown(ONE)
    assert "### `b.yaml` against `a.yaml`" in text
    assert "| `go\\|land` | idle instance-hours | 50.0 | 40.0 | -10.0 | 2.0 | 5.0 | yes |" in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in rows} == {9}
    drawn = [line for line in markdown(changed(DRAWN, is_replayed=False)).splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in drawn} == {8}


def test_json_has_numbers_and_null_where_there_is_none():
    open_one = replace(IDLE, preset=ALL, of_weeks=None, weeks=float("inf"), of_replications=Interval(1.0, -1.0, 3.0))
    told = json.loads(as_json(changed(IDLE, open_one)))
    assert (told["base"], told["people"], told["confidence"], told["is_settled"]) == ("a.yaml", "replayed", 0.95, None)
    first, second = told["changes"][0]["differences"]
    assert (first["preset"], first["weeks_low"], first["verdict"]) == ("go|land", -15.0, "real")
    assert {second[name] for name in ("preset", "weeks_low", "more_weeks")} == {None}
    assert second["verdict"] == "open"
