"""A page on paper: printed to PDF by a Chromium that is installed."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from simkit.errors import RunError
from simkit.files import write_whole

_BROWSERS = (
    *("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge"),
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
_PATIENCE_S = 120  # a page of pictures takes a second or two


def chromium() -> str | None:
    """The command of a browser that prints; None if there is none."""
    return next((found for name in _BROWSERS if (found := shutil.which(name))), None)


def print_page(browser: str, page: Path) -> Path:
    """Print an HTML file to a PDF beside it, and return that. Raises RunError if the browser does not."""
    target = page.with_suffix(".pdf")
    with tempfile.TemporaryDirectory(prefix="simkit-pdf-") as scratch:
        printed = Path(scratch, "page.pdf")
        command = [
            browser,
            "--headless",
            "--disable-gpu",
            f"--user-data-dir={scratch}/profile",
            "--no-pdf-header-footer",
        ]
        # Pages load nothing and run no script of others: root, in a container, has no sandbox to give.
        command += ["--no-sandbox", f"--print-to-pdf={printed}", page.resolve().as_uri()]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_S, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise RunError(f"{page}: {browser} did not print it: {error}") from error
        if not printed.is_file():
            last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise RunError(f"{page}: {browser} did not print it: {last}")
        write_whole(target, printed.read_bytes())
    return target
