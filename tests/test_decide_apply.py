"""A recommendation is written into its template, and nothing else changes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from simkit import InputError
from simkit.decide.apply import check_takes, write
from simkit.inputs.templates import read_template
from simkit.model import Preset, Schedule

TEMPLATE = """\
# Workspaces of the team.
data "coder_workspace_preset" "dev" {
  name = "dev" # the default
  parameters = {
    size = "large"
  }
  prebuilds { # as it was
    instances = 1
  }
}

data "coder_workspace_preset" "gpu" {
  name = "gpu"
}

locals { x = 1 }
"""
MEANT = Preset("dev", 2, 8 * 3_600_000_000, "UTC", (Schedule("* 8-17 * * 1-5", 7),))
BLOCK = """\
  prebuilds {
    instances = 2
    expiration_policy {
      ttl = 28800
    }
    scheduling {
      timezone = "UTC"
      schedule {
        cron      = "* 8-17 * * 1-5"
        instances = 7
      }
    }
  }
"""


@dataclass
class Found:
    """As much of a recommendation as is written."""

    presets: tuple[One, ...]


@dataclass
class One:
    preset: Preset


def found(*presets: Preset) -> Found:
    return Found(tuple(map(One, presets)))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "main.tf"
    file.write_text(TEMPLATE)
    return file


def test_the_block_is_another_and_everything_else_is_as_it_was(path: Path):
    assert write(path, found(MEANT)) == ["dev"]
    old = TEMPLATE[TEMPLATE.index("  prebuilds {") : TEMPLATE.index("  }\n}") + 4]
    assert path.read_text() == TEMPLATE.replace(old, BLOCK)
    assert [p.name for p in path.parent.iterdir()] == ["main.tf"] or {p.name for p in path.parent.iterdir()} == {
        "main.tf"
    }
    assert write(path, found(MEANT)) == [], "the second time there is nothing to change"


def test_a_preset_without_a_block_gets_one_before_its_end(path: Path):
    write(path, found(replace(MEANT, name="gpu")))
    assert path.read_text() == TEMPLATE.replace('  name = "gpu"\n', '  name = "gpu"\n' + BLOCK)


def test_several_presets_are_written_at_once(path: Path):
    assert write(path, found(MEANT, replace(MEANT, name="gpu", instances=5))) == ["dev", "gpu"]
    read = {p.name: p.instances for p in read_template(path, {}).presets}
    assert read == {"dev": 2, "gpu": 5}


def test_line_ends_stay_what_they_are(path: Path):
    path.write_bytes(TEMPLATE.replace("\n", "\r\n").encode())
    write(path, found(MEANT))
    raw = path.read_bytes()
    assert raw.count(b"\n") == raw.count(b"\r\n") > 20


def test_a_link_elsewhere_is_refused_and_what_it_leads_to_stays_as_it_is(path: Path, tmp_path: Path):
    folder = tmp_path / "other"
    folder.mkdir()
    link = folder / "main.tf"
    link.symlink_to(path)
    before = path.read_text()
    with pytest.raises(InputError, match="is a link out of its repository, or out of its folder"):
        write(link, found(MEANT))
    assert link.is_symlink()
    assert path.read_text() == before


def test_a_link_within_the_folder_is_refused_when_it_would_be_written(path: Path):
    kept = path.rename(path.with_name("kept"))
    path.symlink_to(kept)
    before = kept.read_text()
    with pytest.raises(InputError, match=r"it is a link to .*; name that file itself, or remove the link"):
        write(path, found(MEANT))
    assert path.is_symlink()
    assert kept.read_text() == before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TEMPLATE.replace('"dev" # the default', '"other"'), 'has no preset "dev"; it has "other", "gpu"'),
        (
            TEMPLATE.replace('  name = "dev" # the default', '  for_each = toset(["dev", "x"])\n  name = each.key'),
            "one of several made by one block",
        ),
        (
            TEMPLATE.replace(
                "  prebuilds { # as it was\n    instances = 1\n  }\n",
                '  dynamic "prebuilds" {\n    for_each = [1]\n    content {\n      instances = 1\n    }\n  }\n',
            ),
            "are a dynamic block",
        ),
        (TEMPLATE.replace("# Work", "\r\n# Work"), "line ends of several kinds"),
        ("data {", "main.tf:1"),
    ],
)
def test_what_has_no_block_of_its_own_is_refused_and_left_alone(path: Path, text: str, said: str):
    path.write_bytes(text.encode())
    with pytest.raises(InputError) as error:
        write(path, found(MEANT))
    assert said in str(error.value)
    assert path.read_bytes() == text.encode()


def test_a_preset_of_another_file_is_told_where_it_stands(path: Path):
    beside = path.with_name("pools.tf")
    beside.write_text(TEMPLATE.replace('"dev"', '"ide"').replace('"gpu"', '"big"'))
    check_takes(path, ["ide", "gpu"])
    with pytest.raises(InputError, match=r'has no preset "ide"'):
        check_takes(path, ["ide"])
    with pytest.raises(InputError, match=r'has no preset "ide"'):
        write(path, found(replace(MEANT, name="ide")))
    assert path.read_text() == TEMPLATE
