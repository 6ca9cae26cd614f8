"""Asks for known vulnerabilities of what is locked, by pip-audit; says so where nobody can be asked. A program:

PIP_AUDIT LOCK [LOCK...]. The status is 1 for a known vulnerability, 2 for a file that pip-audit cannot read, else 0.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

ACCEPTED: dict[str, str] = {}
"""Known vulnerabilities that do not reach simkit, by id, and why; each goes when a newer version is locked."""
_UNREACHABLE = re.compile(
    r"ConnectionError|ProxyError|Timeout|Max retries|ServiceError|Could not connect|HTTPError", re.I
)


class Verdict(NamedTuple):
    lines: list[str]
    status: int


def verdict(found: dict[str, Any], accepted: dict[str, str] = ACCEPTED) -> Verdict:
    """What pip-audit's JSON comes to. A package that it could not ask for is no package without vulnerabilities."""
    lines, status = [], 0
    packages = found["dependencies"]
    for package in packages:
        for one in package.get("vulns", []):
            ids = {one["id"], *one.get("aliases", [])}
            reasons = [accepted[name] for name in sorted(ids) if name in accepted]
            cure = f"mended in {', '.join(one['fix_versions'])}" if one.get("fix_versions") else "not mended yet"
            lines.append(f"{package['name']} {package['version']}: {one['id']}, {(reasons or [cure])[0]}")
            status = status if reasons else 1
    skipped = [package["name"] for package in packages if "skip_reason" in package]
    asked = len(packages) - len(skipped)
    if packages and not asked:
        lines.append(
            f"no audit: nothing is known here of any of the {len(packages)} packages; try it where it can be asked"
        )
        return Verdict(lines, status)
    if skipped:
        lines.append(f"not asked for: {', '.join(sorted(skipped))}")
    lines.append(f"{asked} packages asked for, {'see above' if lines else 'no known vulnerability'}")
    return Verdict(lines, status)


def audited(tool: str, locks: list[str]) -> Verdict:
    """What pip-audit says of lock files with hashes; only those are read, nothing is installed."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "found.json")
        files = [word for lock in locks for word in ("--requirement", lock)]
        options = ["--disable-pip", "--require-hashes", "--progress-spinner", "off", "--format", "json"]
        try:
            done = subprocess.run(
                [tool, *files, *options, "--output", str(out)], capture_output=True, text=True, check=False
            )
        except OSError as error:
            return Verdict(
                [f"no audit: {tool} is not installed, as it is where there is no network ({error.strerror})"], 0
            )
        if out.is_file():
            return verdict(json.loads(out.read_text(encoding="utf-8")))
    last = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()[-1]
    if _UNREACHABLE.search(done.stderr):
        return Verdict(["no audit: nobody can be asked without a network; try it where there is one"], 0)
    return Verdict([f"pip-audit: {last}"], 2)


def main(tool: str, *locks: str) -> None:
    said = audited(tool, list(locks))
    print("\n".join(said.lines))
    sys.exit(said.status)


if __name__ == "__main__":
    main(*sys.argv[1:])
