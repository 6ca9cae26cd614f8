"""Check Terraform templates in a repository, and run the tests of schedules that stand beside them.

checked = check(["templates"])
print(FORMATS["text"](checked))
"""

from __future__ import annotations

from simkit.templates.check.file import read_test_file
from simkit.templates.check.formats import FORMATS
from simkit.templates.check.run import check, run_test
from simkit.templates.check.types import Against, Checked, Drift, Failure, Measured, Test, TestFile, TestOutcome

__all__ = [
    "FORMATS",
    "Against",
    "Checked",
    "Drift",
    "Failure",
    "Measured",
    "Test",
    "TestFile",
    "TestOutcome",
    "check",
    "read_test_file",
    "run_test",
]
