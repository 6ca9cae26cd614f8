"""What the schema of result.json, which the package carries, has against a result."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

from jsonschema import Draft202012Validator


def faults(
    result: Any, package: str = "simkit.report", schema_name: str = "result.schema.json"
) -> list[tuple[str, str]]:
    """What a schema that a package carries has against a result: (place, message) each."""
    schema = json.loads(resources.files(package).joinpath(schema_name).read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return [
        ("/".join(map(str, fault.absolute_path)), fault.message)
        for fault in Draft202012Validator(schema).iter_errors(result)
    ]
