"""Run `*.simkit.yaml` files as pytest tests, and give fixtures to those who write tests in Python.

`pytest --simkit`, or `simkit = true` in pytest's ini file, collects such files; one that is named on the command line
is collected without either. Loading the plugin imports pytest alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from simkit.shown import visible

if TYPE_CHECKING:
    from simkit.coder_versions import Behaviour
    from simkit.errors import Finding, Findings
    from simkit.inputs.templates import Templates
    from simkit.inputs.variables import Outside
    from simkit.model import Preset, Scenario
    from simkit.runs.result import Result
    from simkit.templates.check import Test, TestFile, TestOutcome

_SUFFIX = ".simkit.yaml"
_TEMPLATES: pytest.StashKey[Templates] = pytest.StashKey()
_NOTES: pytest.StashKey[Findings] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    text = f"run the tests of prebuild schedules in *{_SUFFIX} files"
    parser.getgroup("simkit").addoption("--simkit", action="store_true", default=None, help=text)
    parser.addini("simkit", f"{text}, as --simkit does", type="bool", default=False)
    text = "values of Terraform variables for them, NAME=VALUE"
    parser.getgroup("simkit").addoption("--simkit-var", action="append", default=[], metavar="NAME=VALUE", help=text)
    parser.addini("simkit_variables", f"{text} a line", type="linelist", default=[])
    text = "Coder's version, such as v2.26, for test files and scenarios that name none"
    parser.getgroup("simkit").addoption("--simkit-coder", metavar="VERSION", help=text)
    parser.addini("simkit_coder", text, default="")


def pytest_configure(config: pytest.Config) -> None:
    if wrong := [text for text in _variables(config) if not text.partition("=")[1]]:
        raise pytest.UsageError(f'--simkit-var: "{wrong[0]}" is not NAME=VALUE')
    if coder := _coder(config):
        from simkit.coder_versions import behaviour_of

        try:
            behaviour_of(coder)
        except ValueError as error:
            raise pytest.UsageError(f"simkit_coder: {error}") from None


def _coder(config: pytest.Config) -> str | None:
    """Coder's version, the command line before the ini file; None where neither names one."""
    return str(config.getoption("simkit_coder") or config.getini("simkit_coder")) or None


def _behaviour(config: pytest.Config) -> Behaviour:
    from simkit.errors import Findings
    from simkit.inputs.coder import named_version

    return named_version(_coder(config), Findings())


def _note(config: pytest.Config, findings: Iterable[Finding]) -> None:
    """Keep what is told once, at the end of the session."""
    from simkit.errors import ASSUMED, VERSION_NOTE, Findings

    notes = config.stash.setdefault(_NOTES, Findings())
    notes.extend(finding for finding in findings if finding.name in (ASSUMED, VERSION_NOTE))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if coder := _coder(config):
        from simkit.errors import Findings
        from simkit.inputs.coder import named_version

        findings = Findings()
        named_version(coder, findings)
        _note(config, findings)
    for note in config.stash.get(_NOTES, ()):
        terminalreporter.write_line(f"simkit: {note}")


def _variables(config: pytest.Config) -> list[str]:
    """The command line's last, as they are in force then."""
    return [*config.getini("simkit_variables"), *config.getoption("simkit_var")]


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    if not file_path.name.endswith(_SUFFIX):
        return None
    wanted = parent.config.getoption("simkit") or parent.config.getini("simkit")
    if not (wanted and not file_path.name.startswith(".")) and not parent.session.isinitpath(file_path):
        return None
    return SimkitFile.from_parent(parent, path=file_path)


class SimkitFile(pytest.File):
    """A test file. One that cannot be read is a collection error, which tells every problem."""

    def collect(self) -> Iterator[SimkitItem]:
        from simkit.errors import Findings
        from simkit.files import LEADS_OUT, leads_out
        from simkit.templates.check import read_test_file

        if leads_out(self.path):
            raise self.CollectError(f"{_shown(self.path)}: {LEADS_OUT}")
        findings = Findings()
        test_file = read_test_file(_shown(self.path), findings, _templates(self.config), _behaviour(self.config))
        _note(self.config, findings)
        if test_file is None:
            raise self.CollectError("\n".join(str(problem) for problem in findings.errors))
        for test in test_file.tests:
            yield SimkitItem.of(self, test_file, test)


