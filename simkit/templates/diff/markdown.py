"""A difference as Markdown, ready to be the comment of a pull request."""

from __future__ import annotations

from simkit.shown import code, escaped
from simkit.templates.diff.types import Difference, Effect, PresetChange
from simkit.templates.diff.words import (
    affected,
    clock_day_texts,
    effect_title,
    headline,
    instance_hours,
    intervals,
    looking,
    name_of,
    period_texts,
    places,
    row_texts,
    verdict,
    version,
)

_COMMENT_LIMIT = 60_000  # a comment on GitHub has 65,536 characters at most


def render(difference: Difference) -> str:
    """A table of the presets that changed, the effect if there is one, and the details to unfold."""
    head = f"### simkit diff: {code(difference.old)} → {code(difference.new)}"
    parts = [head, f"{headline(difference)}. **{verdict(difference)}**"]
    parts += [said] if (said := version(difference)) else []
    shown = [preset for preset in difference.presets if preset.kind != "unchanged"]
    if shown:
        rows = ["| preset | | instance-hours a week | desired instances |", "|---|---|---|---|"]
        for preset in shown:
            texts = period_texts(preset) if preset.differs else ["stay as they are"]
            if preset.differs and not texts:
                texts = ["differ on days on which clocks change"]
            rows.append(
                f"| {code(name_of(preset))} | {preset.kind} | {instance_hours(preset)} | {'<br>'.join(texts)} |"
            )
        parts.append("\n".join(_fitting(rows, _COMMENT_LIMIT // 2, "rows")))
        zones = dict.fromkeys(f"{looking(preset, difference.weeks)}" for preset in shown)
        parts.append(f"Old -> new, {'; '.join(zones)}; instance-hours are the mean of those weeks.")
    if difference.effect is not None:
        parts.append(_effect_markdown(difference.effect))
    details = [_details(preset) for preset in shown]
    if unchanged := difference.of("unchanged"):
        details.append("Unchanged: " + ", ".join(code(name_of(preset)) for preset in unchanged))
    size = sum(len(part) for part in parts)
    return "\n\n".join([*parts, *_fitting(details, _COMMENT_LIMIT - size, "sections")])


def _fitting(pieces: list[str], room: int, what: str) -> list[str]:
    """As many pieces as there is room for (in characters), and how many were left out."""
    for i, piece in enumerate(pieces):
        room -= len(piece) + 2
        if room < 0:
            return [*pieces[:i], f"{len(pieces) - i} more {what} do not fit here; `simkit diff` prints them."]
    return pieces


def _details(preset: PresetChange) -> str:
    lines = [
        f"<details><summary><code>{escaped(name_of(preset))}</code>: what is written, and clock changes</summary>",
        "",
    ]
    lines += ["| field | old | new | where |", "|---|---|---|---|"]
    for change in preset.fields:
        was, now = (code(value) if value is not None else "" for value in (change.old, change.new))
        lines.append(f"| {code(change.name)} | {was} | {now} | {code(places(change))} |")
    if preset.differs and preset.clock_days:
        lines += ["", *(f"- {line}" for line in clock_day_texts(preset))]
    return "\n".join([*lines, "", "</details>"])


def _effect_markdown(effect: Effect) -> str:
    lines = ["| preset | measure | old | new | change |", "|---|---|--:|--:|--:|"]
    rows, others = affected(effect)
    for row in rows:
        old, new, change = row_texts(row, escaped(effect.currency))
        lines.append(f"| {code(row.preset)} | {row.measure} | {old} | {new} | {change} |")
    lines = [f"**{effect_title(effect, code)}**", "", intervals(effect), "", *(lines if rows else [])]
    lines += ["", f"Nothing changes for {', '.join(map(code, others))}."] if others else []
    lines += ["", " ".join(f"Note: {code(note)}." for note in effect.notes)] if effect.notes else []
    return "\n".join(lines)
