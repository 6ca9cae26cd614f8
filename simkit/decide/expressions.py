"""Target expressions, as drafted for Coder: text becomes a program for the kernel, or every problem at once.

An expression gives the number of prebuilds that a preset should have, and is worked out at every reconciler tick:

- names: `scheduled_target` (what base and schedules say), `running` (prebuilds that are not expired), `eligible` (those
  of them whose agent is ready), `starting`, `expired`; `claims_Nm`, `misses_Nm` and `claim_rate_Nm` for N of 5, 10, 30,
  60, 120: how many prebuilds were claimed in the last N minutes, how many people found none, and claims per minute;
  `hour` (0 to 23) and `weekday` (0 is Sunday, as in cron) by the preset's clock;
- functions: `min`, `max` (two or more values), `ceil`, `floor`, `abs`, `clamp(value, lowest, highest)`;
- `+ - * / %`, comparisons, `&& || !` (or `and`, `or`, `not`), `condition ? one : other`.

In the draft claims count successes only: who finds no prebuild is no claim but a miss, so that an expression of claims
alone can never leave zero. The result loses its fraction and is clamped to 0 to 100; a division by zero, or whatever is
no number, gives `scheduled_target`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from simkit.core import targets as t
from simkit.core.targets import SPANS, Program
from simkit.errors import Findings, Where, did_you_mean
from simkit.limits import MOST_EXPRESSION

NAMES: dict[str, tuple[int, float]] = {
    "scheduled_target": (t.OF_SCHEDULED, 0.0),
    "running": (t.OF_RUNNING, 0.0),
    "eligible": (t.OF_ELIGIBLE, 0.0),
    "starting": (t.OF_STARTING, 0.0),
    "expired": (t.OF_EXPIRED, 0.0),
    **{f"claims_{n}m": (t.OF_CLAIMS, float(n)) for n in SPANS},
    **{f"misses_{n}m": (t.OF_MISSES, float(n)) for n in SPANS},
    **{f"claim_rate_{n}m": (t.OF_CLAIM_RATE, float(n)) for n in SPANS},
    "hour": (t.OF_HOUR, 0.0),
    "weekday": (t.OF_WEEKDAY, 0.0),
}
"""What an expression can ask for: the operation and its operand."""
FUNCTIONS = {
    "min": (t.TO_MIN, 2, math.inf),
    "max": (t.TO_MAX, 2, math.inf),
    "ceil": (t.TO_CEIL, 1, 1),
    "floor": (t.TO_FLOOR, 1, 1),
    "abs": (t.TO_ABS, 1, 1),
    "clamp": (t.TO_CLAMP, 3, 3),
}
"""The operation, and how many values the function takes: from, to."""

# How tightly operators of two values bind, and what they do; the third says whether the values change places.
_BINDS: dict[str, tuple[int, int, bool]] = {
    "||": (1, t.TO_OR, False),
    "&&": (2, t.TO_AND, False),
    "==": (4, t.TO_EQUAL, False),
    "!=": (4, t.TO_UNEQUAL, False),
    "<": (4, t.TO_LESS, False),
    "<=": (4, t.TO_AT_MOST, False),
    ">": (4, t.TO_LESS, True),
    ">=": (4, t.TO_AT_MOST, True),
    "+": (5, t.TO_SUM, False),
    "-": (5, t.TO_DIFFERENCE, False),
    "*": (6, t.TO_PRODUCT, False),
    "/": (6, t.TO_QUOTIENT, False),
    "%": (6, t.TO_REMAINDER, False),
}
_NOT, _COMPARISON, _SIGN = 3, 4, 7
_WORDS = {"and": "&&", "or": "||", "not": "!"}
_CURES = {
    "=": 'a comparison is "=="',
    "**": "there are no powers; write a product",
    "//": "write floor(one / other)",
    "&": 'write "&&"',
    "|": 'write "||"',
}
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?!\w)|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<sign>\*\*|//|\|\||&&|[<>=!]=|[-+*/%<>()?:,!=&|]))"
)
_NESTING = 40


@dataclass(frozen=True)
class Expression:
    """A text and its program."""

    text: str
    program: Program


def parse(text: str, where: Where) -> Expression:
    """Raises InputError with every problem, each at its position in the text (from 1), where a file has a line."""
    findings = Findings()
    found = _Parser(text, where, findings).expression()
    findings.raise_errors()
    assert found is not None, "an expression that is none has a problem"
    code = tuple(_program(found))
    return Expression(text.strip(), Program(tuple(c for c, _ in code), tuple(x for _, x in code), _depth(code)))


class _Token(NamedTuple):
    kind: str
    text: str
    at: int
    """Position in the text, from 1."""


class _Node(NamedTuple):
    """An operation with its values."""

    what: int
    operand: float
    values: tuple[_Node, ...]


class _WrongError(Exception):
    """The text cannot be read on; the problem is told."""


class _Parser:
    """Precedence climbing. Names and functions that are not there are told, and reading goes on."""

    def __init__(self, text: str, where: Where, findings: Findings) -> None:
        self._text, self._where, self._findings = text, where, findings
        self._tokens: list[_Token] = []
        self._i = self._deep = 0

    def expression(self) -> _Node | None:
        if len(self._text) > MOST_EXPRESSION:
            self._tell(1, f"it has {len(self._text):,} characters; write {MOST_EXPRESSION:,} at most")
            return None
        try:
            self._tokens = list(self._read())
            found = self._choice()
            if self._next.kind != "end":
                self._stop(f'"{self._next.text}" is one too many; write an operator before it, or leave it out')
        except _WrongError:
            return None
        return found

    def _read(self) -> Iterator[_Token]:
        at = 0
        rest = self._text.rstrip()
        while at < len(rest):
            match = _TOKEN.match(rest, at)
            if match is None:
                begin = len(rest) - len(rest[at:].lstrip())
                seen = re.match(r"\w+|.", rest[begin:])
                self._tell(begin + 1, f'"{seen[0] if seen else rest[begin]}" is neither number, name nor operator')
                raise _WrongError
            kind = str(match.lastgroup)
            word = match[kind]
            token = _WORDS.get(word, word)
            at = match.end()
            if token in _CURES:
                self._tell(match.start(kind) + 1, f'there is no "{token}"; {_CURES[token]}')
                raise _WrongError
            yield _Token("sign" if word in _WORDS else kind, token, match.start(kind) + 1)
        yield _Token("end", "the end", len(rest) + 1)

    def _tell(self, at: int, text: str) -> None:
        # An expression has one line: what is told apart in it are positions.
        self._findings.error(Where(self._where.path, at), text)

    def _stop(self, text: str) -> None:
        self._tell(self._next.at, text)
        raise _WrongError

    @property
    def _next(self) -> _Token:
        return self._tokens[self._i]

    def _take(self, *texts: str) -> bool:
        """Is the next token one of these signs? Then go past it."""
        found = self._next.kind == "sign" and self._next.text in texts
        self._i += found
        return found

    def _need(self, text: str, why: str) -> None:
        if not self._take(text):
            self._stop(f'{_seen(self._next)} where "{text}" is needed {why}')

    def _choice(self) -> _Node:
        self._deep += 1
        if self._deep > _NESTING:
            self._stop(f"more than {_NESTING} levels of brackets and choices; write it flatter")
        found = self._operators(1)
        if self._take("?"):
            one = self._choice()
            self._need(":", 'after "condition ? one"')
            found = _Node(t.TO_CHOICE, 0.0, (found, one, self._choice()))
        self._deep -= 1
        return found

    def _operators(self, least: int) -> _Node:
        found = self._of_one(least)
        compared = False
        while self._next.kind == "sign" and self._next.text in _BINDS:
            binds, what, swapped = _BINDS[self._next.text]
            if binds < least:
                break
            if binds == _COMPARISON and compared:
                self._stop('a comparison of a comparison; write "a < b && b < c"')
            compared = binds == _COMPARISON
            self._i += 1
            other = self._operators(binds + 1)
            found = _Node(what, 0.0, (other, found) if swapped else (found, other))
        return found

    def _of_one(self, least: int) -> _Node:
        self._deep += 1
        if self._deep > _NESTING:
            self._stop(f"more than {_NESTING} levels of brackets and signs; write it flatter")
        if self._take("!"):
            found = _Node(t.TO_NOT, 0.0, (self._operators(max(least, _NOT)),))
        elif self._take("-"):
            found = _Node(t.TO_MINUS, 0.0, (self._operators(_SIGN),))
        elif self._take("+"):
            found = self._operators(_SIGN)
        else:
            found = self._value()
        self._deep -= 1
        return found

    def _value(self) -> _Node:
        token = self._next
        self._i += token.kind != "end"
        if token.kind == "number":
            return _Node(t.OF_NUMBER, float(token.text), ())
        if token.kind == "name":
            if self._take("("):
                return self._call(token)
            if token.text not in NAMES:
                if token.text in FUNCTIONS:
                    text = f'"{token.text}" is a function; write {token.text}(...)'
                else:
                    text = f'there is no "{token.text}"; {did_you_mean(token.text, NAMES)}'
                self._tell(token.at, text)
            return _Node(*NAMES.get(token.text, (t.OF_NUMBER, 0.0)), ())
        if token.kind == "sign" and token.text == "(":
            found = self._choice()
            self._need(")", f'to close the "(" at position {token.at}')
            return found
        if token.kind == "end" and token.at == 1:
            self._tell(1, "it is empty; write for instance max(scheduled_target, claims_30m)")
            raise _WrongError
        self._tell(token.at, f"{_seen(token)} where a value is needed; write a number, a name or a function")
        raise _WrongError

    def _call(self, name: _Token) -> _Node:
        values: list[_Node] = []
        while not self._take(")"):
            if values:
                self._need(",", f'or ")" after a value of {name.text}')
            values.append(self._choice())
        if name.text not in FUNCTIONS:
            if name.text in NAMES:
                text = f'"{name.text}" is no function; leave its brackets out'
            else:
                text = f'there is no function "{name.text}"; {did_you_mean(name.text, FUNCTIONS)}'
            self._tell(name.at, text)
            return _Node(t.OF_NUMBER, 0.0, ())
        what, fewest, most = FUNCTIONS[name.text]
        if not fewest <= len(values) <= most:
            takes = f"{fewest} or more values" if most > fewest else f"{fewest} value{'s' * (fewest > 1)}"
            self._tell(name.at, f"{name.text} takes {takes}, not {len(values)}")
            return _Node(t.OF_NUMBER, 0.0, ())
        found = _Node(what, 0.0, tuple(values[:3] if what == t.TO_CLAMP else values[:fewest]))
        for value in values[len(found.values) :]:
            found = _Node(what, 0.0, (found, value))
        return found


def _seen(token: _Token) -> str:
    return "the end" if token.kind == "end" else f'"{token.text}"'


def _program(node: _Node) -> Iterator[tuple[int, float]]:
    for value in node.values:
        yield from _program(value)
    yield node.what, node.operand


def _depth(code: Iterable[tuple[int, float]]) -> int:
    high = most = 0
    for what, _ in code:
        high += 1 - _takes(what)
        most = max(most, high)
    return most


def _takes(what: int) -> int:
    """How many values an operation takes from the stack."""
    if what <= t.OF_CLAIM_RATE:
        return 0
    return 1 if what <= t.TO_ABS else 2 if what <= t.TO_OR else 3


def stays_at_zero(program: Program, scheduled: Iterable[int]) -> bool:
    """Can a pool that is at zero never leave it again, whoever comes?

    There are no prebuilds, none are claimed, and people miss: the program is worth 0 at each of the `scheduled` numbers
    and each hour of the week, however many miss. False where that is not certain.
    """
    clocks = {(0, 0)}
    if t.OF_HOUR in program.code or t.OF_WEEKDAY in program.code:
        clocks = {(hour, weekday) for hour in range(24) for weekday in range(7)}
    for desired in set(scheduled):
        for hour, weekday in clocks:
            known = {t.OF_SCHEDULED: desired, t.OF_HOUR: hour, t.OF_WEEKDAY: weekday}
            worth = _worth(program, known)
            if worth.high >= 1 or (worth.may_fail and desired >= 1):
                return False
    return True


class _Range(NamedTuple):
    """What a value lies between; low > high if it can be none. It may be no number."""

    low: float
    high: float
    may_fail: bool = False


_NO_NUMBER = _Range(math.inf, -math.inf, True)


def _worth(program: Program, known: dict[int, int]) -> _Range:
    stack: list[_Range] = []
    for what, operand in zip(program.code, program.operand, strict=True):
        count = _takes(what)
        values = stack[len(stack) - count :]
        del stack[len(stack) - count :]
        if what == t.OF_NUMBER:
            stack.append(_Range(operand, operand))
        elif what == t.OF_MISSES:
            stack.append(_Range(0.0, math.inf))
        elif count == 0:
            stack.append(_Range(float(known.get(what, 0)), float(known.get(what, 0))))
        elif what == t.TO_CLAMP:
            stack.append(_two(t.TO_MIN, _two(t.TO_MAX, values[0], values[1]), values[2]))
        elif what == t.TO_CHOICE:
            stack.append(_chosen(*values))
        else:
            stack.append(_one(what, values[0]) if count == 1 else _two(what, values[0], values[1]))
    return stack[0]


def _is_empty(x: _Range) -> bool:
    return x.low > x.high


def _join(x: _Range, y: _Range) -> _Range:
    return _Range(min(x.low, y.low), max(x.high, y.high), x.may_fail or y.may_fail)


def _chosen(condition: _Range, one: _Range, other: _Range) -> _Range:
    found = _Range(math.inf, -math.inf, condition.may_fail)
    if not _is_empty(condition):
        if condition.low != 0 or condition.high != 0:
            found = _join(found, one)
        if condition.low <= 0 <= condition.high:
            found = _join(found, other)
    return found


_FALSE, _TRUE = _Range(0.0, 0.0), _Range(1.0, 1.0)


def _one(what: int, x: _Range) -> _Range:
    if _is_empty(x):
        return x
    if what == t.TO_NOT:
        return _chosen(x, _FALSE, _TRUE)
    if what == t.TO_MINUS:
        return _Range(-x.high, -x.low, x.may_fail)
    if what == t.TO_ABS:
        low = 0.0 if x.low <= 0 <= x.high else min(abs(x.low), abs(x.high))
        return _Range(low, max(abs(x.low), abs(x.high)), x.may_fail)
    whole: Callable[[float], int] = math.ceil if what == t.TO_CEIL else math.floor
    low, high = (float(whole(v)) if math.isfinite(v) else v for v in x[:2])
    return _Range(low, high, x.may_fail)


def _two(what: int, x: _Range, y: _Range) -> _Range:
    if what == t.TO_AND:
        return _chosen(x, _chosen(y, _TRUE, _FALSE), _FALSE)
    if what == t.TO_OR:
        return _chosen(x, _TRUE, _chosen(y, _TRUE, _FALSE))
    if _is_empty(x) or _is_empty(y):
        return _NO_NUMBER
    fails = x.may_fail or y.may_fail
    match what:
        case t.TO_SUM:
            return _Range(_or(x.low + y.low, -math.inf), _or(x.high + y.high, math.inf), fails)
        case t.TO_DIFFERENCE:
            return _Range(_or(x.low - y.high, -math.inf), _or(x.high - y.low, math.inf), fails)
        case t.TO_PRODUCT:
            corners = [_or(a * b, 0.0) for a in x[:2] for b in y[:2]]
            return _Range(min(corners), max(corners), fails)
        case t.TO_QUOTIENT | t.TO_REMAINDER:
            return _divided(what, x, y)
        case t.TO_MIN:
            return _Range(min(x.low, y.low), min(x.high, y.high), fails)
        case t.TO_MAX:
            return _Range(max(x.low, y.low), max(x.high, y.high), fails)
    return _compared(what, x, y)._replace(may_fail=fails)


def _divided(what: int, x: _Range, y: _Range) -> _Range:
    if y.low == y.high == 0:
        return _NO_NUMBER
    fails = x.may_fail or y.may_fail or y.low <= 0 <= y.high
    if x.low == x.high == 0:
        return _Range(0.0, 0.0, fails)
    if what == t.TO_REMAINDER:
        return _Range(min(y.low, 0.0), max(y.high, 0.0), fails)
    if y.low <= 0 <= y.high:
        return _Range(0.0 if x.low >= 0 and y.low >= 0 else -math.inf, math.inf, fails)
    corners = [_or(a / b, 0.0) for a in x[:2] for b in y[:2]]
    return _Range(min(corners), max(corners), fails)


def _compared(what: int, x: _Range, y: _Range) -> _Range:
    if what in (t.TO_EQUAL, t.TO_UNEQUAL):
        never, always = x.high < y.low or y.high < x.low, x.low == x.high == y.low == y.high
        if what == t.TO_UNEQUAL:
            never, always = always, never
    elif what == t.TO_LESS:
        never, always = x.low >= y.high, x.high < y.low
    else:
        never, always = x.low > y.high, x.high <= y.low
    return _TRUE if always else _FALSE if never else _Range(0.0, 1.0)


def _or(value: float, otherwise: float) -> float:
    return otherwise if math.isnan(value) else value
