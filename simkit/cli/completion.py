"""What a shell completes beside commands and options: questions, and the presets of what was typed before."""

from __future__ import annotations

import os
from pathlib import Path

import click

from simkit.errors import SimkitError


def questions(_: click.Context, __: click.Parameter, typed: str) -> list[str]:
    """Names of questions that begin so."""
    import simkit

    return [name for name in simkit.questions() if name.startswith(typed)]


def presets(_: click.Context, __: click.Parameter, typed: str) -> list[str]:
    """Names of presets that begin so, of the runs file or scenario that was typed; none if it cannot be read, for who
    completes is told nothing."""
    import simkit

    # An option without its value ends click's reading of the line, so that no argument is in its context.
    words = os.environ.get("COMP_WORDS", "").split()
    file = next((word for word in words[1:] if Path(word).is_file()), None)
    if file is None:
        return []
    try:
        if file.endswith((".yaml", ".yml")):
            names = [preset.name for version in simkit.load(file).versions for preset in version.presets]
        else:
            names = list(simkit.ask(file, "summary")["preset"])
    except SimkitError:
        return []
    return [name for name in dict.fromkeys(names) if name.startswith(typed)]
