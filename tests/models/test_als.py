"""Factors: what is trained on, what is recovered, and that nothing but the data and the seed decides."""

from datetime import date
from typing import Any

import numpy as np
import pytest
from pyspark.sql import DataFrame, Row, SparkSession

from builders import DAY, frame
from clickmill.contracts.errors import BadData
from clickmill.contracts.tables import ALS_FACTORS, IDS, INTERACTIONS
from clickmill.models import als, ids
from models.rows import interaction

PARAMS: dict[str, Any] = {"feedback": "implicit", "rank": 4, "iterations": 4, "regularisation": 0.05, "alpha": 10.0, "seed": 7}


def two_groups() -> list[dict[str, Any]]:
    """Eleven users of cakes and seven of drills; each leaves out one item of its own group."""
    rows = []
    for group, users, items in (("cake", 11, 5), ("drill", 7, 6)):
        rows += [interaction(f"{group} user {u}", f"{group} {i}") for u in range(users) for i in range(items) if i != u % items]
    return rows


def pairs_of(spark: SparkSession, rows: list[dict[str, Any]], **changes: Any) -> tuple[DataFrame, DataFrame]:
    interactions = frame(spark, INTERACTIONS, rows)
    numbers = ids.new_ids(interactions, frame(spark, IDS, []))
    taste = als.taste(interactions, **{"feedback": "implicit", "as_of": DAY, "half_life_days": 90} | changes)
    return als.with_numbers(taste, numbers), numbers


def trained(spark: SparkSession, rows: list[dict[str, Any]], partitions: int = 1, **changes: Any) -> list[Row]:
    pairs, numbers = pairs_of(spark, rows)
    made = als.factors(pairs.repartition(partitions).persist(), numbers, as_of=DAY, model_run_id="m1", **PARAMS | changes)
    return made.orderBy(*ALS_FACTORS.key).collect()


@pytest.fixture(scope="module")
def factors(spark: SparkSession) -> list[Row]:
    return trained(spark, two_groups())


def strengths(spark: SparkSession, *rows: dict[str, Any]) -> dict[str, float]:
    made = als.strengths(frame(spark, INTERACTIONS, rows), as_of=date(2024, 5, 16), half_life_days=10)
    return {row.item_id: row.strength for row in made.collect()}


def test_an_interaction_counts_half_after_each_half_life(spark: SparkSession) -> None:
    found = strengths(
        spark,
        interaction("u", "today", 8.0),
        interaction("u", "one", 8.0, day=date(2024, 5, 6)),
        interaction("u", "two", 8.0, day=date(2024, 4, 26)),
        interaction("u", "both", 8.0),
        interaction("u", "both", 4.0, day=date(2024, 5, 6)),
    )
    assert found == {"today": 8.0, "one": 4.0, "two": 2.0, "both": 10.0}


def test_what_was_sent_back_is_left_out_and_a_smaller_old_refund_is_not_enough(spark: SparkSession) -> None:
    found = strengths(
        spark,
        interaction("u", "sent back", 8.0),
        interaction("u", "sent back", -8.0),
        interaction("u", "refunded later", 8.0, day=date(2024, 5, 6)),
        interaction("u", "refunded later", -8.0),
        interaction("u", "bought again", -8.0, day=date(2024, 5, 6)),
        interaction("u", "bought again", 8.0),
    )
    assert found == {"bought again": 4.0}


def test_explicit_feedback_is_the_mean_of_the_days_and_needs_a_rating(spark: SparkSession) -> None:
    rows = [interaction("u", "i", rating=2.0), interaction("u", "i", rating=5.0, day=date(2024, 5, 6)), interaction("u", "unrated")]
    pairs, _ = pairs_of(spark, rows, feedback="explicit")
    assert [(row.item_id, row.strength) for row in pairs.collect()] == [("i", 3.5)]


def test_users_are_given_the_items_of_their_own_group(factors: list[Row]) -> None:
    vectors = {row.source_id: np.array(row.factors) for row in factors}
    items = [row.source_id for row in factors if row.entity == "item"]
    users = [row.source_id for row in factors if row.entity == "user"]
    assert (len(users), len(items)) == (18, 11)
    for user in users:
        group = user.split()[0]
        ranked = sorted(items, key=lambda item: -vectors[user] @ vectors[item])
        own = sum(item.startswith(group) for item in items)
        assert {item.split()[0] for item in ranked[:own]} == {group}


def test_the_same_pairs_and_seed_give_the_same_factors_in_any_partitioning(spark: SparkSession, factors: list[Row]) -> None:
    assert trained(spark, two_groups()) == factors
    spread = trained(spark, two_groups()[::-1], partitions=5)
    assert [row.source_id for row in spread] == [row.source_id for row in factors]
    assert np.allclose([row.factors for row in spread], [row.factors for row in factors], atol=1e-5)


def test_another_seed_gives_other_factors(spark: SparkSession, factors: list[Row]) -> None:
    other = trained(spark, two_groups(), seed=8)
    assert not np.allclose([row.factors for row in other], [row.factors for row in factors], atol=1e-2)


def test_factors_come_back_under_the_ids_as_written(spark: SparkSession) -> None:
    rows = [
        interaction("17850.0", "0108775015"),
        interaction("1515915625519388267", "108775015"),
        interaction("1515915625519388268", "108775015"),
    ]
    found = {(row.entity, row.source_id, row.user_id_kind) for row in trained(spark, rows, rank=2, iterations=1)}
    assert found == {
        ("user", "17850.0", "account"),
        ("user", "1515915625519388267", "account"),
        ("user", "1515915625519388268", "account"),
        ("item", "0108775015", None),
        ("item", "108775015", None),
    }


def test_nothing_to_train_on_is_told_before_training(spark: SparkSession) -> None:
    with pytest.raises(BadData, match=r"features\.interactions: nothing to train on"):
        trained(spark, [interaction("u", "i", -8.0)])


def test_an_id_without_a_number_stops_the_training(spark: SparkSession) -> None:
    pairs, numbers = pairs_of(spark, [interaction("u", "i"), interaction("v", "i")])
    gap = als.with_numbers(pairs.drop("user_number", "item_number"), numbers.where("source_id != 'v'"))
    with pytest.raises(BadData, match=r"models\.ids: 1 pairs of user and item lack a number; run number_ids"):
        als.trainable_count(gap)


def test_a_training_is_described_and_what_was_left_out_is_counted(spark: SparkSession) -> None:
    rows = [interaction("u", "i"), interaction("u", "j"), interaction("v", "j"), interaction("v", "k", -8.0)]
    pairs, _ = pairs_of(spark, rows)
    runs = als.model_run(pairs, as_of=DAY, model_run_id="m1", inputs={"models.ids": 2}, params={"rank": 4})
    [row] = runs.collect()
    assert (row.model_run_id, row.model, row.as_of_date, row.params, row.inputs) == ("m1", "als", DAY, '{"rank": 4}', '{"models.ids": 2}')
    assert (row.user_count, row.item_count, row.interaction_count) == (2, 2, 3)
    assert als.counts(runs, frame(spark, INTERACTIONS, rows)) == {"pairs trained on": 3, "pairs left out": 1}
