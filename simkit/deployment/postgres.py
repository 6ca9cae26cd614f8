"""Coder's tables are read from its PostgreSQL: in one transaction that reads only, streamed as Arrow.

Nothing that a driver says is shown as it is: a connection string has a password in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from simkit.clock import format_instant
from simkit.deployment.tables import OLDEST, TABLES, Reading, Seen, Table
from simkit.errors import Finding, InputError, Where

if TYPE_CHECKING:
    from simkit.store.staging import Stage

CONNECT_SECONDS = 10
"""How long a host may take to answer, unless the URL has a `connect_timeout` of its own."""
_HAS = """
SELECT c.relname, string_agg(a.attname, ' ' ORDER BY a.attname) AS columns, max(c.reltuples)::float8 AS rows
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p', 'v') AND pg_table_is_visible(c.oid) GROUP BY c.relname
"""
_SHAPE = "postgresql://USER@HOST:5432/DATABASE"


@dataclass(frozen=True)
class Database:
    """Where Coder's database is. The URL is kept out of every text; `where` is what is shown of it."""

    url: str = field(repr=False)

    @property
    def where(self) -> Where:
        try:
            parts = urlsplit(self.url)
            host, port, name = parts.hostname or "", parts.port, parts.path.strip("/")
        except ValueError:
            return Where("the database")
        return Where(f"{host or 'this machine'}{f':{port}' if port else ''}{f'/{name}' if name else ''}")

    def read(self, stage: Stage, keep_names: bool, since_at: int | None, reading: Reading) -> Seen:
        """Put every table into the stage, as they are at one instant.

        Raises InputError, in a sentence, for all that keeps it from that.
        """
        self._check_url()
        with self._said(), self._transaction() as cursor:
            stage.take(_answer(cursor, "SELECT now() AS seen_at"), "CREATE TEMP TABLE seen AS FROM given")
            stage.take(_answer(cursor, _HAS), "CREATE TEMP TABLE has AS FROM given")
            has = {name: (columns.split(), rows) for name, columns, rows in stage.rows("FROM has")}
            self._check_tables({name: columns for name, (columns, _) in has.items()})
            whole = sum(max(has[table.name][1], 1) for table in TABLES)
            done = 0.0
            since = "" if since_at is None else f"TIMESTAMPTZ '{format_instant(since_at)}'"
            for table in TABLES:
                reading(table.name, done / whole)
                sql = table.select(keep_names, since, has[table.name][0])
                with self._said(table.name):
                    stage.take(_answer(cursor, sql), f"CREATE TABLE {table.name} AS FROM given")
                done += max(has[table.name][1], 1)
            return Seen(int(stage.rows("SELECT epoch_us(seen_at) FROM seen")[0][0]))

    def _check_url(self) -> None:
        if not re.match(r"postgres(ql)?://", self.url):
            raise self._refused(f"this is not the address of a PostgreSQL; write {_SHAPE}")
        try:
            parts = urlsplit(self.url)
            well_formed = parts.port != 0 and re.search(r"%(?![0-9A-Fa-f]{2})", self.url) is None
        except ValueError:
            well_formed = False
        if not well_formed or any(sign in self.url for sign in " \t\r\n\0"):
            raise self._refused(
                f"this address cannot be read; write {_SHAPE}, with each special character of a password as %XX, "
                "or leave the password out and set PGPASSWORD"
            )

    def _check_tables(self, has: dict[str, list[str]]) -> None:
        """Raise InputError unless these tables and columns are those of a Coder that is new enough."""
        lacks = [table.name for table in TABLES if table.name not in has]
        if {"workspaces", "workspace_builds", "provisioner_jobs"} & set(lacks):
            raise self._refused(
                f"this is not Coder's database: it has no table {lacks[0]}; name Coder's own behind the URL's last /"
            )
        if not lacks:
            lacks = [f"{table.name}.{column}" for table in TABLES for column in _missing(table, has[table.name])]
        if lacks:
            raise self._refused(
                f"its schema is older than that of Coder {OLDEST}, the oldest that is read: there is no {lacks[0]}; "
                "upgrade Coder first"
            )

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        """A cursor in a transaction that sees one instant and writes nothing."""
        try:
            from adbc_driver_postgresql import dbapi
        except ImportError:
            text = "its driver is not installed; install it with: pip install 'simkit[postgres]'"
            raise self._refused(text) from None
        own = dict(parse_qsl(urlsplit(self.url).query))
        more = "" if "connect_timeout" in own else f"{'&' if own else '?'}connect_timeout={CONNECT_SECONDS}"
        with dbapi.connect(self.url + more) as connection, connection.cursor() as cursor:
            # The first statement of the transaction, or it comes too late.
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield cursor

    @contextmanager
    def _said(self, table: str = "") -> Iterator[None]:
        """What the driver or the server says becomes a sentence of ours."""
        try:
            yield
        except InputError:
            raise
        except Exception as error:
            if (
                type(error).__module__.startswith("adbc_driver_manager")
                or "ADBC" in str(error)
                or "libpq" in str(error)
            ):
                raise self._refused(self._sentence(error, table)) from None  # its text may have the URL in it
            raise

    def _sentence(self, error: Exception, table: str) -> str:
        text, state = str(error), str(getattr(error, "sqlstate", None) or "")
        for pattern, said in _SAID:
            if re.search(pattern, text):
                return said.format(table=table or "its tables")
        code = f" (SQLSTATE {state})" if state else ""
        at = f" at table {table}" if table else ""
        return f"the server ended the reading{at}{code}; try `psql` with the same address to see why"

    def _refused(self, text: str) -> InputError:
        return InputError([Finding("error", self.where, text)])


_SAID = (
    (
        "password authentication failed|no password supplied|role .* does not exist",
        ("the server refuses this user or password; put the right ones into the URL, or the password into PGPASSWORD"),
    ),
    (
        "no pg_hba.conf entry",
        "the server takes no connection from here to this database; ask its administrator for one",
    ),
    ("could not translate host name|Name or service not known", "there is no host of this name; correct the URL"),
    (
        "Connection refused|timeout expired|timed out|No route to host|Network is unreachable|could not connect",
        ("nobody answers there; is the host right, does PostgreSQL run, and can it be reached from here?"),
    ),
    (r"database .* does not exist", "the server has no such database; name Coder's own after the last / of the URL"),
    ("permission denied", "this user may not read {table}; let its owner GRANT SELECT ON {table} to the user"),
    (
        'invalid .*(URI|connection option|integer value|percent)|unexpected spaces|missing "="',
        (f"this address cannot be read; write {_SHAPE}, or leave the password out and set PGPASSWORD"),
    ),
    (
        "server does not support SSL|SSL error|certificate",
        ("the encrypted connection cannot be made; see sslmode and sslrootcert in PostgreSQL's manual"),
    ),
    (
        "server closed the connection|terminating connection|connection to server was lost|SSL SYSCALL",
        ("the connection was lost while {table} was read; try again"),
    ),
)
"""What the driver's words mean; the first that fits."""


def _answer(cursor: Any, sql: str) -> Any:
    cursor.execute(sql)
    return cursor.fetch_arrow()


def _missing(table: Table, has: list[str]) -> list[str]:
    return [column.name for column in table.columns if not column.is_newer and column.name not in has]
