"""A question's file says what it asks, and what its rows are."""

from __future__ import annotations

import pytest
from weekend import scenario

import simkit
from simkit.store import ask, questions
from simkit.store.question import find, read

RUNS = list(simkit.replicate(scenario(), 7, 3))


def test_the_head_of_a_file_is_read_and_kept_out_of_the_question():
    found = read(
        "holds", "-- How many?\n-- One row each.\n-- key: preset, hour\n-- when: changed_at until the next\nSELECT 1"
    )
    assert (found.text, found.key) == ("How many? One row each.", ("preset", "hour"))
    assert (found.at, found.until, found.holds, found.ends) == ("changed_at", "", True, False)
    assert found.lead == ("preset", "hour")


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("created_at", ("created_at", "", False, False)),
        ("from_at until until_at", ("from_at", "until_at", False, False)),
        ("from_at until until_at or the end", ("from_at", "until_at", False, True)),
    ],
)
def test_when_a_row_is_can_be_said_in_four_ways(when: str, expected: tuple[object, ...]):
    found = read("a", f"-- Which?\n-- when: {when}\nSELECT 1")
    assert (found.at, found.until, found.holds, found.ends) == expected
    assert found.lead == (found.at, "preset")


def test_a_head_that_says_something_else_is_a_mistake_of_ours():
    with pytest.raises(AssertionError, match=r"a\.sql says when"):
        read("a", "-- Which?\n-- when: now and then\nSELECT 1")


@pytest.mark.parametrize("name", sorted(questions()))
def test_the_columns_that_a_file_names_at_its_head_are_its_answers(name: str):
    question, answer = find(name), ask(RUNS, name)
    assert {*question.key, question.at, question.until} - {""} <= set(answer)
    assert "key:" not in question.text
    assert "when:" not in question.text
    if question.key:
        assert not answer.duplicated(["run_id", *question.key]).any()
