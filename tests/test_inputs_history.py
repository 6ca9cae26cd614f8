"""A history is what its file says: every row is a claim, or the file is refused with the reason and the cure."""

from __future__ import annotations

import csv
import gzip
import io
import os
import random
import signal
import threading
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner

import simkit
from simkit.cli import main
from simkit.clock import UTC_ZONE, format_instant
from simkit.errors import Findings
from simkit.inputs import load
from simkit.inputs.history import read_history
from simkit.model import History
from simkit.store import foreign
from simkit.store.connection import end_statements
from simkit.store.foreign import of_csv

SCENARIO = """\
window: {from: "2026-11-02", until: "2026-11-09", timezone: America/New_York}
presets: [{name: p, instances: 2}, {name: q, instances: 1}]
"""
AT, LATER = "2026-11-02T14:15:00Z", "2026-11-03T14:15:00Z"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def scenario_of(demand: str) -> Path:
    Path("s.yaml").write_text(f"{SCENARIO}demand: {{{demand}}}\n", encoding="utf-8")
    return Path("s.yaml")


def read(content: str | bytes, more: str = ", preset: q", name: str = "a.csv") -> list[tuple[str, str]]:
    """(instant, preset) of each claim."""
    Path(name).write_bytes(content.encode() if isinstance(content, str) else content)
    return claims(f'history: "{name}"{more}')


def claims(demand: str) -> list[tuple[str, str]]:
    history = load(scenario_of(demand)).demand
    assert isinstance(history, History)
    return [(format_instant(at), preset) for at, preset in zip(history.claim_at.tolist(), history.preset, strict=True)]


def refused(content: str | bytes, more: str = ", preset: q") -> list[str]:
    with pytest.raises(simkit.InputError) as caught:
        read(content, more)
    return str(caught.value).splitlines()


BOTH = [(AT, "p"), (LATER, "q")]
ROWS = f"started_at,preset\n{AT},p\n{LATER},q\n"


@pytest.mark.parametrize(
    "content",
    [
        ROWS,
        ROWS.replace("\n", "\r\n"),
        ROWS.replace("\n", "\r"),
        ROWS.replace("p\n", "p\r\n"),
        "\n\n" + ROWS.replace("\n", "\n\n"),
        ROWS.rstrip("\n"),
        ROWS.replace(",", ";"),
        ROWS.replace(",", "\t"),
        ROWS.replace(",", " | "),
        "sep=;\n" + ROWS.replace(",", ";"),
        ROWS.replace(",", ", "),
        ROWS.replace("started_at,preset", ' "Started_At" , PRESET '),
        ROWS.replace("p\n", '"p"\n'),
        ROWS.encode("utf-8-sig"),
        ROWS.encode("utf-16"),
        b"\xfe\xff" + ROWS.encode("utf-16-be"),
        ROWS.encode("utf-16-le"),
        ROWS.encode("utf-16-be"),
        gzip.compress(ROWS.encode(), mtime=0),
        gzip.compress(ROWS.encode("utf-16"), mtime=0),
        f'note,preset,started_at\n"said ""no"",\nand left",p,{AT}\nx,q,{LATER}\n',
        f"id,id,started_at,preset\n1,2,{AT},p\n3,4,{LATER},q\n",
        "started_at,preset\n1793628900,p\n1793715300,q\n",
        "started_at,preset\n1793628900000,p\n1793715300000,q\n",
        "started_at,preset\n1793628900000000,p\n1793715300000000,q\n",
        "started_at,preset\n1793628900000000000,p\n1793715300000000000,q\n",
        "started_at,preset\n1793628900.0,p\n1.7937153E9,q\n",
    ],
)
def test_whatever_can_be_read_is_read_whole(content: str | bytes):
    assert read(content) == BOTH


