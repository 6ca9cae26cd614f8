"""A YAML document with its lines: each value knows where it stands and says what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from os.path import normpath
from pathlib import Path
from typing import TypeVar

import yaml

from simkit.clock import Zone, parse_duration, parse_instant, unknown_zone, zone
from simkit.errors import Findings, Where, did_you_mean
from simkit.files import OUTSIDE, is_outside
from simkit.inputs.keys import Keys
from simkit.inputs.text import NO_TEXT, read_text

_T = TypeVar("_T")

MOST_BYTES = 2_000_000
"""Of a YAML file. A thousand presets with their schedules are 400,000; YAML takes a second for a million."""
_MOST_NODES = 100_000
"""Values of a document, those behind an alias as often as it stands there: 27 lists of two aliases each are 10^8. A
thousand presets with their schedules have 40,000."""
_MOST_ITEMS = 10_000
"""Of a list: events, durations that were observed, people."""
_MOST_DEEP = 50
"""Levels. Nothing that is read here has ten, but for the values of variables."""
_MOST_WHOLE = 2**31 - 1
"""What a whole number has room for in Coder's database."""
_MOST_NUMBER = 1e9
"""Of what is a price or a rate: sums of them over a window are still exact."""
_TOLD_BY_PYTHON = 100_000
"""Characters up to which what is no YAML is read again by the slow parser, whose words are better."""
_SHOWN_UNKNOWN = 100
"""Keys that are not known, of one mapping, and errors of a file behind which none is suggested for them: who has more
gave another file."""
_FEW = 5
_STAR = re.compile(r"""(?P<before>[:\[{,]\s*|^\s*-\s+)(?P<cron>\*[^"'\]},#]*)""")


