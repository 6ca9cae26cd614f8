"""Hostile inputs, drawn: values that readers stumble over, put into good files, and good files with pieces broken."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import contextmanager

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from simkit.errors import SimkitError

MULTIPLE = float(os.environ.get("SIMKIT_FUZZ", "1"))
"""How many times the usual number of inputs is drawn: `make fuzz` sets it."""

NUMBERS = (
    *("", "-1", "0", "00", "0.5", "1_000", "0x10", "0x_", "0b_", "1:30:00", "1e300", "-1e300", "1e400", ".inf", ".nan"),
    *("9" * 25, "9" * 5000, "-" + "9" * 5000, "9223372036854775807", "9223372036854775808", "\uff12", "\xb2"),
)
DURATIONS = ("0s", "1us", "1" * 400 + "h", "9" * 20 + "us", "99999999d", "36600d", "1h" * 3000, "1e5h", "-1h", "5 m")
INSTANTS = (
    *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999-23:59", "1900-01-01T00:00:00+23:59"),
    *("9000-12-31T23:59:59-23:59", "2026-02-30", "2026-03-02T24:00", "2026-W10-1", "20260302", "2026-03-02T09:00:60Z"),
)
CRONS = (
    *("* * * * *", "* 22-6 * * 1-5", f"* {'9' * 5000} * * *", "* */0 * * *", "@daily", "* 8 31 2 *", "* ? * * ?"),
    *("* , * * *", "* -1 * * *", "CRON_TZ=x * 8 * * *", "* 1--1 * * *", "* \uff18 * * *", "* 8-18 * * MON-FRI"),
)
NAMES = (
    *("../../../etc/passwd", "/dev/zero", ".", "a/" * 3000, "x" * 300, "America/../../etc/passwd", "/etc/localtime"),
    *("\x1b[31m", "\u202e", "[/]", "$(id)", "x" * 20_000, "\U0010ffff", "a\r\nb"),
)
TEXTS = (*NUMBERS, *DURATIONS, *INSTANTS, *CRONS, *NAMES)

texts = st.sampled_from(TEXTS) | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
"""What may stand where one value is expected."""


def drawn(count: int, **more: object) -> settings:
    """So many inputs, or a multiple; the same ones each time in the usual suite."""
    usual = MULTIPLE == 1
    return settings(
        max_examples=max(1, round(count * MULTIPLE)),
        derandomize=usual,
        database=None,
        deadline=None,
        print_blob=not usual,
        suppress_health_check=list(HealthCheck),
        **more,
    )


@contextmanager
def told_only():
    """Whatever is wrong is told to a person, in sentences that end; anything else is a fault of ours."""
    said = "nothing"
    try:
        yield
    except SimkitError as error:
        said = str(error)
    assert 0 < len(said.encode()) < 300_000


_PIECES = (
    *('"', "'", "{", "}", "[", "]", "${", "%{", "<<E\n", "\n", "\\", "(", ")", "*", "?", ":", ",", "0", "\0", "é", "#"),
    *("/*", "//", "-", "...", ".", "null", "&a ", "*a", "!!int ", "!!float _", "|\n", "<<: ", "\t", "\ufeff", "\u2028"),
)


@st.composite
def broken(draw: Callable, whole: str) -> str:
    """A good text with some pieces left out, doubled, or put in."""
    text = whole
    for _ in range(draw(st.integers(1, 5))):
        at = draw(st.integers(0, len(text)))
        match draw(st.sampled_from(("cut", "put", "put", "double", "end"))):
            case "cut":
                text = text[:at] + text[at + draw(st.integers(1, 12)) :]
            case "put":
                text = text[:at] + draw(st.sampled_from(_PIECES) | texts) + text[at:]
            case "double":
                text = text[:at] + text[at : at + draw(st.integers(1, 40))] + text[at:]
            case "end":
                text = text[:at] if at else text
    return text


@st.composite
def broken_bytes(draw: Callable, whole: bytes) -> bytes:
    """Good bytes with some of them changed, or cut off."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 6))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data[: draw(st.integers(1, len(data)) | st.just(len(data)))])
