"""Sentences about schedules: what holds when, what the pool makes of it, and what Coder and simkit say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from simkit.studies.cron_ranges import readings, sentences

NEW_YORK = "America/New_York"
OFFICE = {"* 9-17 * * 1-5": 6.0}


def text(of: sentences.Sentence) -> str:
    return of.text.format(**of.numbers)


def read(label: str, schedules: dict[str, int], timezone: str = NEW_YORK, coder: str = "v2.35") -> readings.Reading:
    return readings.reading(label, schedules, timezone, base=1, coder=coder)


def in_a_week(*of: readings.Reading, asked: dict[str, float] | None = None) -> readings.Case:
    return readings.week(of, NEW_YORK, "2026-06-01", OFFICE if asked is None else asked, seed=7, pools=2)


@pytest.fixture(scope="module")
def days_listed() -> readings.Case:
    return in_a_week(read("as written", {"* 8-17 * * 1,5": 8}), read("as meant", {"* 8-17 * * 1-5": 8}))


def test_the_pool_is_told_for_each_reading_with_its_numbers(days_listed):
    told = sentences.pool(days_listed, "list")
    written, meant = days_listed.pool.itertuples(index=False)
    assert f"*as written*: {written.hit_rate:.1%} of the claims find a prebuild" in text(told)
    assert f"*as meant*: {meant.hit_rate:.1%} of the claims find a prebuild" in text(told)
    assert f"{meant.idle_instance_hours:,.1f} instance-hours are idle" in text(told)
    assert f"(a pool in this week; {written.claims:,} claims in 2 pools)" in text(told)
    assert told.numbers["list_hit_rate_0"] == written.hits / written.claims
    assert all(name.startswith("list_") for name in told.numbers)


def test_percentages_have_the_digits_that_tell_the_readings_apart(days_listed):
    close = replace(days_listed, pool=days_listed.pool.assign(hit_rate=[0.99341, 0.99344]))
    assert "99.341%" in text(sentences.pool(close, "x"))
    assert "99.344%" in text(sentences.pool(close, "x"))


def test_a_pool_that_nobody_asks_has_no_hit_rate():
    case = in_a_week(read("as written", {"* 8 * * *": 8}), asked={})
    assert text(sentences.pool(case, "x")).startswith("Nobody asks for a workspace")


def test_hours_and_days_are_those_on_which_a_schedule_holds(days_listed):
    assert text(sentences.held(days_listed, "list")) == (
        "In this week a schedule holds *as written* for 20 hours on 2 days, *as meant* for 50 hours on 5 days: "
        "3 days missed."
    )
    swapped = replace(days_listed, readings=days_listed.readings[::-1])
    assert text(sentences.held(swapped, "list")).endswith(": 3 days that nobody meant.")


def test_the_answer_counts_the_cases_and_names_the_worst(days_listed):
    alike = replace(days_listed, pool=days_listed.pool.assign(hit_rate=0.9, idle_instance_hours=50.0))
    idler = replace(days_listed, pool=days_listed.pool.assign(hit_rate=[0.9, 0.8], idle_instance_hours=[90.0, 40.0]))
    nothing = readings.across(readings.jump("UTC", 2026, forward=True), 8, 1, 6, 7, 2)
    cases = {"a list": days_listed, "the same": alike, "too many": idler, "no change": nothing}
    written, meant = days_listed.pool["hit_rate"]
    assert text(sentences.answer(cases)) == (
        "In 1 of 3 edge cases fewer people find a prebuild than was meant, most of all with *a list*: "
        f"{written:.1%} of the claims instead of {meant:.1%}. In 1 more prebuilds wait, most of all with *too many*: "
        "90 idle instance-hours instead of 40 in a week."
    )
    assert text(sentences.answer({"the same": alike})) == (
        "In 0 of 1 edge cases fewer people find a prebuild than was meant. In 0 more prebuilds wait."
    )
    rows = sentences.answer_table(cases).frame.to_numpy().tolist()
    assert [row[:4] for row in rows] == [
        ["a list", "week", "20", "50"],
        ["the same", "week", "20", "50"],
        ["too many", "week", "20", "50"],
        ["no change", "", "", ""],
    ]
    assert rows[2][4:] == ["90.0%", "80.0%", "90.0", "40.0"]


def test_the_linters_warning_is_shown_and_its_crons_keep_their_stars(days_listed):
    assert text(sentences.warnings(days_listed, "list")).startswith(
        '> **simkit warns:** "1,5" is Monday and Friday only; write "1-5"'
    )
    overlap = readings.year([read("w", {"* 8 1 * 1": 8, "* 8 2 * 2": 4})], NEW_YORK, 2026, {}, seed=7, pools=1)
    assert '"* 8 2 * 2" overlaps "* 8 1 * 1"' in text(sentences.warnings(overlap, "overlap"))
    assert "no warning" in text(sentences.warnings(in_a_week(read("m", {"* 8-17 * * 1-5": 8})), "x"))


def test_the_first_span_is_told_to_the_second():
    case = in_a_week(*(read(coder, {"* 9-17 * * 1-5": 8}, coder=coder) for coder in ("early-ranges", "v2.35")))
    assert text(sentences.early(case, "early")) == (
        "The first span goes from Mon 08:59:00 to 17:58:59 under *early-ranges*; Mon 09:00:00 to 17:59:59 under "
        "*v2.35*."
    )
    assert text(sentences.early(in_a_week(read("base", {})), "x")) == "No schedule holds in this time."


def test_a_change_of_clocks_is_told_with_what_it_does_to_the_range():
    def told(timezone: str, forward: bool) -> str:
        return text(sentences.jump(readings.jump(timezone, 2026, forward), "x"))

    assert told(NEW_YORK, True) == (
        "On Sunday 2026-03-08 at 02:00 the clocks of America/New_York show 03:00: 02:00 to 03:00 is skipped, and "
        "`* 2 * * *` **does not hold at all that day**."
    )
    assert told("Africa/Cairo", False) == (
        "On Friday 2026-10-30 at 00:00 the clocks of Africa/Cairo show 23:00 of the day before: 23:00 to 00:00 comes "
        "twice, and `* 23 * * *` holds 1h longer than on any other day."
    )
    assert told("Australia/Lord_Howe", True).endswith("`* 2 * * *` holds 30m less than on any other day.")
    assert told("UTC", True) == "The clocks of UTC do not go forward in 2026."
    jump = readings.jump("UTC", 2026, forward=True)
    assert "no pool" in text(sentences.pool(readings.across(jump, 8, 1, 6, seed=7, pools=1), "x"))


def test_a_cron_is_read_as_coder_and_as_standard_cron_do():
    told = text(sentences.words("* 8-17 */2 * 1-5", 2026, NEW_YORK, "step"))
    assert "Monday to Friday (either is enough)" in told
    assert "Standard cron: 133 days of the coming year, where Coder has 316" in told


def test_what_was_meant_is_written_out():
    meant = read("as meant", readings.both_days("* 8-17 1-7 * 1", 8, 2026))
    told = text(sentences.instead(in_a_week(read("as written", {"* 8-17 1-7 * 1": 8}), meant), "either"))
    assert told.startswith("What was meant takes 7 schedules, which Coder accepts together: `* 8-17 1 6 *`, `* 8-17 2")


def test_overlaps_are_told_with_their_hours_and_the_first_of_them():
    case = readings.year([read("w", {"* 8-17 1 * 1": 8, "* 8-17 2 * 2": 4})], NEW_YORK, 2026, {}, seed=7, pools=1)
    assert "both hold for 50 hours on 5 days, first on Monday 2026-02-02 at 08:00 EST" in text(
        sentences.overlaps(case, "overlap")
    )
    alone = in_a_week(read("w", {"* 8-17 1 * 1": 8}))
    assert text(sentences.overlaps(alone, "x")) == "No two schedules hold at the same time."


def test_what_the_provider_refuses_beside_another_schedule_is_told_and_listed():
    tried = readings.validation(["* 9-17 * * MON-FRI", "* 9-17 * * 1-5"], "* 10-13 * * 6", NEW_YORK)
    told = text(sentences.validation(tried, "* 10-13 * * 6", "refused"))
    assert told.startswith("Of 2 crons the provider takes 2 alone and 1 beside `* 10-13 * * 6`.")
    assert '**The provider refuses:** "* 9-17 * * MON-FRI"' in told
    table = sentences.validation_table(tried).frame
    assert table["beside another"].tolist() == ["refused", "accepted"]
    assert table["holds"].tolist() == ["Monday to Friday, 09:00 to 17:59"] * 2


def test_a_table_of_crons_has_one_that_nobody_reads():
    tried = readings.validation(["* 9-17 * * 7"], "* 10-13 * * 6", NEW_YORK)
    assert sentences.validation_table(tried).frame["holds"].tolist() == [""]
    assert "refuses" not in text(sentences.validation(tried, "* 10-13 * * 6", "refused"))


def test_a_silent_fallback_is_told_with_its_reason():
    case = in_a_week(read("as written", {"* 8-17 * * 1-5": 8}, timezone="america/new_york"))
    assert text(sentences.fallback(case, "fallback")) == (
        'Coder v2.35 says nothing and uses 0 of 1 schedules, because "america/new_york" is not a time zone: the pool '
        "keeps its base of 1 at every hour."
    )
    assert text(sentences.fallback(in_a_week(read("m", {"* 8 * * *": 8})), "x")) == "Coder uses every schedule."


def test_what_all_pools_have_in_common_is_told():
    told = text(sentences.pools(1, 8, 50))
    assert "a base of 1 and, by schedule, 8 desired instances" in told
    assert "3m to build and 30s until its agent is ready" in told
