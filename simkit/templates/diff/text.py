"""A difference as text for a terminal."""

from __future__ import annotations

from simkit.shown import joined, visible
from simkit.templates.diff.types import Difference, Effect
from simkit.templates.diff.words import (
    affected,
    clock_day_texts,
    effect_title,
    field_text,
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


def render(difference: Difference) -> str:
    """A paragraph for each preset that changed, with the lines of both sides, then the effect if there is one."""
    parts = [
        joined(
            [
                f"{difference.old} -> {difference.new}",
                f"{headline(difference)}. {verdict(difference)}",
            ]
        )
    ]
    parts += [said] if (said := version(difference)) else []
    for preset in difference.presets:
        if preset.kind == "unchanged":
            continue
        lines = [f"{name_of(preset)}: {preset.kind} ({preset.where})"]
        width = max(len(change.name) for change in preset.fields)
        if preset.kind == "changed":
            lines += [f"  {c.name:{width}}  {field_text(c)}   [{places(c)}]" for c in preset.fields]
        else:
            which = [(c.name, c.new if preset.kind == "added" else c.old) for c in preset.fields]
            lines += [f"  {name:{width}}  {value}" for name, value in which]
        if preset.differs:
            lines += [f"  desired instances {looking(preset, difference.weeks)}"]
            lines += [f"    {line}" for line in period_texts(preset)]
            if preset.clock_days:
                lines += ["  on the days on which clocks change", *(f"    {t}" for t in clock_day_texts(preset))]
        else:
            lines.append("  desired instances stay as they are")
        lines.append(f"  instance-hours a week: {instance_hours(preset)}")
        parts.append(joined(lines))
    if unchanged := difference.of("unchanged"):
        parts.append(visible("Unchanged: " + ", ".join(name_of(preset) for preset in unchanged)))
    if difference.effect is not None:
        parts.append(_effect_text(difference.effect))
    return "\n\n".join(parts)


def _effect_text(effect: Effect) -> str:
    cells = [("preset", "measure", "old", "new", "change")]
    rows, others = affected(effect)
    cells += [(visible(row.preset), row.measure, *row_texts(row, effect.currency)) for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(5)]
    lines = []
    for row in cells:
        left = [f"{cell:{width}}" for cell, width in zip(row[:2], widths[:2], strict=True)]
        right = [f"{cell:>{width}}" for cell, width in zip(row[2:4], widths[2:4], strict=True)]
        lines.append("  " + "  ".join([*left, *right, row[4]]).rstrip())
    told = [f"Nothing changes for {', '.join(others)}."] if others else []
    lines = lines if rows else []
    return joined(
        [f"{effect_title(effect)}.", intervals(effect), *lines, *told, *(f"Note: {n}." for n in effect.notes)]
    )
