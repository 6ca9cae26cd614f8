"""One TTL changes, and everything else stays: the same people, the same slow builds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scenarios import scenario

from simkit import InputError, ask, replicate
from simkit.clock import DAY_US, HOUR_US, MINUTE_US, zone
from simkit.decide import ttls
from simkit.model import Activate, Preset, Profile, Scenario, Schedule, TemplateVersion, Workload, lognormal

PRESETS = (
    Preset("go", 2, 8 * HOUR_US, "America/New_York", (Schedule("* 9-17 * * 1-5", 4),)),
    Preset("py", 1, 2 * HOUR_US),
)


def week(*presets: Preset, **more: object) -> Scenario:
    rates = tuple(1.5 if h < 120 and 9 <= h % 24 < 17 else 0.0 for h in range(168))
    demand = tuple(Profile(name, zone("America/New_York"), rates) for name in ("go",))
    given = scenario(*(presets or PRESETS), hours=7 * 24)
    workload = Workload(lognormal(6 * MINUTE_US, 9 * MINUTE_US, 64), cost_per_instance_hour=0.5)
    return replace(given, demand=demand, workload=workload, **more)


@pytest.fixture(scope="module")
def tried() -> pd.DataFrame:
    return ttls.prebuild_ttls(week(), "go", (HOUR_US, 8 * HOUR_US, 0), seed=7, replications=2)


def test_there_is_a_row_for_each_ttl_and_replication(tried):
    assert tried["ttl_us"].tolist() == [HOUR_US] * 2 + [8 * HOUR_US] * 2 + [0] * 2
    assert tried["replication"].tolist() == [0, 1] * 3
    assert tried["is_own"].tolist() == [False] * 2 + [True] * 2 + [False] * 2
    assert set(tried["preset"]) == {"go"}
    assert set(tried["currency"]) == {"USD"}


def test_every_ttl_meets_the_same_people(tried):
    claims = tried.pivot(index="replication", columns="ttl_us", values="claims")
    assert (claims.nunique(axis=1) == 1).all()
    assert claims[0].nunique() == 2, "another replication meets others"


def test_a_shorter_ttl_gives_younger_prebuilds_that_expire_more_often_and_are_built_more_often(tried):
    by_ttl = tried.groupby("ttl_us", sort=False).mean(numeric_only=True)
    for name, grows in (("expired_share", False), ("builds_per_week", False), ("age_p95_s", True)):
        assert by_ttl[name].is_monotonic_increasing == grows, name
        assert by_ttl[name].is_monotonic_decreasing != grows, name
    assert (tried.loc[tried["ttl_us"] == HOUR_US, "age_p95_s"] <= 3600 + 60).all()
    assert (tried.loc[tried["ttl_us"] == 0, "expired"] == 0).all()


def test_the_scenarios_own_ttl_gives_what_its_own_runs_give(tried):
    results = list(replicate(week(), 7, 2))
    summary, hours, fates, ages = (ask(results, question) for question in ("summary", "hours", "fates", "age_at_claim"))
    own = tried[tried["is_own"]]
    summary, hours, fates = (of[of["preset"] == "go"] for of in (summary, hours, fates))
    assert own["builds_per_week"].tolist() == summary["builds"].tolist(), "the window is a week"
    assert own["pool_cost_per_week"].tolist() == hours["pool_cost"].tolist()
    assert own["expired_share"].tolist() == (fates["expired"] / fates["created"]).tolist()
    age = ages[(ages["preset"] == "go") & (ages["run_id"] == results[0].run_id)]["age_s"]
    assert own["age_p50_s"].iloc[0] == np.sort(age)[(len(age) - 1) // 2]


def test_the_other_presets_and_every_version_keep_what_is_theirs():
    later = TemplateVersion("t", "v2", (replace(PRESETS[0], ttl_us=4 * HOUR_US), PRESETS[1]))
    given = week()
    given = replace(given, events=(Activate(given.start_at + DAY_US, later),))
    changed = ttls._with_ttl(given, "go", HOUR_US)
    assert [p.ttl_us for v in changed.all_versions for p in v.presets] == [HOUR_US, 2 * HOUR_US] * 2
    assert ttls._with_ttl(changed, "go", 8 * HOUR_US).versions == given.versions


def test_a_preset_that_nobody_claims_has_no_age():
    idle = ttls.prebuild_ttls(week(), "py", (HOUR_US,), seed=7, replications=1)
    assert idle["claims"].tolist() == [0]
    assert idle["age_p50_s"].isna().all()
    assert idle["expired_share"].iloc[0] > 0.9


def test_ttls_are_read_in_order_with_the_presets_own_one_and_its_half_and_never_last():
    assert ttls.ttls_to_try("2h, never 1h", week(), "go") == (HOUR_US, 2 * HOUR_US, 4 * HOUR_US, 8 * HOUR_US, 0)
    assert ttls.ttls_to_try("", week(Preset("go", 1, 90 * MINUTE_US)), "go") == (90 * MINUTE_US,), (
        "45 minutes are too few"
    )
    assert ttls.ttls_to_try("", week(Preset("go", 1)), "go") == (0,)


def test_ttls_that_coder_does_not_take_are_refused_all_at_once():
    with pytest.raises(InputError) as refused:
        ttls.ttls_to_try("30m 2h soon 2y 0s", week(), "go")
    text = str(refused.value)
    assert 'a prebuild\'s TTL is 1h to 365d, got "30m"; write "never" for none' in text
    assert '"soon" is not a duration' in text
    assert '"2y" is not a duration' in text
    assert 'got "0s"' in text
    assert len(refused.value.problems) == 4


def test_a_preset_that_the_scenario_lacks_is_told():
    with pytest.raises(InputError, match='there is no preset "p"'):
        ttls.prebuild_ttls(week(), "p", (HOUR_US,), seed=7, replications=1)
