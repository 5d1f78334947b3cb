"""Models of clicks judged by rows that none learnt from: by hand, beside the rate of answers, and however users are dealt to blocks."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession

from clickmill.contracts.errors import BadData
from clickmill.contracts.properties import set_for
from clickmill.metrics import ctr_evaluation
from clickmill.metrics.bootstrap import Replicates, differences, intervals
from clickmill.metrics.ctr import CLOSEST, Rows
from metrics import trials
from metrics.trials import JUDGED, LEARNT, impressions, score

Scored = Mapping[str, Sequence[float]]
Told = dict[tuple[str, str, str, str], Any]
FOUR_USERS = {"ann": "+-", "bob": "--", "cat": "+-", "dan": "--"}
SAID: Scored = {
    "deepfm": [0.5, 0.5, 0.25, 0.25, 0.5, 0.25, 0.25, 0.25],
    "logistic_regression": [0.25] * 8,
    "spark_logistic_regression": [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0],
}


def that_judge(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [row for row in rows if row["known_date"] == JUDGED and row["answered"] is not None]


def scores_of(rows: Sequence[Mapping[str, Any]], said: Scored) -> list[dict[str, Any]]:
    return [score(name, row, p) for name, of in said.items() for row, p in zip(that_judge(rows), of, strict=True)]


def run(
    spark: SparkSession, rows: Sequence[Mapping[str, Any]], scores: Sequence[Mapping[str, Any]], names: Sequence[str], **changes: Any
) -> DataFrame:
    told, scored, exports, models = trials.frames(spark, rows, scores, names, **changes)
    return ctr_evaluation.evaluated(told, scored, ctr_evaluation.trial(exports, models), lambda frame: frame)


def by_name(frame: DataFrame) -> Told:
    return {(row.model, row.site_id, row.slice, row.metric): row for row in frame.collect()}


def four_users() -> list[dict[str, Any]]:
    """Ann and Bob did something before; of the four rows that were learnt from one was answered, as of the eight that judge two."""
    known = impressions({name: FOUR_USERS[name] for name in ("ann", "bob")}, user_since_any_s=60.0)
    new = impressions({name: FOUR_USERS[name] for name in ("cat", "dan")})
    return [*impressions({"ann": "+-", "eve": "--?"}, LEARNT), *known, *new, *impressions({"bob": "?"})]


@pytest.fixture(scope="module")
def told(spark: SparkSession) -> Told:
    """The four users, one of another site, and three of nobody knows whom in a site that was opened since."""
    other = [*impressions({"ann": "+---"}, JUDGED, "other"), *impressions({"ann": "++"}, LEARNT, "other")]
    rows = [*four_users(), *other, *impressions({None: "+--"}, JUDGED, "opened")]
    said = {name: [*of, *of[:4], *of[:3]] for name, of in SAID.items()}
    return by_name(run(spark, rows, scores_of(rows, said), list(SAID)))


def values(told: Told, model: str, slice_: str = "all", site: str = "shop") -> dict[str, float]:
    return {metric: row.value for (name, where, of, metric), row in told.items() if (name, where, of) == (model, site, slice_)}


def test_four_users_and_eight_rows_by_hand(told: Told) -> None:
    loss, base = -(3 * math.log(0.5) + 5 * math.log(0.75)) / 8, -(2 * math.log(0.25) + 6 * math.log(0.75)) / 8
    assert values(told, "deepfm") == pytest.approx(
        {
            "log_loss": loss,
            "normalised_entropy": loss / base,
            "predicted_to_observed": 2.75 / 2,
            "auc": 5.5 / 6,
            "gauc": (2 * 0.5 + 2 * 1.0) / 4,  # of Ann's two rows, and of Cat's; Bob and Dan answered nothing
            "average_precision": 2 / 3,
            "calibration_error": (5 * 0.25 + 3 * (2 / 3 - 0.5)) / 8,
            "log_loss_gain_over_base_rate": base - loss,
            "log_loss_gain_over_spark_logistic_regression": CLOSEST - loss,
        },
        abs=1e-7,
    )
    row = told["deepfm", "shop", "all", "auc"]
    assert (row.row_count, row.user_count, row.export_id, row.params) == (8, 4, trials.EXPORT, "{}")
    assert row.low <= row.value <= row.high
    assert {metric for (_, _, _, metric), one in told.items() if one.low is None} == {"average_precision", "calibration_error"}


def test_a_model_that_tells_nothing_has_an_area_of_one_half_and_no_gain_over_the_rate_of_answers(told: Told) -> None:
    found = values(told, "logistic_regression")
    assert (found["auc"], found["gauc"], found["predicted_to_observed"]) == (0.5, 0.5, 1.0)
    gain = told["logistic_regression", "shop", "all", "log_loss_gain_over_base_rate"]
    assert (gain.low, gain.value, gain.high) == (0, 0, 0)
    assert found["log_loss"] == values(told, "base_rate")["log_loss"]


def test_a_rate_says_what_the_row_has_and_needs_no_training(spark: SparkSession) -> None:
    rates = {"item_answer_rate": 0.25, "category_answer_rate": 0.125, "campaign_answer_rate": 0.5}
    rows = [*impressions({"ann": "+-"}, LEARNT), *impressions({"ann": "+", "bob": "-"}, **rates)]
    told = by_name(run(spark, rows, scores_of(rows, {"deepfm": [0.5, 0.5]}), ["deepfm"]))
    for name, rate in {"item_rate": 0.25, "category_rate": 0.125, "campaign_rate": 0.5, "base_rate": 0.5}.items():
        assert values(told, name)["log_loss"] == pytest.approx(-(math.log(rate) + math.log(1 - rate)) / 2, abs=1e-7), name
    assert told["item_rate", "shop", "all", "log_loss"].model_run_id != told["campaign_rate", "shop", "all", "log_loss"].model_run_id


def test_a_perfect_model_has_an_area_of_one_and_gains_the_whole_loss_of_the_rate(told: Told) -> None:
    found = values(told, "spark_logistic_regression")
    assert (found["auc"], found["gauc"], found["average_precision"]) == (1, 1, 1)
    assert found["log_loss_gain_over_base_rate"] == pytest.approx(values(told, "base_rate")["log_loss"], abs=1e-7)


def test_no_model_is_held_against_itself(told: Told) -> None:
    assert "log_loss_gain_over_base_rate" not in values(told, "base_rate")
    assert "log_loss_gain_over_spark_logistic_regression" not in values(told, "spark_logistic_regression")
    assert "log_loss_gain_over_spark_logistic_regression" in values(told, "base_rate")


def test_a_user_is_known_who_did_anything_before(told: Told) -> None:
    known, new = (told["deepfm", "shop", of, "log_loss"] for of in ("known", "new"))
    assert (known.row_count, known.user_count, new.row_count, new.user_count) == (4, 2, 4, 2)
    assert known.value == pytest.approx(-(2 * math.log(0.5) + 2 * math.log(0.75)) / 4, abs=1e-7)
    assert ("deepfm", "other", "known", "log_loss") not in told


def test_sites_have_rates_and_users_of_their_own(told: Told) -> None:
    # There all were answered that were learnt from; of the four that judge one was.
    assert values(told, "base_rate", site="other")["predicted_to_observed"] == 4
    assert values(told, "logistic_regression", site="other")["predicted_to_observed"] == 1
    assert told["deepfm", "other", "all", "log_loss"].user_count == 1


def test_who_has_no_name_is_a_user_of_one_row(told: Told) -> None:
    assert told["deepfm", "opened", "new", "log_loss"].user_count == 3
    assert "gauc" not in values(told, "deepfm", site="opened")


def test_a_new_site_has_the_rate_of_all(told: Told) -> None:
    # Of the six rows that were learnt from three were answered; of the three that judge one was.
    assert values(told, "base_rate", site="opened")["predicted_to_observed"] == 1.5


def many() -> tuple[list[dict[str, Any]], dict[str, list[float]]]:
    """Fifty users with rows answered as likely as a model says; another says the half of it, and one the same of other rows."""
    draw = np.random.default_rng(1)
    true = draw.choice(np.array([0.1, 0.3, 0.5, 0.8], np.float32), 400)
    letters, users = np.where(draw.random(400) < true, "+", "-"), draw.integers(0, 50, 400)
    rows = [row for user, letter in zip(users, letters, strict=True) for row in impressions({f"u{user}": letter})]
    said = {"dcn_v2": true, "deepfm": true / 2, "wide_deep": draw.permutation(true)}
    return [*impressions({"ann": "+-"}, LEARNT), *rows], {name: [float(one) for one in of] for name, of in said.items()}


@pytest.fixture(scope="module")
def of_many(spark: SparkSession) -> Told:
    rows, said = many()
    return by_name(run(spark, rows, scores_of(rows, said), list(said)))


@pytest.mark.parametrize("partitions", [1, 5])
def test_neither_partitions_nor_blocks_change_a_bit(
    spark: SparkSession, of_many: Told, monkeypatch: pytest.MonkeyPatch, partitions: int
) -> None:
    rows, said = many()
    told, scored, exports, models = trials.frames(spark, rows, scores_of(rows, said), list(said))
    monkeypatch.setattr(ctr_evaluation, "ROWS_A_BLOCK", 400 // partitions)
    with set_for(spark, {"spark.sql.shuffle.partitions": str(partitions)}):
        parts = (told.repartition(partitions), scored.repartition(partitions))
        assert by_name(ctr_evaluation.evaluated(*parts, ctr_evaluation.trial(exports, models), lambda frame: frame)) == of_many


def test_measures_are_those_of_all_rows_at_once(spark: SparkSession, of_many: Told) -> None:
    rows, said = many()
    told, scored, exports, models = trials.frames(spark, rows, scores_of(rows, said), list(said))
    trial = ctr_evaluation.trial(exports, models)
    assert trial is not None
    user_of = {row.row_id: row.user for row in ctr_evaluation.judged(told, scored, trial).collect()}
    user, answered = np.array([user_of[int(row["event_id"])] for row in that_judge(rows)]), [row["answered"] for row in that_judge(rows)]
    drawn = {"draws": ctr_evaluation.DRAWS, "seed": ctr_evaluation.SEED}
    slow = {name: Replicates.of(Rows.of(of, answered), user, **drawn) for name, of in said.items()}
    for metric in ("log_loss", "normalised_entropy", "predicted_to_observed", "auc", "gauc"):
        row = of_many["deepfm", "shop", "all", metric]
        assert (row.value, row.low, row.high) == intervals(slow["deepfm"].measures())[metric], metric
    gain = differences(slow["dcn_v2"], slow["deepfm"])["log_loss"][0]
    gains = [of_many[name, "shop", "all", "log_loss_gain_over_base_rate"].value for name in ("dcn_v2", "deepfm")]
    assert gains[0] - gains[1] == pytest.approx(gain)


def test_a_model_that_says_half_of_what_is_true_surely_gains_less(of_many: Told) -> None:
    true, half = (of_many[name, "shop", "all", "log_loss_gain_over_base_rate"] for name in ("dcn_v2", "deepfm"))
    assert half.high < true.low
    assert of_many["deepfm", "shop", "all", "auc"].value == of_many["dcn_v2", "shop", "all", "auc"].value


def test_an_area_of_one_half_lies_in_the_interval_of_what_was_said_of_other_rows(of_many: Told) -> None:
    shuffled, true = (of_many[name, "shop", "all", "auc"] for name in ("wide_deep", "dcn_v2"))
    assert shuffled.low <= 0.5 <= shuffled.high < true.low
    assert of_many["wide_deep", "shop", "all", "log_loss_gain_over_base_rate"].high < 0


def test_a_model_without_just_one_score_a_row_is_named(spark: SparkSession) -> None:
    rows = four_users()
    scores, names = scores_of(rows, SAID), list(SAID)
    missing = [one for one in scores if one != scores[3]]
    with pytest.raises(BadData, match=rf"ctr_scores: deepfm {trials.run_id('deepfm')}: of 8 rows that judge 1 have no score; 0 scores"):
        run(spark, rows, missing, names)
    with pytest.raises(BadData, match=r"logistic_regression \w+: of 8 rows that judge 0 have no score; 1 scores are there twice, 0 are"):
        run(spark, rows, [*scores, scores[9]], names)
    stray = [*scores, score("deepfm", rows[0], 0.5)]
    with pytest.raises(BadData, match=r"deepfm \w+: of 8 rows that judge 0 have no score; 0 scores are there twice, 1 are of no such row"):
        run(spark, rows, stray, names)
    # What chooses a network judges nothing.
    assert run(spark, rows, [*scores, score("deepfm", rows[0], 0.5, split="valid")], names).count()


def test_rows_other_than_those_that_were_exported_are_refused(spark: SparkSession) -> None:
    rows = four_users()
    for changes, message in (
        ({"test_count": 9}, "8 rows of the days that judge, but 9 were exported"),
        ({"train_count": 3}, "4 rows of the days that were learnt from, but the export was made of 3"),
    ):
        with pytest.raises(BadData, match=message):
            run(spark, rows, scores_of(rows, SAID), list(SAID), **changes)
    # Rows that were not drawn count for the rate.
    assert run(spark, rows, scores_of(rows, SAID), list(SAID), train_count=1, not_drawn_count=3).count()


def test_a_model_of_another_export_is_named_and_without_models_there_is_no_trial(spark: SparkSession) -> None:
    rows = four_users()
    *_, exports, models = trials.frames(spark, rows, [], ["deepfm"], export_id="00000000000000e2")
    with pytest.raises(BadData, match=r"deepfm \w+ learnt from the export 00000000000000e1, not from 00000000000000e2"):
        ctr_evaluation.trial(exports, models)
    assert ctr_evaluation.trial(exports, models.limit(0)) is None
    assert run(spark, rows, [], []).count() == 0
