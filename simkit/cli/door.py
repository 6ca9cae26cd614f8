"""The door: the group, how text reaches a terminal, and the options that several verbs share.

Exit status 0: good. 1: it failed. 2: the input is wrong. 143: it was asked to end (SIGTERM).
"""

from __future__ import annotations

import re
import shutil
import signal
import sys
import textwrap
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

import simkit
from simkit.errors import MOST_PROBLEMS, Finding, InputError, SimkitError, Where
from simkit.limits import MAX_SEED
from simkit.shown import clipped, printed, visible, visible_lines

_PIPED_WIDTH = 160  # wide enough for every table; a terminal's own width otherwise


def console_for(stderr: bool = False) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _PIPED_WIDTH
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False, soft_wrap=False)


def echo(text: str, err: bool = False, nl: bool = True) -> None:
    """Print lines of text: what inputs have in them is seen, and obeyed by nobody. On a terminal they end at a word."""
    shown = printed(text)
    if (sys.stderr if err else sys.stdout).isatty():
        columns = shutil.get_terminal_size().columns
        shown = "\n".join(part for line in shown.split("\n") for part in wrapped(line, columns))
    click.echo(shown, err=err, nl=nl)


def wrapped(line: str, columns: int) -> list[str]:
    """A line as several of so many columns, of which no word is broken.

    They go on below the last text in it that two spaces set apart, if its words fit there, else below its begin.
    """
    if cell_len(line) <= columns:
        return [line]
    most = columns - max(columns // 2, *map(cell_len, line.split()), 0)
    own = len(line) - len(line.lstrip())
    indent = max(
        (found.end() for found in _GAP.finditer(line) if found.end() <= most),
        default=own + 2 * (own > 0 or line.startswith("- ")),
    )
    return textwrap.wrap(
        line,
        columns,
        subsequent_indent=" " * indent,
        expand_tabs=False,
        replace_whitespace=False,
        break_long_words=False,
        break_on_hyphens=False,
    )


_GAP = re.compile(r"(?<=\S) {2,}(?=\S)")


def echo_exactly(text: str) -> None:
    """Print lines for a program to read. A person at a terminal sees them as others."""
    # With colours on, click takes nothing out of it.
    click.echo(visible_lines(text) if sys.stdout.isatty() else text, nl=False, color=True)


def cell(text: str) -> str:
    """A name as text in a table."""
    return printed(visible(text))


class _Listing(click.Group):
    """Lists its commands, and completes them, with their whole first sentences: none is cut."""

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        if cmd.short_help is None and cmd.help:
            cmd.short_help = cmd.get_short_help_str(limit=len(cmd.help))
        super().add_command(cmd, name)


class _Group(_Listing):
    """Tells what went wrong in a line each, without a traceback; `--debug` shows it."""

    group_class = _Listing

    def main(self, *arguments: Any, **named: Any) -> Any:
        with _leaving_when_asked():
            return super().main(*arguments, **named)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with _interrupted():
                return super().invoke(ctx)
        except SimkitError as error:
            if ctx.params.get("debug"):
                raise
            echo(str(error), err=True)
            ctx.exit(128 + _ASKED[-1] if _ASKED else error.status)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception as error:
            if ctx.params.get("debug"):
                if isinstance(error, EOFError):  # which click takes for somebody who goes away
                    raise RuntimeError(_fault(error)) from error
                raise
            echo(_fault(error), err=True)
            ctx.exit(SimkitError.status)


def _fault(error: Exception) -> str:
    """What no input and no machine may bring about, for a person: in a line, and how to report it."""
    if isinstance(error, MemoryError):
        return "the machine has no room for this in memory; make some, or do less at once"
    said = visible(clipped(" ".join(str(error).split())))
    return (
        f"this is a fault of simkit {simkit.__version__} itself: {type(error).__name__}{f': {said}' if said else ''}; "
        "please report it with the files you gave and what `simkit --debug` shows, which goes before the command: "
        "`simkit --debug run ...`"
    )


_SOON_S = 0.01
_ASKED: list[int] = []
"""The signals that this process was asked to end by, but for Ctrl-C."""


@contextmanager
def _interrupted() -> Iterator[None]:
    """In the middle of a statement DuckDB tells of any signal as an error of its own, and forgets which it was."""
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        is_told = type(error).__name__ in ("RuntimeError", "InterruptException") and "interrupted" in str(error).lower()
        if not (is_told or isinstance(error, KeyboardInterrupt)):
            raise
        if _ASKED:
            raise SystemExit(128 + _ASKED[-1]) from error
        raise KeyboardInterrupt from error


def _end_statements() -> None:
    store = sys.modules.get("simkit.store.connection")  # without it nothing is open, and it takes long to load
    if store is not None:
        store.end_statements()


@contextmanager
def _leaving_when_asked() -> Iterator[None]:
    """Who is asked to end leaves as at Ctrl-C: scratch files are removed, and what was begun is undone. Neither waits
    for a statement of DuckDB's."""

    def leave(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_DFL)  # who asks twice does not wait
        _ASKED.append(number)
        _end_statements()
        raise SystemExit(128 + number)

    def interrupt(*_: object) -> None:
        _end_statements()
        raise KeyboardInterrupt

    def leave_anyway(*_: object) -> None:
        raise SystemExit(128 + _ASKED[-1]) if _ASKED else KeyboardInterrupt

    def forgotten(told: sys.UnraisableHookArgs) -> None:
        # Where an object's life ends, or C calls back, Python tells of what a signal raises, and goes on.
        if isinstance(told.exc_value, SystemExit | KeyboardInterrupt):
            signal.signal(signal.SIGALRM, leave_anyway)
            signal.setitimer(signal.ITIMER_REAL, _SOON_S)
        else:
            hook(told)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {signal.SIGTERM: signal.signal(signal.SIGTERM, leave)}
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # and not one that is to be ignored
        before[signal.SIGINT] = signal.signal(signal.SIGINT, interrupt)
    hook, sys.unraisablehook = sys.unraisablehook, forgotten
    try:
        yield
    finally:
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)


