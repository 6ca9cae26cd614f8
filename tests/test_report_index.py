"""The page over all reports: what is newest, what has changed, what is out of bounds, and nothing that is obeyed."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from html import unescape
from pathlib import Path

import pytest

from simkit.clock import DAY_US, parse_instant
from simkit.report.index import Threshold, index_page
from simkit.store.reports import Made

AT = parse_instant("2026-03-02T04:30:00Z")
GOOD = Made("a", "week", AT, "d", "", 61.0, "a/week/a.html", 100.0, 0.9, 75.0, 1000.0, 400.0, "EUR", 0.0)


def text_of(html: str) -> list[str]:
    """What each cell of the table says."""
    cells = re.findall(r"<t[hd] [^>]*>(.*?)</t[hd]>", html.split("<tbody>")[1], re.DOTALL)
    return [" ".join(unescape(re.sub(r"<[^>]+>", " ", cell)).split()) for cell in cells]


def test_each_report_has_a_row_with_what_changed_since_the_one_before(tmp_path: Path):
    later = GOOD._replace(made_at=AT + DAY_US, claims=120.0, hit_rate=0.888, wait_p95_s=60.0, idle_cost_per_week=400.0)
    html = index_page(tmp_path, [GOOD, later], {})
    assert text_of(html) == [
        "a · week",
        "88.8% -1.2 points",
        "1m -15s",
        "1,000 unchanged",
        "400 EUR unchanged",
        "120 +20",
        "0 unchanged",
        "Tue 2026-03-03 04:30 UTC in 1m1s",
    ]
    assert "1 report, the newest of Tue 2026-03-03 04:30 UTC. All were made." in html


def test_what_is_out_of_bounds_is_marked_in_words(tmp_path: Path):
    bounds = (Threshold("hit_rate", 0.95, None), Threshold("wait_p95_s", None, 60.0), Threshold("claims", 1.0, None))
    html = index_page(tmp_path, [GOOD], {("a", "week"): bounds})
    assert text_of(html)[1:3] == ["90.0% below 95.0%", "1m15s above 1m"]
    assert "1 out of bounds." in html
    assert text_of(html)[5] == "100"


def test_a_report_that_failed_keeps_the_numbers_of_the_last_that_was_made(tmp_path: Path):
    failed = Made("a", "week", AT + DAY_US, "", "cell 3 failed: <b>", 0.0, "")
    never = Made("b", "week", AT, "", "cell 1 failed", 0.0, "")
    html = index_page(tmp_path, [GOOD, never, failed], {})
    cells = text_of(html)
    assert cells[0] == "a · week Not made Tue 2026-03-03 04:30 UTC: cell 3 failed: <b>"
    assert cells[1] == "90.0%"
    assert cells[8] == "b · week Not made Mon 2026-03-02 04:30 UTC: cell 1 failed"
    assert "2 could not be made." in html
    assert html.count("href=") == 1, "what was never made has no page"


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", '"onload="x', "a\u202eb", "$body ${style}"])
def test_names_are_text(name: str, tmp_path: Path):
    html = index_page(tmp_path, [GOOD._replace(report=name, currency=name)], {})
    assert html.count("<script") == 1, "simkit's own"
    assert not re.search(r"<[^>]*\sonload=", html)
    assert "\u202e" not in html


def test_the_only_script_is_the_one_that_the_policy_names(tmp_path: Path):
    html = index_page(tmp_path, [GOOD], {})
    (script,) = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    digest = b64encode(sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in html
    assert "default-src 'none'" in html


def test_older_pages_are_linked_and_a_picture_of_the_newest_is_shown(tmp_path: Path):
    page = tmp_path / GOOD.page
    page.parent.mkdir(parents=True)
    page.write_text('<img alt="x" src="data:image/png;base64,AAAA">')
    for name in ("2026-02-27T043000Z", "2026-03-01T043000Z"):
        (page.parent / "older" / name).mkdir(parents=True)
        (page.parent / "older" / name / page.name).write_text("older")
    html = index_page(tmp_path, [GOOD], {})
    assert '<img src="data:image/png;base64,AAAA" alt=""' in html
    assert re.findall(r'<li><a href="([^"]+)"', html) == [
        "a/week/older/2026-03-01T043000Z/a.html",
        "a/week/older/2026-02-27T043000Z/a.html",
    ]
