"""Spark's own models of clicks, over the same rows of an export as the networks: what those have to be better than."""

import json
import time
from collections.abc import Mapping
from typing import Any, cast

from pyspark.ml import Model
from pyspark.ml.classification import GBTClassifier, LogisticRegression
from pyspark.ml.feature import FeatureHasher, VectorAssembler
from pyspark.ml.functions import vector_to_array
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from clickmill.models import manifest
from clickmill.models.manifest import Manifest

BASELINES = ("spark_logistic_regression", "spark_boosted_trees")

# Fields by a hash of field and number, beside the dense columns, which are scaled already; of rare values little is believed.
_HASHES = 2**18
_LOGISTIC: dict[str, Any] = {"maxIter": 30, "regParam": 1e-2, "standardization": False}
_TREES: dict[str, Any] = {"maxIter": 20, "maxDepth": 4, "stepSize": 0.1}
_COLUMNS: dict[str, Any] = {"labelCol": "answered", "weightCol": "weight"}


def trained(rows: DataFrame, told: Manifest, name: str) -> tuple[dict[str, Any], DataFrame]:
    """Train one of BASELINES on the rows to learn from, and score the others. Inputs of training alone are left out: they know no neutral.

    Grain   what was trained, as a row of models.ctr_models without its day; scores: split, row_id, probability
    Needs   rows: those of the export, all splits
    """
    params = {"model": name, **(_LOGISTIC if name == BASELINES[0] else _TREES), "seed": told.seed}
    learnt = _features(rows.where("split = 'train'"), told, name).persist()
    count, started = learnt.count(), time.monotonic()
    model = _fitted(learnt, name, told.seed)
    train_s = time.monotonic() - started
    learnt.unpersist()
    scored = model.transform(_features(rows.where("split != 'train'"), told, name))
    scores = scored.select("split", "row_id", vector_to_array(F.col("probability"))[1].cast("float").alias("probability"))
    return _described(told, params, count, train_s), scores


def _features(rows: DataFrame, told: Manifest, name: str) -> DataFrame:
    dense, fields = ([str(one["name"]) for one in of if not one["is_training_only"]] for of in (told.dense, told.fields))
    if name == BASELINES[0]:
        hashed = FeatureHasher(inputCols=fields, outputCol="_hashed", categoricalCols=fields, numFeatures=_HASHES).transform(rows)
        made = VectorAssembler(inputCols=["_hashed", *dense], outputCol="features").transform(hashed)
    else:
        made = VectorAssembler(inputCols=dense, outputCol="features").transform(rows)
    return made.select("split", "row_id", "answered", (1 / F.col("sampling_rate")).alias("weight"), "features")


def _fitted(learnt: DataFrame, name: str, seed: int) -> Model:
    if name == BASELINES[0]:
        return cast(Model, LogisticRegression(**_COLUMNS, **_LOGISTIC).fit(learnt))
    return cast(Model, GBTClassifier(**_COLUMNS, **_TREES, seed=seed).fit(learnt))


def _described(told: Manifest, params: Mapping[str, Any], rows: int, train_s: float) -> dict[str, Any]:
    return {
        "model_run_id": manifest.hash_of(told.text(), dict(params)),
        "model": params["model"],
        "export_id": told.export_id,
        "params": json.dumps(dict(params), sort_keys=True),
        "path": None,
        "checkpoint_hash": None,
        "rank_count": 1,
        "rank_rows": json.dumps([rows]),
        "epoch_count": 1,
        "best_epoch": 0,
        "step_count": 0,
        "train_s": train_s,
        "sent_bytes": 0,
        "epoch_losses": "[]",
    }
