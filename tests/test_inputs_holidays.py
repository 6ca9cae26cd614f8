"""Holidays are what their file says, or it is refused with every problem."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path

import pytest

from simkit.errors import Findings
from simkit.inputs.holidays import holidays_of, read_holidays
from simkit.model import Holiday

CHRISTMAS, NEW_YEAR = date(2026, 12, 25), date(2027, 1, 1)


def read(tmp_path: Path, text: str | bytes) -> tuple[tuple[Holiday, ...], list[str]]:
    path = tmp_path / "h.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    findings = Findings()
    return read_holidays(path, findings), [str(one).removeprefix(f"{tmp_path}/") for one in findings.items]


@pytest.mark.parametrize(
    "text",
    [
        "date,name\n2027-01-01,\n2026-12-25,Christmas\n",
        "date,name\r\n2027-01-01,\r\n2026-12-25,Christmas\r\n2026-12-25,Christmas\r\n",
        "Name;Date\n;2027-01-01\n\nChristmas; 2026-12-25 \n",
        "sep=\t\ncountry\tdate\tname\nus\t2027-01-01\t\nus\t2026-12-25\tChristmas\n",
        "date,name\n2027-01-01,\n2026-12-25,Christmas\n".encode("utf-16"),
    ],
)
def test_days_are_read_in_order_of_time_and_each_once(tmp_path: Path, text: str | bytes):
    days, said = read(tmp_path, text)
    assert days == (Holiday(CHRISTMAS, "Christmas"), Holiday(NEW_YEAR))
    assert said == []


def test_names_may_be_left_out_and_a_day_may_have_two(tmp_path: Path):
    assert read(tmp_path, "date\n2027-01-01\n")[0] == (Holiday(NEW_YEAR),)
    both = read(tmp_path, "date,name\n2026-12-25,Christmas\n2026-12-25,Weihnachten\n")[0]
    assert both == (Holiday(CHRISTMAS, "Christmas, Weihnachten"),)


def test_every_line_that_is_no_day_is_told(tmp_path: Path):
    text = (
        "date,name\n2026-02-29,x\n25.12.2026,y\n2026-12-25T00:00:00Z,z\n20261225,\n,nothing\n0001-01-01,\n2026-12-25,\n"
    )
    _, said = read(tmp_path, text)
    assert said == [
        'h.csv:2: date: "2026-02-29" is not a date; write "2026-12-25"',
        'h.csv:3: date: "25.12.2026" is not a date; write "2026-12-25"',
        'h.csv:4: date: "2026-12-25T00:00:00Z" is not a date; write "2026-12-25"',
        'h.csv:5: date: "20261225" is not a date; write "2026-12-25"',
        'h.csv:6: date: "" is not a date; write "2026-12-25"',
        'h.csv:7: date: "0001-01-01" is out of range; write a year from 1900 to 9000',
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "h.csv: is empty; write date,name and a row for each below"),
        ("day,name\n2026-12-25,x\n", 'h.csv:1: has no column "date"; its first line has day, name; rename one'),
        ("date,name\n", "h.csv:1: has no rows below it; write a row for each holiday, or give another file"),
        ("date,date\n2026-12-25,2026-12-25\n", 'h.csv:1: has 2 columns "date", at 1 and 2; keep one of them'),
        ("date,name\n2026-12-25\n", "h.csv:2: has 1 value, and the first line names 2; write as many"),
        (b"PK\x03\x04", "h.csv: is a workbook or a zip file; save it as CSV"),
    ],
)
def test_a_file_that_is_no_list_of_days_is_refused(tmp_path: Path, text: str | bytes, told: str):
    days, said = read(tmp_path, text)
    assert days == ()
    assert [one for one in said if one.startswith(told)] == said[:1] != []


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path):
    findings = Findings()
    assert read_holidays(tmp_path / "none.csv", findings) == ()
    assert "cannot be read: No such file" in str(findings.errors[0])


class Known:
    """In place of the package, of which not everybody has the extra."""

    @staticmethod
    def country_holidays(country: str, subdiv: str | None, years: range) -> dict[date, str]:
        if (country, subdiv) not in (("DE", "BY"), ("DE", None)):
            raise NotImplementedError
        return {date(year, 1, 6): "Epiphany" for year in years if subdiv}


def of_country(text: str, first: date, last: date) -> tuple[tuple[Holiday, ...], list[str]]:
    findings = Findings()
    return holidays_of(text, first, last, findings), [one.text for one in findings.items]


def test_the_holidays_of_a_region_are_those_of_the_span(monkeypatch):
    monkeypatch.setitem(sys.modules, "holidays", Known)
    found, told = of_country("country:de-by", date(2025, 1, 7), date(2027, 1, 6))
    assert found == (Holiday(date(2026, 1, 6), "Epiphany"), Holiday(date(2027, 1, 6), "Epiphany"))
    assert told == []
    assert of_country("country:DE", date(2025, 1, 7), date(2027, 1, 6)) == ((), [])


@pytest.mark.parametrize("text", ["country:XX", "country:DE-XX", "country:"])
def test_a_country_that_is_not_known_is_told(monkeypatch, text):
    monkeypatch.setitem(sys.modules, "holidays", Known)
    found, told = of_country(text, date(2025, 1, 1), date(2026, 1, 1))
    assert found == ()
    assert told == [
        f'no holidays of "{text.removeprefix("country:")}" are known; write country:US, or country:DE-BY for a region'
    ]


def test_without_the_package_a_sentence_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "holidays", None)
    found, told = of_country("country:US", date(2025, 1, 1), date(2026, 1, 1))
    assert found == ()
    assert told == ["country:US needs the package holidays: pip install 'simkit[holidays]', or give a CSV of dates"]


def test_the_package_itself_knows_a_region():
    pytest.importorskip("holidays", reason="the extra simkit[holidays] is not installed")
    found, told = of_country("country:DE-BY", date(2026, 1, 1), date(2026, 12, 31))
    assert date(2026, 1, 6) in {one.day for one in found}
    assert told == []
    assert of_country("country:XX", date(2026, 1, 1), date(2026, 1, 1))[1]
    assert of_country("country:", date(2026, 1, 1), date(2026, 1, 1))[1]
