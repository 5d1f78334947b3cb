"""A model run is named after all that it depends on."""

from datetime import date
from typing import Any

import pytest
from pyspark.sql import SparkSession

from builders import DAY
from clickmill.models import runs

RUN: dict[str, Any] = {"as_of": DAY, "inputs": {"features.interactions": 3}, "code_version": "1.0", "params": {"rank": 4, "seed": 7}}


@pytest.mark.parametrize(
    "changes",
    [
        {"as_of": date(2024, 5, 17)},
        {"inputs": {"features.interactions": 4}},
        {"code_version": "1.1"},
        {"params": {"rank": 4, "seed": 8}},
    ],
)
def test_a_run_is_named_after_all_that_its_rows_depend_on(changes: dict[str, Any]) -> None:
    assert runs.model_run_id(**RUN) == runs.model_run_id(**RUN)
    assert runs.model_run_id(**RUN | changes) != runs.model_run_id(**RUN)


def test_two_models_of_the_same_parameters_are_two_runs(spark: SparkSession) -> None:
    about = {name: RUN[name] for name in ("as_of", "inputs", "code_version")}
    made = runs.described(spark, {"als": {"rank": 4}, "other": {"rank": 4}}, **about)
    rows = {row.model: row for row in made.collect()}
    assert {row.params for row in rows.values()} == {'{"rank": 4}'} and rows["als"].model_run_id != rows["other"].model_run_id
