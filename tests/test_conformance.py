"""What Coder's own code answered, whatever of simkit decides the same answers: every case of every kind.

conformance/README.md says what the kinds mean.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import conformance_kernel
import conformance_plane
import conformance_text
import pytest
from conformance_cases import DIRECTORY, HERE, ZONEINFO, Answer, Given, cases, differing

WHO: dict[str, dict[str, Answer]] = {
    "simkit": conformance_text.ANSWERS,
    "kernel": conformance_kernel.ANSWERS,
    "control plane": conformance_plane.ANSWERS,
}
OURS = sorted(path.name.removesuffix(".jsonl.gz") for path in HERE.glob("*.jsonl.gz"))
THEIRS = sorted(path.name.removesuffix(".jsonl.gz") for path in DIRECTORY.glob("*.jsonl.gz"))
EXPECTED = {"cron", "database", "lifecycle", "names_uploads", "pool_v2.26", "pool_v2.35", "prebuilds"} | {
    *("executor_daemons", "lifecycle_runs", "reaper")
}
"""Files without which nothing here would say anything."""


class Kind(NamedTuple):
    """A file's cases of one kind, and who answers them."""

    file: str
    kind: str
    who: str


KINDS = [Kind(file, kind, who) for file in THEIRS for kind in cases(file) for who in WHO if kind in WHO[who]]
EVERY_DAY = {
    # Of a hundred pools those that the reference engine plays in a second.
    ("pool_v2.26", "control plane"): (0, 3, 6, 9, 14, 17, 22, 23, 29, 30),
    ("pool_v2.35", "control plane"): (0, 3, 6, 9, 14, 17, 22, 23, 29, 30),
    ("backoff", "control plane"): range(0, 500, 5),
    ("transition", "control plane"): range(0, 4500, 15),
    ("autostop", "control plane"): range(0, 3500, 10),
    # Each version is among them, cold and claimed.
    ("lifecycle_run", "control plane"): range(0, 640, 20),
}
"""The cases that the usual suite puts, where all of them take long."""
LONGEST = {"pool_v2.26", "pool_v2.35", "lifecycle_run"}
"""Kinds of which each case takes the reference engine a second, or up to a minute."""
CAN_BE = {("lifecycle_run", "kernel"): 270}
"""How many cases can be put where they are fewer than half, for a scenario cannot say what happens in the others."""
PLAYED_WHOLE = [known for known in KINDS if (known.kind, known.who) in EVERY_DAY and known.file != "lifecycle"]
"""A slow test, or the longest, puts all of those; every case of a lifecycle is put to the kernel and to the rule itself
each time."""


@pytest.fixture(autouse=True)
def _zones_of_the_cases(monkeypatch):
    monkeypatch.setenv("SIMKIT_ZONEINFO", str(ZONEINFO))


def test_no_file_of_cases_is_missing():
    assert set(OURS) >= EXPECTED, "a file has been lost"
    assert set(OURS) <= set(THEIRS), f"{DIRECTORY} lacks a file"


def test_each_kind_is_answered():
    unheard = {kind for file in THEIRS for kind in cases(file)} - {known.kind for known in KINDS}
    assert unheard == set(), "kinds that nobody answers"
    lost = {kind for answers in WHO.values() for kind in answers} - {known.kind for known in KINDS}
    assert lost == set(), "kinds of which there are no cases any more"


@pytest.mark.parametrize(("file", "kind", "who"), KINDS)
def test_the_answer_is_coders(file, kind, who, record_property):
    every = cases(file)[kind]
    if (kind, who) in EVERY_DAY:
        every = [every[i] for i in EVERY_DAY[kind, who] if i < len(every)]
    can_be = CAN_BE.get((kind, who))
    assert_equal(f"{file} {kind}, {who}", kind, every, WHO[who][kind], record_property, can_be)


@pytest.mark.slow
@pytest.mark.parametrize(("file", "kind", "who"), [known for known in PLAYED_WHOLE if known.kind not in LONGEST])
def test_every_answer_is_coders(file, kind, who, record_property):
    assert_equal(f"{file} {kind}, {who}, all", kind, cases(file)[kind], WHO[who][kind], record_property)


@pytest.mark.slow
def test_every_tenth_life_is_coders(record_property):
    every = cases("lifecycle_runs")["lifecycle_run"][5::10]
    answer = WHO["control plane"]["lifecycle_run"]
    assert_equal("lifecycle_runs, control plane, every tenth", "lifecycle_run", every, answer, record_property)


@pytest.mark.longest
@pytest.mark.parametrize(("file", "kind", "who"), [known for known in PLAYED_WHOLE if known.kind in LONGEST])
def test_every_pool_and_every_life_is_coders(file, kind, who, record_property):
    assert_equal(f"{file} {kind}, {who}, all", kind, cases(file)[kind], WHO[who][kind], record_property)


def assert_equal(
    label: str,
    kind: str,
    every: list[Given],
    answer: Answer,
    record_property: Callable[[str, object], None],
    at_least: int | None = None,
) -> None:
    asked, wrong = differing(kind, every, answer)
    not_asked = f" ({len(every) - asked} cannot come about there)" if asked < len(every) else ""
    record_property("conformance", f"{label}: {asked - len(wrong)} of {asked}{not_asked}")
    if at_least is None:
        at_least = len(every) // 2 + 1
    assert asked >= at_least, "a kind of which few cases can be put says little"
    assert not wrong, f"{len(wrong)} of {asked} differ; the first:\n" + "\n".join(
        f"  in:     {given}\n  simkit: {ours}\n  Coder:  {coders}" for given, ours, coders in wrong[:3]
    )
