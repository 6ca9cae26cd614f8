"""An agenda in its order, and ticks of which those without effect are skipped."""

from __future__ import annotations

import ast
import inspect

from hypothesis import given
from hypothesis import strategies as st

from simkit.clock import NEVER
from simkit.controlplane.clockwork import Agenda, Ticks
from simkit.core import kernel
from simkit.core.numbers import Order


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from(Order)), max_size=30))
def test_an_agenda_goes_by_time_then_by_order_then_by_being_written_down(entries):
    agenda, done = Agenda(), []
    for i, (at, order) in enumerate(entries):
        agenda.add(at, order, lambda now_at, i=i: done.append((now_at, i)))
    while agenda.next[0] != NEVER:
        at, _ = agenda.next
        agenda.pop()(at)
    assert [i for _, i in done] == sorted(range(len(entries)), key=lambda i: (*entries[i], i))
    assert [at for at, _ in done] == sorted(at for at, _ in entries)


BRANCHES = {
    "event_at": Order.EVENT,
    "change_at": Order.EVENT,
    "job_at": Order.JOB,
    "claim_at": Order.CLAIM,
    "look_at": Order.EXECUTOR,
    "tick_at": Order.RECONCILER,
    "": Order.REAPER,
}
"""What each branch of the kernel's chain is: it asks for the instant of that name, the last one for none."""


def test_the_kernel_does_what_comes_at_one_instant_in_the_order_of_the_agenda():
    advance = inspect.getsource(getattr(kernel._advance, "py_func", kernel._advance))
    loop = next(node for node in ast.walk(ast.parse(advance)) if isinstance(node, ast.While))
    chain = next(
        node for node in loop.body if isinstance(node, ast.If) and ast.unparse(node.test) == "event_at == now_at"
    )
    asked = ["event_at"]
    while len(chain.orelse) == 1 and isinstance(chain.orelse[0], ast.If):
        chain = chain.orelse[0]
        name, is_now = ast.unparse(chain.test).split(" == ")
        assert is_now == "now_at"
        asked.append(name)
    assert {*asked, ""} == set(BRANCHES)
    assert [BRANCHES[name] for name in (*asked, "")] == sorted(BRANCHES.values())


def test_an_empty_agenda_never_comes():
    assert Agenda().next[0] == NEVER


def test_ticks_come_at_every_interval_from_the_first_on():
    ticks = Ticks(100, 60)
    seen = []
    for _ in range(3):
        seen.append(ticks.next)
        ticks.passed(ticks.next)
    assert seen == [100, 160, 220]


def test_ticks_before_something_is_due_are_skipped():
    ticks = Ticks(100, 60)
    ticks.passed(100)
    ticks.due_at = 281
    assert ticks.next == 340
    ticks.due_at = NEVER
    assert ticks.next == NEVER
    ticks.touch(170)
    assert ticks.next == 220, "something has changed: the next tick counts"


def test_a_tick_that_is_over_does_not_come_again():
    ticks = Ticks(100, 60)
    ticks.passed(160)
    ticks.touch(160)
    assert ticks.next == 220


def test_ticks_after_a_pause_keep_their_beat():
    ticks = Ticks(100, 60)
    ticks.resume(301)
    ticks.touch(301)
    assert ticks.next == 340


@given(
    st.integers(0, 100), st.integers(1, 50), st.lists(st.tuples(st.integers(0, 90), st.integers(0, 90)), max_size=12)
)
def test_the_next_tick_is_never_in_the_past_and_on_the_beat(first_at, interval, steps):
    ticks, now_at = Ticks(first_at, interval), first_at
    for forward, due in steps:
        now_at += forward
        ticks.passed(now_at)
        ticks.touch(now_at + 1)
        assert ticks.next > now_at
        ticks.due_at = now_at + due
        assert ticks.next > now_at
        assert ticks.next >= ticks.due_at
        assert (ticks.next - first_at) % interval == 0
