"""Coverage and Gini: by hand, by the definition, and with intervals that hold."""

import random

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession

from clickmill.contracts.local import local_frame
from clickmill.metrics import exposure

SHOWN = "model string, site_id string, user_id_kind string, user_id string, item_id string"
BY = ("model", "site_id")


def items(spark: SparkSession, some: str) -> DataFrame:
    return local_frame(spark, [("shop", item) for item in some], "site_id string, item_id string")


def measured(spark: SparkSession, shown: list[tuple[str, str]], catalogue: str, partitions: int = 2) -> dict[str, tuple]:
    frame = local_frame(spark, [("als", "shop", "account", user, item) for user, item in shown], SHOWN).repartition(partitions)
    rows = exposure.of_items(frame, items(spark, catalogue), BY).collect()
    return {row.metric: (row.value, row.low, row.high, row.user_count) for row in rows}


def gini(counts: list[int]) -> float:
    """The definition: mean absolute difference of all pairs, over twice the mean."""
    return float(np.abs(np.subtract.outer(counts, counts)).mean() / (2 * np.mean(counts)))


def test_what_is_seen_of_the_catalogue_and_how_evenly(spark: SparkSession) -> None:
    # a three times, b once, c and d never; z is not of the catalogue.
    shown = [("u1", "a"), ("u2", "a"), ("u3", "a"), ("u3", "b"), ("u3", "z")]
    found = measured(spark, shown, "abcd")
    assert found["coverage"][0] == 0.5
    # (2 x (3 x 1 + 4 x 3) - 5 x 4) / (4 x 4) = 10 / 16
    assert found["gini"][0] == pytest.approx(0.625) == gini([0, 0, 1, 3])
    assert found["gini"][3] == 3


def test_all_alike_is_zero_and_all_on_one_item_is_nearly_one(spark: SparkSession) -> None:
    assert measured(spark, [("u1", item) for item in "abcd"], "abcd")["gini"][0] == pytest.approx(0.0)
    assert measured(spark, [(f"u{n}", "a") for n in range(9)], "abcd")["gini"][0] == pytest.approx(0.75)


def test_gini_is_that_of_the_definition_and_its_interval_that_of_leaving_out_groups(spark: SparkSession) -> None:
    rng, letters = random.Random(5), "abcdefghijklmnop"
    shown = [(f"u{n}", item) for n in range(60) for item in set(rng.choices(letters[:12], weights=range(1, 13), k=4))]
    found = measured(spark, shown, letters)
    assert found == measured(spark, shown[::-1], letters, partitions=5)
    group = {
        row.user_id: row.g
        for row in local_frame(spark, [(user,) for user, _ in shown], "user_id string")
        .distinct()
        .selectExpr("user_id", f"pmod(xxhash64('shop', 'account', user_id), {exposure.GROUPS}) as g")
        .collect()
    }

    def of(left_out: int) -> float:
        return gini([sum(item == one and group[user] != left_out for user, item in shown) for one in letters])

    each = np.array([of(left_out) for left_out in range(exposure.GROUPS)])
    error = np.sqrt((exposure.GROUPS - 1) * each.var())
    value, low, high, _ = found["gini"]
    assert value == pytest.approx(of(-1))
    assert high - value == pytest.approx(1.959964 * error, rel=1e-5) and value - low == pytest.approx(high - value)
