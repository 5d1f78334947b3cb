"""Networks in two ranks on Spark's executors, and Spark's own models, over one export."""

import json
from pathlib import Path
from typing import Any

import pytest
from pyspark import BarrierTaskContext
from pyspark.sql import SparkSession

from builders import DAY, frame
from clickmill import config, river
from clickmill.contracts.days import Days
from clickmill.contracts.errors import BadData, ClickmillError, UsageError
from clickmill.contracts.table import Table
from clickmill.contracts.tables import CTR_MODELS, CTR_SCORES, EXPORTS
from clickmill.inputs import Inputs
from clickmill.lake import Lake
from clickmill.models import ctr_baselines, manifest, ranks
from models.exports import clicks

JOB = river.job("train_ctr_models")
CONFIG = {
    "networks.trains": ["dcn_v2"],
    "networks.batch_rows": 64,
    "networks.epochs": 2,
    "networks.hidden": [16],
    "networks.embedding_length": 4,
    "networks.learning_rate": 0.005,
    "networks.table_learning_rate": 0.2,
}


def inputs_of(spark: SparkSession, root: Path, ranks: int = 2, **changes: Any) -> Inputs:
    """An export of 2,048 rows to learn from and twice 800 to judge by."""
    conf = config.load("test", CONFIG | {"lake.root": str(root), "export.ranks": ranks})
    folder = root / "exports" / "ctr_rows" / "0123456789abcdef"
    text = clicks(folder).text()
    (folder / manifest.NAME).write_text(text)
    row = {field.name: 0 for field in EXPORTS.schema.fields} | {name: DAY for name in EXPORTS.columns if name.endswith("_date")}
    row |= {"export_id": "0123456789abcdef", "path": "exports/ctr_rows/0123456789abcdef", "manifest_hash": manifest.hash_of(text)}
    row |= {"train_count": 2048, "valid_count": 800, "test_count": 800} | changes
    inputs = Inputs("attempt", Days(DAY, DAY), conf, Lake(spark, str(root)))
    inputs[EXPORTS] = frame(spark, EXPORTS, [row])
    return inputs


def ran(spark: SparkSession, inputs: Inputs) -> dict[Table, Any]:
    made = JOB.run(spark, inputs.conf, inputs.days, inputs)
    return {table: frame(spark, table, [row.asDict() for row in rows.collect()]) for table, rows in made.items()}  # type: ignore[union-attr]


def test_a_rank_that_fails_on_an_executor_says_why(spark: SparkSession, tmp_path: Path) -> None:
    inputs = inputs_of(spark, tmp_path)
    damaged = next((tmp_path / "exports").rglob("split=train/group=5/*.parquet"))
    damaged.write_bytes(damaged.read_bytes()[:300] + b"?" + damaged.read_bytes()[301:])
    with pytest.raises(ClickmillError, match=r"2 ranks ended early: rank [01]: .*group=5.*: damaged: it is not what was written"):
        ran(spark, inputs)


def test_two_ranks_on_executors_and_the_models_of_spark_learn_from_the_same_rows(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = inputs_of(spark, tmp_path / "a lake")
    monkeypatch.setitem(ctr_baselines._LOGISTIC, "maxIter", 5)
    monkeypatch.setitem(ctr_baselines._TREES, "maxIter", 2)
    made = ran(spark, inputs)
    told = JOB.check(made, inputs)  # type: ignore[attr-defined]
    assert told == {"models trained": 3, "rows to learn from": 2048, "rows to judge by": 1600}
    network, *others = sorted(made[CTR_MODELS].collect(), key=lambda row: row.model)
    assert [row.model for row in others] == sorted(ctr_baselines.BASELINES)
    assert (network.model, network.rank_count, network.epoch_count, network.step_count) == ("dcn_v2", 2, 2, 32)
    assert sum(json.loads(network.rank_rows)) == 2 * 2048
    assert network.sent_bytes > 0
    assert min(json.loads(network.epoch_losses)) < 0.5
    scores = made[CTR_SCORES]
    assert scores.where("split = 'valid'").count() == scores.where("split = 'test'").count() == 3 * 800
    # Trained already: nothing is trained again, and the same is told.
    monkeypatch.setattr(ctr_baselines, "BASELINES", ())
    again = ran(spark, inputs)
    same = [row.asDict() for row in again[CTR_MODELS].where("model = 'dcn_v2'").collect()]
    assert same == [network.asDict()]


def test_a_day_without_an_export_trains_nothing(spark: SparkSession, tmp_path: Path) -> None:
    inputs = inputs_of(spark, tmp_path)
    inputs[EXPORTS] = frame(spark, EXPORTS, [])
    made = ran(spark, inputs)
    assert JOB.check(made, inputs) == {"models trained": 0, "rows to learn from": 0, "rows to judge by": 0}  # type: ignore[attr-defined]


def test_ranks_are_tasks_that_start_together_or_not_at_all(spark: SparkSession) -> None:
    context = spark.sparkContext
    with ranks._at_once(context):
        tasks = context.range(0, numSlices=2).mapPartitionsWithIndex(lambda _, __: [len(BarrierTaskContext.get().getTaskInfos())])
        assert tasks.collect() == [2, 2]
    assert not context.range(2)._is_barrier()


def test_more_ranks_than_spark_has_room_for_are_refused_at_once(spark: SparkSession, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"export\.ranks: 9 ranks need as many slots at once, and Spark has 2"):
        ran(spark, inputs_of(spark, tmp_path, ranks=9))


def test_a_manifest_that_was_touched_is_refused(spark: SparkSession, tmp_path: Path) -> None:
    with pytest.raises(BadData, match="its manifest is gone, or not the one that was written with it"):
        ran(spark, inputs_of(spark, tmp_path, manifest_hash="0" * 16))


def test_a_model_that_was_fed_other_rows_than_the_export_has_is_refused(spark: SparkSession, tmp_path: Path) -> None:
    inputs = inputs_of(spark, tmp_path, train_count=2049)
    row: dict[str, Any] = {field.name: 0 for field in CTR_MODELS.schema.fields}
    row |= {"as_of_date": DAY, "model": "dcn_v2", "rank_rows": "[1024, 1024]", "epoch_count": 1, "train_s": 0.0}
    row |= dict.fromkeys(("model_run_id", "export_id", "params", "path", "checkpoint_hash", "epoch_losses"), "")
    made = {CTR_MODELS: frame(spark, CTR_MODELS, [row]), CTR_SCORES: frame(spark, CTR_SCORES, [])}
    with pytest.raises(BadData, match="dcn_v2 was fed 2048 rows, the export has 2049 x 1"):
        JOB.check(made, inputs)  # type: ignore[attr-defined]
