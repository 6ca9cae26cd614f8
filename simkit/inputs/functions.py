"""Terraform's functions over values that are known: those whose answer depends on nothing but what they are given.

Each raises NotKnown where Terraform would stop, where an element that it needs is not known, and where the answer would
be larger than a template needs. None runs anything; the few that read files are in `files`.
"""

from __future__ import annotations

import base64
import binascii
import csv
import hashlib
import io
import json
import math
import posixpath
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from itertools import product
from re import _parser
from typing import Any
from urllib.parse import quote_plus

import yaml

from simkit.inputs.dates import formatdate
from simkit.inputs.networks import cidrhost, cidrnetmask, cidrsubnet, cidrsubnets
from simkit.inputs.values import (
    MOST_ITEMS,
    Set,
    Unknown,
    Value,
    all_known,
    arithmetic,
    as_text,
    checked_text,
    failure,
    items,
    kind,
    known,
    mapping,
    number,
    same,
    text,
    to_set,
    truth,
    whole,
    whole_or_decimal,
)

AT_RUN_TIME = {"timestamp", "plantimestamp", "uuid", "bcrypt"}
"""Functions whose answer differs each time."""
ELSEWHERE = {
    "rsadecrypt", "templatestring", "textdecodebase64", "textencodebase64", "timeadd", "timecmp", "base64gzip",
    "ephemeralasnull", "issensitive", "type", "filebase64sha256", "filebase64sha512", "filemd5", "filesha1",
    "filesha256", "filesha512", "filebase64", "abspath", "pathexpand",
}  # fmt: skip
"""Functions of Terraform's that are not worked out here."""
_MOST_MATCHING = 30_000_000  # steps of a regular expression's search


def _first(values: Iterable[Value], is_empty: Callable[[Value], bool], what: str) -> Value:
    for value in values:
        if not is_empty(known(value)):
            return value
    raise failure(f"has no {what} among its arguments", "write one")


def _spread(arguments: tuple[Value, ...]) -> list[Value]:
    """min(1, 2) or sum([1, 2])."""
    return list(arguments)


def _extreme(choose: Callable[..., Any]) -> Callable[..., Value]:
    def found(*arguments: Value) -> Value:
        if not arguments:
            raise failure("needs a number", "write one")
        return choose(number(one) for one in arguments)

    return found


def _rounded(how: Callable[[Decimal], int]) -> Callable[[Value], Value]:
    return lambda value: how(Decimal(number(value)))


def _log(value: Value, base: Value) -> Value:
    try:
        return whole_or_decimal(Decimal(repr(math.log(number(value), number(base)))))
    except (ValueError, ZeroDivisionError, OverflowError):
        raise failure("has no logarithm", "write positive numbers") from None


def _parseint(value: Value, base: Value) -> Value:
    try:
        return whole_or_decimal(Decimal(int(text(value), whole(base))))
    except ValueError:
        raise failure(f'cannot read "{text(value)[:40]}" as a number', "correct it") from None


def _lookup(of: Value, key: Value, *default: Value) -> Value:
    found = mapping(of)
    if text(key) in found:
        return found[text(key)]
    if default:
        return default[0]
    raise failure(f'there is no "{text(key)}" in it', "write one that is there")


def _element(of: Value, index: Value) -> Value:
    found = items(of)
    if not found:
        raise failure("takes an element of an empty list", "write some")
    return found[whole(index) % len(found)]


def _flat(value: Value) -> list[Value]:
    found: list[Value] = []
    for one in items(value):
        known(one)
        found += _flat(one) if isinstance(one, list) else [one]
        _few(len(found))
    return found


def _few(count: int) -> None:
    if count > MOST_ITEMS:
        raise failure(f"has more than {MOST_ITEMS:,} elements", "write fewer")


def _distinct(of: Value) -> list[Value]:
    found: list[Value] = []
    for one in items(of):
        if not any(same(one, other) for other in found):
            found.append(one)
            if len(found) > 1000:  # each is compared with all others
                raise failure("has more than 1,000 different elements", "write fewer")
    return found


def _contains(of: Value, wanted: Value) -> bool:
    return any(same(one, wanted) for one in items(of))


def _index(of: Value, wanted: Value) -> Value:
    for i, one in enumerate(items(of)):
        if same(one, wanted):
            return i
    raise failure("is not in the list", "write one that is there")


def _length(of: Value) -> int:
    known(of)
    if isinstance(of, str | list | dict):
        return len(of)
    raise failure(f"needs a list, a map or text, got {kind(of)}", "write one of these")


