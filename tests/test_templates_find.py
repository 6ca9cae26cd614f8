"""What a template is: the same to check, snapshot, diff, scenarios and the pytest plugin, for the same files."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from simkit.errors import Findings, InputError
from simkit.inputs import hcl, load
from simkit.templates import snapshot
from simkit.templates.check import FORMATS, check
from simkit.templates.diff import diff
from simkit.templates.find import Found, find

pytest_plugins = ["pytester"]

PRESET = 'data "coder_workspace_preset" "{0}" {{\n  name = "{0}"\n  prebuilds {{\n    instances = 1\n  }}\n}}\n'
GOOD, OTHER = PRESET.format("large"), PRESET.format("small")
AT = 1_772_000_000_000_000


@pytest.fixture
def folder(pytester: pytest.Pytester) -> Path:
    """The current folder has a template in a/, a scenario and a test file about it."""
    path = pytester.path
    Path("a").mkdir()
    Path("a/main.tf").write_text(GOOD)
    Path("week.yaml").write_text('window: {from: "2026-03-02", until: "2026-03-04"}\ntemplate: a\n')
    Path("x.simkit.yaml").write_text(
        "template: a\ntests: [{name: one, preset: large, expect: [{desired: 1, over: 2026-03}]}]\n"
    )
    return path


def by_check(_: pytest.Pytester, paths: tuple[str, ...], variables: dict[str, str]) -> list[str]:
    return [str(f) for f in check(paths, variables=variables).findings if f.level == "error"]


def refused(call: Callable[[], object]) -> list[str]:
    try:
        call()
    except InputError as error:
        return str(error).splitlines()
    return []


def by_snapshot(_: pytest.Pytester, paths: tuple[str, ...], variables: dict[str, str]) -> list[str]:
    return refused(lambda: snapshot.write(paths, AT, weeks=1, variables=variables))


def by_diff(_: pytest.Pytester, paths: tuple[str, ...], variables: dict[str, str]) -> list[str]:
    (path,) = paths
    return refused(lambda: diff(path, path, AT, variables=variables))


def by_scenario(_: pytest.Pytester, paths: tuple[str, ...], variables: dict[str, str]) -> list[str]:
    return refused(lambda: load("week.yaml", variables))


def by_plugin(pytester: pytest.Pytester, paths: tuple[str, ...], variables: dict[str, str]) -> list[str]:
    given = [text for name, value in variables.items() for text in ("--simkit-var", f"{name}={value}")]
    done = pytester.runpytest_inprocess("-p", "no:cacheprovider", "x.simkit.yaml", *given)
    if done.ret == 0:
        return []
    return [line for line in done.outlines if line.startswith(("a/", "--var"))]


FINDERS = [by_check, by_snapshot, by_diff]
DOORS = [*FINDERS, by_scenario, by_plugin]


def link(path: Path) -> None:
    path.symlink_to("nowhere.tf")


def linked_folder(path: Path) -> None:
    target = path.parent.parent / "elsewhere"
    target.mkdir()
    (target / "main.tf").write_text("broken {")
    path.symlink_to(target)


MENTIONS = {
    "a comment": f"# {'coder_workspace_preset'}\n",
    "a comment of lines": f"/*\n{OTHER}*/\n",
    "a string": 'locals {\n  x = "data coder_workspace_preset"\n}\n',
    "a heredoc": f"locals {{\n  x = <<-EOT\n{OTHER}  EOT\n}}\n",
    "a comment of a file that cannot be parsed": "# coder_workspace_preset\nlocals {\n",
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    ("name", "content", "problems"),
    [
        (
            "notes.tf",
            "# caf\xe9\n".encode("latin-1"),
            ["a/notes.tf:1: is not UTF-8 text (byte 0xe9); save it as UTF-8"],
        ),
        (
            "notes.tf",
            (GOOD.replace("large", "small") + "# caf\xe9\n").encode("latin-1"),
            ["a/notes.tf:7: is not UTF-8 text (byte 0xe9); save it as UTF-8"],
        ),
        ("notes.tf", OTHER.encode("utf-16"), ["a/notes.tf:1: is not UTF-8 text (byte 0xff); save it as UTF-8"]),
        ("notes.tf", b"\xef\xbb\xbf" + OTHER.encode(), []),
        ("notes.tf", b"locals {\n", ["a/notes.tf:1: the { here is never closed; write } where it ends"]),
        ("notes.tf", GOOD.encode(), ['a/notes.tf:2: "large" is also the preset at a/main.tf:2; names are unique']),
        ("notes.tf", link, ["a/notes.tf: there is no such file, or it is a link to none; name a .tf file"]),
        ("notes.tf", os.mkfifo, ["a/notes.tf: is not a Terraform file; name a .tf file or a folder with some"]),
        ("notes.tf", os.mkdir, []),
        (".notes.tf", b"broken {", []),
        (".terraform/modules/m/main.tf", b"broken {", []),
        ("more", linked_folder, []),
        ("notes.txt", b"\xff", []),
        *(("notes.tf", text.encode(), []) for name, text in MENTIONS.items() if "cannot" not in name),
    ],
)
def test_a_file_beside_a_template_means_the_same_through_every_door(
    pytester: pytest.Pytester,
    folder: Path,
    door: Callable[..., list[str]],
    name: str,
    content: bytes | Callable[[Path], None],
    problems: list[str],
):
    path = folder / "a" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        content(path)
    assert door(pytester, ("a",), {}) == problems


@pytest.mark.parametrize("door", FINDERS)
@pytest.mark.parametrize("mention", MENTIONS)
def test_a_folder_that_only_mentions_a_preset_is_no_template(
    pytester: pytest.Pytester, folder: Path, door: Callable[..., list[str]], mention: str
):
    (folder / "b").mkdir()
    (folder / "b" / "main.tf").write_text(MENTIONS[mention])
    assert door(pytester, (".",), {}) == []
    (only,) = door(pytester, ("b",), {})
    assert 'data "coder_workspace_preset"' in only


@pytest.mark.parametrize("door", FINDERS)
@pytest.mark.parametrize(
    ("content", "line"), [(b"# caf\xe9\n", 1), (OTHER.encode("utf-16"), 1), (OTHER.encode() + b"locals {\n", 7)]
)
def test_a_folder_with_a_file_that_cannot_be_read_is_told(
    pytester: pytest.Pytester, folder: Path, door: Callable[..., list[str]], content: bytes, line: int
):
    (folder / "b").mkdir()
    (folder / "b" / "main.tf").write_bytes(content)
    (only,) = door(pytester, (".",), {})
    assert only.startswith(f"b/main.tf:{line}: ")


@pytest.mark.parametrize("door", DOORS)
def test_a_variable_that_is_declared_nowhere_is_told_once_through_every_door(
    pytester: pytest.Pytester, folder: Path, door: Callable[..., list[str]]
):
    Path("a/main.tf").write_text('variable "base" {\n  default = 1\n}\n' + GOOD)
    assert door(pytester, ("a",), {"base": "1"}) == []
    assert door(pytester, ("a",), {"bse": "1"}) == ['--var bse=1: the template declares no "bse"; write "base"']


def test_a_scenario_asks_of_all_its_templates_together_what_is_declared(folder: Path):
    Path("b.tf").write_text('variable "base" {\n  default = 1\n}\n' + GOOD)
    more = 'events: [{at: "2026-03-03", event: activate, version: v2, template: b.tf}]\nvariables:\n  base: 2\n'
    with Path("week.yaml").open("a") as file:
        file.write(more)
    assert load("week.yaml").name == "week"
    assert by_scenario(None, (), {"bse": "1"})[0].startswith('--var bse=1: the template declares no "bse"')
    Path("week.yaml").write_text(Path("week.yaml").read_text().replace("  base: 2", "  bse: 2"))
    assert by_scenario(None, (), {}) == ['week.yaml:5: the template declares no "bse"; there are none']


def test_a_template_with_a_snapshot_beside_it_and_a_test_about_it_is_parsed_once(folder: Path, monkeypatch):
    parsed = []
    whole = hcl._body

    def counted(text: str):
        parsed.append(text)
        return whole(text)

    monkeypatch.setattr(hcl, "_body", counted)
    # No other test has these texts.
    Path("a/main.tf").write_text(GOOD + "# parsed once\n")
    Path("a/more.tf").write_text(OTHER + "# parsed once\n")
    Path("x.simkit.yaml").write_text(
        Path("x.simkit.yaml").read_text().replace("template: a\n", "template: a/main.tf\n")
    )
    snapshot.write(["."], AT, weeks=1)
    checked = check(["."])
    assert (checked.status, checked.presets, len(checked.outcomes)) == (0, 2, 1)
    assert diff(".", ".", AT).findings == ()
    assert load("week.yaml").name == "week"
    assert sorted(parsed) == sorted([GOOD + "# parsed once\n", OTHER + "# parsed once\n"])


# The finder by itself.


def found(*paths: str) -> Found:
    findings = Findings()
    seen = find(paths, findings)
    assert findings.items == []
    return seen


def test_templates_and_tests_are_found_below_folders_and_beside_files(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a/main.tf", "a/b/x.tf", "a/b/x.simkit.yaml", "a/b/y.yaml", ".terraform/m/main.tf", "a/z.simkit.yaml"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(GOOD)
    Path("a/.z.simkit.yaml").write_text("")
    everything = found(".")
    assert everything.files == {Path("a/main.tf"): Path("a"), Path("a/b/x.tf"): Path("a/b")}
    assert everything.tests == (Path("a/b/x.simkit.yaml"), Path("a/z.simkit.yaml"))
    assert found("a/main.tf") == Found({Path("a/main.tf"): Path("a")}, (Path("a/z.simkit.yaml"),))
    assert found("a/b/x.simkit.yaml") == Found({}, (Path("a/b/x.simkit.yaml"),))
    assert found("a", "a/../a") == found("a")


def test_a_file_is_read_alone_unless_all_files_of_its_folder_were_named(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("main.tf").write_text(GOOD)
    Path("more.tf").write_text(OTHER)
    Path("none.tf").write_text("locals {}\n")
    assert found("main.tf", "more.tf").templates == (Path("main.tf"), Path("more.tf"))
    assert found("main.tf", "more.tf", "none.tf").templates == (Path(),)


def test_paths_that_are_not_there_or_something_else_are_told_all_at_once(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("x.txt").write_text("{}")
    findings = Findings()
    find(["nope", "x.txt", "."], findings)
    assert [str(finding) for finding in findings.errors] == [
        "nope: there is no such file or folder",
        "x.txt: is neither a folder nor a .tf file nor a *.simkit.yaml file nor a plan in JSON; name one",
    ]
    assert check(["nope"]).status == 2


@pytest.mark.parametrize("name", ["x.tf", "x.tf.json", "x.simkit.yaml", "main.simkit.snapshot"])
def test_a_link_out_of_the_repository_is_told_and_not_read(tmp_path, name):
    """What it leads to shows nowhere."""
    (tmp_path / "secret").write_text("password: 12345\n")
    template = tmp_path / "repository" / "template"
    template.mkdir(parents=True)
    (template / "main.tf").write_text(
        'data "coder_workspace_preset" "p" {\n  name = "p"\n  prebuilds {\n    instances = 1\n  }\n}\n'
    )
    (template / name).symlink_to(tmp_path / "secret")
    checked = check([tmp_path / "repository"])
    told = FORMATS["text"](checked)
    assert checked.status == 2
    assert f"{name}: is a link out of its repository, or out of its folder if it is in none, and not followed" in told
    assert "12345" not in told
    assert "password" not in told


def test_a_link_within_the_repository_is_the_file_that_it_leads_to(tmp_path):
    (tmp_path / ".git").mkdir()
    for folder in ("shared", "template"):
        (tmp_path / folder).mkdir()
    (tmp_path / "shared" / "size.tf").write_text("locals {\n  size = 3\n}\n")
    (tmp_path / "template" / "size.tf").symlink_to("../shared/size.tf")
    (tmp_path / "template" / "main.tf").write_text(
        'data "coder_workspace_preset" "p" {\n  name = "p"\n  prebuilds {\n    instances = local.size\n  }\n}\n'
    )
    assert check([tmp_path / "template"]).status == 0
