"""Names of trainings: a model run is called after all that it depends on."""

import hashlib
import json
from collections.abc import Mapping
from datetime import date

from pyspark.sql import DataFrame, SparkSession

from clickmill.contracts.local import local_frame


def model_run_id(*, as_of: date, inputs: Mapping[str, int], code_version: str, params: Mapping[str, object]) -> str:
    """Name a training after all it depends on: day, versions of the inputs, code and parameters with the seed."""
    told = json.dumps([str(as_of), dict(inputs), code_version, dict(params)], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def described(
    spark: SparkSession, params: Mapping[str, Mapping[str, object]], *, as_of: date, inputs: Mapping[str, int], code_version: str
) -> DataFrame:
    """The runs of some models, named after all that they depend on.

    Grain   one row per model: model, model_run_id, params (JSON text)
    """
    rows = []
    for model, one in params.items():
        run_id = model_run_id(as_of=as_of, inputs=inputs, code_version=code_version, params={"model": model, **one})
        rows.append((model, run_id, json.dumps(dict(one), sort_keys=True)))
    return local_frame(spark, rows, "model string, model_run_id string, params string")
