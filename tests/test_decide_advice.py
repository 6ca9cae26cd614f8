"""A recommendation in words: for a terminal, a pull request and a program."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from result_schema import faults
from scenarios import MONDAY_AT, scenario

from simkit import recommend
from simkit.clock import HOUR_US, MINUTE_US, WEEK_US
from simkit.decide.advice import blocks, document, markdown, queue_said, sentences, verdict
from simkit.decide.plan import terraform
from simkit.decide.recommendation import Queue, Recommendation
from simkit.model import History, Preset, Workload, constant

NAME = "GPU | <b>[beta]</b> `x`"


@pytest.fixture(scope="module")
def found() -> Recommendation:
    rng = np.random.default_rng(3)
    days = np.arange(6 * 7)
    at = (days[days % 7 < 5][:, None] * 24 + 9 + rng.random((30, 12)) * 8).ravel()
    claims = np.sort(MONDAY_AT + (at * HOUR_US).astype(np.int64))
    given = scenario(Preset(NAME, 2), workload=Workload(constant(6 * MINUTE_US), cost_per_instance_hour=0.4))
    given = replace(given, start_at=MONDAY_AT, end_at=MONDAY_AT + 6 * WEEK_US, name="a <i>team</i>")
    return recommend(replace(given, demand=History(claims, (NAME,) * claims.size)), 0.9, max_schedules=1)


def test_the_document_is_as_its_schema_says(found: Recommendation):
    told = json.loads(json.dumps(document(found), allow_nan=False))
    assert faults(told, "simkit.decide", "recommendation.schema.json") == []
    assert told["presets"][0]["recommended"]["instances"] == found.presets[0].preset.instances
    assert told["presets"][0]["recommended"]["hit_rate"] == pytest.approx(found.presets[0].after.hit_rate, abs=1e-6)
    broken = {**told, "more": 1}
    assert faults(broken, "simkit.decide", "recommendation.schema.json") != [], "it refuses what is not in it"


def test_markdown_shows_names_as_text_and_has_the_block_and_the_comparison(found: Recommendation):
    text = markdown(found)
    outside = re.sub("`[^`]*`", "", text)
    assert "<b>" not in outside
    assert "<i>" not in outside
    assert "```hcl\n  prebuilds {" in text
    assert "| hit rate | " in text
    table = [line for line in text.splitlines() if line.startswith("| ")]
    assert {line.replace("\\|", "").count("|") for line in table} <= {4, 5, 6}, "no name breaks a row"
    assert text.count("\n1. ") == 3


def test_what_is_to_paste_is_terraform_below_its_verdict_as_a_comment(found: Recommendation):
    text = blocks(found)
    comments, rest = [], []
    for line in text.splitlines():
        (comments if line.startswith("# ") else rest).append(line)
    assert "\n".join(rest) == terraform(found.presets[0].preset)
    assert verdict(found.presets[0]) in " ".join(line.removeprefix("# ") for line in comments)
    assert max(map(len, comments)) <= 100


def test_a_verdict_says_if_the_target_is_met_and_by_how_much_it_is_not(found: Recommendation):
    (one,) = found.presets
    assert verdict(one).startswith("Meets 90.0%")
    assert "1.5 points short" in verdict(replace(one, limit=one.target - 0.015))


def test_weeks_that_were_not_used_and_the_next_quarter_are_told_apart(found: Recommendation):
    held, outlook = sentences(found.presets[0])
    assert held.startswith("Chosen without the last week, the same way finds")
    assert outlook.startswith("Next quarter (13 weeks):")
    assert "chance of builds alone" in outlook


def test_people_who_wait_for_daemons_are_told_with_what_would_mend_it():
    (text,) = queue_said(Queue(8, 10.0, 250.0, 30.0, 19.6, 3, 5))
    assert "At 08:00 people's builds wait 4m10s for one of 3 provisioner daemons on average, 4m00s longer" in text
    assert "; 3m40s of it because 20 prebuilds are ordered in that hour. 5 daemons would mend it (tried)." in text
    (open_text,) = queue_said(Queue(8, 240.0, 250.0, 245.0, 2.0, 3, None))
    assert "about as today; not because of prebuilds, but of each other." in open_text
    assert "do not mend it" in open_text
    (better,) = queue_said(Queue(8, 250.0, 40.0, None, 2.0, 3, 4))
    assert "3m30s shorter than today. 4 daemons" in better, "where daemons have tags already, none are tried"
    assert queue_said(None) == []
