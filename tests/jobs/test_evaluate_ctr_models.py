"""Scores find the impressions that they were made of by their place in the order of the export, and a shop without any has no models."""

from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from builders import DAY, frame
from clickmill import config, river
from clickmill.contracts.days import Days
from clickmill.contracts.errors import BadData
from clickmill.contracts.table import Table
from clickmill.contracts.tables import CTR_EVALUATIONS, CTR_MODELS, CTR_ROWS, CTR_SCORES, EXPORTS
from clickmill.inputs import Inputs
from clickmill.lake import Lake
from clickmill.models import ctr_examples
from metrics import trials
from metrics.trials import JUDGED, LEARNT, impressions, run_id

JOB: Any = river.job("evaluate_ctr_models")


def given(spark: SparkSession, tables: dict[Table, list[dict[str, Any]]]) -> Inputs:
    conf = config.load("test", {})
    inputs = Inputs("attempt", Days(DAY, DAY), conf, Lake(spark, conf.lake.root))
    inputs.update({read.table: frame(spark, read.table, tables.get(read.table, [])) for read in JOB.READS})
    return inputs


def ran(spark: SparkSession, inputs: Inputs) -> dict[Table, DataFrame]:
    made = JOB.run(spark, inputs.conf, inputs.days, inputs)[CTR_EVALUATIONS]
    return {CTR_EVALUATIONS: frame(spark, CTR_EVALUATIONS, [row.asDict() for row in made.collect()])}


@pytest.fixture(scope="module")
def shop(spark: SparkSession) -> Inputs:
    """Ann answered the first of her two impressions, and so did Bob; a model said so, and named them by the order of the export."""
    rows = [*impressions({"ann": "+---"}, LEARNT), *impressions({"ann": "+-", "bob": "+-"}, JUDGED)]
    told = frame(spark, CTR_ROWS, rows).withColumn("row_id", ctr_examples.row_id(7)).where(f"known_date = date'{JUDGED}'").collect()
    about = {"as_of_date": DAY, "model_run_id": run_id("deepfm"), "split": "test"}
    scores = [{**about, "row_id": row.row_id, "probability": 0.75 if row.answered else 0.25} for row in told]
    return given(spark, {CTR_ROWS: rows, CTR_SCORES: scores, EXPORTS: [trials.export(rows)], CTR_MODELS: [trials.model("deepfm")]})


def test_scores_find_their_impressions_and_all_is_counted(spark: SparkSession, shop: Inputs) -> None:
    written = ran(spark, shop)
    rows = written[CTR_EVALUATIONS].where("model = 'deepfm' and slice = 'all'").collect()
    assert {row.metric: row.value for row in rows if row.metric in ("auc", "predicted_to_observed")} == {
        "auc": 1,
        "predicted_to_observed": 1,
    }
    assert JOB.check(written, shop) == {"models judged": 5, "rows that judge": 4, "users that judge": 2}
    short = {CTR_EVALUATIONS: written[CTR_EVALUATIONS].where("model != 'deepfm'")}
    with pytest.raises(BadData, match="5 models were to be judged by 4 rows each"):
        JOB.check(short, shop)
    stray = frame(spark, CTR_SCORES, [{**shop[CTR_SCORES].collect()[0].asDict(), "model_run_id": run_id("gone")}])
    shop[CTR_SCORES] = shop[CTR_SCORES].unionByName(stray)
    with pytest.raises(BadData, match="5 scores of rows that judge, but 4 of these are of a model of the day"):
        JOB.check(written, shop)


def test_of_a_shop_without_impressions_nothing_is_written_and_counted(spark: SparkSession) -> None:
    inputs = given(spark, {})
    written = ran(spark, inputs)
    assert written[CTR_EVALUATIONS].count() == 0
    assert JOB.check(written, inputs) == {"models judged": 0, "rows that judge": 0, "users that judge": 0}