def test_microseconds_are_kept_to_the_last_digit():
    assert read("started_at\n1793628900000001\n") == [("2026-11-02T14:15:00.000001Z", "q")]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (f'started_at,preset,note\n{AT},p,"he said\n{LATER},p,x\n', "a.csv:2: a quote is opened and not closed"),
        (
            f'started_at,preset,note\n\n{AT},p,"a\nb"\n{AT},p,"he said\n{LATER},p,"y"\n',
            "a.csv:5: a quote is opened and",
        ),
        (
            f'started_at,preset,note\n{AT},p,"he said\n{LATER},p,x\n{LATER},p,said"\n',
            "a.csv:2: a quote that is opened here",
        ),
        (f'started_at\n"{AT}\n{LATER}"\n', "a.csv:2: a quote that is opened here takes in line 3"),
        (f'started_at,"preset\n{AT},p\n', "a.csv:1: a quote is opened and not closed in the names of the columns"),
        (f"started_at,started_at\n{AT},{LATER}\n", 'a.csv:1: has 2 columns "started_at", at 1 and 2; keep one of them'),
        (f"preset,started_at, Preset\np,{AT},q\n", 'a.csv:1: has 2 columns "preset", at 1 and 3; keep one of them'),
        ("started_at,preset\n", "a.csv:1: has no rows below it; write a row"),
        ("\n\nstarted_at,preset\n\n", "a.csv:3: has no rows below it; write a row"),
        ("", "a.csv: is empty; write started_at,preset and a row"),
        ("time,preset\nx,p\n", 'a.csv:1: has no column "started_at"; its first line has time, preset; rename one, or'),
        (f"started_at,preset\n{AT},p\n{AT}\n{AT},p,3\n", "a.csv:3: has 1 value, and the first line names 2; write as"),
        (f"started_at,preset\n{AT},p\n{AT}\n{AT},p,3\n", "a.csv:4: has 3 values, and the first line names 2; write as"),
        ("started_at\n20261102141500\n", 'a.csv:2: started_at: "20261102141500" is a number, but not of seconds,'),
        ("started_at\n0\n", 'a.csv:2: started_at: "0" is a number, but not of seconds,'),
        ("started_at\n1e400\n", "a.csv:2: started_at: "),
        ("started_at\n11/02/2026 14:15\n", 'a.csv:2: started_at: "11/02/2026 14:15" is not an instant; write "2026-'),
        (
            f"started_at,preset\n{AT},\xe9\n".encode("latin-1"),
            "a.csv:2: byte 0xe9 is not UTF-8; save the file as CSV in",
        ),
        (f"started_at,preset\n{AT},p\0\n", "a.csv:2: has a zero byte, so it is no text; save"),
        (b"PK\x03\x04rest", "a.csv: is a workbook or a zip file; save it as CSV"),
        (gzip.compress(ROWS.encode(), mtime=0)[:-9], "a.csv: cannot be read: "),
        (
            "started_at\n2025-11-02T00:00:00Z\n2025-11-03T00:00:00Z\n",
            "a.csv: none of its 2 rows is in the window, 2026-11",
        ),
        ("started_at\n2027-11-02T00:00:00Z\n", "a.csv: its row is not in the window, 2026-11-02T00:00:00-05:00 to"),
    ],
)
def test_whatever_cannot_be_read_is_refused_with_reason_and_cure(content: str | bytes, said: str):
    assert any(line.startswith(said) for line in refused(content)), refused(content)


def test_rows_without_a_preset_column_need_a_preset_and_a_near_name_is_told():
    assert refused(f"started_at,presets\n{AT},p\n", "") == [
        'a.csv:1: has no column "preset"; add one, or set demand.preset for all rows'
    ]
    Path("a.csv").write_text(f"started_at,presets\n{AT},p\n")
    notes = load(scenario_of("history: a.csv, preset: q")).notes
    assert [str(n) for n in notes] == ['a.csv:1: warning: has no column "preset"; if "presets" is meant, rename it']


def test_a_row_has_the_line_in_which_it_begins():
    """Blank lines and texts of several lines before it count, as Python's own reader counts them."""
    seed = 20261102
    chance = random.Random(seed)
    for _ in range(60):
        columns = chance.choice([1, 2, 3])
        cells = ["a", "b c", '"x\ny"', '"q""r"', '"s,t"', "é"]
        rows = [",".join(chance.choice(cells) for _ in range(columns)) for _ in range(chance.randint(0, 9))]
        text = "".join("\n" * chance.choice([1, 1, 2, 3]) + row for row in rows) + "\n"
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        expected = [(reader.line_num - "".join(row).count("\n"), row) for row in reader if row]
        table, unreadable = of_csv(text, columns, ",", range(columns))
        found = [(line, list(row)) for line, row in zip(table.line, zip(*table.columns, strict=True), strict=True)]
        assert (found, unreadable) == (expected, []), (seed, text)


@pytest.fixture
def database() -> str:
    with duckdb.connect("d.duckdb") as connection:
        connection.execute("CREATE TABLE claims (started_at TIMESTAMPTZ, preset VARCHAR, n INTEGER)")
        connection.execute(f"INSERT INTO claims VALUES ('{AT}', 'p', 1), ('{LATER}', 'q', 2)")
        connection.execute("COPY claims TO 'c.parquet'; COPY claims TO 'c[1]*.parquet'; COPY claims TO 'c.csv'")
        connection.execute(
            "COPY (SELECT started_at::TIMESTAMP AS started_at, 'p' AS preset FROM claims) TO 'w.parquet'"
        )
        connection.execute("COPY (SELECT epoch_ms(started_at) AS started_at, preset FROM claims) TO 'e.parquet'")
        connection.execute("COPY (SELECT NULL::TIMESTAMPTZ AS started_at, 'p' AS preset) TO 'null.parquet'")
        connection.execute("COPY (FROM claims LIMIT 0) TO 'none.parquet'")
    return "d.duckdb"