def _merge(*maps: Value) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for one in maps:
        if known(one) is not None:
            found.update(mapping(one))
    return found


def _range(*arguments: Value) -> list[Value]:
    numbers = [number(one) for one in arguments]
    if not 1 <= len(numbers) <= 3:
        raise failure("range takes one to three numbers", "correct it")
    start, limit = (0, numbers[0]) if len(numbers) == 1 else (numbers[0], numbers[1])
    step = numbers[2] if len(numbers) == 3 else 1 if limit >= start else -1
    if step == 0:
        raise failure("range has a step of 0", "write another")
    found: list[Value] = []
    while (start < limit) if step > 0 else (start > limit):
        found.append(start)
        if len(found) > 1024:
            raise failure("range has more than 1,024 numbers, which Terraform refuses", "write fewer")
        start = arithmetic("+", start, step)
    return found


def _slice(of: Value, start: Value, end: Value) -> list[Value]:
    found, a, b = items(of), whole(start), whole(end)
    if not 0 <= a <= b <= len(found):
        raise failure(f"slice goes from {a} to {b} of {len(found)} elements", "write others")
    return found[a:b]


def _substr(of: Value, offset: Value, length: Value) -> str:
    found, a, n = text(of), whole(offset), whole(length)
    a = max(a + len(found), 0) if a < 0 else a
    return found[a:] if n < 0 else found[a : a + n]


def _split(separator: Value, of: Value) -> list[Value]:
    by, whole_text = text(separator), text(of)
    found: list[Value] = [*whole_text] if by == "" else [*whole_text.split(by)]
    _few(len(found))
    return found


def _join(separator: Value, *lists: Value) -> str:
    parts = [text(one) for of in lists for one in items(of)]
    if sum(map(len, parts)) + len(parts) * len(text(separator)) > 1_000_000:
        raise failure("is longer than 1,000,000 characters", "write less")
    return text(separator).join(parts)


_GROUP = re.compile(r"\$(?:\$|\{(\w+)\}|(\w+))", re.ASCII)


def _group(match: re.Match[str], named: re.Match[str]) -> str:
    """What Go puts for $1, ${1}, $name or $$: nothing for a group that is not there."""
    name = named[1] or named[2]
    if name is None:
        return "$"
    wanted = int(name) if name.isdecimal() else name
    known = wanted <= match.re.groups if isinstance(wanted, int) else wanted in match.re.groupindex
    return (match[wanted] or "") if known else ""


def _replace(of: Value, what: Value, by: Value) -> str:
    found, old, new = text(of), text(what), text(by)
    if len(old) > 1 and old.startswith("/") and old.endswith("/"):
        expression = _regular(old[1:-1], found)
        if len(list(expression.finditer(found))) * max(len(new), 1) > 1_000_000:
            raise failure("is longer than 1,000,000 characters", "write less")
        return expression.sub(lambda match: _GROUP.sub(lambda named: _group(match, named), new), found)
    if (found.count(old) if old else len(found) + 1) * max(len(new), 1) > 1_000_000:
        raise failure("is longer than 1,000,000 characters", "write less")
    return found.replace(old, new)


def _regex(pattern: Value, of: Value) -> Value:
    match = _regular(text(pattern), text(of)).search(text(of))
    if match is None:
        raise failure("matches nothing", "correct it")
    return _matched(match)


def _regexall(pattern: Value, of: Value) -> list[Value]:
    return [_matched(match) for match in _regular(text(pattern), text(of)).finditer(text(of))]


def _matched(match: re.Match[str]) -> Value:
    if match.re.groupindex:
        return {**match.groupdict()}
    return [*match.groups()] if match.re.groups else match[0]


def _regular(pattern: str, of: str) -> re.Pattern[str]:
    """The expression, if it means the same to Python and ends soon: Python goes back where Terraform's RE2 does not."""
    told = NotImplementedError
    try:
        if re.search(r"\\[pPQEzC]|\[\[:|\(\?[^:P]", pattern):
            raise told
        repeats = _repeats(_parser.parse(pattern), inside=False)
        if (len(of) + 1) ** (repeats + 1) > _MOST_MATCHING:
            raise told
        return re.compile(pattern)
    except (told, re.error, RecursionError, OverflowError):
        raise _elsewhere("this regular expression is not worked out here") from None


