"""What simkit is installed with is under licences that are known and ask for no more than a notice."""

from __future__ import annotations

from importlib import metadata

import licences
import pytest
from licences import TOP, is_allowed, licence, packages, page


@pytest.fixture(scope="module")
def found() -> list[licences.Package]:
    return packages()


def test_every_package_that_is_asked_for_or_locked_has_a_licence_that_is_known_and_allowed(found):
    assert len(found) > 100
    unknown = [one.name for one in found if not one.licence]
    assert unknown == [], "read its licence and name it in OTHERWISE of tests/licences.py"
    assert [one for one in found if not is_allowed(one.licence)] == []


def test_the_committed_list_is_that_of_the_locks():
    committed = (TOP / "docs" / "licences.md").read_text(encoding="utf-8")
    assert committed == page(), "run `make licences`"


def test_what_comes_with_simkit_itself_is_told_from_what_extras_bring(found):
    users = {one.name: one.used_by for one in found}
    assert users["numpy"] == users["certifi"] == ("simkit",)
    assert users["jupyterlab"] == ("simkit[lab]",)
    assert users["papermill"] == ("simkit[notebooks]",)
    assert users["adbc-driver-manager"] == ("simkit[postgres]",)
    assert users["mypy"] == ("development",)


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("MIT", True),
        ("GPL-3.0-or-later", False),
        ("MIT AND GPL-3.0-only", False),
        ("MIT OR GPL-3.0-only", True),
        ("LGPL-3.0-only OR AGPL-3.0-only", False),
        ("BSD-2-Clause AND Apache-2.0 WITH LLVM-exception", True),
        ("(MIT OR GPL-2.0-only) AND BSD-3-Clause", True),
        ("Commons-Clause", False),
        ("", False),
        ("mit and mine", False),
    ],
)
def test_an_expression_is_allowed_by_all_that_it_joins(expression: str, allowed: bool):
    assert is_allowed(expression) is allowed


@pytest.mark.parametrize(
    ("headers", "known_as"),
    [
        ({"License-Expression": ["GPL-3.0-only"]}, "GPL-3.0-only"),
        ({"License": ["Apache License, Version 2.0"]}, "Apache-2.0"),
        ({"License": ["BSD-3-Clause"]}, "BSD-3-Clause"),
        ({"License": ["UNKNOWN"], "Classifier": ["License :: OSI Approved :: ISC License (ISCL)"]}, "ISC"),
        ({"Classifier": ["License :: OSI Approved :: GNU General Public License v3 (GPLv3)"]}, ""),
        ({"Classifier": ["License :: OSI Approved :: MIT License", "License :: Other/Proprietary License"]}, ""),
        ({"License": ["Copyright somebody\nall rights reserved"]}, ""),
        ({}, ""),
    ],
)
def test_what_a_package_says_is_read_and_what_says_nothing_is_unknown(headers, known_as, monkeypatch):
    class Said(dict):
        def get(self, name, otherwise=None):
            return super().get(name, [otherwise])[0]

        def get_all(self, name, otherwise=None):
            return super().get(name, otherwise)

    monkeypatch.setattr(metadata, "metadata", lambda name: Said(headers))
    assert licence("some-package") == known_as