@pytest.mark.parametrize(
    "demand",
    [
        "history: c.parquet",
        'history: "c[1]*.parquet"',
        "history: e.parquet",
        "history: c.csv",
        "history: {duckdb: d.duckdb, table: claims}",
        "history: {duckdb: d.duckdb, query: 'SELECT n, started_at, preset FROM claims;'}",
        "history: {duckdb: d.duckdb, query: 'SELECT * FROM claims -- all of them'}",
    ],
)
def test_parquet_tables_and_queries_are_histories_too(database: str, demand: str):
    assert claims(demand) == BOTH


def test_instants_of_parquet_without_a_zone_are_wall_clock_time(database: str):
    found = claims("history: w.parquet, timezone: America/New_York")
    assert found == [("2026-11-02T19:15:00Z", "p"), ("2026-11-03T19:15:00Z", "p")]


@pytest.mark.parametrize(
    ("demand", "said"),
    [
        ("history: w.parquet", 'w.parquet: row 1: started_at: "2026-11-02 14:15:00" has no UTC offset; write'),
        ("history: null.parquet", 'null.parquet: row 1: started_at: "" is not an instant; write'),
        ("history: none.parquet", "none.parquet: has no rows; give a history with some"),
        ("history: d.duckdb", "d.duckdb: is a DuckDB file; write {duckdb: FILE, table: NAME} as the history"),
        ("history: {duckdb: d.duckdb, table: claim}", 'd.duckdb: has no table "claim"; write "claims"'),
        ("history: {duckdb: d.duckdb}", "s.yaml:3: demand.history: expected either table (its name) or query"),
        ("history: {duckdb: no.duckdb, table: t}", "s.yaml:3: demand.history.duckdb: no.duckdb does not exist"),
        ("history: {table: t}", 's.yaml:3: demand.history: "duckdb" is missing'),
        ("history: {duckdb: c.csv, table: t}", "c.csv: is not a DuckDB file; give one, or write history: FILE.csv"),
        ("history: {duckdb: d.duckdb, query: SELEC}", "d.duckdb: Parser Error: "),
        ("history: {duckdb: d.duckdb, query: 'SELECT 1; SELECT 2'}", "d.duckdb: the query is no single SELECT; write"),
        (
            "history: {duckdb: d.duckdb, query: \"COPY claims TO 'x'\"}",
            "d.duckdb: the query is no single SELECT; write",
        ),
        ("history: {duckdb: d.duckdb, query: \"FROM 'c.csv'\"}", "d.duckdb: "),
        (
            "history: {duckdb: d.duckdb, query: 'SELECT started_at, n AS started_at FROM claims'}, preset: p",
            'd.duckdb: has 2 columns "started_at", at 1 and 2; keep one of them',
        ),
    ],
)
def test_what_such_a_history_lacks_is_told(database: str, demand: str, said: str):
    with pytest.raises(simkit.InputError) as caught:
        claims(demand)
    assert any(line.startswith(said) for line in str(caught.value).splitlines()), str(caught.value)


def test_a_parquet_file_says_itself_that_it_has_too_many_rows_or_columns(tmp_path: Path):
    with duckdb.connect() as connection:
        connection.execute("COPY (SELECT NULL AS started_at FROM range(10_000_001)) TO 'rows.parquet'")
        wide = ", ".join(f"1 AS c{i}" for i in range(5_001))
        connection.execute(f"COPY (SELECT {wide}) TO 'wide.parquet'")
    Path("cut.parquet").write_bytes(Path("wide.parquet").read_bytes()[:-9] + b"PAR1")
    for name, said in (
        ("rows", "has 10,000,001 rows, and 10,000,000 at most are read; give those of a shorter time"),
        ("wide", "has 5,001 columns, and 5,000 at most are read; leave others out"),
        ("cut", "is damaged, or cut off; write it anew"),
    ):
        with pytest.raises(simkit.InputError, match=f"^{name}.parquet: {said}$"):
            claims(f"history: {name}.parquet")


