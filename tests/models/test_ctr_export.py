"""A training export: cut by time, numbers of 32 bits without nulls, equal groups in a seeded order, nothing lost, never changed."""

import math
import random
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
from pyspark.sql import SparkSession

from builders import frame
from clickmill.contracts import faults
from clickmill.contracts.days import Days
from clickmill.contracts.errors import BadData, UsageError
from clickmill.contracts.properties import set_for
from clickmill.contracts.tables import CTR_ROWS, VOCABULARIES
from clickmill.exports import FrozenExports
from clickmill.models import ctr_examples, ctr_export, ctr_groups, manifest
from clickmill.models.ctr_cuts import SPLITS, cuts
from clickmill.models.ctr_export import Plan
from clickmill.models.ctr_fields import DENSE, FIELDS
from clickmill.models.ctr_scales import Scale
from clickmill.models.manifest import Manifest
from models.rows import ctr_row

LAST = date(2024, 5, 28)
PARAMS: dict[str, Any] = {
    "days": 10,
    "valid_days": 1,
    "test_days": 2,
    "unanswered_share": 1.0,
    "hash_buckets": {},
    "group_rows": 16,
    "ranks": 1,
    "seed": 7,
}


def day(back: int) -> date:
    return LAST - timedelta(days=back)


def plan(**changes: Any) -> Plan:
    return Plan(LAST, PARAMS | changes, 1, {CTR_ROWS.name: 3, VOCABULARIES.name: 4}, "1.0")


def history(rows_a_day: int = 20) -> list[dict[str, Any]]:
    """Ten days of impressions; labels of the last are open. Every fourth is answered."""
    rows = []
    for back in range(10):
        for n in range(rows_a_day):
            told: dict[str, Any] = {"answered": n % 4 == 0 if back else None, "item_impressions_sum_7d": n, "device": "phone"}
            rows.append(ctr_row(f"i{n % 5}", day(back), event_id=f"{back} {n}", price=None if n % 2 else 10.0, **told))
    return rows


def numbered(spark: SparkSession, **values: list[str]) -> Any:
    rows = [
        {"vocabulary": of, "site_id": "shop", "value": value, "number": n + 1, "first_date": day(9)}
        for of, all_of in values.items()
        for n, value in enumerate(all_of)
    ]
    return frame(spark, VOCABULARIES, rows)


class Written:
    """An export on disk: its manifest, and its rows by split in the order in which they lie."""

    def __init__(self, spark: SparkSession, root: Path, rows: list[dict[str, Any]], of: Plan, vocabularies: Any = None) -> None:
        self.exports, ctr_rows = FrozenExports(spark, str(root)), frame(spark, CTR_ROWS, rows)
        with set_for(spark, ctr_examples.SPARK_CONF):
            known = numbered(spark, item=["i0", "i1", "i3"], device=["phone"]) if vocabularies is None else vocabularies
            self.described = ctr_export.exported(ctr_rows, known, of, self.exports)
            self.counts = ctr_export.counts(self.described, ctr_rows, of)
        text = self.exports.manifest("ctr_rows", of.export_id)
        self.manifest: Manifest | None = manifest.parsed(text) if text else None
        self.folder = root / "exports" / "ctr_rows" / of.export_id

    def rows(self, split: str) -> list[dict[str, Any]]:
        assert self.manifest is not None
        files = [pq.read_table(self.folder / group.file, partitioning=None) for group in self.manifest.groups[split]]
        assert [file.num_rows for file in files] == [group.rows for group in self.manifest.groups[split]]
        return [row for file in files for row in file.to_pylist()]


