"""Target expressions: what can be written, what is wrong with what cannot, and which can never leave zero."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simkit.decide.expressions import NAMES, parse, stays_at_zero
from simkit.errors import InputError, Where
from simkit.limits import MOST_EXPRESSION

HERE = Where("--expression")


def problems(text: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        parse(text, HERE)
    return [f"position {problem.where.line}: {problem.text}" for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("1 + 2 * 3", "1 + (2 * 3)"),
        ("8 - 4 - 2", "(8 - 4) - 2"),
        ("-running + 5", "(-running) + 5"),
        ("1 < 2 && 3 >= 2 || 0", "((1 < 2) && (2 <= 3)) || 0"),
        ("not running > 2 and hour < 8", "(!(running > 2)) && (hour < 8)"),
        ("!running > 2", "!(running > 2)"),
        ("hour < 8 ? 1 : hour < 18 ? 9 : 2", "(hour < 8) ? 1 : ((hour < 18) ? 9 : 2)"),
        ("max(1, 2, 3)", "max(max(1, 2), 3)"),
        (" .5*claims_5m\n+ 1e1 ", "0.5 * claims_5m + 10"),
    ],
)
def test_operators_bind_as_they_do_elsewhere(text, same):
    def ordered(text: str) -> list[tuple[int, float]]:
        program = parse(text, HERE).program
        return sorted(zip(program.code, program.operand, strict=True))

    program = parse(text, HERE).program
    if ">=" in text:  # the values change places
        assert ordered(text) == ordered(same)
    else:
        assert program == parse(same, HERE).program


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", ["position 1: it is empty; write for instance max(scheduled_target, claims_30m)"]),
        ("claim_10m + 1", ['position 1: there is no "claim_10m"; write "claims_10m"']),
        (
            "minn(1, 2) + runing",
            [
                'position 1: there is no function "minn"; write "min"',
                'position 14: there is no "runing"; write "running"',
            ],
        ),
        ("min(1)", ["position 1: min takes 2 or more values, not 1"]),
        ("ceil(1, 2)", ["position 1: ceil takes 1 value, not 2"]),
        ("clamp()", ["position 1: clamp takes 3 values, not 0"]),
        ("max", ['position 1: "max" is a function; write max(...)']),
        ("running(2)", ['position 1: "running" is no function; leave its brackets out']),
        ("running = 2", ['position 9: there is no "="; a comparison is "=="']),
        ("2 ** 3", ['position 3: there is no "**"; there are no powers; write a product']),
        ("7 // 2", ['position 3: there is no "//"; write floor(one / other)']),
        ("running & 1", ['position 9: there is no "&"; write "&&"']),
        ("1 < 2 < 3", ['position 7: a comparison of a comparison; write "a < b && b < c"']),
        ("(1 + 2", ['position 7: the end where ")" is needed to close the "(" at position 1']),
        ("min(1 2)", ['position 7: "2" where "," is needed or ")" after a value of min']),
        ("1 ? 2", ['position 6: the end where ":" is needed after "condition ? one"']),
        ("1 2", ['position 3: "2" is one too many; write an operator before it, or leave it out']),
        ("1 +", ["position 4: the end where a value is needed; write a number, a name or a function"]),
        ("* 3", ['position 1: "*" where a value is needed; write a number, a name or a function']),
        ("5m", ['position 1: "5m" is neither number, name nor operator']),
        ("running; 1", ['position 8: ";" is neither number, name nor operator']),
        ("ä", ['position 1: "ä" is neither number, name nor operator']),
        ("__import__('os')", ['position 12: "\'" is neither number, name nor operator']),
    ],
)
def test_a_problem_says_where_and_what_to_write(text, told):
    assert problems(text) == told


def test_what_is_too_long_or_too_deep_is_told_and_ends():
    assert problems("1" + "+1" * MOST_EXPRESSION)[0].startswith("position 1: it has 4,001 characters; write 2,000")
    for deep in ("(" * 500 + "1" + ")" * 500, "-" * 900 + "1", "!" * 900 + "1", "1?" * 300 + "1" + ":1" * 300):
        assert "write it flatter" in problems(deep)[0]
    program = parse("1" + "+1" * 900, HERE).program
    assert (len(program.code), program.depth) == (1801, 2)


@given(text=st.text(alphabet="()+-*/%<>=!&|?:,. 0125mabcdehinorstu_x\n", max_size=40))
def test_whatever_is_written_is_an_expression_or_a_problem(text):
    try:
        parse(text, HERE)
    except InputError as error:
        places = [problem.where.line for problem in error.problems]
    else:
        places = [1]
    assert all(1 <= place <= len(text) + 1 for place in places)


@pytest.mark.parametrize(
    "text",
    [
        "min(claims_10m*10, 20)",
        "claims_10m > 0 ? 5 : 0",
        "ceil(claim_rate_30m * 8 * 1.5)",
        "clamp(claims_5m, 0, 4) + eligible",
        "misses_10m > 3 && claims_60m ? 2 : 0",
        "min(scheduled_target, running + starting)",
        "hour >= 8 && hour < 18 ? claims_30m : 0",
        "0.9",
        "0 - misses_5m",
        "min(misses_30m, 0) + abs(-0)",
        "running == 0 ? 0 : 7",
    ],
)
def test_what_never_leaves_zero_is_found_in_the_text_alone(text):
    assert stays_at_zero(parse(text, HERE).program, [0, 4]), text


@pytest.mark.parametrize(
    "text",
    [
        "max(scheduled_target, claims_30m)",
        "claims_5m + misses_5m",
        "misses_10m > 3 ? 2 : 0",
        "1 / claims_5m",  # an error, at which the schedule's number holds
        "scheduled_target",
        "hour == 8 ? 1 : 0",
        "weekday == 3 && claims_5m == 0 ? 1 : 0",
        "1 - running",
        "-(0 - misses_60m)",
        "misses_5m % 3",
        "claims_5m == 0",
        "!claims_5m || misses_5m",
    ],
)
def test_what_can_leave_zero_is_not_called_stuck(text):
    assert not stays_at_zero(parse(text, HERE).program, [0, 4]), text


def test_where_an_error_leads_to_the_schedule_its_numbers_decide():
    program = parse("claims_5m / claims_10m", HERE).program
    assert stays_at_zero(program, [0])
    assert not stays_at_zero(program, [0, 1])


def test_every_name_can_be_asked_for():
    assert parse(" + ".join(NAMES), HERE).program.code.count(16) == len(NAMES) - 1