def pairs(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, Any]:
    """NAME=VALUE options as a dictionary, with those of files of values that they do not name."""
    return {**context.meta.get(_FILES, {}), **named(context, parameter, values)}


def named(_: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """NAME=VALUE options as a dictionary."""
    found = {}
    for value in values:
        name, equals, text = value.partition("=")
        if not equals or not name:
            raise click.BadParameter(f'"{value}" is not NAME=VALUE', param=parameter)
        found[name] = text
    return found


def files(context: click.Context, _: click.Parameter, paths: tuple[str, ...]) -> None:
    """Keeps the values of files until `pairs` takes them."""
    from simkit.inputs.variables import var_file

    context.meta[_FILES] = {name: given for path in paths for name, given in var_file(path).items()}


_FILES = "simkit.var-files"


def duration(_: click.Context, parameter: click.Parameter, text: str | None) -> int | None:
    """Microseconds."""
    from simkit.clock import parse_duration

    try:
        return None if text is None else parse_duration(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param=parameter) from None


_FEW = 5
"""Findings of one kind that are shown: who has read so many knows the others."""
_OWN = re.compile(r'"[^"]*"|[^\s"]*\d[^\s"]*')
"""What sets a finding apart from others of its kind: names, numbers and instants."""


def print_findings(findings: tuple[Finding, ...]) -> None:
    """The first of each kind, and how many more there are; with `--debug` all of them."""
    context = click.get_current_context(silent=True)
    if context is not None and context.find_root().params.get("debug"):
        for finding in findings:
            echo(str(finding), err=True)
        return
    kinds = [(finding.level, finding.name, _OWN.sub("", finding.text)) for finding in findings]
    many, seen, shown = Counter(kinds), Counter[tuple[str, str, str]](), 0
    for finding, kind in zip(findings, kinds, strict=True):
        seen[kind] += 1
        if seen[kind] > _FEW:
            continue
        if shown == MOST_PROBLEMS:
            echo("... and others; `simkit --debug` before the command shows all", err=True)
            return
        echo(str(finding), err=True)
        shown += 1
        if seen[kind] == _FEW and many[kind] > _FEW:
            more = many[kind] - _FEW
            echo(f"... and {more:,} more of this kind; `simkit --debug` before the command shows all", err=True)


def instant(text: str | None) -> int:
    """Microseconds since the epoch; for None now, to the second, as people read it."""
    from simkit.clock import SECOND_US, parse_instant

    if text is None:
        return time.time_ns() // 1_000_000_000 * SECOND_US
    try:
        return parse_instant(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--at") from None


@contextmanager
def working(console: Console, what: str) -> Iterator[None]:
    if console.is_terminal:
        with console.status(Text(visible(what))):
            yield
    else:
        yield


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Shows how many of how many are done and how long the rest will take, if a person is watching."""
    with _bar(MofNCompleteColumn()) as bar:
        task = bar.add_task(visible(what), total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def progress_of_shares(what: str) -> Iterator[Callable[[str, float], None]]:
    """The same where what is done now has a name, and a share of all is done."""
    with _bar() as bar:
        task = bar.add_task(visible(what), total=1.0)
        yield lambda now, share: bar.update(task, description=visible(now), completed=share)


def _bar(*columns: ProgressColumn) -> Progress:
    console = console_for(stderr=True)
    shown = (TextColumn("{task.description}", markup=False), BarColumn(), *columns, TimeRemainingColumn())
    return Progress(*shown, console=console, transient=True, disable=not console.is_terminal)


def say_if_counting_compiles() -> None:
    """A person who watches is told why nothing happens for a while: before the first candidate is counted."""
    from simkit.core.compile import will_compile

    if console_for(stderr=True).is_terminal and will_compile("counts"):
        echo("compiling the loop that counts, once, about 20 s", err=True)


_var_option = click.option(
    "--var", "variables", multiple=True, callback=pairs, metavar="NAME=VALUE", help="A Terraform variable."
)
_var_file_option = click.option(
    "--var-file",
    multiple=True,
    callback=files,
    expose_value=False,
    is_eager=True,
    type=click.Path(),
    help="Terraform variables from a .tfvars or .tfvars.json file; --var comes before it.",
)


def variables_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """--var and --var-file; the command gets `variables`."""
    return _var_file_option(_var_option(command))


coder_option = click.option(
    "--coder",
    metavar="VERSION",
    help="Coder's version, such as v2.26, for what names none itself; v2.35 if left out.",
)
seed_option = click.option(
    "--seed", type=click.IntRange(0, MAX_SEED), default=0, show_default=True, help="Of all chance."
)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(simkit.__version__, prog_name="simkit")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    help="Tell on stderr what is done and how long it takes, an object of JSON a line; nothing if left out.",
)
@click.pass_context
def main(context: click.Context, debug: bool, log_level: str | None) -> None:
    """Decide how many prebuilt workspaces a Coder deployment keeps warm, when, for how long and at what cost."""
    if log_level is not None:
        from simkit.cli.watching import watching

        context.call_on_close(watching(log_level))


def png_file(text: str) -> Path:
    """Where a picture can be written. Raises InputError, before anything is computed."""
    path = Path(text)
    problem = ""
    if path.suffix.lower() != ".png":
        problem = f"a picture is a PNG file; write {path.with_suffix('.png').name or 'picture.png'}"
    elif not path.resolve().parent.is_dir():
        problem = "there is no such folder; make it, or write into another one"
    if problem:
        raise InputError([Finding("error", Where(f"--picture {text}"), problem)])
    return path
