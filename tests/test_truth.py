"""How much of the true chances of clicks models have found, by hand; what else is found of a truth stands in river/test_truth.py."""

import math
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from builders import DAY, frame
from clickmill import truth
from clickmill.contracts.errors import BadData
from clickmill.contracts.local import local_frame
from clickmill.contracts.tables import CTR_EVALUATIONS, CTR_ROWS, EXPORTS
from metrics import trials
from metrics.trials import LEARNT, impressions, run_id

RATE = -(2 * math.log(0.25) + 6 * math.log(0.75)) / 8
TRUE = -(3 * math.log(0.5) + 5 * math.log(1 - 1 / 16)) / 8
"""Of three impressions with a chance of one half two were answered, of five with a sixteenth none."""


def judged(model: str, log_loss: float, **changes: Any) -> dict[str, Any]:
    about = {
        "as_of_date": DAY,
        "export_id": trials.EXPORT,
        "model_run_id": run_id(model),
        "model": model,
        "params": "{}",
        "site_id": "shop",
    }
    measured = {"slice": "all", "metric": "log_loss", "value": log_loss, "low": 0.0, "high": 1.0, "row_count": 8, "user_count": 2}
    return {**about, **measured, **changes}


@pytest.fixture(scope="module")
def told(spark: SparkSession) -> tuple[DataFrame, DataFrame, DataFrame]:
    """Chances, impressions and their export: those that were learnt from have chances too."""
    rows = [*impressions({"ann": "++--", "bob": "----"}), *impressions({"ann": "+"}, LEARNT)]
    chances = [(row["event_id"], 0.5 if place < 3 else 1 / 16) for place, row in enumerate(rows)]
    frames = frame(spark, CTR_ROWS, rows), frame(spark, EXPORTS, [trials.export(rows)])
    return local_frame(spark, chances, "event_id string, chance double"), *frames


def found(spark: SparkSession, told: tuple[DataFrame, DataFrame, DataFrame], *rows: dict[str, Any]) -> dict[str, tuple[float, int]]:
    chances, impressions, exports = told
    made = truth.clicks(chances, impressions, frame(spark, CTR_EVALUATIONS, rows), exports)
    assert all(one.floor is None for one in made)
    return {one.what.split(",")[0]: (one.share, one.count) for one in made}


def test_the_gap_is_that_between_the_rate_of_the_rows_that_judge_and_their_true_chances(spark: SparkSession, told: Any) -> None:
    models = {
        "base_rate": RATE + 0.01,
        "deepfm": TRUE,
        "dcn_v2": RATE,
        "wide_deep": (RATE + TRUE) / 2,
        "logistic_regression": 2 * RATE - TRUE,
    }
    others = [judged("deepfm", 0.1, metric="auc"), judged("deepfm", 0.1, slice="new", row_count=2)]
    shares = found(spark, told, *(judged(*one) for one in models.items()), *others)
    assert {what.removeprefix("log loss of clicks by "): count for what, (_, count) in shares.items()} == dict.fromkeys(
        models.keys() - {"base_rate"}, 8
    )
    expected = {"dcn_v2": 0, "deepfm": 1, "logistic_regression": -1, "wide_deep": 0.5}
    assert [share for share, _ in shares.values()] == pytest.approx(list(expected.values()), abs=1e-6)
    assert [what.split()[-1] for what in shares] == list(expected)


def test_models_that_were_judged_by_rows_without_a_chance_are_refused(spark: SparkSession, told: Any) -> None:
    with pytest.raises(BadData, match=r"models were judged by \[9\] impressions, 8 have a true chance"):
        found(spark, told, judged("deepfm", TRUE, row_count=9))


def test_without_models_nothing_of_clicks_is_found(spark: SparkSession, told: Any) -> None:
    assert found(spark, told) == {}
