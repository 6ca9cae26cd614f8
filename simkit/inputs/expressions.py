"""Work out expressions of Terraform's: literals, references, operators, conditions, `for`, templates and functions.

What is not known is a value too, which says why; it goes through whatever is made of it, as in Terraform. Nothing is
run, and how much is worked out is bounded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

from simkit.errors import did_you_mean
from simkit.inputs.functions import AT_RUN_TIME, ELSEWHERE, FUNCTIONS
from simkit.inputs.hcl import Node, expression_in, inner, short, subtrees, unescaped, word
from simkit.inputs.values import (
    NotKnown,
    Unknown,
    Value,
    arithmetic,
    as_text,
    checked_text,
    failure,
    known,
    number,
    pairs,
    same,
    text,
    truth,
    weight,
    whole,
)

if TYPE_CHECKING:
    from lark import Token, Tree

WAY_OUT = "or check the plan itself: terraform show -json PLANFILE > plan.json, simkit check plan.json"
MOST_STEPS = 50_000
"""Expressions that are worked out for a template."""
_MOST_DEEP = 120


class Names(Protocol):
    """What the names of a module stand for."""

    def lookup(self, path: list[str | int], scope: Scope) -> tuple[Value, int]:
        """(the value of the longest beginning of a reference that has one, how many steps that is)."""

    def call(self, name: str, arguments: list[Value], scope: Scope) -> Value:
        """The answer of a function that needs more than its arguments. Raises KeyError for another, or NotKnown."""


@dataclass
class Budget:
    """How much may still be worked out."""

    steps: int = MOST_STEPS
    depth: int = 0

    def take(self, steps: int) -> None:
        """Raises NotKnown once there are none left."""
        self.steps -= steps
        if self.steps < 0:
            told = f"takes more than {MOST_STEPS:,} steps to work out"
            raise NotKnown(Unknown("", told, f"write it more simply, {WAY_OUT}"))


@dataclass(frozen=True)
class Scope:
    """Where an expression stands: the module's names, and those of `each`, `count`, `for` and dynamic blocks."""

    module: Names
    budget: Budget
    names: Mapping[str, Value] = field(default_factory=dict)

    def with_names(self, **names: Value) -> Scope:
        return Scope(self.module, self.budget, {**self.names, **names})


def evaluate(node: Node, scope: Scope) -> Value:
    """What an expression is worth; Unknown where that is not known here. Never raises."""
    return _evaluated(node, node.tree, scope)


def _evaluated(node: Node, tree: Tree[Token], scope: Scope) -> Value:
    budget = scope.budget
    try:
        budget.take(1)
    except NotKnown as error:
        return error.unknown
    if budget.depth > _MOST_DEEP:
        return Unknown("", f"goes through more than {_MOST_DEEP} expressions", f"write it more simply, {WAY_OUT}")
    budget.depth += 1
    try:
        return _bounded(_value(node, inner(tree), scope), budget)
    except NotKnown as error:
        return error.unknown
    except RecursionError:
        return Unknown("", "is nested too deep", f"write it more simply, {WAY_OUT}")
    finally:
        budget.depth -= 1


