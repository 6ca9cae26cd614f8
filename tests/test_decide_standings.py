"""A league in words: cells, what is wrong with a policy, Markdown and JSON."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from simkit.decide.league import CONSTANT, IN_USE, PERCENTILE, RATE, TODAY, League, Row, Standing
from simkit.decide.standings import as_json, cells, headings, markdown, name_of, remarks, sentences
from simkit.model import Preset, Scenario, TemplateVersion, Workload

GOOD = Standing(100.0, 0.96, 75.0, 1234.4, 1500.0, 600.0, 110.0, None, 0, False)
DEAD = replace(GOOD, hit_rate=0.0, wait_p95_s=float("nan"), at_zero_since=86_400_000_000, missed=1200, is_limited=True)


def made(*rows: Row, price: float = 0.4) -> League:
    presets = (Preset("a|b", 1), Preset("c", 1))
    workload = Workload(cost_per_instance_hour=price)
    of = Scenario("s", 0, 14 * 86_400_000_000, (TemplateVersion("t", "v1", presets),), workload=workload)
    tuned = [
        (n, (("a|b", x), ("c", 2.0))) for n, x in ((CONSTANT, 4.0), (PERCENTILE, 90.0), (RATE, 1.5), (IN_USE, 3.0))
    ]
    others = [Row(name, settings, GOOD, (("a|b", GOOD), ("c", GOOD))) for name, settings in tuned]
    return League(of, (*others, *rows), ("a|b", "c"), 0.95, 7, 1, 2.0, (("a|b", 400_000_000), ("c", 400_000_000)), ())


def one(policy: str, total: Standing = GOOD, stuck: tuple[str, ...] = ()) -> Row:
    return Row(policy, (), total, (("a|b", total), ("c", GOOD)), stuck)


def test_a_row_has_a_cell_for_each_heading():
    of = made()
    assert headings(of) == (
        "a week",
        "hit rate",
        "95%?",
        "wait p95",
        "idle hours",
        "pool cost, USD",
        "builds",
        "remark",
    )
    assert cells(of, one(TODAY)) == (TODAY, "96.0%", "yes", "1m15s", "1,234", "600", "110", "today")
    assert cells(of, one("0", DEAD, ("a|b",)))[1:4] == ("0.0%", "no", "-")
    assert headings(made(price=0.0))[5] == "pool hours"
    assert cells(made(price=0.0), one(TODAY))[5] == "1,500"


def test_chosen_numbers_stand_in_the_order_of_the_presets():
    names = [name_of(row) for row in made().rows]
    assert names == ["constant 4, 2", "percentile 90, 2 of 3 weeks, by hour", "rate x lead x 1.5, 2", "in use + 3, 2"]


@pytest.mark.parametrize(
    ("row", "remark"),
    [
        (one(TODAY), "today"),
        (one(TODAY, DEAD), "today, dead"),
        (one("x"), ""),
        (one("x", DEAD), "dead"),
        (one("x", DEAD, ("c",)), "stuck at 0"),
    ],
)
def test_what_is_wrong_is_seen_in_the_row(row, remark):
    assert cells(made(), row)[-1] == remark


def test_a_dead_pool_is_named_with_its_day_and_who_missed():
    told = remarks(made(one("claims_5m", DEAD, ("a|b",))))
    assert told[0].startswith("Stuck: claims_5m can never leave zero for a|b, whoever comes")
    assert told[1] == (
        "Dead: under claims_5m there are no prebuilds to the end of the window: "
        "a|b from Fri 1970-01-02 by the hard limit (1,200 claims without a prebuild)."
    )
    assert remarks(made(one("x"))) == []


def test_the_sentences_hold_the_expressions_that_were_played():
    told = " ".join(sentences(made(one(TODAY))))
    assert "max(1, ceil((claims_30m + misses_30m) / 30 * 6.7 * 1.5)), in use claims_10m + 3 (for a|b)" in told
    assert "is 6m40s." in told


def test_markdown_marks_today_and_keeps_names_as_text():
    text = markdown(made(one(TODAY), one("claims_5m | 1")))
    assert f"| **{TODAY.replace(chr(39), '&#39;')}** |" in text or f"| **{TODAY}** |" in text
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len(table) == 2 + 6
    assert "a|b" not in "".join(table)


def test_json_has_no_number_where_there_is_none():
    told = json.loads(as_json(made(one(TODAY, DEAD))))
    today = told["rows"][-1]
    assert (today["is_today"], today["reaches_target"], today["total"]["wait_p95_s"]) == (True, False, None)
    assert today["total"]["at_zero_since"] == "1970-01-02T00:00:00Z"
    assert told["rows"][0]["settings"] == {"a|b": 4.0, "c": 2.0}
    assert told["lead_s"] == {"a|b": 400.0, "c": 400.0}
