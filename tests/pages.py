"""The README and the pages of docs/ that are written by hand, for the tests of what they say."""

from __future__ import annotations

import re
from pathlib import Path

TOP = Path(__file__).parent.parent

GENERATED = frozenset(re.findall(r"^/docs/(.+\.md)$", (TOP / ".gitignore").read_text(encoding="utf-8"), re.MULTILINE))
"""Names of the pages that `make docs` writes into docs/, which git ignores."""

PAGES = {
    page.relative_to(TOP).as_posix(): page.read_text(encoding="utf-8")
    for page in [TOP / "README.md", *sorted((TOP / "docs").glob("*.md"))]
    if page.name not in GENERATED
}
"""{path from the top: text}"""