def _bounded(value: Value, budget: Budget) -> Value:
    """A value that is not too large. What is looked through for that counts, too."""
    if isinstance(value, str):
        budget.take(len(value) // 1000)
        return checked_text(value)
    if isinstance(value, list | dict):
        budget.take(weight(value) // 10)
    return value


def _value(node: Node, tree: Tree[Token], scope: Scope) -> Value:
    def of(part: Tree[Token]) -> Value:
        return _evaluated(node, part, scope)

    parts = subtrees(tree)
    match str(tree.data):
        case "int_lit" | "float_lit":
            return number(str(tree.children[0]))
        case "literal_value":
            return {"true": True, "false": False}.get(word(tree))
        case "identifier":
            return _reference(node, tree, scope)
        case "string":
            return _template(_parts_of_string(node, parts), scope)
        case "template_string":
            return re.sub(r"\\(.)", r"\1", word(tree)[2:-2])
        case "json_literal":
            return str(tree.children[0])
        case "json_text":
            return _template(_parts_of_text(node, str(tree.children[0])), scope)
        case "heredoc_template" | "heredoc_template_trim":
            return _template(_parts_of_text(node, _heredoc(str(tree.children[0]))), scope)
        case "unary_op":
            value = known(of(parts[0]))
            return not truth(value) if tree.children[0] == "!" else arithmetic("-", 0, number(value))
        case "binary_op":
            left, term = parts
            operator, right = subtrees(term)
            return _operation(word(operator).strip(), of(left), lambda: of(right))
        case "conditional":
            chosen, other = (parts[1], parts[2]) if truth(of(parts[0])) else (parts[2], parts[1])
            value = of(chosen)
            # Both have one type: a number or a truth value beside a text is text.
            is_plain = isinstance(value, bool | int | Decimal)
            return as_text(value) if is_plain and isinstance(of(other), str) else value
        case "tuple":
            return [of(part) for part in parts]
        case "object":
            elements = (subtrees(element) for element in parts)
            return {_key(node, key, scope): of(value) for key, value in elements}
        case "get_attr_expr_term" | "index_expr_term":
            return _reference(node, tree, scope)
        case "attr_splat_expr_term" | "full_splat_expr_term":
            base, splat = parts
            value = known(of(base))
            many = value if isinstance(value, list) else [] if value is None else [value]
            steps = subtrees(splat)
            # An index after ".*" is one into the list, after "[*]" one into each element.
            is_short = tree.data == "attr_splat_expr_term"
            own = next((i for i, step in enumerate(steps) if is_short and step.data != "get_attr"), len(steps))
            path = [_step(node, step, scope) for step in steps]
            return _stepped([_stepped(one, path[:own]) for one in many], path[own:])
        case "for_tuple_expr":
            return [of_one for _, of_one in _for(node, parts, scope)]
        case "for_object_expr":
            return _for_object(node, tree, parts, scope)
        case "function_call":
            return _call(node, tree, parts, scope)
        case what:
            raise failure(f"is {what.replace('_', ' ')}, which is not worked out here", "write it in another way")


# Operators.


def _operation(operator: str, left: Value, right: Callable[[], Value]) -> Value:
    if operator in ("&&", "||"):
        ends = operator == "||"
        if not isinstance(left, Unknown) and truth(left) is ends:
            return ends
        other = right()
        if not isinstance(other, Unknown) and truth(other) is ends:
            return ends
        return truth(left) and truth(other) if operator == "&&" else truth(left) or truth(other)
    one, other = known(left), known(right())
    match operator:
        case "==":
            return same(one, other)
        case "!=":
            return not same(one, other)
        case "<":
            return number(one) < number(other)
        case ">":
            return number(one) > number(other)
        case "<=":
            return number(one) <= number(other)
        case ">=":
            return number(one) >= number(other)
        case _:
            return arithmetic(operator, number(one), number(other))


# References.


def _reference(node: Node, tree: Tree[Token], scope: Scope) -> Value:
    """local.pools["gpu"] is local, pools, gpu; a step after any other expression is one into its value."""
    steps: list[str | int] = []
    base = tree
    while base.data in ("get_attr_expr_term", "index_expr_term"):
        below, step = subtrees(base)
        steps.insert(0, _step(node, step, scope))
        base = inner(below)
    if base.data != "identifier":
        return _stepped(known(_evaluated(node, base, scope)), steps)
    path = [word(base), *steps]
    first = str(path[0])
    if first in scope.names:
        value, used = scope.names[first], 1
    else:
        value, used = scope.module.lookup(path, scope)
    return _stepped(value, path[used:])


def _step(node: Node, step: Tree[Token], scope: Scope) -> str | int:
    if step.data == "braces_index":
        value = known(_evaluated(node, subtrees(step)[0], scope))
        found = value if isinstance(value, str | int) and not isinstance(value, bool) else as_text(value)
        if found is None:
            raise failure("has an index that is neither a number nor text", "correct it")
        return found
    return int(str(step.children[-1])) if step.data == "short_index" else word(subtrees(step)[0])


def _stepped(value: Value, steps: list[str | int]) -> Value:
    for step in steps:
        known(value)
        if isinstance(value, dict) and as_text(step) in value:
            value = value[str(step)]
        elif type(value) is list and str(step).isdecimal() and whole(step) < len(value):
            value = value[whole(step)]
        else:
            raise failure(f'there is no "{step}" in it', "write one that is there")
    return value


def dotted(path: list[str | int]) -> str:
    """A reference as Terraform writes it."""
    rest = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in path[1:])
    return f"{path[0]}{''.join(rest)}"


def _key(node: Node, tree: Tree[Token], scope: Scope) -> str:
    plain = inner(tree)
    if plain.data in ("identifier", "keyword", "literal_value") and not str(node.part(tree).source).startswith("("):
        return word(plain)
    value = _evaluated(node, plain, scope)
    found = None if isinstance(value, Unknown) else as_text(value)
    if found is None:
        # One that only Terraform knows is shown as it is written; it can stand for nothing else.
        return node.part(tree).source
    return found


# `for`.


def _for(node: Node, parts: list[Tree[Token]], scope: Scope) -> Iterator[tuple[Scope, Value]]:
    """(the names of each turn, what the first expression after the colon is worth), of those that are kept."""
    intro, body, *rest = parts
    *names, collection = subtrees(intro)
    condition = next((subtrees(part)[0] for part in rest if part.data == "for_cond"), None)
    for key, value in pairs(_evaluated(node, collection, scope)):
        scope.budget.take(1)
        one = {word(names[-1]): value}
        inside = scope.with_names(**({word(names[0]): key} if len(names) > 1 else {}), **one)
        if condition is None or truth(_evaluated(node, condition, inside)):
            yield inside, _evaluated(node, body, inside)


def _for_object(node: Node, tree: Tree[Token], parts: list[Tree[Token]], scope: Scope) -> Value:
    grouped = any(isinstance(child, str) and child.type == "ELLIPSIS" for child in tree.children)
    found: dict[str, Value] = {}
    groups: dict[str, list[Value]] = {}
    for inside, key in _for(node, parts, scope):
        value = _evaluated(node, parts[2], inside)
        name = text(key)
        if grouped:
            groups.setdefault(name, []).append(value)
        elif name in found:
            raise failure(f'makes "{name}" twice', "write keys that differ, or ... after the value")
        else:
            found[name] = value
    return {**groups} if grouped else found


# Functions.


def _call(node: Node, tree: Tree[Token], parts: list[Tree[Token]], scope: Scope) -> Value:
    names = [word(part) for part in parts if part.data == "identifier"]
    name = names[-1] if names[:1] == ["core"] or len(names) == 1 else "::".join(names)
    listed = next((part for part in parts if part.data == "arguments"), None)
    written = subtrees(listed) if listed is not None else []
    if name in ("try", "can"):
        return _tried(node, name, written, scope)
    source = short(node.part(tree).source)
    if name in AT_RUN_TIME:
        return Unknown(f"{name}()", "is another value each time")
    if name in ELSEWHERE or "::" in name:
        return Unknown(source, "is not worked out here")
    arguments = [_evaluated(node, part, scope) for part in written]
    spread = listed is not None and any(isinstance(c, str) and c.type == "ELLIPSIS" for c in listed.children)
    if spread:
        last = known(arguments[-1])
        if not isinstance(last, list):
            raise failure("has ... after what is no list", "correct it")
        arguments = [*arguments[:-1], *last]
    try:
        try:
            return scope.module.call(name, arguments, scope)
        except KeyError:
            pass
        if name not in FUNCTIONS:
            raise failure(f"Terraform has no function {name}", did_you_mean(name, FUNCTIONS))
        scope.budget.take(_cost(arguments))
        return FUNCTIONS[name](*arguments)
    except NotKnown as error:
        reason, unknown = error.unknown.reason, error.unknown
        if unknown.subject:
            raise
        raise NotKnown(Unknown(source, reason, unknown.remedy, unknown.failed)) from None
    except TypeError:
        raise failure(f"{name} takes another number of arguments", "see Terraform's documentation") from None
    except (OverflowError, RecursionError, ValueError):
        raise failure(f"{source} cannot be worked out", "write it in another way") from None


def _cost(arguments: list[Value]) -> int:
    """Steps that a function takes for all that it is given."""
    return sum(len(one) // 100 for one in arguments if isinstance(one, str | list | dict))


def _tried(node: Node, name: str, written: list[Tree[Token]], scope: Scope) -> Value:
    """The first value at which Terraform would not stop. It would go on at what is only unknown as yet."""
    for part in written:
        value = _evaluated(node, part, scope)
        failed = isinstance(value, Unknown) and value.failed
        if name == "can":
            return not failed if failed or not isinstance(value, Unknown) else value
        if not failed:
            return value
    raise failure("nothing that is tried has a value", "write one that has")


# Templates.


@dataclass(frozen=True)
class _Part:
    """A piece of a template: "text" with text; "value", "if" and "for" with an expression; "else", "endif", "endfor".

    `strips_before` and `strips_after`: whether a "~" takes the blanks of its neighbours.
    """

    kind: str
    text: str = ""
    node: Node | None = None
    names: tuple[str, ...] = ()
    strips_before: bool = False
    strips_after: bool = False


def _parts_of_string(node: Node, parts: list[Tree[Token]]) -> list[_Part]:
    found = []
    for (part,) in (part.children for part in parts):
        if isinstance(part, str):  # "$${" and "%%{" stand for "${" and "%{"
            found.append(_Part("text", unescaped(part) if part.type == "STRING_CHARS" else str(part[1:])))
            continue
        trees = subtrees(part)
        tokens = [str(child) for child in part.children if isinstance(child, str)]
        strips = len(tokens) > 1 and tokens[1] == "~", len(tokens) > 1 and tokens[-2] == "~"
        what = str(part.data).removeprefix("template_").removesuffix("_start")
        names = tuple(word(tree) for tree in trees[:-1])
        expression = node.part(trees[-1]) if trees else None
        found.append(_Part("value" if what == "interpolation" else what, "", expression, names, *strips))
    return found


_DIRECTIVE = re.compile(r"(if|for|else|endif|endfor)\b\s*(.*)", re.DOTALL)


def _parts_of_text(node: Node, raw: str) -> list[_Part]:
    """The parts of a heredoc, of text in JSON, or of a file that is a template."""
    found: list[_Part] = []
    at = 0
    while (begin := _next_mark(raw, at)) >= 0:
        escaped = raw[begin] == raw[begin + 1]
        if escaped:  # "$${" stands for "${"
            found.append(_Part("text", raw[at : begin + 1] + "{"))
            at = begin + 3
            continue
        end = _closing(raw, begin + 2)
        found.append(_Part("text", raw[at:begin]))
        found.append(_inside(node, raw[begin], raw[begin + 2 : end]))
        at = end + 1
    found.append(_Part("text", raw[at:]))
    return [part for part in found if part.kind != "text" or part.text]


def _next_mark(raw: str, at: int) -> int:
    match = re.compile(r"\$\$\{|%%\{|\$\{|%\{").search(raw, at)
    return match.start() if match else -1


def _closing(raw: str, at: int) -> int:
    """Where the bracket stands that closes one before `at`."""
    depth, in_text = 1, False
    while at < len(raw):
        sign = raw[at]
        if in_text:
            if sign == "\\":
                at += 1
            elif sign == '"':
                in_text = False
            elif raw.startswith(("${", "%{"), at):
                at = _closing(raw, at + 2)
        elif sign == '"':
            in_text = True
        elif sign in "{}":
            depth += 1 if sign == "{" else -1
            if depth == 0:
                return at
        at += 1
    raise failure("has ${ or %{ without a } that closes it", "write one, or $${ for the signs themselves")


def _inside(node: Node, mark: str, code: str) -> _Part:
    before, after = code.startswith("~"), code.endswith("~")
    code = code.removeprefix("~").removesuffix("~").strip()
    if mark == "$":
        return _Part("value", "", _parsed(node, code), (), before, after)
    match = _DIRECTIVE.fullmatch(code)
    if match is None:
        raise failure(f'knows no "%{{{short(code)}}}"', "write if, else, endif, for or endfor")
    what, rest = match.groups()
    names: tuple[str, ...] = ()
    if what == "for":
        parsed = re.fullmatch(r"([\w-]+)\s*(?:,\s*([\w-]+))?\s+in\s+(.*)", rest, re.DOTALL)
        if parsed is None:
            raise failure(f'cannot read "%{{{short(code)}}}"', "write %{ for x in list }")
        names, rest = tuple(name for name in parsed.groups()[:2] if name), parsed[3]
    expression = _parsed(node, rest) if what in ("if", "for") else None
    return _Part(what, "", expression, names, before, after)


def _parsed(node: Node, code: str) -> Node:
    found = expression_in(code, node.file.path, node.line)
    if found is None:
        raise failure(f'cannot read "{short(code)}"', "correct it")
    return found


def _template(parts: list[_Part], scope: Scope) -> Value:
    if len(parts) == 1 and parts[0].kind == "value" and parts[0].node is not None:
        return evaluate(parts[0].node, scope)  # as in Terraform, "${local.n}" is what local.n is, a number too
    stripped = _stripped(parts)
    return "".join(_written(stripped, 0, len(stripped), scope))


def _stripped(parts: list[_Part]) -> list[_Part]:
    """Without the blanks that "~" takes: those of the line beside it, with the line's end."""
    found = []
    for i, part in enumerate(parts):
        content = part.text
        if part.kind == "text":
            if i and parts[i - 1].strips_after:
                line, end, rest = content.partition("\n")
                content = (line + end).lstrip() + rest
            if i + 1 < len(parts) and parts[i + 1].strips_before:
                line_at = content.rfind("\n", 0, max(len(content) - 1, 0)) + 1
                content = content[:line_at] + content[line_at:].rstrip()
        found.append(_Part(part.kind, content, part.node, part.names))
    return found


def _written(parts: list[_Part], begin: int, end: int, scope: Scope) -> Iterator[str]:
    """The texts that parts begin to end give."""
    i = begin
    while i < end:
        part = parts[i]
        if part.kind == "text":
            yield part.text
        elif part.kind == "value":
            assert part.node is not None, "it has an expression"
            yield _in_text(evaluate(part.node, scope))
        elif part.kind in ("if", "for"):
            assert part.node is not None, "it has an expression"
            other, last = _ends(parts, i, end)
            value = evaluate(part.node, scope)
            if part.kind == "if":
                chosen = (i + 1, other or last) if truth(value) else (other + 1 if other else last, last)
                yield from _written(parts, *chosen, scope)
            else:
                for key, one in pairs(value):
                    named = zip(part.names, (key, one) if len(part.names) > 1 else (one,), strict=True)
                    scope.budget.take(1)
                    yield from _written(parts, i + 1, last, scope.with_names(**dict(named)))
            i = last
        else:
            raise failure(f"has an {part.kind} too many", "take it out")
        i += 1


def _ends(parts: list[_Part], begin: int, end: int) -> tuple[int, int]:
    """(where the else of an if stands, or 0; where its end, or that of a for)."""
    depth, other = 0, 0
    for i in range(begin, end):
        kind = parts[i].kind
        depth += (kind in ("if", "for")) - (kind in ("endif", "endfor"))
        if depth == 0:
            return other, i
        if kind == "else" and depth == 1:
            other = i
    raise failure(f"has %{{ {parts[begin].kind} }} without its end", f"write %{{ end{parts[begin].kind} }}")


def _in_text(value: Value) -> str:
    found = as_text(known(value))
    if found is None:
        raise failure("puts something into text that is none", "write text, a number, true or false")
    return found


def _heredoc(token: str) -> str:
    """The text between the first line of a heredoc and its last, without the indentation that "<<-" takes."""
    first, *lines = token.rstrip("\n").split("\n")
    lines = lines[:-1]
    if first.startswith("<<-"):
        indents = [len(line) - len(line.lstrip(" \t")) for line in lines if line.strip()]
        least = min(indents, default=0)
        lines = [line[least:] if line.strip() else line.lstrip(" \t") for line in lines]
    return "".join(f"{line}\n" for line in lines)


def rendered(node: Node, raw: str, scope: Scope) -> Value:
    """A text that is a template, as templatefile() makes it. Raises NotKnown."""
    scope.budget.take(raw.count("${") + raw.count("%{"))  # to read each of them takes as long as to work it out
    return _template(_parts_of_text(node, raw), scope)


def plain(value: Value) -> object:
    """A value as presets are read from it: numbers as int and float."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, list) else value
