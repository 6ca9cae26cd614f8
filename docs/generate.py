"""The pages of the reference, each made of what the program itself reads or does."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from html import escape
from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import click
import duckdb

import simkit
from simkit.cli import main
from simkit.clock import HOUR_US
from simkit.inputs.keys import NEEDED, ROWS, Key, Keys
from simkit.inputs.scenario_keys import SCENARIO_KEYS
from simkit.model import HOURS_PER_WEEK, People, Scenario, SessionProfile, constant
from simkit.report.batch import Asked, read_batch
from simkit.report.index import PICTURE
from simkit.report.keys import BATCH_KEYS
from simkit.store.connection import schema
from simkit.store.reports import add_reports
from simkit.store.sweeps import SweepFile
from simkit.templates.check.keys import TEST_KEYS


def write_pages(write: Callable[[str, str], None]) -> None:
    """Give each generated page to `write`, by its name and text."""
    for name, page in PAGES.items():
        write(name, page())


def keys_page() -> str:
    """Every key of the files that people write."""
    parts: list[tuple[str, str, Iterable[Keys]]] = [
        (
            "Scenario",
            "[Write a scenario](scenario.md) says how they go together.",
            SCENARIO_KEYS,
        ),
        (
            "Test file",
            "`simkit check` and `pytest --simkit` run each `*.simkit.yaml` beside a template.",
            TEST_KEYS,
        ),
        ("Batch of reports", "`simkit report --all` reads it.", BATCH_KEYS),
        ("Rows of data files", "CSV, Parquet and DuckDB files that a scenario or an option names.", ROWS),
    ]
    lines = ["# Keys of files", "", _KINDS, ""]
    for title, about, tables in parts:
        lines += [f"## {title}", "", about, ""]
        for table in tables:
            lines += [f"### {title}: {_code(table.place or 'top level')}", "", table.meaning, ""]
            lines += [_table(("Key", "Type and unit", "Default", "Meaning"), map(_key, table.keys)), ""]
    return "\n".join(lines)


_KINDS = """\
A key that is not known is an error, which names the nearest one. A dot is a level, `[]` each entry of a list, and a
word in capitals whatever name stands there.

- A *duration* is written `90s`, `15m`, `8h`, `7d` or `1h30m`; a *distribution* is `{median: 3m, p95: 6m}` or
  `{sample: [2m, 4m]}`.
- An *instant* is RFC 3339 (`"2026-03-02T09:00:00-05:00"`); without an offset it is *local time*, by the clocks that are
  named beside it.
- A *time zone* is an IANA name, such as `Europe/Berlin`. A *cron expression* is Coder's: minute, hour, day, month,
  weekday.
