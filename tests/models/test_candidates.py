"""Candidates: the best items of each user within its site, what speaks for them, and what is popular."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import Row, SparkSession

from builders import DAY, frame
from clickmill.contracts.errors import BadData
from clickmill.contracts.tables import ALS_FACTORS, INTERACTIONS
from clickmill.models import candidates
from models.rows import interaction, item_factors, user_factors

FACTORS = [
    user_factors("ann", [1.0, 0.0]),
    user_factors("bob", [0.5, 2.0]),
    item_factors("i1", [3.0, 0.0]),
    item_factors("i2", [2.0, 1.0]),
    item_factors("i3", [0.0, 4.0]),
    item_factors("i4", [2.0, -1.0]),
]


def found(
    spark: SparkSession, factors: list[dict[str, Any]], history: list[dict[str, Any]], per_user: int = 2, partitions: int = 1
) -> dict[tuple[str, str], list[tuple[str, float, str | None]]]:
    rows = frame(spark, ALS_FACTORS, factors).repartition(partitions)
    items = candidates.items_by_site(rows, max_broadcast_bytes=1000)
    liked = candidates.histories(frame(spark, INTERACTIONS, history))
    made = candidates.from_factors(rows, liked, items, as_of=DAY, per_user=per_user).orderBy("candidate_rank").collect()
    lists: dict[tuple[str, str], list[tuple[str, float, str | None]]] = {}
    for row in made:
        assert (row.as_of_date, row.source, row.model_run_id) == (DAY, "als", "m1")
        owner = lists.setdefault((row.site_id, row.user_id), [])
        owner.append((row.item_id, row.score, row.because_item_id))
        assert row.candidate_rank == len(owner)
    return lists


def test_items_are_ranked_by_score_and_ties_by_id_in_any_partitioning(spark: SparkSession) -> None:
    for partitions in (1, 4):
        assert found(spark, FACTORS, [], per_user=3, partitions=partitions) == {
            ("shop", "ann"): [("i1", 3.0, None), ("i2", 2.0, None), ("i4", 2.0, None)],
            ("shop", "bob"): [("i3", 8.0, None), ("i2", 3.0, None), ("i1", 1.5, None)],
        }


def test_a_list_goes_on_past_what_was_bought_and_kept(spark: SparkSession) -> None:
    history = [interaction("ann", "i1"), interaction("ann", "i4"), interaction("ann", "i4", -8.0)]
    # i1 was bought and kept, so two others follow it; i4 was given back.
    assert [item for item, *_ in found(spark, FACTORS, history)["shop", "ann"]] == ["i1", "i2", "i4"]


def test_the_most_similar_item_of_the_history_speaks_for_a_candidate(spark: SparkSession) -> None:
    history = [
        interaction("ann", "i3"),
        interaction("ann", "i2", 1.0, purchased_quantity=Decimal(0)),
        interaction("ann", "i1", -8.0),
        interaction("ann", "gone"),
    ]
    # i1 is disliked and `gone` has no factors; i2 does not speak for itself, so i3 does.
    assert found(spark, FACTORS, history, per_user=3)["shop", "ann"] == [("i1", 3.0, "i2"), ("i2", 2.0, "i3"), ("i4", 2.0, "i2")]


def test_candidates_never_cross_sites_or_kinds_of_user(spark: SparkSession) -> None:
    other = [user_factors("ann", [0.0, 1.0], site_id="other"), item_factors("o1", [1.0, 5.0], site_id="other")]
    visitor = [user_factors("cat", [1.0, 0.0], user_id_kind="visitor")]
    history = [interaction("cat", "i2")]  # an account that is called like the visitor
    lists = found(spark, FACTORS + other + visitor, history, per_user=1)
    assert lists["other", "ann"] == [("o1", 5.0, None)]
    assert lists["shop", "ann"] == lists["shop", "cat"] == [("i1", 3.0, None)]


def test_the_latest_items_are_the_history(spark: SparkSession) -> None:
    rows = [interaction("ann", f"i{n:03}", day=date(2024, 1, 1 + n % 28)) for n in range(130)]
    [row] = candidates.histories(frame(spark, INTERACTIONS, rows)).collect()
    assert len(row._recent) == 100
    assert row._recent[:5] == ["i027", "i055", "i083", "i111", "i026"]
    assert len(row._kept) == 130


def test_item_factors_beyond_the_broadcast_limit_are_refused(spark: SparkSession) -> None:
    rows = frame(spark, ALS_FACTORS, FACTORS)
    # Four items of two 4-byte factors and a 2-byte id each.
    assert candidates.items_by_site(rows, max_broadcast_bytes=40).keys() == {"shop"}
    with pytest.raises(BadData, match=r"item factors take 40 bytes, more than models\.max_broadcast_bytes = 39"):
        candidates.items_by_site(rows, max_broadcast_bytes=39)


def test_a_day_without_factors_and_factors_that_are_no_numbers_are_told(spark: SparkSession) -> None:
    with pytest.raises(BadData, match=r"models\.als_factors: no factors for the last day of the run; run train_als_factors"):
        candidates.items_by_site(frame(spark, ALS_FACTORS, []), max_broadcast_bytes=40)
    with pytest.raises(BadData, match=r"models\.als_factors: an item factor is not finite"):
        candidates.items_by_site(frame(spark, ALS_FACTORS, [item_factors("i1", [float("nan")])]), max_broadcast_bytes=40)


def popular(spark: SparkSession, rows: list[dict[str, Any]], per_site: int = 2) -> list[Row]:
    made = candidates.popular(frame(spark, INTERACTIONS, rows), as_of=DAY, popular_days=3, per_site=per_site)
    return made.orderBy("site_id", "candidate_rank").collect()


def test_popular_is_what_most_users_took_to_with_ties_by_id(spark: SparkSession) -> None:
    rows = [interaction(user, item) for user, item in [("u", "c"), ("v", "c"), ("u", "b"), ("u", "a"), ("w", "z")]]
    rows += [
        interaction("u", "a", day=date(2024, 5, 15)),
        interaction("x", "z", -8.0),
        interaction("y", "z", 0.0, purchased_quantity=Decimal(0)),
    ]
    rows += [interaction("w", "o1", site_id="other")]
    found = [(row.site_id, row.candidate_rank, row.item_id, row.score) for row in popular(spark, rows)]
    assert found == [("other", 1, "o1", 1.0), ("shop", 1, "c", 2.0), ("shop", 2, "a", 1.0)]
    [first, *_] = popular(spark, rows)
    assert (first.user_id, first.user_id_kind, first.source, first.because_item_id, first.model_run_id) == (
        "*",
        "unknown",
        "popular",
        None,
        None,
    )


def test_popularity_counts_exactly_the_last_days(spark: SparkSession) -> None:
    rows = [interaction("u", "in", day=date(2024, 5, 14)), interaction("u", "out", day=date(2024, 5, 13))]
    assert [row.item_id for row in popular(spark, rows)] == ["in"]
