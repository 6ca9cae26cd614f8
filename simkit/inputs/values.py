"""What an expression of Terraform's is worth, known or not, and Terraform's conversions between kinds of values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Context, Decimal, DecimalException

MOST_TEXT = 1_000_000
"""Characters of one text."""
MOST_ITEMS = 100_000
"""Elements of one collection, with all that is inside it."""
_DIGITS = 154  # of 512 bits, with which Terraform counts
_MATH = Context(prec=_DIGITS)
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d{1,4})?")

Value = object
"""None, bool, int, Decimal (a number that is not whole), str, list, Set, dict with str as keys, or Unknown."""


@dataclass(frozen=True)
class Unknown:
    """A value that is not known here: `subject` `reason`; `remedy`. `failed` if Terraform itself would stop at it."""

    subject: str
    reason: str
    remedy: str = ""
    failed: bool = False

    @property
    def told(self) -> str:
        return f"{self.subject} {self.reason}" if self.subject else self.reason


class NotKnown(Exception):
    """A value is needed that is not known."""

    def __init__(self, unknown: Unknown) -> None:
        self.unknown = unknown


class Set(list[Value]):
    """A set in Terraform's order: texts and numbers sorted, each once."""


def failure(reason: str, remedy: str = "correct it") -> NotKnown:
    """Terraform would stop here."""
    return NotKnown(Unknown("", reason, remedy, failed=True))


def known(value: Value) -> Value:
    if isinstance(value, Unknown):
        raise NotKnown(value)
    return value


def all_known(value: Value) -> Value:
    """The value, if nothing inside it is unknown. Raises NotKnown."""
    known(value)
    for inside in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        all_known(inside)
    return value


def weight(value: Value) -> int:
    """How many values there are in a value. Raises NotKnown beyond MOST_ITEMS."""
    count, todo = 0, [value]
    while todo:
        one = todo.pop()
        count += 1
        if count > MOST_ITEMS:
            raise failure(f"has more than {MOST_ITEMS:,} elements", "write fewer")
        if isinstance(one, dict):
            todo += one.values()
        elif isinstance(one, list):
            todo += one
    return count


def checked_text(text: str) -> str:
    if len(text) > MOST_TEXT:
        raise failure(f"is longer than {MOST_TEXT:,} characters", "write less")
    return text


def whole_or_decimal(value: Decimal) -> int | Decimal:
    """A number as a value has it."""
    if not value.is_finite() or value.adjusted() > _DIGITS:
        raise failure("is too large a number", "write a smaller one")
    return int(value) if value == value.to_integral_value() else value


def arithmetic(operator: str, one: int | Decimal, other: int | Decimal) -> int | Decimal:
    a, b = Decimal(one), Decimal(other)
    try:
        match operator:
            case "+":
                found = _MATH.add(a, b)
            case "-":
                found = _MATH.subtract(a, b)
            case "*":
                found = _MATH.multiply(a, b)
            case "/":
                found = _MATH.divide(a, b)
            case "%":
                found = _MATH.remainder(a, b)  # with the sign of the first, as in Terraform
            case _:
                found = _MATH.power(a, b)
    except DecimalException:
        raise failure("divides by zero, or is too large a number", "write other numbers") from None
    return whole_or_decimal(found)


def number(value: Value) -> int | Decimal:
    """A number, also one that is written as text. Raises NotKnown."""
    known(value)
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return whole_or_decimal(_MATH.create_decimal(value))
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise failure(f"needs a number, got {kind(value)}", "write a number")
    return value


def whole(value: Value) -> int:
    found = number(value)
    if not isinstance(found, int):
        raise failure(f"needs a whole number, got {as_text(found)}", "write a whole number")
    return found


def truth(value: Value) -> bool:
    known(value)
    if isinstance(value, str) and value in ("true", "false", "1", "0"):
        return value in ("true", "1")
    if not isinstance(value, bool):
        raise failure(f"needs true or false, got {kind(value)}", "write one of the two")
    return value


def text(value: Value) -> str:
    found = as_text(known(value))
    if found is None:
        raise failure(f"needs text, got {kind(value)}", "write text")
    return found


def as_text(value: Value) -> str | None:
    """Text, numbers and truth values as Terraform writes them into text; None of anything else."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return f"{_MATH.normalize(value):f}"
    return str(value) if isinstance(value, int) else value if isinstance(value, str) else None


def items(value: Value) -> list[Value]:
    """The elements of a list or set."""
    known(value)
    if not isinstance(value, list):
        raise failure(f"needs a list, got {kind(value)}", "write a list")
    return value


def mapping(value: Value) -> dict[str, Value]:
    known(value)
    if not isinstance(value, dict):
        raise failure(f"needs a map, got {kind(value)}", "write a map")
    return value


def pairs(value: Value) -> list[tuple[Value, Value]]:
    """(key, value) of a collection as `for` goes over it: maps by their keys."""
    known(value)
    if isinstance(value, dict):
        return [(key, value[key]) for key in sorted(value)]
    if isinstance(value, Set):
        return [(one, one) for one in value]
    if isinstance(value, list):
        return list(enumerate(value))
    raise failure(f"needs a list or a map, got {kind(value)}", "write one of the two")


def to_set(value: Value) -> Set:
    found: list[Value] = []
    elements = [all_known(one) for one in items(value)]
    plain = all(isinstance(one, str | bool | int | Decimal) for one in elements)
    if plain and any(isinstance(one, str) for one in elements):
        return Set(sorted({text(one) for one in elements}))
    if plain and not any(isinstance(one, bool) for one in elements):
        return Set(sorted({number(one) for one in elements}))
    for one in elements:
        if not any(same(one, other) for other in found):
            found.append(one)
            if len(found) > 1000:  # each is compared with all others
                raise failure("has more than 1,000 different elements", "write fewer")
    return Set(found)


def same(one: Value, other: Value) -> bool:
    """Whether two values are equal to Terraform, which tells 1 from "1" and from true."""
    known(one)
    known(other)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    return kind(one) == kind(other) and one == other


def kind(value: Value) -> str:
    """A value's kind, for a sentence."""
    kinds: Mapping[type, str] = {
        type(None): "null", bool: "a truth value", int: "a number", Decimal: "a number", str: "text",
        dict: "a map", Set: "a set", list: "a list",
    }  # fmt: skip
    return kinds.get(type(value), "something unknown")
