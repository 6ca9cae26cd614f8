"""README and ARCHITECTURE speak of what is there: paths, commands, options."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from simkit.cli import main

TOP = Path(__file__).parent.parent
README = (TOP / "README.md").read_text(encoding="utf-8")
ARCHITECTURE = (TOP / "ARCHITECTURE.md").read_text(encoding="utf-8")
PAGES = "\n".join(page.read_text(encoding="utf-8") for page in sorted((TOP / "docs").glob("*.md")))
PATH = re.compile(r"`((?:simkit|tests|notebooks|examples|benchmarks|data|\.ci)/[\w./-]*|Makefile)`")


def commands(text: str) -> list[list[str]]:
    """Every `simkit ...` in a block of code, by words, without its comment."""
    found = []
    for block in re.findall(r"^```\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        for line in block.splitlines():
            if line.startswith("simkit "):
                found.append(shlex.split(line, comments=True)[1:])
    return found


@pytest.mark.parametrize("path", sorted(set(PATH.findall(ARCHITECTURE + README))))
def test_every_path_that_is_named_exists(path: str):
    assert (TOP / path).exists()


def test_the_table_answers_what_a_stranger_asks():
    table = ARCHITECTURE[ARCHITECTURE.index("## To change X, go to Y") : ARCHITECTURE.index("## Six walks")]
    rows = [row for row in table.splitlines() if row.startswith("| ") and not row.startswith("| what |")]
    assert len(rows) >= 15
    assert [row for row in rows if not PATH.search(row)] == []


def test_each_walk_has_six_lines_with_a_place_each():
    walks = ARCHITECTURE[ARCHITECTURE.index("## Six walks") : ARCHITECTURE.index("## Decisions")]
    places = re.findall(r"^(\d)\. (.*)$", walks, re.MULTILINE)
    assert [number for number, _ in places] == list("123456") * 6
    assert [line for _, line in places if not PATH.match(line)] == []


def test_the_readme_shows_every_verb():
    shown = {words[0] for words in commands(README)}
    assert set(main.commands) <= shown
    assert shown <= set(main.commands)


@pytest.mark.parametrize("words", commands(f"{README}\n{PAGES}"), ids=" ".join)
def test_a_command_of_the_documents_has_the_options_that_it_shows(words: list[str]):
    verb, given = main.commands[words[0]], words[1:]
    if isinstance(verb, click.Group):
        verb, given = verb.commands[given[0]], given[1:]
    known = {name: option for option in verb.params if isinstance(option, click.Option) for name in option.opts}
    for word in given:
        if word.startswith("-"):
            assert word.partition("=")[0] in known, f"{words[0]} has no {word}"
    # It parses: what click refuses without running anything.
    with verb.make_context(words[0], given, resilient_parsing=False) as context:
        assert context.params or not verb.params


@pytest.mark.parametrize("option", sorted(set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", README))))
def test_every_option_that_the_readme_names_belongs_to_a_command(option: str):
    verbs = [of for verb in main.commands.values() for of in (*getattr(verb, "commands", {}).values(), verb)]
    own = {name for verb in verbs for parameter in verb.params for name in parameter.opts}
    own |= {name for parameter in main.params for name in parameter.opts}
    others = {"--simkit", "--simkit-coder"}  # of pytest
    assert option in own | others


@pytest.mark.parametrize("target", sorted(set(re.findall(r"(?:^|`|  )make ([a-z-]+)", README, re.MULTILINE))))
def test_every_target_that_the_readme_names_is_in_the_makefile(target: str):
    assert re.search(rf"^{target}:", (TOP / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