@pytest.fixture(scope="module")
def whole(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Written:
    return Written(spark, tmp_path_factory.mktemp("lake"), history(), plan())


def test_each_split_is_later_than_the_one_before_and_than_all_its_labels() -> None:
    made = cuts(LAST, days=10, valid_days=1, test_days=2, label_wait_days=1)
    assert (made.train, made.valid, made.test) == (Days(day(9), day(6)), Days(day(4), day(4)), Days(day(2), day(1)))


def test_too_few_days_to_learn_from_are_refused() -> None:
    assert cuts(LAST, days=7, valid_days=1, test_days=2, label_wait_days=1).train == Days(day(6), day(6))
    with pytest.raises(UsageError, match="6 leaves no day to learn from, with 2 to judge, 1 to choose and 1 for labels"):
        cuts(LAST, days=6, valid_days=1, test_days=2, label_wait_days=1)


def test_every_row_is_exported_or_left_out_for_a_reason(whole: Written) -> None:
    told = {"exported, train": 80, "exported, valid": 20, "exported, test": 40}
    left_out = {"left out, label open": 20, "left out, between splits": 40, "left out, not drawn": 0}
    assert whole.counts == {"rows": 200, **told, **left_out}
    assert [len(whole.rows(split)) for split in SPLITS] == [80, 20, 40]


def test_the_manifest_says_what_lies_where_and_what_it_is_made_of(whole: Written) -> None:
    told = whole.manifest
    assert told is not None
    assert [group.rows for group in told.groups["train"]] == [16] * 5
    assert [group.rows for group in told.groups["valid"]] == [5] * 4
    assert told.days == {"train": (str(day(9)), str(day(6))), "valid": (str(day(4)),) * 2, "test": (str(day(2)), str(day(1)))}
    assert (told.table_version, told.vocabulary_version, told.seed, told.label_wait_days) == (3, 4, 7, 1)
    assert {name: size for name, size in told.vocabularies.items() if size} == {"item": 3, "device": 1}
    described = whole.described.first()
    assert described is not None
    assert (described.export_id, described.group_count, described.train_count) == (plan().export_id, 13, 80)
    assert described.manifest_hash == manifest.hash_of((whole.folder / manifest.NAME).read_text())


def test_a_file_is_one_row_group_of_32_bit_numbers_without_nulls(whole: Written) -> None:
    assert whole.manifest is not None
    for group in whole.manifest.groups["train"]:
        file = pq.ParquetFile(whole.folder / group.file)
        assert file.num_row_groups == 1
        types = {field.name: str(field.type) for field in file.schema_arrow}
        assert types.pop("row_id") == "int64"
        floats = [*(of.name for of in DENSE), "answered", "sampling_rate"]
        assert types == {of.name: "int32" for of in FIELDS} | dict.fromkeys(floats, "float")
        assert all(column.null_count == 0 for column in file.read().columns)


def test_values_have_their_number_and_what_has_none_is_0(whole: Written) -> None:
    rows = {row["row_id"]: row for row in whole.rows("train")}
    assert sorted(row["item"] for row in rows.values()) == [0] * 32 + [1] * 16 + [2] * 16 + [3] * 16
    assert {row["device"] for row in rows.values()} == {1}
    assert {row["country"] for row in rows.values()} == {0}


@pytest.fixture(scope="module")
def sampled(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Written:
    """A quarter of the unanswered rows; devices hashed; a late number; a column that moves after training alone, and one of 0 and e - 1."""
    rows = history(100)
    for row in rows:
        row["item_impressions_sum_90d"] = 0 if row["known_date"] <= day(6) else 10**9
        row["user_purchase_value_sum_7d"] = math.e - 1 if int(row["event_id"].split()[1]) % 8 in (0, 1, 2, 3) else 0.0
    items = [{"vocabulary": "item", "site_id": "shop", "value": f"i{n}", "number": n + 1, "first_date": day(6 - n)} for n in range(2)]
    of = plan(unanswered_share=0.25, hash_buckets={"device": 3, "country": 9})
    return Written(spark, tmp_path_factory.mktemp("lake"), rows, of, frame(spark, VOCABULARIES, items))


def test_a_number_given_after_the_days_of_training_is_not_known_in_an_export(sampled: Written) -> None:
    assert sampled.manifest is not None
    assert {row["item"] for row in sampled.rows("test")} == {0, 1}
    assert sampled.manifest.vocabularies["item"] == 1


def test_a_vocabulary_may_be_hashed(sampled: Written) -> None:
    assert sampled.manifest is not None
    assert (sampled.manifest.vocabularies["device"], sampled.manifest.vocabularies["country"]) == (3, 9)
    (phone,) = {row["device"] for split in SPLITS for row in sampled.rows(split)}
    assert 1 <= phone <= 3
    assert {row["country"] for row in sampled.rows("train")} == {0}


def test_dense_columns_are_scaled_by_the_rows_of_training_alone(sampled: Written) -> None:
    train = sampled.rows("train")
    of = "user_purchase_value_sum_7d"  # its logarithm is 0 or 1
    assert sum(row[of] for row in train) == pytest.approx(0, abs=0.01)
    assert sum(row[of] ** 2 for row in train) == pytest.approx(len(train), rel=1e-3)
    assert {row[of] for row in sampled.rows("test")} == {row[of] for row in train}
    for split in SPLITS:
        assert {row["item_impressions_sum_90d"] for row in sampled.rows(split)} == {0.0}  # it never moved in training
        assert {row["price"] for row in sampled.rows(split)} == {0.0}  # one price, and where none is known the mean


def test_of_unanswered_rows_of_training_a_share_is_kept_and_says_so(sampled: Written) -> None:
    train = sampled.rows("train")
    rates = {answered: {row["sampling_rate"] for row in train if row["answered"] == answered} for answered in (0.0, 1.0)}
    assert rates == {0.0: {0.25}, 1.0: {1.0}}
    assert sum(row["answered"] for row in train) == 100
    kept = len(train) - 100
    assert 50 < kept < 100  # 75 of 300, give or take three times their deviation
    assert sampled.counts["left out, not drawn"] == 300 - kept
    assert {row["sampling_rate"] for row in sampled.rows("test")} == {1.0}
    assert len(sampled.rows("test")) == 200


def test_rows_lie_in_a_random_order_that_the_seed_alone_decides(spark: SparkSession, tmp_path: Path, whole: Written) -> None:
    shuffled = history()
    random.Random(1).shuffle(shuffled)
    with set_for(spark, {"spark.sql.shuffle.partitions": "5"}):
        again = Written(spark, tmp_path, shuffled, plan())
    assert [again.rows(split) for split in SPLITS] == [whole.rows(split) for split in SPLITS]
    ids = [row["row_id"] for row in whole.rows("train")]
    assert ids == sorted(ids)
    as_given = [row["item_impressions_sum_7d"] for row in whole.rows("train")]
    assert as_given != sorted(as_given)
    rows = frame(spark, CTR_ROWS, shuffled).select(ctr_examples.row_id(7).alias("mine"), ctr_examples.row_id(8).alias("other")).collect()
    assert set(ids) <= {row.mine for row in rows}
    assert not {row.mine for row in rows} & {row.other for row in rows}


def test_ranks_get_as_many_groups_each_and_at_least_four() -> None:
    assert ctr_groups.group_count(100, group_rows=1000, ranks=3) == 12
    assert ctr_groups.group_count(13_000, group_rows=1000, ranks=3) == 15
    assert ctr_groups.group_count(12_001, group_rows=1000, ranks=3) == 15


def test_groups_differ_by_one_row_at_most_and_keep_the_order(spark: SparkSession) -> None:
    draw = random.Random(5)
    ids = sorted(draw.getrandbits(64) - 2**63 for _ in range(1003))
    rows = spark.createDataFrame([("train", one) for one in ids] + [("test", 5 - n) for n in range(9)], "split string, row_id long")
    groups = ctr_groups.equal_groups(rows, group_rows=100, ranks=2)
    told = sorted((row.split, row.row_id, row.group) for row in ctr_groups.with_group(rows, groups).collect())
    assert [group for split, _, group in told if split == "train"] == [place * 12 // 1003 for place in range(1003)]
    assert groups.rows == {"train": (84, 84, 83, 84, 83, 84, 84, 83, 84, 83, 84, 83), "test": (2, 1, 1, 1, 1, 1, 1, 1)}
    assert [group for split, _, group in told if split == "test"] == [0, 0, 1, 2, 3, 4, 5, 6, 7]


def test_too_few_rows_make_no_export_and_are_counted(spark: SparkSession, tmp_path: Path) -> None:
    made = Written(spark, tmp_path, history(3), plan())
    assert made.manifest is None
    assert (made.described.count(), made.counts["too few to export, valid"]) == (0, 3)


def test_an_export_that_was_killed_is_written_anew_and_a_finished_one_never(spark: SparkSession, tmp_path: Path) -> None:
    def killed() -> None:
        raise KeyboardInterrupt

    faults.armed["exports.written"] = killed
    try:
        with pytest.raises(KeyboardInterrupt):
            Written(spark, tmp_path, history(30), plan())
    finally:
        faults.armed.clear()
    folder = tmp_path / "exports" / "ctr_rows" / plan().export_id
    assert (folder / "split=train").is_dir()
    assert not (folder / manifest.NAME).exists()
    first = Written(spark, tmp_path, history(), plan())
    before = {file: file.stat().st_mtime_ns for file in sorted(folder.rglob("*")) if file.is_file()}
    assert Written(spark, tmp_path, history(30)[:200], plan()).described.collect() == first.described.collect()
    assert {file: file.stat().st_mtime_ns for file in sorted(folder.rglob("*")) if file.is_file()} == before


def test_rows_that_vanish_on_the_way_are_told(spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = ctr_examples.examples
    monkeypatch.setattr(ctr_examples, "examples", lambda *given: kept(*given).where("split != 'test' or row_id % 7 != 0"))
    with pytest.raises(BadData, match="the groups of test were to hold 40 rows, and hold 34, or others"):
        Written(spark, tmp_path, history(), plan())
    assert not list(tmp_path.rglob(manifest.NAME))


def test_a_text_that_is_no_manifest_is_told() -> None:
    with pytest.raises(ValueError, match="not the manifest of an export"):
        manifest.parsed('{"export_id": "a"}')


def test_wide_rows_move_once(spark: SparkSession) -> None:
    with set_for(spark, ctr_examples.SPARK_CONF | {"spark.sql.adaptive.enabled": "false"}):
        rows = frame(spark, CTR_ROWS, history(2))
        fated = ctr_examples.with_fate(rows, plan().cuts, seed=1, unanswered_share=1.0).where("split = 'train'")
        groups = ctr_groups.Groups({"train": (-(2**63),)}, {"train": (8,)})
        grouped = ctr_groups.with_group(fated, groups)
        scales = [Scale(0.0, 1.0)] * len(DENSE)
        made = ctr_examples.examples(grouped, ctr_examples.numbers(grouped, numbered(spark, item=["i0"]), hash_buckets={}), scales, 4)
        plan_text = made._jdf.queryExecution().executedPlan().toString()
    exchanges = [line for line in plan_text.splitlines() if "Exchange hashpartitioning" in line]
    assert sum("user_clicks_sum_28d" in line for line in exchanges) <= 1