def _templates(config: pytest.Config) -> Templates:
    """Those that were read already, whatever the file."""
    from simkit.inputs.templates import Templates
    from simkit.inputs.variables import from_outside

    if _TEMPLATES not in config.stash:
        config.stash[_TEMPLATES] = Templates(from_outside(dict(text.split("=", 1) for text in _variables(config))))
    return config.stash[_TEMPLATES]


class SimkitItem(pytest.Item):
    """One test of a file. `-k` also finds it by its preset's name."""

    test_file: TestFile
    test: Test

    @classmethod
    def of(cls, parent: SimkitFile, test_file: TestFile, test: Test) -> SimkitItem:
        item = cls.from_parent(parent, name=visible(test.name))
        item.test_file, item.test = test_file, test
        item.extra_keyword_matches.add(test.preset)
        return item

    def runtest(self) -> None:
        from simkit.errors import InputError
        from simkit.templates.check import run_test

        # By now all templates were read. (Ending the session instead would be a crash to xdist.)
        if undeclared := _templates(self.config).undeclared:
            raise InputError(undeclared)
        outcome = run_test(self.test_file, self.test)
        if not outcome.ok:
            raise SimkitFailed(outcome)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: object = None) -> str:
        from simkit.errors import SimkitError

        if isinstance(excinfo.value, SimkitFailed | SimkitError):
            return str(excinfo.value)
        return str(super().repr_failure(excinfo))

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, self.test.where.line - 1, self.name


class SimkitFailed(AssertionError):
    """A test of a schedule failed; its text is that of every failure."""

    def __init__(self, outcome: TestOutcome) -> None:
        super().__init__("\n\n".join(failure.text for failure in outcome.failures))


def _shown(path: Path) -> Path:
    """A path as a person in the current folder writes it."""
    here = Path(os.path.relpath(path))
    return path if here.parts[:1] == ("..",) else here


class PresetsOf(Protocol):
    """The presets of a Terraform file or folder by name; relative paths start at the test's own folder."""

    def __call__(self, path: str | Path, variables: Outside | None = None) -> dict[str, Preset]: ...


class DesiredAt(Protocol):
    """Desired instances of a preset at an instant: RFC 3339, or wall-clock time in the preset's time zone."""

    def __call__(self, preset: Preset, at: str) -> int: ...


class RunOf(Protocol):
    """The result of a scenario, or of a scenario file; relative paths start at the test's own folder."""

    def __call__(self, scenario: str | Path | Scenario, seed: int = 0, replication: int = 0) -> Result: ...


@pytest.fixture
def simkit_presets(request: pytest.FixtureRequest) -> PresetsOf:
    """simkit_presets("main.tf")["Large"] is a Preset. Raises simkit.InputError with every problem."""

    def presets(path: str | Path, variables: Outside | None = None) -> dict[str, Preset]:
        from simkit.errors import InputError
        from simkit.inputs.templates import read_template
        from simkit.inputs.variables import from_outside

        contents = read_template(request.path.parent / path, from_outside(variables or {}))
        if problems := (*contents.errors, *contents.undeclared):
            raise InputError(problems)
        return {preset.name: preset for preset in contents.presets}

    return presets


@pytest.fixture
def simkit_desired(request: pytest.FixtureRequest) -> DesiredAt:
    """simkit_desired(preset, "2026-03-09 08:30") is how many prebuilds its schedules ask for then.

    As the session's version of Coder (`simkit_coder`) reads them.
    """

    def desired_at(preset: Preset, at: str) -> int:
        from simkit.clock import parse_instant
        from simkit.timeline import desired

        instant = parse_instant(at, preset.zone)
        return max(int(desired(preset, _behaviour(request.config), instant, instant + 1).value[0]), 0)

    return desired_at


@pytest.fixture(scope="session")
def _simkit_results() -> dict[tuple[Path, int, int], Result]:
    return {}


@pytest.fixture
def simkit_run(request: pytest.FixtureRequest, _simkit_results: dict[tuple[Path, int, int], Result]) -> RunOf:
    """simkit_run("week.yaml", seed=7).ask("hit_rate") is a DataFrame. A file is simulated once a session and seed."""

    def result(scenario: str | Path | Scenario, seed: int = 0, replication: int = 0) -> Result:
        import simkit

        if not isinstance(scenario, str | Path):
            return simkit.run(scenario, seed, replication)
        path = request.path.parent / scenario
        key = (path, seed, replication)
        if key not in _simkit_results:
            loaded = simkit.load(path, coder=_coder(request.config))
            _note(request.config, loaded.notes)
            _simkit_results[key] = simkit.run(loaded, seed, replication)
        return _simkit_results[key]

    return result
