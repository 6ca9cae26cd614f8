"""Connections to DuckDB, the schema in them, and what to say when something is wrong with a file."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import lru_cache
from importlib import resources
from pathlib import Path
from weakref import WeakValueDictionary

import duckdb

from simkit.clock import NEVER
from simkit.errors import InputError, StoreError

Connection = duckdb.DuckDBPyConnection
"""For annotations of those who are handed one."""

SCHEMA_VERSION = 4
READABLE = (3, SCHEMA_VERSION)
"""Versions of files that can be asked; what an older one lacks is empty. Only the newest is written to."""
# Object arrays hold text, also where the rows that DuckDB would look at to find out are all NULL.
SETTINGS = (
    "SET TimeZone = 'UTC'; SET pandas_analyze_sample = 0; SET preserve_insertion_order = true; "
    "SET enable_progress_bar = false"  # it would draw into what a pipe reads
)
MOST_MEMORY = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * 4 // 5
"""Bytes that DuckDB takes where it cannot go on otherwise: what it sorts and joins does not all go to the disk."""
MEMORY = min(1_000_000_000, MOST_MEMORY)
"""Bytes that DuckDB takes before it goes on on the disk: a year of millions of claims is asked on a laptop."""
_LOCKED = "Could not set lock on file"
_PATIENCE_S, _AGAIN_S = 2.0, 0.05
"""How long, and how often, a file is tried that another process has open: who asks a question of it is done by then."""
_CONFIGURATION: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    # Of a file that looks like a SQLite one DuckDB takes the extension for it, if the user has got it.
    "extension_directory": os.devnull,
    "memory_limit": f"{MEMORY}B",
    # Not beside the file, where writing may be forbidden, and not in the folder in which somebody happens to work.
    "temp_directory": os.path.join(tempfile.gettempdir(), f"simkit-{secrets.token_hex(8)}"),
}


@lru_cache(maxsize=1)
def schema() -> str:
    """The statements that make an empty database of the schema."""
    sql = resources.files("simkit.store").joinpath("schema.sql").read_text(encoding="utf-8")
    return f"{sql}\nINSERT INTO schema_version VALUES ({SCHEMA_VERSION});"


def literal(text: object) -> str:
    """Text as SQL writes it, where no parameter can stand."""
    return "'{}'".format(str(text).replace("'", "''"))


def file_of(path: str | Path) -> Path:
    """The file that a path leads to, symbolic links followed; it need not be there yet.

    Raises StoreError for what is no file of this machine: a database in memory or of a service, a directory, a pipe.
    """
    if re.match(r":memory:|\w{2,}:", str(path)):
        raise StoreError(
            f"{path}: this names a database that is no file; write the path of one, such as runs.duckdb "
            f"(./{path} if it is a file's name)"
        )
    try:
        str(path).encode()
        # DuckDB keeps its journal beside the name that it is given: it is given the file's own.
        file = Path(os.path.realpath(path))
        mode = file.stat().st_mode
    except ValueError:
        raise StoreError(f"{path}: DuckDB takes no such name; write one in UTF-8, such as runs.duckdb") from None
    except FileNotFoundError:
        return file
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}; write the path of a file, such as runs.duckdb") from error
    if stat.S_ISDIR(mode):
        raise StoreError(f"{path}: this is a directory; write the path of a file in it")
    if not stat.S_ISREG(mode):
        raise StoreError(f"{path}: this is no ordinary file; write another path")
    return file


def connect(path: str | Path, read_only: bool = False, shown: str | Path = "") -> duckdb.DuckDBPyConnection:
    """A connection that speaks UTC, to a file or `:memory:`. Raises StoreError; `shown` is what it calls the file."""
    database = str(path) if str(path) == ":memory:" else str(file_of(path))
    until_s = time.monotonic() + _PATIENCE_S
    try:
        while True:
            try:
                connection = _connected(database, read_only)
                break
            except duckdb.IOException as error:
                if _LOCKED not in str(error) or time.monotonic() > until_s:
                    raise
                time.sleep(_AGAIN_S)
        connection.execute(SETTINGS)
    except duckdb.Error as error:
        raise explained(shown or path, error) from error
    return interruptible(connection)


_OPEN: WeakValueDictionary[int, duckdb.DuckDBPyConnection] = WeakValueDictionary()


def interruptible(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """The connection, whose statement `end_statements` ends."""
    _OPEN[id(connection)] = connection
    return connection


def end_statements() -> None:
    """Interrupt what every connection is at. For who is interrupted: of a signal DuckDB takes no notice but in the main
    thread, and there it leaves the statement alone: it then waits for its other threads, which work on to the end."""
    for reference in _OPEN.valuerefs():
        connection = reference()
        if connection is not None:
            with suppress(duckdb.Error):  # one that is closed
                connection.interrupt()


def _connected(database: str, read_only: bool) -> duckdb.DuckDBPyConnection:
    try:
        return duckdb.connect(database, read_only=read_only, config=_CONFIGURATION)
    except duckdb.ConnectionException:
        # Somebody in this process has it open already, and all of a process share one way to have it open.
        return duckdb.connect(database, read_only=read_only)


@contextmanager
def opened(path: str | Path, read_only: bool = False, shown: str | Path = "") -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection, closed in any case. Raises StoreError for what DuckDB has to say, KeyboardInterrupt for Ctrl-C."""
    with closing_told(connect(path, read_only, shown), shown or path) as connection:
        yield connection


