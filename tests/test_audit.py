"""An audit tells what is known, and never that all is well where nobody was asked."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from audit import audited, verdict


def package(name: str, *vulnerabilities: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "version": "1.0", "vulns": list(vulnerabilities)}


BUG = {"id": "PYSEC-1", "aliases": ["CVE-2026-1"], "fix_versions": ["1.1", "2.0"], "description": "bad"}


def test_a_known_vulnerability_fails_and_names_the_version_that_mends_it():
    said = verdict({"dependencies": [package("a", BUG), package("b")]})
    assert said == (["a 1.0: PYSEC-1, mended in 1.1, 2.0", "2 packages asked for, see above"], 1)


@pytest.mark.parametrize("name", ["PYSEC-1", "CVE-2026-1"])
def test_one_that_is_accepted_is_told_with_its_reason_and_passes(name: str):
    said = verdict({"dependencies": [package("a", BUG)]}, {name: "simkit calls none of it"})
    assert said == (["a 1.0: PYSEC-1, simkit calls none of it", "1 packages asked for, see above"], 0)


def test_an_accepted_one_hides_no_other():
    other = {"id": "PYSEC-2", "aliases": [], "fix_versions": []}
    said = verdict({"dependencies": [package("a", BUG, other)]}, {"PYSEC-1": "known"})
    assert said.status == 1
    assert "a 1.0: PYSEC-2, not mended yet" in said.lines


def test_a_package_that_could_not_be_asked_for_is_not_called_well():
    skipped = {"name": "c", "skip_reason": "not found"}
    assert verdict({"dependencies": [package("a"), skipped]}) == (
        ["not asked for: c", "1 packages asked for, see above"],
        0,
    )
    said = verdict({"dependencies": [skipped, skipped]})
    assert said == (["no audit: nothing is known here of any of the 2 packages; try it where it can be asked"], 0)
    assert verdict({"dependencies": [package("a")]}) == (["1 packages asked for, no known vulnerability"], 0)


def script(path: Path, body: str) -> str:
    path.write_text(f"#!{sys.executable}\nimport sys\n{body}\n")
    path.chmod(0o755)
    return str(path)


def test_offline_it_passes_and_says_that_nothing_was_asked(tmp_path: Path):
    absent = audited(str(tmp_path / "absent"), ["a.lock"])
    assert absent.status == 0
    assert absent.lines[0].startswith("no audit: ")
    error = "requests.exceptions.ConnectionError: Max retries exceeded with url: /pypi/a/1.0/json"
    tool = script(tmp_path / "tool", f"print({error!r}, file=sys.stderr); sys.exit(1)")
    assert audited(tool, ["a.lock"]) == (
        ["no audit: nobody can be asked without a network; try it where there is one"],
        0,
    )


def test_a_lock_that_cannot_be_read_is_no_passed_audit(tmp_path: Path):
    tool = script(
        tmp_path / "tool", "print('ERROR: requirement foo does not contain a hash', file=sys.stderr); sys.exit(1)"
    )
    assert audited(tool, ["a.lock"]) == (["pip-audit: ERROR: requirement foo does not contain a hash"], 2)


def test_what_the_tool_writes_is_judged(tmp_path: Path):
    found = {"dependencies": [package("a", BUG)], "fixes": []}
    body = f"import json\nopen(sys.argv[sys.argv.index('--output') + 1], 'w').write(json.dumps({found!r}))\nsys.exit(1)"
    assert audited(script(tmp_path / "tool", body), ["a.lock", "b.lock"]).status == 1
