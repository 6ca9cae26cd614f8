"""Which presets are shown."""

from __future__ import annotations

import pandas as pd
import pytest

from simkit import InputError
from simkit.studies.choosing import busiest_preset, worst_presets


def test_the_worst_presets_are_those_with_most_misses_in_their_own_order():
    summary = pd.DataFrame({"preset": list("abcab"), "claims": [9, 9, 9, 9, 9], "hits": [9, 7, 0, 9, 9]})
    summary = summary.assign(has_pool=True)
    assert worst_presets(summary, most=2) == ["b", "c"]
    assert worst_presets(summary) == ["a", "b", "c"]
    assert worst_presets(summary.assign(has_pool=summary["preset"] != "c")) == ["a", "b"], "c has no pool to be empty"


def test_the_busiest_preset_has_most_claims_unless_one_is_named():
    summary = pd.DataFrame({"preset": ["go", "py"] * 2, "claims": [1, 2, 3, 1]})
    assert busiest_preset(summary) == "go"
    assert busiest_preset(summary, "py") == "py"
    with pytest.raises(InputError, match='preset: there is no preset "gos"; write "go"'):
        busiest_preset(summary, "gos")