- A *path* is relative to the file that names it. A *version* is one of Coder's, such as `v2.35`.
- A *bound* is an exact number, or limits: `{at_least: 1, at_most: 4}`.
"""


def _key(key: Key) -> tuple[str, str, str, str]:
    meaning = f"{key.meaning} Such as {_code(key.example)}." if key.example else key.meaning
    return _code(key.name), key.kind, default_of(key), meaning


def default_of(key: Key) -> str:
    """What the page says that applies where the key is left out."""
    if key.required or key.otherwise == NEEDED:
        return f"*{NEEDED}*"
    if key.default and key.otherwise:
        return f"{_code(key.default)}; {key.otherwise}"
    return _code(key.default) if key.default else key.otherwise


_SENTENCE = re.compile(r"^-- ((?:\w+\.)?\w+): (.*)$", re.MULTILINE)
_BESIDE = re.compile(r"^ {4}(\w+) .*?-- (.*)$", re.MULTILINE)
_MADE = re.compile(r"^((?:--[^\n]*\n)*)CREATE (TABLE|VIEW) (\w+)(.*?)(?=^(?:--|CREATE)|\Z)", re.MULTILINE | re.DOTALL)


class Column(NamedTuple):
    name: str
    type: str
    may_be_null: bool
    meaning: str


class Table(NamedTuple):
    name: str
    is_view: bool
    meaning: str
    columns: tuple[Column, ...]


def tables() -> list[Table]:
    """Every table and view of a runs file, with what `schema.sql` says of it; "" where it says nothing."""
    sql = schema()
    body, _, glossary = sql.partition("-- What columns hold: ")
    said = dict(_SENTENCE.findall(glossary))
    columns: dict[str, list[tuple[str, str, bool]]] = {}
    with duckdb.connect() as connection:
        connection.execute(sql)
        for table, name, type_, null in connection.execute(
            "SELECT table_name, column_name, data_type, is_nullable = 'YES' FROM information_schema.columns "
            "ORDER BY table_name, ordinal_position"
        ).fetchall():
            columns.setdefault(table, []).append((name, type_.replace("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ"), null))
    found = []
    for above, kind, table, inside in _MADE.findall(body):
        beside = dict(_BESIDE.findall(inside)) if kind == "TABLE" else {}
        of = []
        for name, type_, null in columns.pop(table):
            meaning = said.get(f"{table}.{name}", said.get(name, ""))
            if name in beside:
                meaning = f"{meaning.removesuffix('.')} ({beside[name]})."
            of.append(Column(name, type_, null, meaning[:1].upper() + meaning[1:]))
        text = " ".join(line.removeprefix("--").strip() for line in above.splitlines())
        found.append(Table(table, kind == "VIEW", text, tuple(of)))
    assert not columns, f"each table is found in the text: {list(columns)}"
    return found


def tables_page() -> str:
    """Every table, view and column that a file of simkit holds."""
    lines = ["# Tables", "", _TABLES, ""]
    for title, views in (("Tables of a runs file", False), ("Views of a runs file", True)):
        lines += [f"## {title}", ""]
        for table in tables():
            if table.is_view == views:
                lines += [f"### {table.name}", "", _escaped(table.meaning), "", _columns(table.columns), ""]
    for title, about, of in (
        ("Tables of a sweep", "`simkit sweep --out` makes it.", sweep_tables()),
        ("Tables of the history of reports", "`simkit report --all` keeps it beside the reports.", report_tables()),
    ):
        lines += [f"## {title}", "", about, ""]
        for table in of:
            lines += [f"### {table.name}", "", table.meaning, "", _columns(table.columns), ""]
    return "\n".join(lines)


_TABLES = """\
A runs file (`simkit run --out`, `simkit import --out`) is a DuckDB file, which any client of DuckDB opens. Where Coder
has a table or column, it has its name here. Instants are `TIMESTAMPTZ` in UTC. The schema is `simkit/store/schema.sql`,
from whose comments this page is made; [questions](questions.md) answer most of what one would ask by SQL.
"""


def sweep_tables() -> list[Table]:
    with duckdb.connect() as connection:
        SweepFile(connection, "", [_VARIED], [["1"]], ("", 0, ""))
        return _tables_in(connection, _SWEEP)


def report_tables() -> list[Table]:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "history.duckdb"
        add_reports(file, ())
        with duckdb.connect(str(file), read_only=True) as connection:
            return _tables_in(connection, _REPORTS)


def _tables_in(connection: duckdb.DuckDBPyConnection, said: Mapping[str, tuple[str, Mapping[str, str]]]) -> list[Table]:
    found = []
    for (name,) in connection.execute("SELECT table_name FROM information_schema.tables ORDER BY 1").fetchall():
        meaning, columns = said[name]
        described = connection.execute(f"DESCRIBE {name}").fetchall()
        of = tuple(
            Column(column, type_, null == "YES", columns.get(column, "")) for column, type_, null, *_ in described
        )
        found.append(Table(name, False, meaning, of))
    return found


_VARIED = "presets.NAME.instances"
_MEASURES = {
    "claims": "How many people asked.",
    "hits": "Of these, those who got a ready prebuild.",
    "still_waiting": "Those who still waited at the end of the window.",
    "builds": "Builds of prebuilds.",
    "failed_builds": "Of these, those that failed.",
    "hit_rate": "Hits by claims; NULL where nobody asked, or there is no pool.",
    "wait_p50_s": "Seconds that half of the people waited at most.",
    "wait_p95_s": "Seconds that 95 of 100 waited at most.",
    "wait_p99_s": "Seconds that 99 of 100 waited at most.",
    "idle_instance_hours": "Hours in which a prebuild was there for nobody.",
    "idle_cost": "What these cost.",
    "pool_instance_hours": "Hours in which a prebuild was built, idle or deleted.",
    "pool_cost": "What these cost.",
    "billed_instance_hours": "Hours of everything that ran, as a cloud bills them.",
    "billed_cost": "What these cost.",
}
_SWEEP: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "sweep": (
        "One row: what the sweep is of.",
        {
            "version": "Of these tables.",
            "scenario": "The scenario's name.",
            "seed": "Of all chance.",
            "digest": "A checksum of the scenario as its file says it.",
            "paths": "What is varied, in order.",
        },
    ),
    "points": (
        "A row for each point: a value of each thing that is varied.",
        {
            "point": "Counts the points, in their order.",
            _VARIED: "A column for each thing that is varied, as `--vary` names it: its value.",
            "digest": "A checksum of the point's scenario and all that it names.",
            "weeks": "How long its window is.",
            "message": "Why it failed; NULL where it did not.",
        },
    ),
    "measures": (
        "A row for each point, replication and preset.",
        {
            "point": "The point.",
            "replication": "Counts its runs, from 0 on.",
            "preset": "The preset's name.",
            **_MEASURES,
        },
    ),
}
_REPORTS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "reports": (
        "A row for each report that was ever made, or tried. Numbers are of its first run: medians over replications.",
        {
            "notebook": "The notebook's name.",
            "report": "The report's name.",
            "made_at": "When.",
            "digest": "A checksum of its notebook, inputs and simkit.",
            "message": "What went wrong; empty if it was made.",
            "seconds": "How long it took.",
            "page": "Where it is, below the folder of all reports; empty if there is none.",
            "claims": "How many people asked.",
            "hit_rate": "The share of them who got a ready prebuild.",
            "wait_p95_s": "Seconds that 95 of 100 waited at most, of the preset that has the longest.",
            "idle_hours_per_week": "Hours a week in which a prebuild was there for nobody.",
            "idle_cost_per_week": "What these cost.",
            "currency": "What that is in.",
            "hard_limited_presets": "Presets that the hard limit stopped.",
        },
    ),
}


def _columns(columns: Iterable[Column]) -> str:
    rows = ((_code(c.name), f"{c.type}{' or NULL' * c.may_be_null}", _escaped(c.meaning)) for c in columns)
    return _table(("Column", "Type", "Meaning"), rows)


def _escaped(text: str) -> str:
    return re.sub(r"([*_<`])", r"\\\1", text)


def status_page() -> str:
    """With what each command ends, as its own help says it."""
    rows = []
    for name, command in _commands(main):
        said = _STATUS.search(" ".join((command.help or "").split()))
        ends = dict(re.findall(r"(\d+): (.*?)\.(?= \d+:|$)", said[1])) if said else {}
        rows.append((_code(name), *(ends.get(status, usual) for status, usual in _USUAL.items())))
    return "\n".join(["# Exit status", "", _ENDS, "", _table(("Command", *_USUAL), rows), ""])


_STATUS = re.compile(r"Exit status (0: .*)$")
_USUAL = {"0": "it is done", "1": "it could not be done", "2": "an input cannot be used"}
_ENDS = """\
What a scheduler or a pipeline sees. Status 2 comes with every problem, as `path:line: what was seen; what to write
instead`, and nothing is half-written. Besides: 1 after Ctrl-C, 143 after SIGTERM.
"""


def _commands(group: click.Group, above: str = "simkit") -> Iterable[tuple[str, click.Command]]:
    for name, command in sorted(group.commands.items()):
        if isinstance(command, click.Group):
            yield from _commands(command, f"{above} {name}")
        else:
            yield f"{above} {name}", command


def environment_page() -> str:
    """Every variable of the environment that something is decided by."""
    lines = ["# Environment variables", "", "None has to be set.", ""]
    return "\n".join([*lines, _table(("Variable", "Meaning"), ((_code(n), m) for n, m in ENVIRONMENT.items())), ""])


ENVIRONMENT = {
    "SIMKIT_CACHE_DIR": "The folder in which compiled code is kept; the user's cache folder if it is not set.",
    "SIMKIT_ZONEINFO": "A folder of compiled time zones, read in place of those of the package tzdata, zone by zone.",
    "CODER_URL": "The deployment that `simkit import api` reads, if the command names none.",
    "CODER_SESSION_TOKEN": "The token that `simkit import api` reads it with.",
    "PGPASSWORD": "The password of `simkit import postgres`; `~/.pgpass` is read, too.",
    "HTTPS_PROXY": "The proxy of `simkit import api`.",
    "NO_PROXY": "Hosts that need none.",
    "SSL_CERT_FILE": "Authorities that `simkit import api` trusts beside the public ones.",
    "NO_COLOR": "No colours on a terminal, whatever its value.",
    "COLUMNS": "How wide tables are on a terminal.",
    "NUMBA_DISABLE_JIT": "1: nothing is compiled. The numbers are the same, and take a hundred times as long.",
    "_SIMKIT_COMPLETE": "Set by the script that [completes commands](cli.md) in a shell.",
}


def schemas_page() -> str:
    """The two JSON documents that programs read."""
    lines = ["# JSON", ""]
    for title, about, name in _SCHEMAS:
        package, file = name.split("/")
        schema_ = json.loads(resources.files(package).joinpath(file).read_text(encoding="utf-8"))
        path = f"{package.replace('.', '/')}/{file}"
        lines += [f"## {title}", "", f"{about} Its JSON schema is `{path}`.", "", _fields(schema_), ""]
    return "\n".join(lines)


_SCHEMAS = (
    ("Result of a report", "`result.json` stands beside each report.", "simkit.report/result.schema.json"),
    (
        "Recommendation",
        "`simkit recommend --format json` prints it.",
        "simkit.decide/recommendation.schema.json",
    ),
)


def _fields(top: Mapping[str, Any]) -> str:
    rows = ((_code(at), kind, _escaped(meaning)) for at, kind, meaning in _walked(top, top, ""))
    return _table(("Field", "Type", "Meaning"), rows)


def _walked(of: Mapping[str, Any], top: Mapping[str, Any], at: str) -> Iterable[tuple[str, str, str]]:
    """(path, type, description) of each field, `[]` being each entry of a list and `NAME` a name of the user's own."""
    of = _resolved(of, top)
    fields = dict(of.get("properties", {}))
    if isinstance(of.get("additionalProperties"), dict):
        fields["NAME"] = of["additionalProperties"]
    for name, field in fields.items():
        inner, place = _resolved(field, top), f"{at}.{name}" if at else name
        yield place, _kind(inner, top), inner.get("description", "")
        yield from _walked(inner, top, place)
    for key in ("oneOf", "anyOf"):
        for one in of.get(key, ()):
            yield from _walked(one, top, at)
    if isinstance(of.get("items"), dict):
        yield from _walked(of["items"], top, f"{at}[]")


