"""Trains the models of clicks over an export, networks and Spark's own, and gathers what became of them into tables."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import reduce
from typing import Any

from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from clickmill.contracts.conform import conform
from clickmill.contracts.errors import BadData, UsageError
from clickmill.contracts.exported import Exports
from clickmill.contracts.local import local_frame
from clickmill.contracts.tables import CTR_MODELS, CTR_SCORES
from clickmill.models import ctr_baselines, manifest
from clickmill.models.ctr_export import NAME
from clickmill.models.manifest import Manifest

Trained = tuple[dict[str, Any], DataFrame]
"""A row of models.ctr_models, without its day, and the scores of the rows that it did not learn from: split, row_id, probability."""


def trained(spark: SparkSession, export: Row, exports: Exports, *, ranks: int, params: Mapping[str, Any]) -> tuple[DataFrame, DataFrame]:
    """Train every model, and describe it with what it says of the rows that it did not learn from.

    Grain   rows of models.ctr_models; rows of models.ctr_scores
    Needs   export: a row of models.exports; exports: where it lies; params: the section `networks` of the config
    Raises  BadData when the export is not what its row says; UsageError where what networks need is not installed
    """
    text = exports.manifest(NAME, export.export_id)
    if text is None or manifest.hash_of(text) != export.manifest_hash:
        raise BadData(f"{exports.url}/{export.path}: its manifest is gone, or not the one that was written with it")
    told, rows = manifest.parsed(text), exports.read(export.path)
    made = [_network(told, export, exports, name, ranks=ranks, params=params) for name in params["trains"]]
    made += [ctr_baselines.trained(rows, told, name) for name in ctr_baselines.BASELINES]
    models = [{**row, "as_of_date": export.as_of_date} for row, _ in made]
    scores = [frame.withColumn("model_run_id", F.lit(row["model_run_id"])) for row, frame in made]
    both = reduce(DataFrame.unionByName, scores).withColumn("as_of_date", F.lit(export.as_of_date))
    return local_frame(spark, models, CTR_MODELS.schema), conform(both, CTR_SCORES)


def nothing(spark: SparkSession) -> tuple[DataFrame, DataFrame]:
    """The tables of a day without an export."""
    return local_frame(spark, [], CTR_MODELS.schema), local_frame(spark, [], CTR_SCORES.schema)


def _network(told: Manifest, export: Row, exports: Exports, name: str, *, ranks: int, params: Mapping[str, Any]) -> Trained:
    try:
        from clickmill.models.ctr.training import Task, params_of, train
        from clickmill.models.ranks import run_on_spark
    except ImportError as error:
        raise UsageError(f"networks.trains: {name} needs what the extra `train` installs: {error}") from None
    task = Task(f"{exports.url}/{export.path}", told.text(), exports.url, ranks, params_of(name, params, seed=told.seed))
    words_url = f"{exports.url}/{task.path}/words"
    outcome = run_on_spark(train, task, count=ranks, start_timeout_s=params["start_timeout_s"], words_url=words_url)[0]
    progress = outcome.progress
    row = {
        "model_run_id": task.run_id,
        "model": name,
        "export_id": told.export_id,
        "params": json.dumps(asdict(task.params), sort_keys=True),
        "path": task.path,
        "checkpoint_hash": outcome.checkpoint_hash,
        "rank_count": ranks,
        "rank_rows": json.dumps(progress.rank_rows),
        "epoch_count": progress.epoch,
        "best_epoch": progress.best_epoch,
        "step_count": progress.step_count,
        "train_s": progress.train_s,
        "sent_bytes": progress.sent_bytes,
        "epoch_losses": json.dumps(progress.epoch_losses),
    }
    return row, exports.read(f"{task.path}/scores")


def counts(models: DataFrame, scores: DataFrame, exports: DataFrame) -> dict[str, int]:
    """Count models, and the rows that each was trained on and scored.

    Needs   models.ctr_models, models.ctr_scores and models.exports of a day
    Raises  BadData when a model was fed with other rows than the export has, or did not score each of the others
    """
    export, made = exports.first(), models.collect()
    if export is None:
        return {"models trained": 0, "rows to learn from": 0, "rows to judge by": 0}
    asked = export.valid_count + export.test_count
    scored = {row.model_run_id: row["count"] for row in scores.groupBy("model_run_id").count().collect()}
    for row in made:
        fed = sum(json.loads(row.rank_rows))
        if fed != export.train_count * row.epoch_count:
            raise BadData(f"{CTR_MODELS.name}: {row.model} was fed {fed} rows, the export has {export.train_count} x {row.epoch_count}")
        if scored.get(row.model_run_id, 0) != asked:
            raise BadData(f"{CTR_SCORES.name}: {row.model} scored {scored.get(row.model_run_id, 0)} rows, the export has {asked}")
    return {"models trained": len(made), "rows to learn from": export.train_count, "rows to judge by": asked}