def test_a_parquet_file_that_says_what_it_has_at_too_great_a_length_is_refused(tmp_path: Path, monkeypatch):
    with duckdb.connect() as connection:
        connection.execute("COPY (SELECT 1 AS started_at) TO 'a.parquet'")
    monkeypatch.setattr(foreign, "_MOST_FOOTER", 10)
    with pytest.raises(simkit.InputError, match="bytes what it has, and 10 at most are read; leave columns out"):
        claims("history: a.parquet")


ENDLESS = "SELECT min(range)::VARCHAR AS started_at FROM range(1000000000000000) WHERE range < 0"


@pytest.mark.parametrize("which", [f'query: "{ENDLESS}"', "table: endless"])
def test_a_query_that_never_ends_is_stopped_and_told(database: str, which: str, monkeypatch):
    monkeypatch.setattr(foreign, "_LONGEST_S", 0.2)
    with duckdb.connect("d.duckdb") as connection:
        connection.execute(f"CREATE OR REPLACE VIEW endless AS {ENDLESS}")
    said = "d.duckdb: the rows took DuckDB more than 0.2 s, and it was stopped; store them as a table, and give that"
    with pytest.raises(simkit.InputError, match=f"^{said}$"):
        claims(f"history: {{duckdb: d.duckdb, {which}}}")


def test_ctrl_c_in_a_query_is_ctrl_c(database: str):
    def interrupt(*_: object) -> None:
        end_statements()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupt)
    timer = threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            claims(f'history: {{duckdb: d.duckdb, query: "{ENDLESS}"}}')
    finally:
        timer.join()
        signal.signal(signal.SIGINT, before)


def test_a_query_is_not_longer_than_people_write(database: str):
    with pytest.raises(simkit.InputError, match=r"the query has 40,0\d\d characters, and 20,000 at most are read"):
        claims(f'history: {{duckdb: d.duckdb, query: "SELECT {"1, " * 13_333}1"}}')


def test_run_says_how_many_rows_were_read_used_and_outside_the_window():
    Path("a.csv").write_text(f"{ROWS}2026-11-01T00:00:00Z,p\n2026-12-01T00:00:00Z,p\n2026-12-01T00:00:00Z,q\n")
    found = CliRunner().invoke(main, ["run", str(scenario_of("history: a.csv"))])
    said = "a.csv: 5 rows read, 2 used, 3 outside the window (1 before it, 2 after it)"
    assert found.stdout.splitlines()[-1] == said


def test_of_a_small_file_that_unpacks_to_millions_of_rows_the_first_are_told(tmp_path: Path):
    for row, said in (("x,y\n", "or more such lines"), ("2026-03-02T09:00Z,a,b\n", "or more such lines")):
        (tmp_path / "a.csv").write_bytes(gzip.compress(b"started_at,preset\n" + row.encode() * 1_000_000, mtime=0))
        findings = Findings()
        read_history(tmp_path / "a.csv", UTC_ZONE, None, ("a",), findings)
        assert 10 <= len(findings.errors) <= 12
        assert str(findings.errors[-1]).endswith(said)


def test_a_line_that_is_longer_than_any_is_told(tmp_path: Path):
    (tmp_path / "a.csv").write_text(f"started_at,preset\n{'2026-03-02T09:00Z,a' * 200_000}\n2026-03-02T09:00Z,a\n")
    findings = Findings()
    read_history(tmp_path / "a.csv", UTC_ZONE, None, ("a",), findings)
    assert [str(problem) for problem in findings.errors] == [
        f"{tmp_path}/a.csv:2: is longer than 2 MB; is a quote opened that is not closed?"
    ]


def test_a_file_that_unpacks_to_more_than_anybody_has_is_refused(tmp_path: Path):
    (tmp_path / "a.csv").write_bytes(gzip.compress(b"\0" * 151_000_000, 1, mtime=0))
    findings = Findings()
    read_history(tmp_path / "a.csv", UTC_ZONE, None, ("a",), findings)
    (problem,) = findings.errors
    assert "has more than 150,000,000 bytes when it is unpacked" in str(problem)


def test_rows_of_a_file_that_is_read_in_pieces_keep_their_lines(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("simkit.inputs.rows._PIECE", 50)
    rows = "".join(f'2026-03-02T09:00:{i:02d}Z,"a"\n' + "\n" * (i % 3) for i in range(40))
    (tmp_path / "a.csv").write_text(f"\nstarted_at,preset\n{rows}2026-03-02T09:00:59Z,b\n")
    findings = Findings()
    history = read_history(tmp_path / "a.csv", UTC_ZONE, None, ("a",), findings)
    assert history.claim_at.size == 41
    (problem,) = findings.errors
    assert problem.where.line == 3 + rows.count("\n")