@dataclass(frozen=True)
class Value:
    """One value of a document. Its readers return None where it is not what they read, and say so in `findings`."""

    node: yaml.Node
    path: str
    name: str
    """As a reader finds it, such as `coder.version`."""
    findings: Findings

    @property
    def where(self) -> Where:
        mark = self.node.start_mark
        return Where(self.path, mark.line + 1) if mark.line >= 0 else Where(mark.name)

    def put(self, name: str, text: str, given: str) -> None:
        """Change what a reader finds as `name`, such as `coder.version` or `events[0].at`, to `text`, or add it.

        `given`: where that was given, for what readers have to say of it. A key may have dots where it is there
        already. Raises ValueError for a place that cannot be.
        """
        node, rest = self.node, name
        while True:
            if not isinstance(node, yaml.MappingNode):
                raise ValueError(f"{name}: there is no such place")
            keys = [key.value for key, _ in node.value if re.match(rf"{re.escape(str(key.value))}(?=[.\[]|$)", rest)]
            key = max(keys, key=len, default=re.split(r"[.\[]", rest)[0])
            rest = rest[len(key) :]
            indices = re.match(r"(?:\[\d+\])*", rest)
            assert indices is not None, "there may be none"
            rest = rest[indices.end() :].removeprefix(".")
            at = next((i for i, (known, _) in enumerate(node.value) if known.value == key), len(node.value))
            if at == len(node.value):
                node.value.append((_node(key, given), _node("", given)))
            holder, place, below = node.value, at, node.value[at][1]
            for index in re.findall(r"\d+", indices[0]):
                if not isinstance(below, yaml.SequenceNode) or int(index) >= len(below.value):
                    raise ValueError(f"{name}: there is no entry [{index}]; they count from 0")
                holder, place, below = below.value, int(index), below.value[int(index)]
            if not rest or not isinstance(below, yaml.MappingNode):
                below = _node(text, given) if not rest else yaml.MappingNode(_MAPPING, [], *_marks(given))
                holder[place] = (holder[place][0], below) if holder is node.value else below
            if not rest:
                return
            node = below

    def error(self, text: str) -> None:
        self.findings.error(self.where, f"{self.name}: {text}" if self.name else text)

    def scalar(self) -> str | None:
        """The text of a single value, quoted or not."""
        if isinstance(self.node, yaml.ScalarNode) and self.node.tag != "tag:yaml.org,2002:null":
            return str(self.node.value)
        self.error(f"expected a single value, got {self._seen()}")
        return None

    def file(self, folder: Path, is_trusted: bool = True) -> Path | None:
        """The path of a file, which need not be there, as one in `folder` writes it.

        What is not trusted to name any file of the machine names one of its own repository.
        """
        text = self.scalar()
        if text is None:
            return None
        path = Path(normpath(folder / text))
        if not is_trusted and is_outside(path, folder):
            self.error(f"{path} {OUTSIDE}")
            return None
        return path

    def read(self, convert: Callable[[str], _T]) -> _T | None:
        """A single value through `convert`, whose ValueError is what is wrong with it."""
        text = self.scalar()
        if text is None:
            return None
        try:
            return convert(text)
        except ValueError as error:
            self.error(str(error))
            return None

    def duration(self) -> int | None:
        """Microseconds."""
        return self.read(parse_duration)

    def instant(self, in_zone: Zone) -> int | None:
        """Microseconds since the epoch; wall-clock time without an offset is read in `in_zone`."""
        return self.read(lambda text: parse_instant(text, in_zone))

    def zone(self) -> Zone | None:
        return self.read(_known_zone)

    def whole(self, lowest: int = 0) -> int | None:
        return self.read(lambda text: _bounded(_whole(text), lowest, _MOST_WHOLE))

    def number(self, lowest: float = 0, highest: float = _MOST_NUMBER) -> float | None:
        return self.read(lambda text: _bounded(_number(text), lowest, highest))

    def choice(self, choices: Iterable[str]) -> str | None:
        return self.read(lambda text: _one_of(text, tuple(choices)))

    def plain(self) -> object:
        """A single value as YAML reads it: text where it is quoted, else maybe a number, a boolean or None."""
        if not isinstance(self.node, yaml.ScalarNode):
            return self.scalar()
        tag = self.node.tag.removeprefix("tag:yaml.org,2002:")
        if tag in ("int", "float", "bool", "null"):
            return yaml.SafeLoader("").construct_object(self.node)
        return str(self.node.value)

    def items(self) -> list[Value]:
        if not isinstance(self.node, yaml.SequenceNode):
            self.error(f"expected a list, got {self._seen()}")
            return []
        if (count := len(self.node.value)) > _MOST_ITEMS:
            self.error(f"has {count:,} entries, and {_MOST_ITEMS:,} at most are read; write fewer")
            return []
        return [Value(node, self.path, f"{self.name}[{i}]", self.findings) for i, node in enumerate(self.node.value)]

    def entries(self) -> dict[str, Value]:
        """A mapping's values by key, whatever the keys are."""
        if not isinstance(self.node, yaml.MappingNode):
            self.error(f'expected a mapping ("key: value" lines), got {self._seen()}')
            return {}
        found: dict[str, Value] = {}
        for key_node, node in self.node.value:
            key = str(key_node.value)
            name = f"{self.name}.{key}" if self.name else key
            value = Value(node, self.path, name, self.findings)
            at = Where(self.path, key_node.start_mark.line + 1)
            if key in found:
                self.findings.error(at, f"{name}: given twice, first in line {found[key].where.line}; keep one of them")
            else:
                found[key] = value
        return found

    def mapping(self, keys: Keys | Iterable[str]) -> Mapping[str, Value]:
        """A mapping's values by key. Keys that are not known, and required ones that are missing, are errors."""
        required = keys.required if isinstance(keys, Keys) else ()
        known, found = tuple(keys), self.entries()
        for key, value in [item for item in found.items() if item[0] not in known][:_SHOWN_UNKNOWN]:
            is_told = len(self.findings.errors) < _SHOWN_UNKNOWN  # a suggestion takes a while
            value.error(f"unknown key; {did_you_mean(key, known) if is_told else 'leave it out'}")
        if isinstance(self.node, yaml.MappingNode):
            for key in required:
                if key not in found:
                    self.error(f'"{key}" is missing' if self.name else f'"{key}" is missing at the top level')
        return {key: value for key, value in found.items() if key in known}

    @property
    def is_mapping(self) -> bool:
        return isinstance(self.node, yaml.MappingNode)

    @property
    def is_list(self) -> bool:
        return isinstance(self.node, yaml.SequenceNode)

    def _seen(self) -> str:
        if self.is_mapping:
            return "a mapping"
        if self.is_list:
            return "a list"
        return f'"{self.node.value}"' if self.node.value else "nothing"


_MAPPING = "tag:yaml.org,2002:map"


def _marks(given: str) -> tuple[yaml.Mark, yaml.Mark]:
    """Of what stands in no line of the document."""
    mark = yaml.Mark(given, 0, -1, 0, None, 0)
    return mark, mark


def _node(text: str, given: str) -> yaml.ScalarNode:
    """A value as it is where it stands in a document without quotes."""
    tag = yaml.SafeLoader("").resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
    return yaml.ScalarNode(tag, text, *_marks(given))


def read_document(path: Path, findings: Findings) -> Value | None:
    """The document in a YAML file; None, with a finding, if there is none."""
    text = read_text(path, findings, most=MOST_BYTES)
    return None if text is None else read_yaml(text, str(path), findings)


