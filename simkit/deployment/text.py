"""Values as YAML in one line: a name is text whatever is in it."""

from __future__ import annotations

import json


def as_yaml(value: object) -> str:
    """JSON, but for characters that are not seen, or that YAML allows nowhere, which are YAML's escapes.

    JSON's own escapes make two characters of one beyond U+FFFF in YAML.
    """
    return "".join(map(_escaped, json.dumps(value, ensure_ascii=False)))


def _escaped(character: str) -> str:
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
