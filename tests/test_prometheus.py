"""A Prometheus takes in what we write, by the commands of docs/prometheus.md, and answers with our own numbers."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import socket
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from typing import NamedTuple

import duckdb
import pandas as pd
import pytest
from click.testing import CliRunner

import simkit
from simkit.cli import main

TOP = Path(__file__).parent.parent
PAGE = (TOP / "docs" / "prometheus.md").read_text(encoding="utf-8")
HOUR = pd.Timedelta(hours=1)
STEP = pd.Timedelta(seconds=15)

pytestmark = [
    pytest.mark.prometheus,
    pytest.mark.skipif(
        not (shutil.which("prometheus") and shutil.which("promtool")),
        reason="prometheus and promtool are not installed (Debian: apt install prometheus)",
    ),
]


def blocks_of(language: str) -> list[str]:
    """The lines of the page's blocks in a language."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    return [line for of, block in found if of == language for line in block.splitlines()]


class Server(NamedTuple):
    """A Prometheus that answers at `address`, and the runs file that it is compared with."""

    address: str
    runs: Path

    def ask(self, path: str, **given: str | float) -> list[dict[str, object]]:
        url = f"http://{self.address}/api/v1/{path}?{urllib.parse.urlencode(given)}"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # it is on this machine
        with opener.open(url) as response:
            return json.load(response)["data"]["result"]

    def at(self, query: str, when: pd.Timestamp) -> dict[str, float]:
        """{preset: value} at an instant; "" for what is of no preset."""
        found = self.ask("query", query=query, time=when.timestamp())
        return {one["metric"].get("preset_name", ""): float(one["value"][1]) for one in found}

    def over(self, query: str, begin: pd.Timestamp, end: pd.Timestamp, step: pd.Timedelta) -> dict[str, pd.Series]:
        span = {"start": begin.timestamp(), "end": end.timestamp(), "step": step.total_seconds()}
        found = self.ask("query_range", query=query, **span)
        return {
            one["metric"].get("preset_name", ""): pd.Series({at: float(value) for at, value in one["values"]})
            for one in found
        }


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("prometheus")
    (folder / "data").symlink_to(TOP / "data")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with chdir(folder):
        *before, last = (shlex.split(line) for line in blocks_of(""))
        for words in before:
            if words[0] == "simkit":
                done = CliRunner().invoke(main, words[1:])
                assert done.exit_code == 0, done.stderr
            else:
                subprocess.run(words, check=True, capture_output=True)
        last = [re.sub("127.0.0.1:[0-9]+", address, word) for word in last]
        with subprocess.Popen(last, stderr=subprocess.PIPE, text=True) as process:
            try:
                assert process.stderr is not None
                told = []
                for line in process.stderr:
                    told.append(line)
                    if "ready to receive web requests" in line:
                        break
                else:
                    pytest.fail("".join(told))
                yield Server(address, folder / "runs.duckdb")
            finally:
                process.kill()


def pool(server: Server) -> pd.DataFrame:
    """simkit's own answer: what each pool has from when on."""
    return simkit.ask(server.runs, "pool")


def at(pool: pd.DataFrame, column: str, when: pd.Timestamp) -> dict[str, int]:
    return pool[pool["changed_at"] <= when].groupby("preset")[column].last().to_dict()


MONDAY = pd.Timestamp("2026-11-16T00:00:00-05:00")
INSTANTS = [MONDAY, MONDAY + 9 * HOUR, MONDAY + 9 * HOUR + 5 * STEP, MONDAY + 34 * HOUR, MONDAY + 7 * 24 * HOUR - STEP]


@pytest.mark.parametrize("column", ["desired", "running", "eligible"])
def test_a_pool_has_at_an_instant_what_simkit_says(server: Server, column: str):
    own = pool(server)
    query = f"coderd_prebuilt_workspaces_{column}"
    assert query in blocks_of("promql")
    for when in INSTANTS:
        assert server.at(query, when) == at(own, column, when), when
    assert server.at(query, MONDAY - STEP) == {}, "nothing before the span"
    assert server.at(query, MONDAY + 7 * 24 * HOUR + STEP) == {}, "nothing after it"


@pytest.mark.parametrize("column", ["desired", "running", "eligible"])
def test_a_pool_has_over_a_day_what_simkit_says(server: Server, column: str):
    own = pool(server)
    begin = MONDAY + 6 * HOUR
    found = server.over(f"coderd_prebuilt_workspaces_{column}", begin, begin + 12 * HOUR, 4 * STEP)
    assert set(found) == set(own["preset"])
    for preset, series in found.items():
        assert len(series) == 12 * 60 + 1
        mine = own[own["preset"] == preset]
        assert series.to_dict() == {
            second: at(mine, column, pd.Timestamp(second, unit="s", tz="UTC"))[preset] for second in series.index
        }
        assert series.nunique() > 1


def claims_in(server: Server, begin: pd.Timestamp, end: pd.Timestamp) -> dict[str, int]:
    with duckdb.connect(str(server.runs), read_only=True) as connection:
        return dict(
            connection.execute(
                "SELECT p.name, count(*) FROM claims AS c JOIN template_version_presets AS p ON p.id = c.preset_id "
                "WHERE c.hit AND c.created_at > $begin AND c.created_at <= $end GROUP BY ALL",
                {"begin": begin, "end": end},
            ).fetchall()
        )


def test_claims_an_hour_are_those_of_the_run(server: Server):
    (query,) = (line for line in blocks_of("promql") if "rate(" in line)
    for hour in (9, 10, 14, 33):
        end = MONDAY + (hour + 1) * HOUR
        own = claims_in(server, end - HOUR, end)
        assert own
        claimed = "coderd_prebuilt_workspaces_claimed_total"
        exact = server.at(f"{claimed} - {claimed} offset 1h", end)
        assert {preset: count for preset, count in exact.items() if count} == own
        # A later Prometheus leaves out the span's first sample, and makes up for it.
        found = {preset: rate for preset, rate in server.at(query, end).items() if rate}
        assert found == pytest.approx(own, rel=0.01)


def test_the_hit_rate_is_that_of_the_run(server: Server):
    (query,) = (line for line in blocks_of("promql") if 'type="regular"' in line)
    own = simkit.ask(server.runs, "summary")
    found = server.at(query, MONDAY + 7 * 24 * HOUR - STEP)[""]
    assert 0 < found < 1
    assert found == pytest.approx((own["hit_rate"] * own["claims"]).sum() / own["claims"].sum())


def test_a_histogram_gives_its_quantiles(server: Server):
    end = MONDAY + 7 * 24 * HOUR - STEP
    found = server.at("histogram_quantile(0.5, sum by (le) (coderd_provisioner_job_queue_wait_seconds_bucket))", end)
    assert 0 <= found[""] <= 0.1, "most builds wait for nothing"
    every = server.at("sum(coderd_provisioner_job_queue_wait_seconds_count)", end)
    with duckdb.connect(str(server.runs), read_only=True) as connection:
        sql = "SELECT count(*) FROM provisioner_jobs WHERE started_at <= $end"
        assert every[""] == connection.execute(sql, {"end": end}).fetchall()[0][0]
