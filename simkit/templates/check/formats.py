"""The forms in which `simkit check` tells what it found, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from simkit.templates.check import github, json, junit, text
from simkit.templates.check.types import Checked

FORMATS: Mapping[str, Callable[[Checked], str]] = {
    "text": text.render,
    "json": json.render,
    "junit": junit.render,
    "github": github.render,
}