def read_yaml(text: str, shown: str, findings: Findings) -> Value | None:
    """The document that a text is; None, with a finding, if it is none. `shown`: where the text is from."""
    try:
        node = _composed(text)
    except yaml.YAMLError as error:
        findings.error(*_syntax(error, shown, text.splitlines()))
        return None
    except RecursionError:
        findings.error(Where(shown), f"is nested deeper than {_MOST_DEEP} levels; write less")
        return None
    if node is None:
        findings.error(Where(shown), "is empty")
        return None
    before = len(findings.errors)
    _check(node, shown, findings)
    return Value(node, shown, "", findings) if len(findings.errors) == before else None


def _composed(text: str) -> yaml.Node | None:
    fast = getattr(yaml, "CSafeLoader", None)
    if fast is not None:
        try:
            return yaml.compose(text, Loader=fast)
        except (yaml.YAMLError, UnicodeEncodeError):
            if len(text) > _TOLD_BY_PYTHON:
                raise
    return yaml.compose(text, Loader=yaml.SafeLoader)


def _check(top: yaml.Node, shown: str, findings: Findings) -> None:
    """An error for what no reader could go through, or is no value at all."""
    todo, seen = [(top, 0)], 0
    wrong: dict[int, None] = {}
    while todo:
        node, depth = todo.pop()
        seen += 1
        where = Where(shown, node.start_mark.line + 1)
        if depth > _MOST_DEEP or seen > _MOST_NODES:
            many = f"{_MOST_NODES:,} values, those of aliases counted wherever they stand"
            said = f"is nested deeper than {_MOST_DEEP} levels" if depth > _MOST_DEEP else f"has more than {many}"
            findings.error(where, f"{said}; write less")
            return
        if isinstance(node, yaml.MappingNode):
            todo += [(one, depth + 1) for pair in node.value for one in pair]
        elif isinstance(node, yaml.SequenceNode):
            todo += [(one, depth + 1) for one in node.value]
        elif id(node) not in wrong and (said := _no_value(node)):
            wrong[id(node)] = None
            findings.error(where, said)


def _no_value(node: yaml.Node) -> str:
    """What is wrong with a single value that has no meaning; "" if it has one."""
    text = str(node.value)
    if NO_TEXT.search(text):
        return "has a zero byte or half of a surrogate pair in a text; leave it out"
    tag = node.tag.removeprefix("tag:yaml.org,2002:")
    if tag in _PLAIN:
        try:
            yaml.SafeLoader("").construct_object(node)
        except (ValueError, LookupError):  # of `!!int x`, and of 0x_, which looks like a number to YAML
            return f'"{text}" is no {_PLAIN[tag]}; write one, or text in quotes'
    return ""


_PLAIN = {"int": "whole number", "float": "number", "bool": "truth value"}


def _syntax(error: yaml.YAMLError, shown: str, lines: list[str]) -> tuple[Where, str]:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:
        return Where(shown), f"is not YAML: {error}"
    where = Where(shown, mark.line + 1)
    star = _STAR.search(lines[mark.line]) if mark.line < len(lines) else None
    if star:
        cron = star["cron"].strip()
        return where, f'a value that begins with * needs quotes in YAML; write "{cron}" in place of {cron}'
    said = ", ".join(part for part in (getattr(error, "context", ""), getattr(error, "problem", "")) if part)
    return where, f"is not YAML: {said}"


def _one_of(text: str, choices: tuple[str, ...]) -> str:
    if text in choices:
        return text
    few = len(choices) <= _FEW
    instead = f"there are {', '.join(choices)}" if few else did_you_mean(text, choices)
    raise ValueError(f'"{text}" is unknown; {instead}')


def _known_zone(text: str) -> Zone:
    found = zone(text)
    if found is None or not text:
        raise ValueError(unknown_zone(text))
    return found


def _whole(text: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]+", text.strip()):
        raise ValueError(f'"{text}" is not a whole number')
    return int(text.strip()[:_DIGITS])  # cut off, one that is too large still is


_DIGITS = 100
"""Of a whole number that are looked at; Python itself reads no more than 4,300."""


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f'"{text}" is not a number') from None
    if value != value or value in (float("inf"), float("-inf")):
        raise ValueError(f'"{text}" is not a finite number')
    return value


def _bounded(value: _T, lowest: float, highest: float) -> _T:
    assert isinstance(value, int | float)
    if not lowest <= value <= highest:
        is_open = value < lowest and highest >= _MOST_NUMBER
        allowed = f"{lowest:g} or more" if is_open else f"from {lowest:g} to {_in_digits(highest)}"
        raise ValueError(f"{_in_digits(value)} is out of range; write a number {allowed}")
    return value


def _in_digits(value: float) -> str:
    return f"{value:g}" if abs(value) < 1e6 or abs(value) > 1e15 else f"{value:,.0f}"
