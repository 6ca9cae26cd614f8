"""The file of a sweep: what it holds, keeps and refuses."""

from __future__ import annotations

import math
from pathlib import Path

import duckdb
import numpy as np
import pytest

from simkit.errors import StoreError
from simkit.store import sweeps
from simkit.store.sweeps import REAL, WHOLE, Outcome, Rows, read_sweep, sweep_file

PATHS = ("coder.provisioner_daemons", "presets.dev.ttl", "failures.probability")
VALUES = (("2", "3"), ("0", "4h"), ("0", "0.5"))
MADE_OF = ("week", 7, "abc")


def rows(*replications: int, hit_rate: float = 0.5) -> Rows:
    count = len(replications)
    columns = {name: np.arange(count) for name in WHOLE} | {name: np.full(count, hit_rate) for name in REAL}
    return Rows(np.array(replications), ["dev"] * count, columns)


def outcome(*values: str, given: Rows | None = None, message: str = "") -> Outcome:
    return Outcome(values, "d", 1.0, given, message)


def test_points_have_typed_values_and_measures_theirs(tmp_path: Path):
    out = tmp_path / "s.duckdb"
    with sweep_file(out, PATHS, VALUES, MADE_OF) as file:
        known = file.stored()
        file.write([outcome("2", "4h", "0", given=rows(0, 1)), outcome("3", "0", "0.5", message="broke")], known)
        file.write([outcome("2", "4h", "0", given=rows(2, hit_rate=math.nan))], known)
        assert known.get(("2", "4h", "0.0")).replications == {0, 1, 2}
        assert known.get(("3", "4h", "0")) is None
    table = read_sweep(out)
    assert table["coder.provisioner_daemons"].tolist() == [2, 2, 2, 3]
    assert table["presets.dev.ttl"].tolist() == ["4h", "4h", "4h", "0"]
    assert table["failures.probability"].tolist() == [0, 0, 0, 0.5]
    assert table["hits"].tolist()[:3] == [0, 1, 0]
    assert table["hit_rate"].isna().tolist() == [False, False, True, True]
    assert table["message"].tolist()[3] == "broke"


def test_a_point_that_failed_keeps_its_number_when_it_succeeds(tmp_path: Path):
    out = tmp_path / "s.duckdb"
    with sweep_file(out, PATHS, VALUES, MADE_OF) as file:
        file.write([outcome("2", "0", "0", message="broke"), outcome("3", "0", "0", given=rows(0))], file.stored())
    with sweep_file(out, PATHS, VALUES, MADE_OF) as file:
        known = file.stored()
        assert known.get(("2", "0", "0")).replications == frozenset()
        file.write([outcome("2", "0", "0", given=rows(0))], known)
    table = read_sweep(out)
    assert table[["point", "coder.provisioner_daemons"]].to_numpy().tolist() == [[0, 2], [1, 3]]
    assert table["message"].isna().all()


def test_what_is_written_together_is_there_entirely_or_not_at_all(tmp_path: Path):
    out = tmp_path / "s.duckdb"
    broken = rows(0)._replace(columns={})
    with sweep_file(out, PATHS, VALUES, MADE_OF) as file, pytest.raises(KeyError):
        file.write([outcome("2", "0", "0", given=rows(0)), outcome("3", "0", "0", given=broken)], file.stored())
    assert read_sweep(out).empty


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"paths": ("a", "b", "c")}, "this sweep varies coder.provisioner_daemons, presets.dev.ttl"),
        ({"made_of": ("week", 8, "abc")}, "this sweep has the seed 7; give --seed 7"),
        ({"made_of": ("week", 7, "abd")}, "its points are of another state of week"),
        ({"values": (("2.5",), ("0",), ("0",))}, 'has whole numbers in this sweep, not "2.5"'),
        ({"values": (("2",), ("0",), ("x",))}, 'has numbers in this sweep, not "x"'),
    ],
)
def test_a_file_of_another_sweep_is_refused(tmp_path: Path, change: dict[str, object], said: str):
    out = tmp_path / "s.duckdb"
    given = {"paths": PATHS, "values": VALUES, "made_of": MADE_OF}
    with sweep_file(out, **given):  # type: ignore[arg-type]
        pass
    with pytest.raises(StoreError) as refused, sweep_file(out, **{**given, **change}):  # type: ignore[arg-type]
        pass
    assert said in str(refused.value)
    assert refused.value.status == 2


def test_a_file_that_is_no_sweep_is_refused(tmp_path: Path):
    other = tmp_path / "other.duckdb"
    with duckdb.connect(str(other)) as connection:
        connection.execute("CREATE TABLE t (x INTEGER)")
    (tmp_path / "text.duckdb").write_text("no database at all, and long enough to be read as one" * 200)
    for path, said in (
        (other, "holds no sweep"),
        (tmp_path / "text.duckdb", "is not a DuckDB file"),
        (tmp_path / "nowhere" / "s.duckdb", "there is no directory"),
    ):
        with pytest.raises(StoreError, match=said), sweep_file(path, PATHS, VALUES, MADE_OF):
            pass
    with pytest.raises(StoreError, match="holds no sweep"):
        read_sweep(other)
    with pytest.raises(StoreError, match="there is no such file"):
        read_sweep(tmp_path / "missing.duckdb")


def test_names_of_columns_are_whatever_a_path_is(tmp_path: Path):
    out = tmp_path / "s.duckdb"
    with sweep_file(out, ['presets.a"; DROP TABLE points; --.ttl'], [["1h"]], MADE_OF) as file:
        file.write([outcome("1h", given=rows(0))], file.stored())
    assert read_sweep(out).columns[1] == 'presets.a"; DROP TABLE points; --.ttl'
    assert sweeps.SWEEP_VERSION == 1