def _repeats(parsed: Any, inside: bool) -> int:
    """How many repetitions an expression has; NotImplementedError for one in another, or of alternatives."""
    count = 0
    for name, argument in parsed:
        what = str(name)
        if what in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            low, high, repeated = argument
            if inside:
                raise NotImplementedError
            once = high == 1 and low <= 1
            count += (0 if once else 1) + _repeats(repeated, inside=not once)
        elif what == "SUBPATTERN":
            count += _repeats(argument[-1], inside)
        elif what == "BRANCH":
            if inside:
                raise NotImplementedError
            count += sum(_repeats(branch, inside) for branch in argument[1])
        elif what not in ("LITERAL", "NOT_LITERAL", "ANY", "IN", "AT"):
            raise NotImplementedError
    return count


def _elsewhere(reason: str) -> Exception:
    from simkit.inputs.values import NotKnown

    return NotKnown(Unknown("", reason))


_FORMAT = re.compile(r"%([-+ 0#]*)(\d*)(?:\.(\d+))?(?:\[(\d+)\])?([a-zA-Z%])")


def _format(pattern: Value, *arguments: Value) -> str:
    position = 0

    def one(match: re.Match[str]) -> str:
        nonlocal position
        flags, width, precision, index, verb = match.groups()
        if verb == "%":
            return "%"
        position = int(index) if index else position + 1
        if not 1 <= position <= len(arguments):
            raise failure(f"format has no argument for {match[0]}", "write one")
        if max(int(width or 0), int(precision or 0)) > 10_000:
            raise failure("format has too wide a field", "write a smaller one")
        return _verb(flags, width, precision, verb, arguments[position - 1])

    return checked_text(_FORMAT.sub(one, text(pattern)))


def _verb(flags: str, width: str, precision: str | None, verb: str, value: Value) -> str:
    spec = f"%{flags}{width}{'' if precision is None else '.' + precision}"
    match verb:
        case "s":
            return (spec + "s") % (text(value) if as_text(known(value)) is not None else _jsonencode(value))
        case "v":
            shown = "null" if known(value) is None else as_text(value)
            return (spec + "s") % (_jsonencode(value) if shown is None else shown)
        case "q":
            return (spec.split(".")[0] + "s") % _jsonencode(text(value))
        case "d":
            return (spec + "d") % whole(value)
        case "x" | "X" | "o":
            return (spec + verb) % whole(value)
        case "b":
            return f"{whole(value):{'0' if '0' in flags else ''}{width}b}"
        case "f" | "e" | "E" | "g" | "G":
            return (spec + verb) % float(number(value))
        case "t":
            return (spec + "s") % ("true" if truth(value) else "false")
    raise failure(f"format knows no %{verb}", "write another")


def _formatlist(pattern: Value, *arguments: Value) -> list[Value]:
    lengths = {len(one) for one in map(known, arguments) if isinstance(one, list)}
    if len(lengths) > 1:
        raise failure("formatlist has lists of different lengths", "write them alike")
    count = lengths.pop() if lengths else 1
    return [_format(pattern, *(one[i] if isinstance(one, list) else one for one in arguments)) for i in range(count)]


def _jsonencode(value: Value) -> str:
    shown = json.dumps(_plain(all_known(value)), ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return checked_text(shown.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def _plain(value: Value) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list) else value


def of_json(value: Any) -> Value:
    """What JSON or YAML has, as a value."""
    if isinstance(value, float):
        return whole_or_decimal(Decimal(repr(value)))
    if isinstance(value, dict):
        return {str(key): of_json(one) for key, one in value.items()}
    if isinstance(value, list):
        return [of_json(one) for one in value]
    return value if value is None or isinstance(value, str | int | Decimal) else str(value)


def _jsondecode(of: Value) -> Value:
    try:
        return of_json(json.loads(text(of)))
    except (ValueError, RecursionError):
        raise failure("jsondecode is given what is no JSON", "correct it") from None


class _Yaml(yaml.SafeLoader):
    """Without aliases, which make much out of little, and dates, which are text to Terraform."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError
        return super().compose_node(parent, index)


_Yaml.yaml_implicit_resolvers = {
    key: [(tag, pattern) for tag, pattern in found if tag != "tag:yaml.org,2002:timestamp"]
    for key, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _yamldecode(of: Value) -> Value:
    try:
        return of_json(yaml.load(text(of), Loader=_Yaml))
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError, RecursionError):
        # A tag on what it does not fit (`!!bool x`) ends in any of these.
        raise failure("yamldecode is given what cannot be read as YAML", "correct it") from None


class _YamlOut(yaml.SafeDumper):
    """Terraform's way: text in double quotes, or in lines if it has some; keys in order, no aliases, no wrapping."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_YamlOut.add_representer(
    str, lambda to, of: to.represent_scalar("tag:yaml.org,2002:str", of, style="|" if "\n" in of else '"')
)
_YamlOut.add_representer(Decimal, lambda to, of: to.represent_scalar("tag:yaml.org,2002:float", format(of, "f")))


