"""No input ends in a traceback: each reader takes drawn ones, structured and broken. `make fuzz` draws for an hour."""

from __future__ import annotations

import gzip
import json
import shutil
from contextlib import suppress
from pathlib import Path

import duckdb
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import simkit
from simkit import cron
from simkit.clock import format_duration, format_instant, parse_duration, parse_instant, zone
from simkit.decide import expressions as targets
from simkit.errors import Findings, Where
from simkit.inputs.functions import FUNCTIONS as KNOWN
from simkit.inputs.holidays import read_holidays
from simkit.inputs.variables import var_file
from simkit.templates import snapshot
from simkit.templates.check import check
from simkit.templates.plan import parse_plan
from tests.hostile import broken, broken_bytes, drawn, texts, told_only

SAMPLES = Path(__file__).parent / "samples"
BUSY, PEOPLE = (yaml.safe_load((SAMPLES / name).read_text()) for name in ("busy.yaml", "people.yaml"))
ODD = (SAMPLES / "odd" / "main.tf").read_text()
PLAN = (SAMPLES / "plan.json").read_text()


@pytest.fixture(scope="module", autouse=True)
def here(tmp_path_factory):
    """All of it happens in one folder, which has what the samples name."""
    folder = tmp_path_factory.mktemp("fuzz")
    shutil.copy(SAMPLES / "sessions.csv", folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


def places(value: object, path: tuple = ()) -> list[tuple]:
    """The path of each value of a document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, one in items for place in places(one, (*path, key)))]


def put(document: object, path: tuple, value: object) -> object:
    if not path:
        return value
    found = dict(document) if isinstance(document, dict) else list(document)
    found[path[0]] = put(found[path[0]], path[1:], value)
    return found


VALUES = texts | st.sampled_from(
    [None, True, [], {}, [[]], {"a": 1}, {"median": "1us", "p95": "36600d"}, -1, 0.5, 10**30]
)


@drawn(40)
@given(data=st.data())
def test_a_scenario_with_another_value_somewhere_is_read_or_refused(data):
    document = data.draw(st.sampled_from([BUSY, PEOPLE]))
    document = put(document, data.draw(st.sampled_from(places(document))), data.draw(VALUES))
    Path("s.yaml").write_text(yaml.safe_dump(document, allow_unicode=True))
    with told_only():
        simkit.load("s.yaml")


@drawn(40)
@given(text=broken((SAMPLES / "busy.yaml").read_text()) | broken((SAMPLES / "people.yaml").read_text()))
def test_a_scenario_that_is_broken_is_read_or_refused(text):
    Path("s.yaml").write_text(text)
    with told_only():
        simkit.load("s.yaml")


CLAIMS = "started_at,preset\n2026-03-02T09:00:00-05:00,ide\n1772460000,ide\n2026-03-03 10:00,\n"


def with_history(data: bytes) -> None:
    Path("h.csv").write_bytes(data)
    Path("s.yaml").write_text(
        'window: {from: "2026-03-02", until: "2026-03-04"}\npresets: [{name: ide, instances: 1}]\n'
        "demand: {history: h.csv, timezone: Asia/Kathmandu}\n"
    )
    with told_only():
        simkit.load("s.yaml")


@drawn(15)
@given(value=texts, broken_text=broken(CLAIMS))
def test_a_history_is_read_or_refused(value, broken_text):
    with_history(f"started_at,preset\n{value},ide\n".encode())
    with_history(broken_text.encode())
    Path("d.csv").write_text(broken_text.replace("started_at,preset", "date,name"))
    read_holidays(Path("d.csv"), Findings())


@drawn(25)
@given(data=st.data())
def test_a_history_of_bytes_is_read_or_refused(data):
    if not Path("h.parquet").exists():
        with duckdb.connect() as connection:
            connection.execute("COPY (SELECT '2026-03-02T09:00' AS started_at, 'ide' AS preset) TO 'h.parquet'")
    good = (Path("h.parquet").read_bytes(), gzip.compress(CLAIMS.encode(), mtime=0), CLAIMS.encode("utf-16"))
    with_history(data.draw(st.sampled_from(good).flatmap(broken_bytes) | st.binary(max_size=200)))


def template(text: str, name: str = "main.tf") -> None:
    shutil.rmtree("t", ignore_errors=True)
    Path("t").mkdir()
    Path("t", name).write_text(text)
    assert check(["t"]).status in (0, 2)


@drawn(25)
@given(text=broken(ODD))
def test_a_template_that_is_broken_is_read_or_refused(text):
    template(text)


FUNCTIONS = sorted({*KNOWN, "file", "fileexists", "templatefile", "try", "can", "nosuch"})
expressions = st.recursive(
    st.sampled_from(
        ["1", '"a"', "null", "true", "[]", "{}", "local.x", "var.y", "each.key", "1e300", "9" * 400, '"${1}"']
    ),
    lambda below: (
        st.builds("({} {} {})".format, below, st.sampled_from(["+", "/", "%", "==", "&&", "<"]), below)
        | st.builds("[{}, {}]".format, below, below)
        | st.builds("[for x in {}: {}]".format, below, below)
        | st.builds("{} ? {} : {}".format, below, below, below)
        | st.builds("{}({}, {})".format, st.sampled_from(FUNCTIONS), below, below)
        | st.builds("{}({})".format, st.sampled_from(FUNCTIONS), below)
    ),
    max_leaves=6,
)


@drawn(25)
@given(several=st.lists(expressions, min_size=5, max_size=5))
def test_a_template_of_any_expressions_is_read_or_refused(several):
    names = ("name", "description", "icon", "parameters", "instances")
    *outer, inner = (f"  {name} = {value}\n" for name, value in zip(names, several, strict=True))
    template(
        f'locals {{\n  x = {several[0]}\n}}\ndata "coder_workspace_preset" "p" {{\n{"".join(outer)}'
        f"  prebuilds {{\n  {inner}  }}\n}}\n"
    )


@drawn(25)
@given(
    text=broken('{"data": {"coder_workspace_preset": {"p": {"name": "p", "prebuilds": {"instances": "${1 + 1}"}}}}}')
)
def test_a_template_in_json_is_read_or_refused(text):
    template(text, "main.tf.json")


@drawn(30)
@given(
    text=broken('region = "eu"\nsizes = [1, 2]\nof = { a = null }\n'), other=broken('{"region": "eu", "sizes": [1]}')
)
def test_values_of_variables_are_read_or_refused(text, other):
    for name, content in (("x.tfvars", text), ("x.tfvars.json", other)):
        Path(name).write_text(content)
        with told_only():
            var_file(name)


@drawn(60)
@given(text=broken(PLAN))
def test_a_plan_is_read_or_refused(text):
    with told_only():
        parse_plan(text.encode())
    Path("plan.json").write_text(text)
    assert check(["plan.json"]).status in (0, 2)


PLAN_DOCUMENT = json.loads(PLAN)


@drawn(60)
@given(place=st.sampled_from(places(PLAN_DOCUMENT)), value=VALUES)
def test_a_plan_with_another_value_somewhere_is_read_or_refused(place, value):
    with told_only():
        parse_plan(json.dumps(put(PLAN_DOCUMENT, place, value)).encode())


TESTS = (SAMPLES / "odd" / "odd.simkit.yaml").read_text()


@drawn(25)
@given(text=broken(TESTS))
def test_a_file_of_tests_is_read_or_refused(text):
    shutil.rmtree("t", ignore_errors=True)
    shutil.copytree(SAMPLES / "odd", "t")
    Path("t", "odd.simkit.yaml").write_text(text)
    checked = check(["t"], keyword="none has this name")
    assert checked.status in (0, 2)


@drawn(25)
@given(data=st.data())
def test_a_snapshot_is_read_or_refused(data):
    if not Path("snap").exists():
        shutil.copytree(SAMPLES / "new", "snap")
        snapshot.write(["snap"], parse_instant("2026-03-02T00:00:00Z"), 2, {}, None)
        Path("good").write_bytes(next(Path("snap").glob("*.simkit.snapshot")).read_bytes())
    file = next(Path("snap").glob("*.simkit.snapshot"))
    file.write_text(data.draw(broken(Path("good").read_text())))
    assert check(["snap"]).status in (0, 1, 2)


@drawn(20)
@given(data=st.data())
def test_a_runs_file_that_is_damaged_is_asked_or_refused(data):
    if not Path("good.duckdb").exists():
        with simkit.ControlPlane("good.duckdb", now="2026-03-02T00:00:00Z"):
            pass
    Path("bad.duckdb").write_bytes(data.draw(broken_bytes(Path("good.duckdb").read_bytes())))
    with told_only():
        simkit.ask("bad.duckdb", "runs")


@drawn(300)
@given(text=texts | broken("* 8-18 * * 1-5") | broken("CRON_TZ=Europe/Berlin 30 9 * * MON-FRI"))
def test_what_a_command_line_has_is_read_or_refused(text):
    for read in (cron.parse, cron.weekly, cron.daily, cron.daily_time, cron.time_range, cron.provider_cron):
        with suppress(cron.CronError):
            read(text)
    for read, write in ((parse_duration, format_duration), (parse_instant, format_instant)):
        with suppress(ValueError):
            at = read(text)
            assert read(write(at)) == at
    place = zone(text)
    assert place is None or place.offset_us(0) < 10**12


@drawn(15)
@given(text=texts)
def test_what_is_explained_is_read_or_refused(text):
    with told_only():
        simkit.explain(text, timezone="Asia/Kathmandu", at="2026-03-02T00:00:00Z")
    with told_only():
        simkit.explain("* 8 * * *", timezone=text, at=text)


@drawn(200)
@given(text=texts | broken("max(2, ceil(claims(1h) * 1.5)) if hour >= 8 else scheduled"))
def test_a_target_expression_is_read_or_refused(text):
    with told_only():
        targets.parse(text, Where("--expression"))
