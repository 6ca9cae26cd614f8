"""The licences of what is locked, by what packages say of themselves. As a program: prints docs/licences.md."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

TOP = Path(__file__).parent.parent
LOCKS = ("requirements.lock", "requirements-browser.lock")

ALLOWED = {
    *("0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "CNRI-Python", "ISC", "MIT", "MIT-0"),
    *("MIT-CMU", "MPL-2.0", "PSF-2.0", "Zlib", "Apache-2.0 WITH LLVM-exception", "LicenseRef-BSD"),
    "LicenseRef-Public-Domain",
}
"""Whoever uses simkit owes them no more than their notice; MPL-2.0 asks for changes of its own files alone."""

OTHERWISE = {
    # Not installed everywhere: of one Python, one operating system, or an extra that the lock leaves out.
    "aiohappyeyeballs": "PSF-2.0",
    "aiohttp": "Apache-2.0 AND MIT",
    "aiosignal": "Apache-2.0",
    "appnope": "BSD-2-Clause",
    "colorama": "BSD-3-Clause",
    "frozenlist": "Apache-2.0",
    "greenlet": "MIT AND PSF-2.0",
    "holidays": "MIT",
    "multidict": "Apache-2.0",
    "playwright": "Apache-2.0",
    "propcache": "Apache-2.0",
    "pyee": "MIT",
    "pypdf": "BSD-3-Clause",
    "pywinpty": "MIT",
    "yarl": "Apache-2.0",
    # They say "dual", or more than what is installed; read in their own licence files.
    "docutils": "LicenseRef-Public-Domain AND BSD-2-Clause AND PSF-2.0",  # what is under the GPL is a mode of Emacs
    "python-dateutil": "Apache-2.0 OR BSD-3-Clause",
}
"""The licences of packages that are not there to be asked, or say it in a way that no program reads."""

_SPELLINGS = {
    "apache 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "bsd": "LicenseRef-BSD",
    "bsd license": "LicenseRef-BSD",
    "bsd 2-clause license": "BSD-2-Clause",
    "bsd 3-clause license": "BSD-3-Clause",
    "isc license": "ISC",
    "isc license (iscl)": "ISC",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "psfl": "PSF-2.0",
    "python software foundation license": "PSF-2.0",
}
_CLASSIFIER = re.compile(r"^License :: (?:OSI Approved :: )?(.+)$")


class Package(NamedTuple):
    """`licence`: SPDX's expression; "" if nobody knows. `used_by`: with what of simkit it comes."""

    name: str
    licence: str
    used_by: tuple[str, ...]


def licence(name: str) -> str:
    """What a package says of its licence, as SPDX writes it; "" if that says nothing."""
    if name in OTHERWISE:
        return OTHERWISE[name]
    try:
        said = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return ""
    if expression := said.get("License-Expression"):
        return str(expression)
    classifiers = [found[1] for text in said.get_all("Classifier", []) if (found := _CLASSIFIER.match(text))]
    for text in (str(said.get("License") or ""), *(classifiers if len(classifiers) == 1 else [])):
        if spdx := _SPELLINGS.get(text.strip().lower()) or (text.strip() if is_allowed(text.strip()) else ""):
            return spdx
    return ""


def is_allowed(expression: str) -> bool:
    """Whether an expression of SPDX is in ALLOWED: all that AND joins, and one of what OR joins."""
    parts = [part.strip("() ") for part in re.split(r"\bAND\b", expression)]
    return all(any(one.strip("() ") in ALLOWED for one in re.split(r"\bOR\b", part)) for part in parts)


def packages() -> list[Package]:
    """Every package that is locked or asked for, by name."""
    project = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    asked = {"simkit": project["dependencies"], **{f"simkit[{name}]": extras[name] for name in sorted(extras)}}
    users: dict[str, set[str]] = {}
    for user, requirements in asked.items():
        for text in requirements:
            users.setdefault(canonicalize_name(Requirement(text).name), set()).add(user)
    above: dict[str, set[str]] = {name: set() for name in users}
    for lock in LOCKS:
        for name, wanted_by in _locked((TOP / lock).read_text(encoding="utf-8")).items():
            above.setdefault(name, set()).update(wanted_by)
    while True:
        more = {name: users.get(name, set()).union(*(users.get(up, set()) for up in above[name])) for name in above}
        if more == users:
            break
        users = more
    order = ["simkit", *(f"simkit[{name}]" for name in sorted(extras) if name != "dev"), "simkit[dev]"]
    return [Package(name, licence(name), _shortly(sorted(users[name], key=order.index))) for name in sorted(users)]


def _locked(text: str) -> dict[str, set[str]]:
    """{package: what of the lock asks for it}, by uv's comments."""
    found: dict[str, set[str]] = {}
    name = ""
    for line in text.splitlines():
        if line[:1].strip() and not line.startswith("#"):
            name = canonicalize_name(re.split(r"[=\[ ]", line)[0])
            found[name] = set()
        elif (comment := re.match(r"\s+#\s+(?:via\b)?\s*([\w.-]+)$", line)) and name:
            found[name].add(canonicalize_name(comment[1]))
    return found


def _shortly(users: list[str]) -> tuple[str, ...]:
    """What everybody has is nobody's own; what an extra has, developers have, too."""
    if "simkit" in users:
        return ("simkit",)
    return tuple(user for user in users if user != "simkit[dev]") or ("development",)


def page() -> str:
    lines = [
        "# Licences",
        "",
        "simkit is under the MIT licence. What it is installed with, and what that needs, is under these, as they",
        "say themselves (`make licences`). A test fails for one that is unknown or asks for more than a notice.",
        "LicenseRef-BSD is one of the BSD licences, where a package does not say which.",
        "",
        "| package | licence | comes with |",
        "|---|---|---|",
        *(f"| {one.name} | {one.licence or 'unknown'} | {', '.join(one.used_by)} |" for one in packages()),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(page(), end="")