def _yamlencode(of: Value) -> str:
    plain = _whole(all_known(of))
    return checked_text(yaml.dump(plain, Dumper=_YamlOut, allow_unicode=True, width=math.inf, sort_keys=True))


def _whole(value: Value) -> Any:
    """Lists and maps of their own kinds: YAML says what a Set is, too."""
    if isinstance(value, dict):
        return {key: _whole(one) for key, one in value.items()}
    return [_whole(one) for one in value] if isinstance(value, list) else value


def _csvdecode(of: Value) -> list[Value]:
    try:
        rows: list[Value] = [
            {str(key): one for key, one in row.items()} for row in csv.DictReader(io.StringIO(text(of)))
        ]
    except csv.Error:
        raise failure("csvdecode is given what is no CSV", "correct it") from None
    _few(len(rows))
    return rows


def _decoded(of: Value) -> str:
    try:
        return base64.b64decode(text(of), validate=True).decode()
    except (binascii.Error, ValueError):
        raise failure("base64decode is given what is no base64 of text", "correct it") from None


def _hashed(name: str) -> Callable[[Value], str]:
    return lambda of: hashlib.new(name, text(of).encode(), usedforsecurity=False).hexdigest()


def _setproduct(*sets: Value) -> list[Value]:
    parts = [items(one) for one in sets]
    _few(math.prod(map(len, parts)) * max(len(parts), 1))
    return [list(one) for one in product(*parts)]


def _zipmap(keys: Value, values: Value) -> dict[str, Value]:
    names, worth = items(keys), items(values)
    if len(names) != len(worth):
        raise failure("zipmap has lists of different lengths", "write them alike")
    return {text(name): one for name, one in zip(names, worth, strict=True)}


def _sets(how: Callable[[set[Any], set[Any]], set[Any]]) -> Callable[..., Set]:
    def found(first: Value, *others: Value) -> Set:
        texts = [{text(one) for one in items(of)} for of in (first, *others)]
        result = texts[0]
        for other in texts[1:]:
            result = how(result, other)
        return Set(sorted(result))

    return found


def _transpose(of: Value) -> dict[str, Value]:
    found: dict[str, list[Value]] = {}
    for key in sorted(mapping(of)):
        for one in items(mapping(of)[key]):
            found.setdefault(text(one), []).append(key)
    return {**found}


def _chunks(of: Value, size: Value) -> list[Value]:
    found, n = items(of), whole(size)
    if n < 1:
        raise failure("chunklist needs a size of at least 1", "write another")
    return [found[i : i + n] for i in range(0, len(found), n)]


def _matchkeys(values: Value, keys: Value, wanted: Value) -> list[Value]:
    return [
        a for a, key in zip(items(values), items(keys), strict=False) if any(same(key, one) for one in items(wanted))
    ]


def _one(of: Value) -> Value:
    found = items(of)
    if len(found) > 1:
        raise failure(f"one() is given {len(found)} elements", "write one")
    return found[0] if found else None


def _indent(spaces: Value, of: Value) -> str:
    found = text(of)
    if whole(spaces) * (found.count("\n") + 1) > 1_000_000:
        raise failure("is longer than 1,000,000 characters", "write less")
    return found.replace("\n", "\n" + " " * whole(spaces))


def _sum(of: Value) -> Value:
    total: int | Decimal = 0
    for one in items(of):
        total = arithmetic("+", total, number(one))
    return total


def _plain_map(of: Value) -> dict[str, Value]:
    return {**mapping(of)}


def _null_or(convert: Callable[[Value], Value]) -> Callable[[Value], Value]:
    return lambda of: None if known(of) is None else convert(of)


def _uuidv5(space: Value, name: Value) -> str:
    spaces = {
        "dns": uuid.NAMESPACE_DNS,
        "url": uuid.NAMESPACE_URL,
        "oid": uuid.NAMESPACE_OID,
        "x500": uuid.NAMESPACE_X500,
    }
    try:
        return str(uuid.uuid5(spaces.get(text(space)) or uuid.UUID(text(space)), text(name)))
    except ValueError:
        raise failure("uuidv5 is given no namespace", "correct it") from None


