"""The steps of the sample day: what is refused is text, and logs are cut."""

from __future__ import annotations

from days import lab

from simkit.studies.control_plane import steps


def test_a_refusal_is_text_and_what_is_done_says_nothing():
    plane, *_ = lab()
    assert steps.refusal(plane.create_organization, "lab") == (
        'there is an organization "lab" already; choose another name'
    )
    assert steps.refusal(plane.create_organization, "attic") == ""


def test_the_end_of_a_log_is_cut_where_a_line_is_very_long():
    assert steps.tail("a\nb\n" + "c" * 301, 2) == f"b\n{'c' * 90}…"
