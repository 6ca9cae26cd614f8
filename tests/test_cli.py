"""The command line as a person types it: what it prints, and with which status it ends."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import click
import duckdb
import pytest
from click.testing import CliRunner, Result
from rich.console import Console

import simkit
from simkit.cli import main
from simkit.cli.door import print_findings, working, wrapped
from simkit.errors import Finding, Where
from simkit.store import writing
from simkit.store.columns import Columns

SCENARIO = """\
name: week
window: {from: "2026-03-02", until: "2026-03-03"}
presets: [{name: large, instances: 2}]
demand: {history: asked.csv}
cost: {per_instance_hour: 0.5, currency: EUR}
"""


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    (tmp_path / "asked.csv").write_text(
        "started_at\n2026-03-02T10:00:00Z\n2026-03-02T10:00:05Z\n2026-03-02T10:00:09Z\n"
    )
    path = tmp_path / "week.yaml"
    path.write_text(SCENARIO)
    return path


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def test_a_run_prints_a_line_for_each_preset(scenario: Path):
    done = invoke("run", scenario, "--seed", "7")
    assert done.exit_code == 0
    served, spent = (line.split() for line in done.stdout.splitlines() if line.startswith("large"))
    assert served[:6] == ["large", "3", "66.7%", "10s", "3m31s", "3m31s"]
    assert float(spent[1]) > 0, "building is paid for, too"
    assert "EUR" in done.stdout


def test_a_run_says_that_it_compiles_before_it_tries_what_the_notes_advise(scenario: Path, monkeypatch):
    order = []
    monkeypatch.setattr("simkit.cli.runs._say_if_it_compiles", lambda _: order.append("compiles"))
    monkeypatch.setattr("simkit.templates.cures.lint_tried", lambda *_: order.append("tries") or ())
    assert invoke("run", scenario).exit_code == 0
    assert order == ["compiles", "tries"]


def test_a_run_advises_what_helps_and_says_for_how_much(scenario: Path):
    morning = "instances: 0, scheduling: {timezone: UTC, schedules: [{cron: '* 10 * * *', instances: 2}]}"
    scenario.write_text(SCENARIO.replace("instances: 2", morning))
    told = invoke("run", scenario).stderr
    assert 'write "* 9-10 * * *" to have them at 10:00: it buys 66.7 points of the hit rate for' in told
    assert "EUR a week" in told


def test_a_run_is_added_to_a_file_that_answers_questions(scenario: Path, tmp_path: Path):
    file = tmp_path / "runs.duckdb"
    assert invoke("run", scenario, "--seed", "7", "--out", file).exit_code == 0
    assert f"1 run in {file}: week-s7-r0-" in invoke("run", scenario, "--seed", "7", "--out", file).stdout
    assert simkit.ask(file, "hit_rate")[["hits", "claims"]].to_numpy().tolist() == [[2, 3]]
    answer = invoke("ask", file, "hit_rate", "--csv").stdout.splitlines()
    assert answer[0] == "run_id,preset,hits,claims,hit_rate"
    assert len(answer) == 2
    assert "hit_rate_by_hour" in invoke("ask", file).stdout


@pytest.mark.parametrize("name", ["'; DROP TABLE runs; -- ../../%s {0} $run", "\x1b[31mred\u202eabc[/]a\nb", "x" * 250])
def test_a_name_that_is_part_of_a_runs_id_does_nothing_there(scenario: Path, tmp_path: Path, name: str):
    scenario.write_text(SCENARIO.replace("name: week", f"name: {json.dumps(name)}"))
    file = tmp_path / "runs.duckdb"
    told = [invoke("run", scenario, "--seed", seed, "--out", file) for seed in "12"]
    first, _ = simkit.ask(file, "runs")["run_id"]
    assert first.startswith(f"{name}-s1-r0-")
    told += [invoke("ask", file, "hit_rate", "--run", first), invoke("why", file, "--run", first)]
    assert [done.exit_code for done in told[:-1]] == [0] * 3
    for program in (("ask", file, "hit_rate", "--csv"), ("metrics", file, "--run", first, "--at", "2026-03-02T12:00Z")):
        assert invoke(*program).exit_code == 0, "what programs read has names as they are"
    assert not any(bad in done.output for done in told for bad in ("\x1b", "\u202e", "Traceback", "fault of simkit"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["asked.csv", "runs.duckdb", "week.yaml"]


def test_replications_are_told_with_their_range(scenario: Path):
    lines = invoke("run", scenario, "--replications", "3").stdout.splitlines()
    assert lines[0].startswith(
        "Least and greatest of 3 replications. Only the chance of builds: one history is replayed"
    )
    rows = [line.split()[0] for line in lines if line.split()[:1] and line.split()[0] in ("large", "least", "greatest")]
    assert rows == ["large", "least", "greatest"] * 2


def test_bad_input_is_told_whole_with_status_2_and_nothing_is_written(scenario: Path, tmp_path: Path):
    scenario.write_text(SCENARIO.replace("instances: 2", "instances: -2").replace("EUR", "EUR, per_hour: 1"))
    file = tmp_path / "runs.duckdb"
    done = invoke("run", scenario, "--out", file)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert [line.split(": ")[0] for line in done.stderr.splitlines()] == [f"{scenario}:3", f"{scenario}:5"]
    assert not file.exists()


@pytest.mark.parametrize("interrupted", [KeyboardInterrupt, RuntimeError("Query interrupted")])
@pytest.mark.parametrize(("before", "stored"), [(0, 0), (0, 2), (1, 1), (1, 3)])
def test_ctrl_c_while_saving_leaves_whole_runs_and_one_line(
    interrupted: BaseException,
    before: int,
    stored: int,
    scenario: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    file = tmp_path / "runs.duckdb"
    if before:
        assert invoke("run", scenario, "--out", file).exit_code == 0
    insert, tables = writing.insert_columns, [0]

    def insert_columns(connection: duckdb.DuckDBPyConnection, table: str, columns: Columns) -> None:
        tables[0] += table == "claims"
        insert(connection, table, columns)
        if tables[0] > stored - before:
            raise interrupted

    monkeypatch.setattr(writing, "_ROWS_AT_ONCE", 1)
    monkeypatch.setattr(writing, "insert_columns", insert_columns)
    done = invoke("run", scenario, "--replications", "4", "--out", file)
    told = f"{file}: interrupted while saving; {stored} of 4 runs are in it, whole"
    assert (done.exit_code, done.stdout, done.stderr.splitlines()[-1:]) == (1, "", [told])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["asked.csv", *["runs.duckdb"] * (stored > 0), "week.yaml"]
    if stored:
        assert len(simkit.ask(file, "runs")) == stored
        assert simkit.ask(file, "hit_rate")["claims"].tolist() == [3] * stored


@pytest.mark.parametrize("out", [":memory:", "md:runs", "no/such/folder/runs.duckdb", "junk.duckdb"])
def test_a_place_that_cannot_be_written_to_is_refused_before_anything_is_simulated(
    scenario: Path, out: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    Path("junk.duckdb").write_text("not a database")
    monkeypatch.setattr(simkit, "replicate", lambda *_: pytest.fail("it was simulated"))
    done = invoke("run", scenario, "--out", out)
    assert done.exit_code == 2
    assert done.stderr.startswith(f"{out}: ")
    assert Path("junk.duckdb").read_text() == "not a database"


def test_a_file_that_is_not_there_is_told_also_by_whoever_asks_for_the_questions(scenario: Path):
    done = invoke("ask", scenario.parent / "nowhere.duckdb")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "nowhere.duckdb: there is no such runs file; `simkit run` writes one with --out" in done.stderr


def test_a_fault_of_simkits_own_is_told_in_one_line_and_shown_when_asked_for(scenario: Path, monkeypatch):
    def fails(*_: object) -> None:
        raise KeyError("one\x1b[31m\ntwo")

    monkeypatch.setattr(simkit, "load", fails)
    done = invoke("run", scenario)
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"this is a fault of simkit {simkit.__version__} itself: KeyError: ")
    assert "\x1b" not in line
    assert line.endswith(
        "please report it with the files you gave and what `simkit --debug` shows, which goes before the "
        "command: `simkit --debug run ...`"
    )
    assert isinstance(invoke("--debug", "run", scenario).exception, KeyError)
    env = {**os.environ, "PYTHONPATH": str(Path(simkit.__file__).parents[1])}
    script = "import simkit, simkit.cli\nsimkit.load = lambda *_: 1 / 0\nsimkit.cli.main(['--debug', 'run', 'x'])"
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=env, check=False)
    assert "Traceback (most recent call last)" in shown.stderr
    assert "ZeroDivisionError" in shown.stderr


@pytest.mark.parametrize(
    "error",
    [
        "EOFError",
        *(pytest.param(one, marks=pytest.mark.slow) for one in ("StopIteration", "RecursionError", "OSError")),
    ],
)
def test_every_fault_is_shown_when_asked_for(tmp_path: Path, error: str):
    """Of an EOFError click says that somebody went away."""
    env = {**os.environ, "PYTHONPATH": str(Path(simkit.__file__).parents[1])}
    for option in ([], ["--debug"]):
        script = (
            "import simkit, simkit.cli\ndef load(*_): raise " + error + "('odd')\nsimkit.load = load\n"
            f"simkit.cli.main([*{option}, 'run', 'x'])"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=env, check=False)
        assert done.returncode == 1
        assert f"{error}: odd" in done.stderr
        assert ("Traceback (most recent call last)" in done.stderr) == bool(option)
        assert "Aborted" not in done.stderr


def test_a_machine_without_memory_is_no_fault_of_simkits(scenario: Path, monkeypatch):
    def fails(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(simkit, "load", fails)
    done = invoke("run", scenario)
    assert (done.exit_code, done.stderr) == (
        1,
        "the machine has no room for this in memory; make some, or do less at once\n",
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_who_is_asked_to_end_removes_scratch_folders(tmp_path: Path, number: int):
    script = (
        "import os, signal, tempfile, simkit, simkit.cli\n"
        "def load(*_):\n"
        "    with tempfile.TemporaryDirectory(dir='.') as folder:\n"
        f"        os.kill(os.getpid(), {int(number)})\n"
        "        signal.pause()\n"
        "simkit.load = load\n"
        "simkit.cli.main(['run', 'x'])"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(simkit.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, env=env, check=False
    )
    assert done.returncode == (143 if number == signal.SIGTERM else 1)
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("number", "status", "said"), [(signal.SIGTERM, 143, ""), (signal.SIGINT, 1, "Aborted!\n")])
@pytest.mark.parametrize("told_as", ["RuntimeError('Query interrupted')", "KeyboardInterrupt"])
def test_who_is_asked_to_end_in_the_middle_of_a_statement_ends_as_elsewhere(number, status, said, told_as):
    """DuckDB tells of any signal as an error of its own, and the store makes that Ctrl-C."""
    script = (
        "import os, signal, simkit, simkit.cli\n"
        "def load(*_):\n"
        "    try:\n"
        f"        os.kill(os.getpid(), {int(number)})\n"
        "        signal.pause()\n"
        "    except BaseException:\n"
        f"        raise {told_as} from None\n"
        "simkit.load = load\n"
        "simkit.cli.main(['run', 'x'])"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(simkit.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=env, check=False)
    assert (done.returncode, done.stderr.lstrip("\n")) == (status, said)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_who_is_asked_to_end_where_python_forgets_what_is_raised_ends_all_the_same(number: int):
    script = (
        "import os, signal, time, simkit, simkit.cli\n"
        "class Ends:\n"
        "    def __del__(self):\n"
        f"        os.kill(os.getpid(), {int(number)})\n"
        "        time.sleep(1)\n"
        "def load(*_):\n"
        "    Ends()\n"
        "    time.sleep(60)\n"
        "simkit.load = load\n"
        "simkit.cli.main(['run', 'x'])"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(simkit.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=env, check=False)
    expected = (143, "") if number == signal.SIGTERM else (1, "Aborted!\n")
    assert (done.returncode, done.stderr.lstrip("\n")) == expected


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_who_is_asked_to_end_twice_ends_at_once(tmp_path: Path, number: int):
    script = (
        "import os, signal, simkit, simkit.cli\n"
        "def load(*_):\n"
        "    try:\n"
        f"        os.kill(os.getpid(), {int(number)})\n"
        "    finally:\n"
        f"        os.kill(os.getpid(), {int(number)})\n"
        "        signal.pause()\n"
        "simkit.load = load\n"
        "simkit.cli.main(['run', 'x'])"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(simkit.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, cwd=tmp_path, env=env, check=False)
    assert done.returncode == (-signal.SIGTERM if number == signal.SIGTERM else 1)
    assert b"Traceback" not in done.stderr


def test_a_traceback_is_shown_only_when_asked_for(scenario: Path):
    scenario.write_text("presets: [")
    assert "Traceback" not in invoke("run", scenario).output
    assert isinstance(invoke("--debug", "run", scenario).exception, simkit.InputError)


def test_a_runs_file_that_is_none_ends_with_status_2(scenario: Path, tmp_path: Path):
    file = tmp_path / "text.duckdb"
    file.write_text("not a database" * 1000)
    done = invoke("run", scenario, "--out", file)
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1].endswith("this is not a DuckDB file; choose another name for the runs file")
    assert file.read_text() == "not a database" * 1000


@pytest.mark.parametrize(
    "arguments", [("run", "x.yaml", "--var", "oops"), ("run", "x.yaml", "--seed", "-1"), ("nope",)]
)
def test_a_wrong_command_line_ends_with_status_2(arguments: tuple[str, ...]):
    assert invoke(*arguments).exit_code == 2


def test_explain_tells_when_a_range_holds():
    done = invoke("explain", "* 8-18 * * 1-5", "--timezone", "America/New_York", "--at", "2026-11-24T00:00:00Z")
    assert done.exit_code == 0
    assert "Monday to Friday" in done.stdout
    assert "55" in done.stdout


def test_explain_refuses_what_the_provider_refuses():
    done = invoke("explain", "30 8-18 * * 1-5")
    assert done.exit_code == 2
    assert 'write "* 8-18 * * 1-5"' in done.stderr


def test_the_installed_command_is_this_one():
    done = subprocess.run([sys.executable, "-m", "simkit.cli", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"simkit, version {simkit.__version__}"


PEOPLE = """\
people:
  - name: staff
    count: 2
    autostart: "0 25 * * *"
    sessions: {weekday: [0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], length: 1h}
