"""A recommendation is written into its template: the `prebuilds` block of a preset, and nothing else."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from simkit.decide.plan import terraform
from simkit.errors import Finding, Findings, InputError, Where
from simkit.files import write_whole
from simkit.inputs.hcl import File, read_file, subtrees, word
from simkit.inputs.templates import read_template
from simkit.model import Preset

if TYPE_CHECKING:
    from lark import Token, Tree

    from simkit.decide.recommendation import Recommendation


def write(path: Path, found: Recommendation) -> list[str]:
    """Put the recommended blocks into a Terraform file; the names of the presets whose block is another now.

    The file is written whole or not at all, and read again: what it means is then what was recommended. Raises
    InputError with every preset that has no block of its own in the file.
    """
    file, findings = readable(path), Findings()
    contents = read_template(path, {})
    text, changed = file.text, []
    places = [(_place(file, contents.presets, one.preset, findings), one) for one in found.presets]
    findings.raise_errors()
    for (begin, end, indent), one in sorted(((p, o) for p, o in places if p is not None), key=lambda x: -x[0][0]):
        block = terraform(one.preset, indent).lstrip(" \t")
        if begin == end:
            block = f"{indent}{block}\n"
        if text[begin:end] != block:
            changed.append(one.preset.name)
        text = text[:begin] + block + text[end:]
    write_whole(path, _bytes(path, text))
    after = {p.name: p for p in read_template(path, {}).presets}
    wrong = [one.preset.name for one in found.presets if not _means(after.get(one.preset.name), one.preset)]
    if wrong:
        write_whole(path, _bytes(path, file.text))
        said = (
            f"would not read back as recommended for {', '.join(wrong)}; paste the block by hand (nothing was written)"
        )
        raise InputError([Finding("error", Where(str(path)), said)])
    return [one.preset.name for one in found.presets if one.preset.name in changed]


def check_takes(path: Path, names: Collection[str]) -> None:
    """Raise InputError for a file that has none of these presets, which may be recommended: before minutes of work."""
    readable(path)
    there = read_template(path, {}).presets
    if not {preset.name for preset in there} & set(names):
        raise InputError([Finding("error", Where(str(path)), _lacks(names, there))])


def _lacks(names: Collection[str], there: Sequence[Preset]) -> str:
    """What to say of a file that has other presets."""
    listed, has = (", ".join(f'"{name}"' for name in of) or "none" for of in (names, [p.name for p in there]))
    return f"has no preset {listed}; it has {has}: name the file of the template with it"


def readable(path: Path) -> File:
    """The file, if a block can be written into it. Raises InputError."""
    findings = Findings()
    file = read_file(path, findings)
    findings.raise_errors()
    assert file is not None, "what cannot be read is an error"
    if file.is_json:
        raise InputError([Finding("error", Where(str(path)), "is Terraform in JSON; name a .tf file")])
    if _bytes(path, file.text) != path.read_bytes():
        text = "has line ends of several kinds, or a byte order mark; save it with one kind, or paste the block by hand"
        raise InputError([Finding("error", Where(str(path)), text)])
    return file


def _means(one: Preset | None, other: Preset) -> bool:
    """Do two presets want the same instances at all times?"""
    return one is not None and _numbers(one) == _numbers(other)


def _numbers(of: Preset) -> tuple[object, ...]:
    timezone = of.timezone if of.schedules else ""
    return of.instances, of.ttl_us, timezone, tuple((s.cron, s.instances) for s in of.schedules)


def _place(file: File, presets: tuple[Preset, ...], of: Preset, findings: Findings) -> tuple[int, int, str] | None:
    """(from, until, indent): where the preset's block stands in the text, or would stand."""
    where = Where(file.path)
    mine = [p for p in presets if p.name == of.name]
    if not mine:
        findings.error(where, _lacks([of.name], presets))
        return None
    (preset,) = mine[:1]
    if preset.where.path != file.path:
        findings.error(where, f'the preset "{of.name}" stands at {preset.where}; name that file')
        return None
    if sum(p.where == preset.where for p in presets) > 1:
        text = (
            f'the preset "{of.name}" is one of several made by one block; paste its numbers where the block takes them'
        )
        findings.error(preset.where, text)
        return None
    for child in subtrees(file.body):
        if child.data == "block" and child.meta.line == preset.where.line:
            return _inside(file, child, preset, findings)
    raise AssertionError("a preset stands in a block")


def _inside(file: File, block: Tree[Token], preset: Preset, findings: Findings) -> tuple[int, int, str] | None:
    *_, body = subtrees(block)
    for child in subtrees(body):
        name, *labels, _ = subtrees(child)
        begin, end = child.meta.start_pos, child.meta.end_pos
        if word(name) == "prebuilds" and child.data == "block":
            line = file.text.rfind("\n", 0, begin) + 1
            before = file.text[line:begin]
            return begin, end, before if not before.strip() else "  "
        if word(name) == "dynamic" and [word(label) for label in labels] == ["prebuilds"]:
            text = f'the prebuilds of "{preset.name}" are a dynamic block; paste the numbers where its values come from'
            findings.error(Where(file.path, child.meta.line), text)
            return None
    closing = file.text.rfind("}", 0, block.meta.end_pos)
    line = file.text.rfind("\n", 0, closing) + 1
    if file.text[line:closing].strip():
        findings.error(preset.where, f'the block of "{preset.name}" ends in the middle of a line; give its "}}" one')
        return None
    return line, line, file.text[line:closing] + "  "


def _bytes(path: Path, text: str) -> bytes:
    """The text with the line ends that the file has."""
    return text.replace("\n", "\r\n" if b"\r\n" in path.read_bytes() else "\n").encode()
