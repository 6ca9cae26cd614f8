"""Which version of Coder somebody names, wherever that is: its behaviour, and a note if it is not modelled itself."""

from __future__ import annotations

from simkit.coder_versions import DEFAULT_BEHAVIOUR, Behaviour, behaviour_note, behaviour_of
from simkit.errors import VERSION_NOTE, Findings, Where
from simkit.inputs.document import Value


def named_version(text: str | None, findings: Findings, where: Where | None = None) -> Behaviour:
    """The behaviour of a version that a command or a call names; the default one for None, and, with an error among
    the findings, for what is no version.
    """
    if text is None:
        return DEFAULT_BEHAVIOUR
    where = where or Where("coder")
    try:
        behaviour = behaviour_of(text)
    except ValueError as error:
        findings.error(where, str(error))
        return DEFAULT_BEHAVIOUR
    note_version(text, where, findings)
    return behaviour


def written_version(value: Value | None, default: Behaviour) -> Behaviour:
    """The behaviour of a version that a file names; `default` if it names none, or, with a finding, what is none."""
    behaviour = None if value is None else value.read(behaviour_of)
    if value is None or behaviour is None:
        return default
    note_version(str(value.node.value), value.where, value.findings)
    return behaviour


def note_version(text: str, where: Where, findings: Findings) -> None:
    """Say which rules are used in place of those of a version that has none of its own; once, however often named."""
    if note := behaviour_note(text):
        findings.note(where, note, name=VERSION_NOTE)
