"""The reader of templates: what a template says, what stands in one of its files, and what nobody declares."""

from __future__ import annotations

from pathlib import Path

import pytest

from simkit.inputs.templates import Templates, read_template
from simkit.inputs.variables import from_outside

PRESET = 'data "coder_workspace_preset" "{0}" {{\n  name = "{0}"\n  prebuilds {{\n    instances = {1}\n  }}\n}}\n'
BASE = 'variable "base" {\n  default = 1\n}\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        Path(name).mkdir()
    Path("a/main.tf").write_text(PRESET.format("large", "var.base"))
    Path("a/more.tf").write_text(BASE + PRESET.format("small", 2) + PRESET.format("wrong", -1))
    Path("b/main.tf").write_text(PRESET.format("large", 3))
    return tmp_path


def test_contents_are_the_presets_the_names_of_all_and_what_is_wrong(folder: Path):
    contents = read_template(Path("a"), {})
    assert [preset.name for preset in contents.presets] == ["large", "small"]
    assert contents.names == ("large", "small", "wrong")
    assert [str(finding.where) for finding in contents.errors] == ["a/more.tf:13"]


def test_a_part_is_what_stands_in_one_file_with_what_is_wrong_in_the_whole(folder: Path):
    contents = read_template(Path("a"), {})
    part = contents.part(Path("a/main.tf"))
    assert (part.names, part.errors) == (("large",), contents.errors)


def test_a_template_is_read_once_and_a_folders_only_file_is_the_folder(folder: Path):
    templates = Templates()
    assert templates.read(Path("b/main.tf")) is templates.read(Path("b"))
    assert templates.read(Path("a/main.tf")) is not templates.read(Path("a"))
    assert templates.count == 4, "each preset once, however often it was read"


def test_a_variable_is_undeclared_if_no_template_that_was_read_declares_it(folder: Path):
    templates = Templates(from_outside({"base": "4", "bse": "5"}))
    templates.read(Path("b"))
    assert [str(f.where) for f in templates.undeclared] == ["--var base=4", "--var bse=5"]
    assert templates.read(Path("a")).presets[0].instances == 4
    assert [str(f.where) for f in templates.undeclared] == ["--var bse=5"]
    assert Templates(from_outside({"bse": "5"})).undeclared == (), "nothing was read"