def _resolved(of: Mapping[str, Any], top: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" not in of:
        return of
    found = top["$defs"][of["$ref"].removeprefix("#/$defs/")]
    return {**found, **{key: value for key, value in of.items() if key != "$ref"}}


def _kind(of: Mapping[str, Any], top: Mapping[str, Any]) -> str:
    parts = [_kind(_resolved(one, top), top) for key in ("oneOf", "anyOf") for one in of.get(key, ())]
    kinds = [of["type"]] if isinstance(of.get("type"), str) else list(of.get("type", ()))
    if "enum" in of:
        kinds = [", ".join(map(str, of["enum"]))]
    if of.get("format"):
        kinds[:1] = [of["format"]]
    return " or ".join(dict.fromkeys([*kinds, *parts])) or "any"


def questions_page() -> str:
    """Each question, its columns, and what it answers of a sample."""
    run = simkit.run_reference(_sample(), seed=7)
    lines = ["# Questions", "", _QUESTIONS, ""]
    for name, text in simkit.questions().items():
        answer = simkit.ask(run, name)
        columns = ((_code(column), unit_of(column, str(of))) for column, of in answer.dtypes.items())
        shown = answer.drop(columns="run_id").head(_ROWS).to_string(index=False, na_rep="") if len(answer) else "(none)"
        example = f"```text\n{shown}\n```"
        lines += [f"## {name}", "", _escaped(text), "", _table(("Column", "Unit"), columns), "", example, ""]
    return "\n".join(lines)


_ROWS = 3
_QUESTIONS = """\
`simkit ask RUNS QUESTION`, or `simkit.ask(RUNS, QUESTION)`. Below each stand its columns, and the first rows that it
gives of two mornings (`examples/template/morning.yaml`, with three people besides).
"""


def _sample() -> Scenario:
    """Two mornings of claims, and three people with workspaces, so that every question has something to tell."""
    morning = simkit.load(Path(__file__).parent.parent / "examples" / "template" / "morning.yaml")
    office = tuple(0.2 if 9 <= hour % 24 < 17 else 0.0 for hour in range(HOURS_PER_WEEK))
    sessions = SessionProfile(morning.zone, office, constant(2 * HOUR_US))
    preset = morning.versions[0].presets[0].name
    schedule = replace(morning.schedule, default_ttl_us=3 * HOUR_US)
    return replace(morning, people=(People("developers", 3, preset, sessions),), schedule=schedule)


def unit_of(column: str, of: str) -> str:
    """By its name, whose end says it."""
    for pattern, unit in _UNITS.items():
        if re.search(pattern, column):
            return unit
    if of.startswith("datetime"):
        return "instant, UTC"
    return "number" if of.lower().startswith(("int", "float")) else "yes or no" if of.lower() == "bool" else "text"


_UNITS = {
    r"^local_": "local time",
    r"_at$|_until$": "instant, UTC",
    r"_s$": "seconds",
    r"_ns$": "nanoseconds",
    r"hours$": "hours",
    r"cost$": "in `currency`",
    r"rate$|share$": "from 0 to 1",
    r"(^|_)id$": "id",
}


def gallery_page() -> str:
    """A card for each notebook: its question, and where it is rendered already a picture and the page."""
    batch = read_batch(_DOCS / "gallery.yaml")
    cards = [_card(asked, batch.out) for asked in batch.reports]
    return "\n".join(["# Gallery", "", _GALLERY, "", '<div class="gallery">', *cards, "</div>", ""])


_DOCS = Path(__file__).parent
_GALLERY = """\
Each notebook on the sample data, as `simkit report` renders it. `make gallery` renders those that changed, then builds
these pages; `make docs` takes what is rendered already. On your own scenario: [reports](reports.md).
"""


def _card(asked: Asked, out: Path) -> str:
    notebook = json.loads(asked.notebook.read_text(encoding="utf-8"))
    title, _, about = "".join(notebook["cells"][0]["source"]).partition("\n")
    text = f"<h2>{escape(title.removeprefix('# '))}</h2><p>{escape(about.strip())}</p>"
    page = out / asked.notebook.stem / asked.name / f"{asked.notebook.stem}.html"
    if not page.is_file():
        return f'<div class="card">{text}<p><em>Not rendered yet.</em></p></div>'
    href = page.relative_to(out.parent).as_posix()
    return f'<a class="card" href="{escape(href)}">{_thumbnail(page, out.parent)}{text}</a>'


def _thumbnail(page: Path, root: Path) -> str:
    """The page's first picture, as a file beside it."""
    found = PICTURE.search(page.read_bytes())
    if found is None:
        return ""
    kind, _, data = found[1].decode().partition(";base64,")
    picture = page.with_name(f"thumbnail.{kind.partition('/')[2].partition('+')[0]}")
    picture.write_bytes(b64decode(data))
    return f'<img src="{escape(picture.relative_to(root).as_posix())}" alt="" loading="lazy">'


PAGES: Mapping[str, Callable[[], str]] = {
    "gallery": gallery_page,
    "keys": keys_page,
    "tables": tables_page,
    "questions": questions_page,
    "exit-status": status_page,
    "environment": environment_page,
    "schemas": schemas_page,
}


def _code(text: str) -> str:
    return f"`{text}`"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A table in Markdown. A line break or a bar in a cell would end it."""

    def line(cells: tuple[str, ...]) -> str:
        return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"

    return "\n".join([line(head), line(tuple("---" for _ in head)), *map(line, rows)])
