"""Coder's metrics over time: at every step what is said of its instant, and what Prometheus takes in."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from metric_rows import build, insert_preset, insert_template, insert_version, samples, samples_by_second
from scenarios import MONDAY_AT, busy_week, inhabited, scenario

from simkit.cli import main
from simkit.clock import HOUR_US, NEVER, SECOND_US, format_instant
from simkit.controlplane import scrapes
from simkit.controlplane.metrics import exposition, exposition_of
from simkit.controlplane.scrapes import scraped
from simkit.controlplane.series import NAMES
from simkit.errors import InputError
from simkit.model import Preset, Scenario, Workload
from simkit.runs.simulate import run
from simkit.store.database import Database, Transaction

LENGTH_S = 240


def scraped_text(file: Path, from_at: str | None, until_at: str | None, step: str, **more: Any) -> str:
    with scraped(file, from_at, until_at, step, **more) as found:
        text = "".join(found.text())
        assert sum(found.samples.values()) == len([line for line in text.split("\n")[:-1] if line[0] != "#"])
        return text


def assert_each_is_its_instant(file: Path, run_id: str, text: str, seconds: Collection[int], limit: int) -> None:
    """At each of these seconds what is said over time is what is said of the instant."""
    steps = samples_by_second(text, seconds)
    with Database(file, run_id, read_only=True) as db:
        for second in seconds:
            instant = samples(exposition(db, second * SECOND_US, hard_limit=limit))
            for name in sorted(instant | steps[second]):
                assert steps[second].get(name) == instant.get(name), f"{name} at {second}"


def wild(tx: Transaction, rng: np.random.Generator) -> None:
    """Rows of more kinds than a simulation has: in no order, of deleted templates, jobs that never end, names alike."""
    unit = int(rng.choice([SECOND_US, 1]))

    def instant(low: int = 0) -> int:
        return int(rng.integers(low // unit, LENGTH_S * SECOND_US // unit + 2)) * unit

    def later(at: int, often: float) -> int:
        return instant(at) if at != NEVER and rng.random() < often else NEVER

    tx.insert("organizations", name="acme")
    users = [0, *(tx.insert("users", username=user, quiet_hours_schedule="") for user in ("ann", "bob"))]
    presets: list[tuple[int, int, int]] = []
    for name in ("t", "t", "u"):
        template = insert_template(tx, name, deleted=(name == "t" and len(presets) > 0) or rng.random() < 0.2)
        for number in range(rng.integers(1, 4)):
            row = {"template_id": template, "name": f"v{number}", "created_at": instant() if number else 0}
            version = tx.insert("template_versions", **row)
            for preset_name in ("large", 'odd "\\\n\u2028name')[: rng.integers(1, 3)]:
                preset = insert_preset(tx, version, preset_name)
                presets.append((preset, version, template))
                tx.update("template_version_presets", preset, desired_instances=int(rng.integers(0, 2)))
                for at in sorted({instant() for _ in range(rng.integers(0, 4))}):
                    tx.insert("desired_instances", preset_id=preset, from_at=at, desired=int(rng.integers(0, 3)))
        if rng.random() < 0.5:
            tx.update("templates", template, active_version_id=presets[-1][1])
    for workspace_i in range(30):
        preset, version, template = presets[rng.integers(len(presets))]
        owner = users[rng.integers(3)]
        workspace = tx.insert(
            "workspaces",
            created_at=0,
            owner_id=owner,
            template_id=template,
            deleted=bool(rng.random() < 0.4),
            name=f"w-{workspace_i // 2}",
        )
        created_at, initiator = instant(), int(rng.integers(0, 2))
        for number in range(1, int(rng.integers(1, 5))):
            started_at = later(created_at, 0.8)
            job = tx.insert(
                "provisioner_jobs",
                created_at=created_at,
                started_at=started_at,
                canceled_at=later(created_at, 0.15),
                completed_at=later(created_at if started_at == NEVER else started_at, 0.8),
                error="boom" if rng.random() < 0.5 else None,
                initiator_id=initiator,
                type=str(rng.choice(["workspace_build", "template_version_import"], p=[0.9, 0.1])),
            )
            build = tx.insert(
                "workspace_builds",
                created_at=created_at,
                workspace_id=workspace,
                template_version_id=version,
                template_version_preset_id=preset if rng.random() < 0.9 else NEVER,
                build_number=number,
                transition=str(rng.choice(["start", "stop", "delete"], p=[0.7, 0.1, 0.2])),
                initiator_id=initiator,
                job_id=job,
                reason="initiator",
            )
            for _ in range(rng.integers(0, 3)):
                state = str(rng.choice(["created", "ready", "start_error", "off"], p=[0.4, 0.3, 0.1, 0.2]))
                tx.insert(
                    "workspace_agents", workspace_build_id=build, ready_at=later(created_at, 0.9), lifecycle_state=state
                )
            if number > 1 and rng.random() < 0.5:
                row = {
                    "user_id": users[1],
                    "workspace_id": workspace,
                    "workspace_build_id": build,
                    "hit": rng.random() < 0.7,
                }
                tx.insert("claims", created_at=created_at, preset_id=preset, **row)
                for resource in "ab"[: rng.integers(0, 3)]:
                    replaced = {"workspace_build_id": build, "resource": resource, "paths": "env"}
                    tx.insert("workspace_build_replacements", happened_at=instant(created_at), **replaced)
            created_at, initiator = instant(created_at) if rng.random() < 0.9 else instant(), int(rng.integers(0, 2))


def insert_run(tx: Transaction) -> None:
    names = ("scenario", "digest", "simkit_version", "coder_version", "timezone", "timezone_database", "currency")
    numbers = {"seed": 0, "replication": 0, "start_at": 0, "end_at": LENGTH_S * SECOND_US}
    tx.insert("runs", **dict.fromkeys(names, ""), **numbers)


def wild_file(file: Path, rng: np.random.Generator) -> int:
    """A file of a run of such rows, and of another run's; the run's hard limit."""
    with Database(file, "another") as db, db.transaction() as tx:
        wild(tx, rng)
    limit = int(rng.integers(0, 4))
    with Database(file, "run") as db, db.transaction() as tx:
        insert_run(tx)
        wild(tx, rng)
        durations = dict.fromkeys(("interval", "backoff_interval", "backoff_lookback"), 1)
        row = {f"reconciliation_{name}": value for name, value in durations.items()}
        tx.insert("reconciler_settings", failure_hard_limit=limit, **row)
    return limit


@pytest.mark.parametrize("seed", [*range(3), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(3, 15))])
def test_rows_of_all_kinds_count_at_each_step_as_at_its_instant(tmp_path: Path, seed: int):
    rng = np.random.default_rng(seed)
    limit = wild_file(tmp_path / "runs.duckdb", rng)
    text = scraped_text(tmp_path / "runs.duckdb", "1970-01-01T00:00:07Z", None, "1s")
    some = sorted(rng.choice(range(7, LENGTH_S), 8, replace=False).tolist())
    assert_each_is_its_instant(tmp_path / "runs.duckdb", "run", text, some, limit)


def test_the_version_that_wants_something_is_told_of_and_a_prebuild_is_ready_with_its_last_agent(tmp_path: Path):
    file = tmp_path / "runs.duckdb"
    with Database(file, "run") as db, db.transaction() as tx:
        insert_run(tx)
        template = insert_template(tx, "t")
        old, new = (insert_version(tx, template, name, 0, name) for name in ("v1", "v2"))
        tx.update("templates", template, active_version_id=new)
        for preset, at_s, desired in ((old, 0, 2), (old, 100, 0), (new, 200, 1)):
            tx.insert("desired_instances", preset_id=preset, from_at=at_s * SECOND_US, desired=desired)
        build(tx, 10, 20, ready_s=30)
        tx.insert("workspace_agents", workspace_build_id=1, ready_at=50 * SECOND_US)
    text = scraped_text(file, None, None, "1s")
    found = re.findall(r'prebuilt_workspaces_eligible{.*preset_name="(v.)".*} ([0-9]+) ([0-9]+)', text)
    eligible = {int(second): (preset, int(count)) for preset, count, second in found}
    assert [eligible[s] for s in (29, 30, 49, 50, 99)] == [("v1", 0), ("v1", 0), ("v1", 0), ("v1", 1), ("v1", 1)]
    assert [eligible[s] for s in (100, 200)] == [("v2", 0), ("v2", 0)]
    assert_each_is_its_instant(file, "run", text, [49, 50, 99, 100, 200], 3)


@pytest.mark.slow
@given(inhabited(), st.integers(1, 200), st.randoms(use_true_random=False))
@settings(max_examples=8)
def test_a_simulation_counts_at_each_step_as_at_its_instant(given: Scenario, count: int, random: Random):
    first_at = -(-given.start_at // SECOND_US) * SECOND_US
    until_at = min(given.end_at, first_at + 12 * HOUR_US)
    assume(until_at - first_at >= SECOND_US)
    step_s = max(1, (until_at - first_at) // SECOND_US // count)
    result = run(given, seed=1)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "runs.duckdb")
        result.save(file)
        text = scraped_text(file, None, format_instant(until_at), f"{step_s}s", without=["coderd_workspace_builds"])
        steps = range(first_at, until_at, step_s * SECOND_US)
        seconds = random.sample(steps, min(3, len(steps)))
        mine = samples_by_second(text, [at // SECOND_US for at in seconds])
        with Database(file, result.run_id, read_only=True) as db:
            for at in seconds:
                instant = samples(exposition(db, at, hard_limit=given.reconciler.failure_hard_limit))
                instant.pop("coderd_workspace_builds_total", None)
                assert mine[at // SECOND_US] == instant, f"at {format_instant(at)}"


def test_a_busy_day_counts_at_each_step_as_at_its_instant(tmp_path: Path):
    result = run(busy_week(hours=30), seed=3)
    result.save(tmp_path / "runs.duckdb")
    text = scraped_text(tmp_path / "runs.duckdb", None, None, "17m")
    start_s = MONDAY_AT // SECOND_US
    some = [start_s + step * 17 * 60 for step in (0, 1, 40, 105)]
    limit = busy_week().reconciler.failure_hard_limit
    assert_each_is_its_instant(tmp_path / "runs.duckdb", result.run_id, text, some, limit)


def test_steps_begin_with_the_span_and_stop_before_its_end(tmp_path: Path):
    run(scenario()).save(tmp_path / "runs.duckdb")

    def seconds(from_at: str, until_at: str, step: str) -> list[int]:
        text = scraped_text(tmp_path / "runs.duckdb", from_at, until_at, step)
        found = [line for line in text.splitlines() if line.startswith("coderd_provisionerd_jobs_current{")]
        return [int(line.rpartition(" ")[2]) - MONDAY_AT // SECOND_US for line in found]

    assert seconds("2026-03-02T00:00:00Z", "2026-03-02T00:01:00Z", "15s") == [0, 15, 30, 45]
    assert seconds("2026-03-02T00:00:07Z", "2026-03-02T00:01:00Z", "15s") == [7, 22, 37, 52]
    assert seconds("2026-03-02T01:00:00Z", "2026-03-02T02:00:01Z", "30m") == [3600, 5400, 7200]


def test_a_run_that_begins_within_a_second_has_its_first_step_at_the_next(tmp_path: Path):
    given = scenario()
    begun = replace(given, start_at=given.start_at + 300_001, end_at=given.start_at + 2 * SECOND_US + 1)
    run(begun).save(tmp_path / "runs.duckdb")
    text = scraped_text(tmp_path / "runs.duckdb", None, None, "1s")
    assert {int(line.rpartition(" ")[2]) - MONDAY_AT // SECOND_US for line in text.splitlines() if line[0] != "#"} == {
        1,
        2,
    }


def test_each_family_is_in_one_piece_with_its_series_by_time(tmp_path: Path):
    run(busy_week(hours=6), seed=1).save(tmp_path / "runs.duckdb")
    lines = scraped_text(tmp_path / "runs.duckdb", None, None, "2m").splitlines()
    families = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert sorted(families) == list(NAMES)
    seen: dict[str, int] = {}
    piece: list[str] = []
    for line in lines[:-1]:
        if line.startswith("# TYPE"):
            piece.append(line.split()[2])
        elif line[0] != "#":
            assert line.startswith(piece[-1])
            series, _, second = line.rsplit(" ", 2)
            assert seen.get(series, 0) < int(second), f"{series} goes on in time"
            seen[series] = int(second)
    assert lines[-1] == "# EOF"
    assert lines.count("# EOF") == 1


def invoked(*words: str) -> Result:
    return CliRunner().invoke(main, ["metrics", *words])


def test_the_command_writes_a_file_and_says_how_much(tmp_path: Path):
    file, out = tmp_path / "runs.duckdb", tmp_path / "metrics.txt"
    run(scenario(hours=1)).save(file)
    span = ["--until", "2026-03-02T00:10:00Z", "--step", "15s"]
    done = invoked(str(file), *span, "--out", str(out))
    assert (done.exit_code, done.stderr) == (0, "")
    text = out.read_text(encoding="utf-8")
    assert done.stdout == f"{len([x for x in text.splitlines() if x[0] != '#']):,} samples in {out}\n"
    assert invoked(str(file), *span).stdout == text
    few = invoked(
        str(file), *span, "--without", "coderd_*_seconds", "--without", "coderd_workspace_builds_total"
    ).stdout
    assert few == "".join(
        line
        for line in text.splitlines(keepends=True)
        if "_seconds" not in line and "coderd_workspace_builds" not in line
    )


def test_every_problem_is_told_at_once_and_nothing_is_written(tmp_path: Path):
    file, out = tmp_path / "runs.duckdb", tmp_path / "metrics.txt"
    run(scenario(hours=3)).save(file)
    out.write_text("mine")
    window = "2026-03-02T00:00:00Z to 2026-03-02T03:00:00Z"

    def told(*words: str) -> list[str]:
        done = invoked(str(file), *words, "--out", str(out))
        assert done.exit_code == 2
        assert out.read_text() == "mine"
        return done.stderr.splitlines()

    assert told("--from", "noon", "--until", "2027-01-01T00:00:00Z", "--step", "1500ms", "--without", "desire") == [
        '--from: "noon" is not an instant; write "2026-03-02T09:00:00-05:00"',
        '--step: "1500ms" is no whole number of seconds; write one such as 15s',
        f"--until: 2027-01-01T00:00:00Z is outside the run's window; write an instant from {window}",
        '--without: there is no metric "desire"; there are ' + ", ".join(NAMES),
    ]
    assert told("--from", "2026-03-02T02:00:00Z", "--until", "2026-03-02T01:00:00Z", "--step", "0s") == [
        '--step: "0s" is no whole number of seconds; write one such as 15s',
        "--until: 2026-03-02T01:00:00Z is not after --from 2026-03-02T02:00:00Z; write a later one",
    ]
    assert told("--from", "2026-03-02T02:00:00.5Z", "--step", "2h") == [
        "--from: 2026-03-02T02:00:00.500000Z is no whole second; leave out the fraction",
        '--step: "2h" is longer than the 59m59s500ms between --from and --until; write a shorter one',
    ]
    assert told("--step", "15") == ['--step: "15" is not a duration; write "90s", "15m", "8h", "7d" or "1h30m"']
    assert told("--step", "15s", "--without", "coderd_*") == ["--without: this leaves out every metric; write fewer"]
    assert "write --at for one instant, or --step" in told()[-1]
    assert "belong to --step" in told("--at", "2026-03-02T02:00:00Z")[-1]
    assert list(tmp_path.iterdir()) == [file, out] or sorted(tmp_path.iterdir()) == [out, file]
    absent = invoked(str(tmp_path / "no.duckdb"), "--step", "15s")
    assert (absent.exit_code, absent.stderr.count("\n"), (tmp_path / "no.duckdb").exists()) == (2, 1, False)


def test_more_samples_than_anybody_can_use_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = tmp_path / "runs.duckdb"
    run(busy_week(hours=6), seed=1).save(file)
    lines = scraped_text(file, None, None, "1m").splitlines()
    count = len([line for line in lines if line[0] != "#"])
    monkeypatch.setattr(scrapes, "MOST_SAMPLES", count)
    scraped_text(file, None, None, "1m")
    monkeypatch.setattr(scrapes, "MOST_SAMPLES", count - 1)
    most = len([line for line in lines if line.startswith("coderd_provisioner_job_queue_wait_seconds")])
    told = (
        f"360 steps are {count:,} samples, more than {count - 1:,}; .* --without coderd_.*, which has {most:,} of them"
    )
    with pytest.raises(InputError, match=told):
        scraped_text(file, None, None, "1m")


def test_a_file_that_may_only_be_read_is_only_read(tmp_path: Path):
    file = tmp_path / "runs.duckdb"
    run(scenario(hours=1)).save(file)
    before = file.read_bytes()
    with duckdb.connect(str(file), read_only=True):  # whoever opens it to write is refused
        assert "_desired" in exposition_of(file, "2026-03-02T00:12:00Z")
        assert "_desired" in scraped_text(file, None, None, "10m")
    assert file.read_bytes() == before


def test_a_file_of_an_older_simkit_is_read(tmp_path: Path):
    file = tmp_path / "runs.duckdb"
    given = scenario(Preset("p", 1), hours=1, workload=Workload(failing_builds=(1, 2, 3)))
    run(given).save(file)
    with duckdb.connect(str(file)) as connection:
        connection.execute("DROP VIEW hard_limits; DROP TABLE reconciler_settings; DROP TABLE scenario_events")
        connection.execute("UPDATE schema_version SET version = 3")
    assert "preset_hard_limited{" in scraped_text(file, None, None, "1m")