"""


def test_a_workspaces_story_is_told_from_the_file(scenario: Path, tmp_path: Path):
    scenario.write_text(SCENARIO.replace("demand: {history: asked.csv}\n", "") + PEOPLE)
    file = tmp_path / "runs.duckdb"
    done = invoke("run", scenario, "--out", file)
    assert "warning: the workspaces of staff never start by themselves" in done.stderr
    told = invoke("why", file, "--workspace", "staff-1").stdout.splitlines()
    assert told[0].endswith(", preset large, of staff-1, times in UTC")
    assert any("claimed" in line and "by staff-1: the pool had it ready" in line for line in told)
    refused = invoke("why", file, "--workspace", "staff-3")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr.startswith('there is no workspace "staff-3" in week-s0-r0-')


def test_one_workspace_is_answered_for_without_a_simulation(scenario: Path):
    done = invoke("when", scenario, "--at", "2026-03-02T15:00:00-05:00", "--ttl", "8h", "--autostart", "0 25 * * *")
    assert done.stdout.splitlines()[3:5] == [
        "Deadline: Tue 2026-03-03T04:00:00Z; activity moves it to 1h after itself.",
        'Next autostart: never, for Coder cannot read its autostart "0 25 * * *": '
        'hour "25": 25 is no hour; write 0 to 23.',
    ]
    refused = invoke("when", scenario, "--at", "noon", "--ttl", "1s")
    assert (refused.exit_code, len(refused.stderr.splitlines())) == (2, 2)


def test_the_reference_engine_prints_and_keeps_what_the_kernel_does(scenario: Path, tmp_path: Path):
    printed = [
        invoke("run", scenario, "--seed", "7", "--engine", engine, "--out", tmp_path / f"{engine}.duckdb").stdout
        for engine in ("kernel", "reference")
    ]
    assert printed[0].replace("kernel.duckdb", "") == printed[1].replace("reference.duckdb", "")
    told = [invoke("ask", tmp_path / f"{engine}.duckdb", "pool", "--csv").stdout for engine in ("kernel", "reference")]
    assert told[0] == told[1]


# Names are text, whatever is in them

ODD = ("[bold red]x [/] :smile:", "GPU [beta]", "GPU [alpha]", "::error::\x1b[31m\n##[group]\u202e")
SEEN = "\\::error::\\x1b[31m\\n##[group]\\u202e"


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    path = tmp_path / "odd.yaml"
    presets = ", ".join(f"{{name: {json.dumps(name)}, instances: 1}}" for name in ODD)
    path.write_text(
        f"name: {json.dumps(ODD[0])}\nwindow: {{from: '2026-03-02', until: '2026-03-03'}}\npresets: [{presets}]\n"
        f"cost: {{per_instance_hour: 1, currency: {json.dumps('[b]€')}}}\n"
    )
    return path


def obeyed(text: str) -> list[str]:
    """What a terminal, or GitHub in a log, would do something about."""
    return re.findall(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", text) + re.findall(
        r"(?m)^\s*(?:::|##\[).*", text
    )


def test_a_run_shows_every_name_as_it_is(odd: Path, tmp_path: Path):
    done = invoke("run", odd, "--out", tmp_path / "runs.duckdb")
    assert (done.exit_code, done.exception) == (0, None)
    lines = done.stdout.splitlines()
    assert lines[0].startswith("[bold red]x [/] :smile:, seed 0")
    for line, name in zip(lines[3:7], [*ODD[:3], SEEN], strict=True):
        assert line.startswith(f"{name} ")
    assert "[b]€" in done.stdout
    assert "[bold red]x [/] :smile:-s0-r0-" in lines[-1]
    assert obeyed(done.output) == []


def test_a_long_name_leaves_every_number_in_a_table(odd: Path):
    odd.write_text(odd.read_text().replace("GPU [beta]", "x" * 300))
    lines = invoke("run", odd).stdout.splitlines()
    assert "".join(line.split()[0] for line in lines if line.startswith("xx")) == "x" * 600, "in each of two tables"
    assert "…" not in "".join(lines)


def test_a_terminal_gets_names_as_text_too(odd: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "160")
    done = invoke("run", odd, "--replications", "2")
    assert done.exit_code == 0
    assert "\x1b[" in done.stdout, "it is a terminal's"
    shown = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)
    for name in [*ODD[:3], SEEN]:
        assert f"\n{name} " in shown
    assert obeyed(shown) == []


def test_answers_and_stories_show_names_as_they_are(odd: Path, tmp_path: Path):
    file = tmp_path / "runs.duckdb"
    invoke("run", odd, "--out", file)
    told = [invoke("ask", file, "summary"), *(invoke("why", file, "--workspace", str(i)) for i in (1, 2, 3, 4))]
    assert [done.exit_code for done in told] == [0] * 5
    for done in told:
        assert obeyed(done.output) == []
    assert all(name in told[0].stdout for name in [*ODD[:3], SEEN[1:]])
    assert f"preset {SEEN[1:]}, times" in "".join(done.stdout for done in told[1:])


def test_csv_is_exact_for_a_program(odd: Path, tmp_path: Path):
    file = tmp_path / "runs.duckdb"
    invoke("run", odd, "--out", file)
    rows = csv.DictReader(io.StringIO(invoke("ask", file, "summary", "--csv").stdout))
    assert [row["preset"] for row in rows] == list(ODD)


def test_problems_show_names_and_paths_as_they_are(odd: Path):
    odd.write_text(odd.read_text().replace("instances: 1}]", "instances: -1}]"))
    path = odd.rename(odd.with_name("::error::\x1b]0;x\x07\n.yaml"))
    done = invoke("run", path)
    assert done.exit_code == 2
    assert len(done.stderr.splitlines()) == 1
    assert "::error::\\x1b]0;x\\x07\\n.yaml:3: " in done.stderr
    assert obeyed(done.output) == []


def test_a_status_that_names_a_file_is_text():
    written = io.StringIO()
    with working(Console(file=written, force_terminal=True, width=80), "executing [/][bold]\x07.ipynb"):
        pass
    assert "executing [/][bold]\\x07.ipynb" in written.getvalue()


def test_versions_shows_the_table_of_differences():
    done = invoke("versions")
    assert done.exit_code == 0
    heads = done.stdout.splitlines()[0].split()
    assert heads == ["behaviour", "v2.24", "v2.26", "v2.29", "v2.34", "v2.35"]
    assert "early-ranges" in done.stdout


@pytest.mark.parametrize("columns", [60, pytest.param(80, marks=pytest.mark.slow)])
def test_an_answer_fits_the_terminal(columns: int, scenario: Path, tmp_path: Path):
    file = tmp_path / "runs.duckdb"
    assert invoke("run", scenario, "--replications", "3", "--out", file).exit_code == 0
    for question in (None, "summary", "hours", "builds", "pool"):
        text = at_a_terminal(columns, "ask", str(file), *([question] if question else []))
        assert max(len(line.rstrip()) for line in text.splitlines()) <= columns
        assert re.findall(r"week-s0-r\d-[0-9a-f]{8}\b", text) == (
            simkit.ask(file, "runs")["run_id"].tolist() if question else []
        )


PLAN = {
    "format_version": "1.2",
    "resource_changes": [
        {
            "address": "docker_container.workspace",
            "mode": "managed",
            "type": "docker_container",
            "change": {
                "actions": ["delete", "create"],
                "before": {name: f"what the {name} was before" for name in ("image", "hostname", "domainname")},
                "after": {name: f"what the {name} is after" for name in ("image", "hostname", "domainname")},
                "replace_paths": [["image"], ["hostname"], ["domainname"]],
            },
        }
    ],
}


def test_what_is_said_fits_the_terminal_and_stays_in_its_lines_elsewhere(scenario: Path, tmp_path: Path):
    file, plan = tmp_path / "runs.duckdb", tmp_path / "plan.json"
    assert invoke("run", scenario, "--out", file).exit_code == 0
    plan.write_text(json.dumps(PLAN))
    samples = ("metrics", str(file), "--step", "1h", "--out", str(tmp_path / "m"))
    for status, arguments in ((0, ("versions",)), (0, samples), (1, ("plan-check", str(plan)))):
        shown, piped = at_a_terminal(60, *arguments, status=status), invoke(*arguments).stdout
        assert set(shown.split()) == set(piped.split())
        widest = max(len(line.rstrip()) for line in shown.splitlines() if " " in line.strip())
        assert widest <= 60, arguments
    assert max(map(len, piped.splitlines())) > 60


def test_a_line_that_does_not_fit_goes_on_below_its_last_text():
    assert wrapped("well   zones   2026f, 598 of them", 30) == ["well   zones   2026f, 598 of", "               them"]
    assert wrapped("- one two three", 9) == ["- one two", "  three"]
    assert wrapped("  one two three", 9) == ["  one two", "    three"]
    assert wrapped("one two three", 9) == ["one two", "three"]
    assert wrapped("well  /a/path/of/one/word", 20) == ["well", "/a/path/of/one/word"]
    assert wrapped("", 9) == [""]


def test_an_instant_that_is_now_has_whole_seconds():
    assert re.search(r"At \w{3} [0-9-]{10}T[0-9:]{8}Z it ", invoke("explain", "* 8-18 * * 1-5").stdout)


def at_a_terminal(columns: int, *arguments: str, status: int = 0) -> str:
    """What a command writes to a terminal of so many columns, without its colours."""
    own, its = pty.openpty()
    # A dumb terminal would have 80 columns, whatever is said.
    environment = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm"}
    with subprocess.Popen([sys.executable, "-m", "simkit.cli", *arguments], stdout=its, env=environment) as process:
        os.close(its)
        written = b""
        # Linux tells the end of a terminal as an error, macOS as nothing to read.
        with suppress(OSError):
            while part := os.read(own, 65536):
                written += part
    os.close(own)
    assert process.returncode == status
    return re.sub(r"\x1b\[[0-9;]*m", "", written.decode()).replace("\r\n", "\n")


def test_rows_over_replications_are_summed_up_on_request(scenario: Path, tmp_path: Path):
    file = tmp_path / "runs.duckdb"
    assert invoke("run", scenario, "--replications", "3", "--out", file).exit_code == 0
    done = invoke("ask", file, "hit_rate", "--over", "replications")
    assert done.stdout.startswith("Median (5 % to 95 %) of the replications of a scenario and seed; ")
    assert done.stdout.splitlines()[-1].split()[:6] == ["week", "0", "large", "3", "3", "2"]
    head, row = invoke("ask", file, "hit_rate", "--over", "replications", "--csv").stdout.splitlines()
    assert head.startswith("scenario,seed,preset,runs,of_runs,hits_low,hits_median,hits_high,claims_low")
    assert row.startswith("week,0,large,3,3,2,2,2,3,3,3")


def test_an_answer_is_narrowed_and_told_in_local_time(scenario: Path, tmp_path: Path):
    scenario.write_text(SCENARIO.replace("until: ", "timezone: Europe/Berlin, until: "))
    file = tmp_path / "runs.duckdb"
    assert invoke("run", scenario, "--out", file).exit_code == 0
    span = ("--from", "2026-03-02T11:00", "--until", "2026-03-02T11:00:09", "--preset", "large")
    rows = list(csv.DictReader(io.StringIO(invoke("ask", file, "builds", *span, "--local", "--csv").stdout)))
    assert [row["created_at"] for row in rows if row["what"] != "prebuild"] == [
        "2026-03-02 11:00:00+01:00",
        "2026-03-02 11:00:05+01:00",
    ]
    assert {row["timezone"] for row in rows} == {"Europe/Berlin"}


def test_what_a_question_does_not_take_ends_with_status_2(scenario: Path, tmp_path: Path):
    file = tmp_path / "runs.duckdb"
    assert invoke("run", scenario, "--out", file).exit_code == 0
    done = invoke("ask", file, "summary", "--from", "2026-03-02", "--preset", "small")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        '--from: the rows of "summary" have no instant; it takes --preset, --over replications',
        '--preset: there is no preset "small"; there are large',
    ]
    assert invoke("ask", file, "--preset", "large").exit_code == 2, "there is no question"
    assert invoke("ask", file, "reaped").stdout == "no rows\n"


@pytest.mark.parametrize("columns", [60, 80])
def test_the_help_of_no_command_is_cut(columns: int):
    runner = CliRunner(env={"COLUMNS": str(columns)})
    for path, group in (((), main), (("import",), main.commands["import"])):
        shown = runner.invoke(main, [*path, "--help"], terminal_width=columns).stdout
        assert isinstance(group, click.Group)
        said = " ".join(shown.split())
        for name, command in group.commands.items():
            first = re.split(r"\.(?:\s|$)", " ".join((command.help or "").split()))[0]
            assert f"{name} {first}." in said or f"{name} {first}" in said, name
        assert max(map(len, shown.splitlines())) <= columns
        assert not [line for line in shown.splitlines() if line.endswith("...") and "Usage" not in line]


@pytest.mark.parametrize("columns", [60, 80])
def test_the_help_of_options_fits_the_terminal_and_is_not_cut(columns: int):
    for path, command in commands_of(main):
        shown = CliRunner().invoke(main, [*path, "--help"], terminal_width=columns).stdout
        options = shown.partition("\nOptions:\n")[2].partition("\n\n")[0]
        assert max(map(len, options.splitlines())) <= columns, path
        said = "".join(options.split())  # lines may end at a hyphen
        for option in command.params:
            if isinstance(option, click.Option) and option.help and not option.hidden:
                assert "".join(option.help.split()) in said, (path, option.name)


def commands_of(group: click.Group, above: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], click.Command]]:
    found: list[tuple[tuple[str, ...], click.Command]] = []
    for name, command in group.commands.items():
        found.append(((*above, name), command))
        if isinstance(command, click.Group):
            found += commands_of(command, (*above, name))
    return found


def test_progress_with_an_estimate_is_on_a_terminal_alone(scenario: Path, monkeypatch: pytest.MonkeyPatch):
    def shown(*arguments: str, **environment: str) -> str:
        own, its = pty.openpty()
        given = {**os.environ, "COLUMNS": "80", "TERM": "xterm", **environment}
        command = [sys.executable, "-m", "simkit.cli", *arguments]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=its, env=given) as process:
            os.close(its)
            written = b""
            with suppress(OSError):
                while part := os.read(own, 65536):
                    written += part
        os.close(own)
        assert process.returncode == 0
        return written.decode()

    told = shown("run", str(scenario), "--replications", "3")
    assert "simulating" in told
    assert "3/3" in told
    assert re.search(r"\d:\d\d", told), "how long the rest takes"
    assert "\x1b[3" not in shown("run", str(scenario), "--replications", "3", NO_COLOR="1"), "no colours"
    piped = subprocess.run(
        [sys.executable, "-m", "simkit.cli", "run", str(scenario), "--replications", "3"],
        capture_output=True,
        text=True,
    )
    assert (piped.returncode, "simulating" in piped.stderr) == (0, False)


@pytest.mark.parametrize("debug", [False, True])
def test_of_many_findings_of_one_kind_the_first_are_told(debug: bool, capsys):
    def finding(i: int, text: str) -> Finding:
        return Finding("note", Where("week.yaml", i), text)

    found = [finding(i, f'the preset "p {i}" is never used in {i} weeks') for i in range(400)]
    found.insert(200, finding(1, "something else"))
    with click.Context(main, info_name="simkit") as context:
        context.params["debug"] = debug
        print_findings(tuple(found))
    said = capsys.readouterr().err.splitlines()
    if debug:
        assert said == [str(one) for one in found]
        return
    assert said == [
        *map(str, found[:5]),
        "... and 395 more of this kind; `simkit --debug` before the command shows all",
        str(found[200]),
    ]
