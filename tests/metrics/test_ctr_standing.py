"""Which model of clicks is the best, and that it is said where a simple one does as well."""

import pytest
from pyspark.sql import Row

from clickmill.metrics import ctr_standing


def judged(model: str, log_loss: float, over_rate: float = 0.02, over_linear: float | None = None, spread: float = 0.005) -> list[Row]:
    metrics = {"log_loss": log_loss, "log_loss_gain_over_base_rate": over_rate, "log_loss_gain_over_spark_logistic_regression": over_linear}
    return [
        Row(site_id="shop", model=model, model_run_id=model, metric=name, value=value, low=value - spread, high=value + spread)
        for name, value in metrics.items()
        if value is not None
    ]


LINEAR, ITEM = judged("spark_logistic_regression", 0.25), judged("item_rate", 0.26, 0.01, -0.01)


@pytest.mark.parametrize(
    ("deep", "verdict"),
    [
        (judged("dcn_v2", 0.24, 0.03, 0.01), "dcn_v2 has the lowest log loss, 0.2400, 0.0100 (0.0050 to 0.0150) less than {linear}"),
        (
            judged("dcn_v2", 0.248, 0.022, 0.002),
            "dcn_v2 has the lowest log loss, 0.2480, 0.0020 (-0.0030 to 0.0070) less than {linear}, which may be chance: the simple model"
            " does as well",
        ),
        (judged("dcn_v2", 0.251, 0.019, -0.001), "{linear} has the lowest log loss, 0.2500; the simple model wins"),
    ],
)
def test_a_network_wins_only_where_it_is_surely_better_than_the_linear_model(deep: list[Row], verdict: str) -> None:
    (standing,) = ctr_standing.standings([*LINEAR, *ITEM, *deep])
    assert standing.verdict() == "shop: " + verdict.format(linear="spark_logistic_regression")


def test_what_does_not_surely_beat_the_rate_of_answers_wins_nothing() -> None:
    (standing,) = ctr_standing.standings([*judged("dcn_v2", 0.268, 0.002, 0.001), *judged("base_rate", 0.27, 0.0)])
    assert standing.verdict() == "shop: dcn_v2 has the lowest log loss, 0.2680; nothing surely beats the rate of answers"


def test_models_stand_by_log_loss_each_with_what_was_measured() -> None:
    (standing,) = ctr_standing.standings([*ITEM, *LINEAR])
    assert [name for name, _ in standing.models] == ["spark_logistic_regression", "item_rate"]
    cells = ctr_standing.told(standing.models[1][1])
    assert cells == ["0.2600 (0.2550 to 0.2650)", "0.0100 (0.0050 to 0.0150)", "-0.0100 (-0.0150 to -0.0050)", "", ""]