@contextmanager
def held(path: str | Path) -> Iterator[None]:
    """Let whoever asks a file meanwhile find it open: DuckDB takes longer to open it than to answer most that is asked.

    What is wrong with the file they are told when they ask.
    """
    with ExitStack() as until_then:
        with suppress(StoreError):
            until_then.enter_context(opened(path, read_only=True))
        yield


@contextmanager
def closing_told(connection: duckdb.DuckDBPyConnection, path: str | Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """As `opened`, of a connection that is open already."""
    try:
        yield connection
    except (RuntimeError, duckdb.InterruptException) as error:
        if "interrupted" not in str(error).lower():
            raise
        raise KeyboardInterrupt from error  # so DuckDB tells it in the middle of a statement
    except duckdb.Error as error:
        raise explained(path, error) from error
    finally:
        connection.close()


def explained(path: str | Path, error: duckdb.Error) -> StoreError:
    """What DuckDB has to say, for a person: its own words are the cause, which `--debug` shows."""
    text = str(error)
    said, status = f"DuckDB cannot work with it; `simkit --debug` shows why ({type(error).__name__})", 1
    if _LOCKED in text:
        said = "another process has it open; wait until it is done, or write to another file"
    elif isinstance(error, duckdb.OutOfMemoryException) or re.search("No space left|File too large|quota", text):
        said = "the machine has no room for this, in memory or on the disk; make some, or do less at once"
    elif "Input/output error" in text:
        said = "the disk it is on fails; write to another one"
    else:
        found = next((meant for seen, meant in _WRONG.items() if re.search(seen, text)), None)
        if found is None and isinstance(error, duckdb.CatalogException | duckdb.BinderException):
            found = "it lacks a table or a column that simkit writes; run the scenario again into a new file"
        if found is None and isinstance(error, duckdb.ConstraintException):
            return StoreError(
                f"{path}: {broken_rule(error) or 'a rule of its tables refuses a row'}; it was not stored", 1
            )
        said, status = (said, status) if found is None else (found, InputError.status)
    return StoreError(f"{path}: {said}", status)


_WRONG = {
    "with a different configuration": "this process has it open already, in another way; close that connection first",
    # A CSV or Parquet file is opened as tables in memory.
    "not a valid DuckDB database|sqlite_scanner|Cannot launch in-memory": (
        "this is not a DuckDB file; choose another name for the runs file"
    ),
    "Could not read enough bytes|[Cc]orrupt|checksum": "this DuckDB file is damaged; run the scenario into a new file",
    "with version number|storage version|newer version": (
        "another version of DuckDB wrote it, which this one cannot read; run the scenario again into a new file"
    ),
    "Permission denied|Read-only file system|read-only mode|Operation not permitted": (
        "you may not open it so; allow yourself to, or choose another place"
    ),
}
"""What DuckDB's words mean where what it was given is wrong."""


def broken_rule(error: duckdb.ConstraintException) -> str | None:
    """The CHECK that refuses a row, by its name."""
    # DuckDB 1 names the table without the quotation marks.
    broken = re.search(r'on table "?(\w+)"? with expression CHECK\((.*)\)', str(error))
    for table, check, name in constraints():
        if broken and broken.groups() == (table, check):
            return f"the rule {name} of {table} refuses this"
    return None


def make(path: str | Path, fill: Callable[[duckdb.DuckDBPyConnection], None] = lambda connection: None) -> bool:
    """Make a file of the schema, with what `fill` puts into it. False if none was made, and `fill` is to be repeated.

    The file is written under a name of its own beside `path` and comes to its name whole, or not at all: whoever is
    killed leaves a draft, which the next one removes. What has the name by then keeps it; no such name is ever taken
    or given back, because nobody can know who else has opened it. Also False where a file cannot have a second name.
    Raises StoreError.
    """
    file = file_of(path)
    journals = [file.with_name(f"{file.name}{ending}") for ending in (".wal", ".wal.checkpoint", ".wal.recovery")]
    orphans = [journal.name for journal in journals if journal.exists()]
    if not file.parent.is_dir():
        raise StoreError(f"{path}: there is no directory {file.parent}; make it first")
    if orphans and not file.exists():
        raise StoreError(
            f"{path}: there is no such file, but {orphans[0]}, with which DuckDB would complete it; "
            "bring the file back, or move that one away"
        )
    _remove_drafts(file.parent)
    draft = file.with_name(f".simkit-{os.getpid()}-{secrets.token_hex(8)}.duckdb")
    try:
        with opened(draft, shown=path) as connection:
            connection.execute(schema())
            fill(connection)
            connection.execute("CHECKPOINT")  # leaves nothing in a journal that has the draft's name
            try:
                os.link(draft, file)
            except OSError:
                return False
            return True
    finally:
        _remove(draft)


def _remove_drafts(directory: Path) -> None:
    """Remove the drafts of processes that were killed."""
    with suppress(OSError):
        named = (re.match(r"(\.simkit-(\d+)-[0-9a-f]{16}\.duckdb)", name) for name in os.listdir(directory))
        for draft, process in {found.groups() for found in named if found}:
            if int(process) != os.getpid() and not _is_written(directory / draft):
                _remove(directory / draft)


def _is_written(draft: Path) -> bool:
    """Somebody still writes to it, and so holds its lock."""
    with suppress(FileNotFoundError):
        if draft.stat().st_nlink > 1:
            return False  # it has come to its name
    try:
        _connected(str(draft), read_only=True).close()
    except duckdb.Error as error:
        return _LOCKED in str(error)
    return False


def _remove(draft: Path) -> None:
    """Remove a draft and what DuckDB keeps beside it."""
    with suppress(OSError):
        for left in draft.parent.glob(f"{draft.name}*"):
            if left.is_dir():
                shutil.rmtree(left)
            else:
                left.unlink(missing_ok=True)


def value_of(of: str, name: str) -> str:
    """An SQL expression: the array `name`, registered with the connection, as a column of the type `of`."""
    match of:
        case "TIMESTAMP WITH TIME ZONE":
            return f"make_timestamptz(nullif({name}, {NEVER}))"
        case "TIMESTAMP":
            return f"make_timestamp({name})"
        case "BIGINT":
            return f"nullif({name}, {NEVER})"
    return name


def ensure_schema(connection: duckdb.DuckDBPyConnection, path: str | Path) -> None:
    """Make the tables in an empty database. Raises StoreError for one that holds something else."""
    tables = connection.execute("SELECT count(*) FROM information_schema.tables").fetchall()
    if tables == [(0,)]:
        connection.execute(f"BEGIN; {schema()}; COMMIT")
    check_schema(connection, path)


def check_schema(connection: duckdb.DuckDBPyConnection, path: str | Path, readable: bool = False) -> None:
    """Raise StoreError unless the database has the tables of this simkit, or `readable` older ones."""
    found = connection.execute("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'schema_version'").fetchall()
    version = connection.execute("SELECT max(version) FROM schema_version").fetchall() if found == [(1,)] else None
    if version is None:
        raise StoreError(f"{path}: this DuckDB file holds no simkit runs; choose another file")
    if version[0][0] not in (READABLE if readable else (SCHEMA_VERSION,)):
        raise StoreError(
            f"{path}: its tables have version {version[0][0]}, this simkit reads {SCHEMA_VERSION}; "
            "run the scenario again into a new file"
        )


@lru_cache(maxsize=1)
def constraints() -> tuple[tuple[str, str, str], ...]:
    """(table, expression as DuckDB shows it, name) of every CHECK. DuckDB forgets the names that schema.sql gives."""
    with opened(":memory:") as connection:
        connection.execute(schema())
        rows = connection.execute(
            "SELECT table_name, expression FROM duckdb_constraints() WHERE constraint_type = 'CHECK' "
            "ORDER BY table_oid, constraint_index"
        ).fetchall()
    names = re.findall(r"CONSTRAINT\s+(\w+)\s+CHECK", schema())
    return tuple((table, check, name) for (table, check), name in zip(rows, names, strict=True))
