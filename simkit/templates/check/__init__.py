"""Check Terraform templates in a repository, and run the tests of schedules that stand beside them.

checked = check(["templates"])
print(FORMATS["text"](checked))
"""

from __future__ import annotations

from simkit.templates.check.file import read_test_file
from simkit.templates.check.formats import FORMATS
from simkit.templates.check.run import check, find, run_test
from simkit.templates.check.templates import Templates
from simkit.templates.check.types import Checked, Failure, Measured, Outcome, Test, TestFile

__all__ = [
    "FORMATS",
    "Checked",
    "Failure",
    "Measured",
    "Outcome",
    "Templates",
    "Test",
    "TestFile",
    "check",
    "find",
    "read_test_file",
    "run_test",
]
