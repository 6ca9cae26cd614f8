"""What a run gives beside its tables."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

import pytest
from hypothesis import given as drawn
from hypothesis import settings
from scenarios import (
    busy_week,
    inhabited,
    inhabited_fortnight,
    scenario,
    scenarios,
    with_an_executor_for_prebuilds,
)

from simkit.clock import MINUTE_US
from simkit.model import Preset, Reconciler, Scenario, Workload, constant
from simkit.runs.result import KernelResult
from simkit.runs.simulate import run
from simkit.store import ask
from simkit.store.columns import Columns, Lazy, Tables
from simkit.store.memory import connection_over


@dataclass(frozen=True)
class Joined:
    """A run without views of its own: SQL makes them of its tables."""

    run_id: str
    tables: Tables
    views: Tables


def assert_views_are_what_sql_finds(*given: Scenario) -> None:
    """Of all of them at once, and of each."""
    runs = list({of.run_id: of for of in (run(each, 7) for each in given)}.values())
    for some in [runs, *([each] for each in runs)]:
        for name in set.intersection(*(set(of.views) for of in some)):
            columns = ", ".join(["run_id", *some[0].views[name]])
            sql = f"SELECT {columns} FROM {name} ORDER BY ALL"
            assert rows_of(sql, some) == rows_of(sql, [Joined(of.run_id, of.tables, {}) for of in some]), name


def rows_of(sql: str, runs: list[KernelResult] | list[Joined]) -> list[tuple[object, ...]]:
    with closing(connection_over(runs, sql)) as connection:
        return connection.execute(sql).fetchall()


@settings(max_examples=15)
@drawn(given=scenarios())
def test_views_are_what_sql_finds(given: Scenario):
    assert_views_are_what_sql_finds(given)


@settings(max_examples=10)
@drawn(given=inhabited())
def test_views_with_people_are_what_sql_finds(given: Scenario):
    assert_views_are_what_sql_finds(given)


@settings(max_examples=10)
@drawn(given=with_an_executor_for_prebuilds())
def test_views_of_prebuilds_that_are_stopped_are_what_sql_finds(given: Scenario):
    assert_views_are_what_sql_finds(given)


def test_a_fortnight_in_which_everything_happens_has_the_views_that_sql_finds():
    assert_views_are_what_sql_finds(inhabited_fortnight(), busy_week(), busy_week("v2.24"))


@pytest.mark.parametrize("limit", [0, 2])
def test_a_run_knows_that_the_hard_limit_held_nothing(limit: int):
    failing = Workload(build=constant(MINUTE_US), failure_probability=1.0)
    given = scenario(Preset("p", 1), workload=failing, reconciler=Reconciler(failure_hard_limit=limit))
    assert ("hard_limits" in run(given).views) == (limit == 0)
    assert (len(ask(run(given), "hard_limits")) > 0) == (limit > 0)
    assert_views_are_what_sql_finds(given)
    assert len(ask([run(given), run(scenario(Preset("p", 1)))], "hard_limits")) == (limit > 0)


def test_a_question_makes_no_table_and_no_view_that_it_does_not_name():
    made = run(busy_week())
    tables = Lazy({name: (lambda of=name: note(of, made.tables)) for name in made.tables})
    views = Lazy({name: (lambda of=name: note(of, made.views)) for name in made.views})
    noted: list[str] = []

    def note(name: str, of: Tables) -> Columns:
        noted.append(name)
        return of[name]

    told = ask(Joined(made.run_id, tables, views), "idle")
    assert len(told) > 0
    assert not {"runs", "users", "claims", "workspaces", "templates", "template_version_presets"} & set(noted)
    assert "prebuild_spans" in noted