FUNCTIONS: Mapping[str, Callable[..., Value]] = {
    "abs": lambda of: abs(number(of)),
    "alltrue": lambda of: all(truth(one) for one in items(of)),
    "anytrue": lambda of: any(truth(one) for one in items(of)),
    "base64decode": _decoded,
    "base64encode": lambda of: base64.b64encode(text(of).encode()).decode(),
    "base64sha256": lambda of: base64.b64encode(hashlib.sha256(text(of).encode()).digest()).decode(),
    "base64sha512": lambda of: base64.b64encode(hashlib.sha512(text(of).encode()).digest()).decode(),
    "basename": lambda of: posixpath.basename(text(of).rstrip("/")),
    "ceil": _rounded(math.ceil),
    "chomp": lambda of: text(of).rstrip("\r\n"),
    "chunklist": _chunks,
    "cidrhost": cidrhost,
    "cidrnetmask": cidrnetmask,
    "cidrsubnet": cidrsubnet,
    "cidrsubnets": cidrsubnets,
    "coalesce": lambda *of: _first(of, lambda one: one is None or one == "", "value"),
    "coalescelist": lambda *of: _first(of, lambda one: not one, "list with elements"),
    "compact": lambda of: [one for one in items(of) if known(one) is not None and text(one) != ""],
    "concat": lambda *of: [one for part in of for one in items(part)],
    "contains": _contains,
    "csvdecode": _csvdecode,
    "dirname": lambda of: posixpath.dirname(text(of)) or ".",
    "distinct": _distinct,
    "element": _element,
    "endswith": lambda of, end: text(of).endswith(text(end)),
    "flatten": _flat,
    "floor": _rounded(math.floor),
    "format": _format,
    "formatdate": formatdate,
    "formatlist": _formatlist,
    "indent": _indent,
    "index": _index,
    "join": _join,
    "jsondecode": _jsondecode,
    "jsonencode": _jsonencode,
    "keys": lambda of: [*sorted(mapping(of))],
    "length": _length,
    "log": _log,
    "lookup": _lookup,
    "lower": lambda of: text(of).lower(),
    "matchkeys": _matchkeys,
    "max": _extreme(max),
    "md5": _hashed("md5"),
    "merge": _merge,
    "min": _extreme(min),
    "nonsensitive": lambda of: of,
    "one": _one,
    "parseint": _parseint,
    "pow": lambda of, by: arithmetic("^", number(of), number(by)),
    "range": _range,
    "regex": _regex,
    "regexall": _regexall,
    "replace": _replace,
    "reverse": lambda of: items(of)[::-1],
    "sensitive": lambda of: of,
    "setintersection": _sets(set.intersection),
    "setproduct": _setproduct,
    "setsubtract": _sets(set.difference),
    "setunion": _sets(set.union),
    "sha1": _hashed("sha1"),
    "sha256": _hashed("sha256"),
    "sha512": _hashed("sha512"),
    "signum": lambda of: (number(of) > 0) - (number(of) < 0),
    "slice": _slice,
    "sort": lambda of: [*sorted(text(one) for one in items(of))],
    "split": _split,
    "startswith": lambda of, begin: text(of).startswith(text(begin)),
    "strcontains": lambda of, part: text(part) in text(of),
    "strrev": lambda of: text(of)[::-1],
    "substr": _substr,
    "sum": _sum,
    "title": lambda of: re.sub(r"(^|[^\w'])(\w)", lambda m: m[1] + m[2].upper(), text(of)),
    "tobool": _null_or(truth),
    "tolist": lambda of: [*items(of)],
    "tomap": _plain_map,
    "tonumber": _null_or(number),
    "toset": to_set,
    "tostring": _null_or(text),
    "transpose": _transpose,
    "trim": lambda of, what: text(of).strip(text(what)) if text(what) else text(of),
    "trimprefix": lambda of, begin: text(of).removeprefix(text(begin)),
    "trimspace": lambda of: text(of).strip(),
    "trimsuffix": lambda of, end: text(of).removesuffix(text(end)),
    "upper": lambda of: text(of).upper(),
    "urlencode": lambda of: quote_plus(text(of)),
    "uuidv5": _uuidv5,
    "values": lambda of: [mapping(of)[key] for key in sorted(mapping(of))],
    "yamldecode": _yamldecode,
    "yamlencode": _yamlencode,
    "zipmap": _zipmap,
}
"""By name. They take as many arguments as Terraform's do."""
