"""What the schema of result.json, which the package carries, has against a result."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

from jsonschema import Draft202012Validator


def faults(result: Any) -> list[tuple[str, str]]:
    """What result.schema.json has against a result: (place, message) each."""
    schema = json.loads(resources.files("simkit.report").joinpath("result.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return [
        ("/".join(map(str, fault.absolute_path)), fault.message)
        for fault in Draft202012Validator(schema).iter_errors(result)
    ]
