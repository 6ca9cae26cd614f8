"""What Coder's own code answered, whatever of simkit decides the same answers: every case of every kind.

conformance/README.md says what the kinds mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
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
    # Of a hundred pools some that the reference engine plays in a second.
    ("pool_v2.26", "control plane"): (0, 14, 29),
    ("pool_v2.35", "control plane"): (9, 14, 22),
    ("acquire_order", "control plane"): range(0, 150, 3),
    ("activity_bump", "control plane"): range(0, 1500, 5),
    ("backoff", "control plane"): range(0, 500, 10),
    ("executor_daemons", "control plane"): range(0, 120, 3),
    ("match_preset", "control plane"): range(0, 200, 3),
    ("reaper", "control plane"): range(0, 120, 3),
    ("transition", "control plane"): range(0, 4500, 45),
    ("autostop", "control plane"): range(0, 3500, 20),
    # Each version is among them, cold and claimed.
    ("lifecycle_run", "control plane"): range(0, 640, 40),
}
"""The cases that the usual suite puts, where all of them take long."""
IF_SLOW = {
    ("pool_v2.26", "control plane"): (3, 6, 9, 17, 22, 23, 30),
    ("pool_v2.35", "control plane"): (0, 3, 6, 17, 23, 29, 30),
    ("acquire_order", "control plane"): range(150),
    ("activity_bump", "control plane"): range(1500),
    ("backoff", "control plane"): range(500),
    ("executor_daemons", "control plane"): range(120),
    ("match_preset", "control plane"): range(200),
    ("reaper", "control plane"): range(120),
    ("transition", "control plane"): range(0, 4500, 15),
    ("autostop", "control plane"): range(0, 3500, 10),
    ("lifecycle_run", "control plane"): (*range(5, 640, 10), *range(20, 640, 40)),
}
"""The cases of these kinds that a slow test puts."""
LONGEST = {"pool_v2.26", "pool_v2.35", "lifecycle_run"}
"""Kinds of which each case takes the reference engine a second, or up to a minute."""
CAN_BE = {("lifecycle_run", "kernel"): 270}
"""How many cases can be put where they are fewer than half, for a scenario cannot say what happens in the others."""
SAMPLED = [known for known in KINDS if (known.kind, known.who) in EVERY_DAY]
"""A slow test, or the longest, puts more of those, or all; every case of a lifecycle is put to the kernel and to the
rule itself each time."""


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
    every = chosen(cases(file)[kind], EVERY_DAY.get((kind, who)))
    can_be = CAN_BE.get((kind, who))
    assert_equal(f"{file} {kind}, {who}", kind, every, WHO[who][kind], record_property, can_be)


@pytest.mark.slow
@pytest.mark.parametrize(("file", "kind", "who"), SAMPLED)
def test_more_answers_are_coders(file, kind, who, record_property):
    every = chosen(cases(file)[kind], IF_SLOW[kind, who])
    assert_equal(f"{file} {kind}, {who}, more", kind, every, WHO[who][kind], record_property)


@pytest.mark.longest
@pytest.mark.parametrize(("file", "kind", "who"), [known for known in SAMPLED if known.kind in LONGEST])
def test_every_pool_and_every_life_is_coders(file, kind, who, record_property):
    assert_equal(f"{file} {kind}, {who}, all", kind, cases(file)[kind], WHO[who][kind], record_property)


def chosen(every: list[Given], which: Iterable[int] | None) -> list[Given]:
    """These of the cases, all if it is not said which; a file that is somebody's own may have fewer."""
    return every if which is None else [every[i] for i in which if i < len(every)]


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
