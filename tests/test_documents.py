"""README, ARCHITECTURE and the pages of docs/ speak of what is there: paths, commands, options, each other."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
from pages import GENERATED, PAGES, TOP

from simkit.cli import main

README = (TOP / "README.md").read_text(encoding="utf-8")
ARCHITECTURE = (TOP / "ARCHITECTURE.md").read_text(encoding="utf-8")
DOCUMENTS = "\n".join(PAGES.values())
PATH = re.compile(r"`((?:simkit|tests|notebooks|examples|benchmarks|data|\.ci)/[\w./-]*|Makefile)`")


def commands(text: str) -> list[list[str]]:
    """Every `simkit ...` in a block of code, by words, without its comment."""
    found = []
    for block in re.findall(r"^```[^\n`]*\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        for line in block.splitlines():
            line = line.removeprefix("$ ")
            if line.startswith("simkit "):
                found.append(shlex.split(line, comments=True)[1:])
    return found


@pytest.mark.parametrize("path", sorted(set(PATH.findall(ARCHITECTURE + DOCUMENTS))))
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


def test_the_readme_says_everything_in_150_lines_and_leaves_the_rest_to_the_pages():
    assert len(README.splitlines()) <= 150


def test_the_picture_of_the_readme_is_small_asks_nobody_and_is_described_alike_on_the_site():
    ((text, path),) = re.findall(r"^!\[(.*?)\]\((.*?)\)", README, re.DOTALL | re.MULTILINE)
    picture = (TOP / path).read_text(encoding="utf-8")
    assert len(picture) < 200_000
    assert re.findall(r"""(?:href|src)="(?!#)|url\((?!#)""", picture) == []
    assert text in PAGES["docs/index.md"]


def test_every_verb_has_a_row_in_the_readme_and_a_command_in_the_pages():
    table = README[README.index("## What it answers") : README.index("## Where to go next")]
    named = set(re.findall(r"`(?:simkit )?([a-z-]+)", table))
    assert set(main.commands) <= named
    shown = {words[0] for words in commands(DOCUMENTS)}
    assert shown == set(main.commands)


def test_every_page_is_in_the_contents_and_named_once():
    index = PAGES["docs/index.md"]
    named = [line for block in re.findall(r"```{toctree}\n(.*?)```", index, re.DOTALL) for line in block.split("\n")]
    listed = [line for line in named if re.fullmatch(r"[a-z-]+", line)]
    there = {Path(name).stem for name in PAGES if name.startswith("docs/")} - {"index"}
    assert len(listed) == len(set(listed))
    assert there <= set(listed)


def anchors(text: str) -> set[str]:
    """Of the headings, as a code host and the site make them."""
    bare = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.*)$", bare, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", PAGES)
def test_every_link_between_pages_leads_somewhere(name: str):
    for target in re.findall(r"\]\(([^)\s]+)\)", PAGES[name]):
        if re.match(r"https?://", target):
            continue
        path, _, anchor = target.partition("#")
        page = (TOP / name).parent / path if path else TOP / name
        if page.name not in GENERATED:
            assert page.exists(), target
            assert not anchor or anchor in anchors(page.read_text(encoding="utf-8")), target


@pytest.mark.parametrize("words", commands(DOCUMENTS), ids=" ".join)
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


OF_OTHERS = {
    "--simkit": "pytest",
    "--simkit-coder": "pytest",
    "--simkit-var": "pytest",
    "--junitxml": "pytest",
    "--now": "systemctl",
    "--max-block-duration": "promtool",
    "--config": "prometheus",
    "--storage": "prometheus",
    "--query": "prometheus",
    "--web": "prometheus",
}
"""{option that the documents name: the program that it belongs to}"""


@pytest.mark.parametrize("option", sorted(set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", DOCUMENTS))))
def test_every_option_that_the_documents_name_belongs_to_a_command(option: str):
    verbs = [of for verb in main.commands.values() for of in (*getattr(verb, "commands", {}).values(), verb)]
    own = {name for verb in verbs for parameter in verb.params for name in parameter.opts}
    own |= {name for parameter in main.params for name in parameter.opts}
    assert option in own | {"--help"} | set(OF_OTHERS)


@pytest.mark.parametrize("target", sorted(set(re.findall(r"(?:^|`|  )make ([a-z-]+)", DOCUMENTS, re.MULTILINE))))
def test_every_target_that_the_documents_name_is_in_the_makefile(target: str):
    assert re.search(rf"^{target}:", (TOP / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
