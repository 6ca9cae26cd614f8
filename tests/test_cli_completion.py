"""What a shell completes: by the protocols of bash, zsh and fish, and in the shells themselves where they are there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
REGIONS = "data/scenarios/three-regions.yaml"
TYPED = [
    ("simkit rec", {"recommend"}),
    ("simkit im", {"import"}),
    ("simkit import po", {"postgres"}),
    ("simkit diff --fail", {"--failures"}),
    ("simkit diff --prebuild", {"--prebuild-tag"}),
    ("simkit ask runs.duckdb hit", {"hit_rate", "hit_rate_by_hour"}),
    (f"simkit recommend {REGIONS} --preset backend-", {"backend-us", "backend-eu", "backend-ap"}),
    ("simkit worth absent.yaml --preset x", set()),
]
COMMAND = [sys.executable, "-c", "from simkit.cli import main; main(prog_name='simkit')"]


def completed(what: str, **more: str) -> str:
    environment = {**os.environ, "_SIMKIT_COMPLETE": what, **more}
    return subprocess.run(COMMAND, env=environment, capture_output=True, text=True, cwd=ROOT).stdout


def offered(shell: str, typed: str) -> dict[str, str]:
    """What is offered, with its help, as the shell's script reads it."""
    words = typed.split()
    # fish gives the word that is typed, the others its number.
    current = words[-1] if shell == "fish" else str(len(words) - 1)
    told = completed(f"{shell}_complete", COMP_WORDS=typed, COMP_CWORD=current)
    if shell == "zsh":
        lines = told.splitlines()
        return dict(zip(lines[1::3], lines[2::3], strict=True))
    rows = [line.partition(",")[2].partition("\t") for line in told.splitlines() if line]
    return {name: text for name, _, text in rows}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize(("typed", "expected"), TYPED)
def test_commands_options_questions_and_presets_are_completed(shell: str, typed: str, expected: set[str]):
    assert set(offered(shell, typed)) == expected


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_a_command_is_offered_with_its_whole_sentence(shell: str):
    assert offered(shell, "simkit rec")["recommend"] == (
        "Find what to set: the cheapest base and schedules that meet a target, and how sure that is."
    )


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_itself_takes_the_script(shell: str, tmp_path: Path):
    path = shutil.which(shell)
    if path is None:
        pytest.skip(f"{shell} is not installed; what its script is given is tested above")
    script = tmp_path / "script"
    script.write_text(completed(f"{shell}_source"))
    done = subprocess.run([path, "-n", str(script)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_completes_by_the_script(tmp_path: Path):
    program = tmp_path / "simkit"
    call = "from simkit.cli import main; main(prog_name='simkit')"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{call}" "$@"\n')
    program.chmod(0o755)
    script = tmp_path / "script"
    script.write_text(completed("bash_source"))
    typed = (
        'source "$1"; COMP_WORDS=(simkit ask runs.duckdb hit); COMP_CWORD=3; '
        '_simkit_completion simkit; echo "${COMPREPLY[@]}"'
    )
    environment = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    command = ["bash", "--norc", "-c", typed, "bash", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment)
    assert done.stdout.split() == ["hit_rate", "hit_rate_by_hour"], done.stderr
