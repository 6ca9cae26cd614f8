"""A difference as text for a terminal."""

from __future__ import annotations

from simkit.shown import joined, visible
from simkit.templates.diff.types import Difference, Effect, Paired
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


def render(difference: Difference, columns: int | None = None) -> str:
    """A paragraph for each preset that changed, with the lines of both sides, then the effect if there is one: a table,
    where it fits into so many `columns` (None: any)."""
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
        parts.append(_effect_text(difference.effect, columns))
    return "\n\n".join(parts)


def _effect_text(effect: Effect, columns: int | None) -> str:
    rows, others = affected(effect)
    lines = _table(effect, rows) if rows else []
    if columns is not None and max(map(len, lines), default=0) > columns:
        lines = _by_preset(effect, rows)
    told = [f"Nothing changes for {', '.join(others)}."] if others else []
    return joined(
        [f"{effect_title(effect)}.", intervals(effect), *lines, *told, *(f"Note: {n}." for n in effect.notes)]
    )


def _table(effect: Effect, rows: list[Paired]) -> list[str]:
    cells = [("preset", "measure", "old", "new", "change")]
    cells += [(visible(row.preset), row.measure, *row_texts(row, effect.currency)) for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(5)]
    lines = []
    for row in cells:
        left = [f"{cell:{width}}" for cell, width in zip(row[:2], widths[:2], strict=True)]
        right = [f"{cell:>{width}}" for cell, width in zip(row[2:4], widths[2:4], strict=True)]
        lines.append("  " + "  ".join([*left, *right, row[4]]).rstrip())
    return lines


def _by_preset(effect: Effect, rows: list[Paired]) -> list[str]:
    """The same for a narrow terminal: each measure below its preset, with its change below it."""
    lines, above = [], None
    for row in rows:
        if row.preset != above:
            lines.append(f"  {visible(row.preset)}")
            above = row.preset
        old, new, change = row_texts(row, effect.currency)
        lines += [f"    {row.measure}: {old} -> {new}", f"      {change}"]
    return lines
