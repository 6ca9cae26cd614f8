"""Patterns of Terraform's fileset: `*`, `?`, `[a-z]`, `{a,b}`, and `**` for any folders below."""

from __future__ import annotations

import re
from collections.abc import Callable

from simkit.inputs.values import failure

_MOST_STARS = 8  # each may match in many ways


def matcher(pattern: str) -> Callable[[str], bool]:
    """Does a path with `/` between its parts match? Raises NotKnown for a pattern that Terraform cannot read."""
    if pattern.count("*") - pattern.count("**") > _MOST_STARS:
        raise failure(f"fileset has more than {_MOST_STARS} stars in its pattern", "write fewer")
    expression = re.compile(_expression(pattern), re.DOTALL)
    return lambda path: expression.fullmatch(path) is not None


def _expression(pattern: str) -> str:
    found, depth, i = "", 0, 0
    while i < len(pattern):
        rest, one = pattern[i:], pattern[i]
        i += 1
        if rest.startswith("**/") and (not found or found.endswith("/")):
            found, i = found + "(?:[^/]+/)*", i + 2
        elif rest == "**" and (not found or found.endswith("/")):
            found, i = found + ".*", i + 1
        elif one == "*":
            found += "[^/]*"
        elif one == "?":
            found += "[^/]"
        elif one == "[":
            members = re.match(r"\[(\^?)((?:\\.|[^\]\\])+)\]", rest)
            if members is None:
                raise failure("fileset has a [ that does not end", "close it with ]")
            inside = re.sub(r"([\[&~|])", r"\\\1", members[2])
            found, i = found + f"(?!/)[{members[1]}{inside}]", i - 1 + members.end()
        elif one == "{":
            found, depth = found + "(?:", depth + 1
        elif one == "}" and depth:
            found, depth = found + ")", depth - 1
        elif one == "," and depth:
            found += "|"
        elif one == "\\" and i < len(pattern):
            found, i = found + re.escape(pattern[i]), i + 1
        else:
            found += re.escape(one)
    if depth:
        raise failure("fileset has a { that does not end", "close it with }")
    return found
