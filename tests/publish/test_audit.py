"""A model that ranks items alike for everyone is refused, and only such a model."""

from typing import Any

import numpy as np
import pytest
from pyspark.sql import SparkSession

from builders import frame
from clickmill.contracts.errors import GateRefused
from clickmill.contracts.tables import CANDIDATES
from clickmill.publish import audit
from publish.rows import als, popular


def audited(spark: SparkSession, candidates: list[dict[str, Any]]) -> None:
    audit.refuse_equal_rankings(frame(spark, CANDIDATES, candidates))


def of_users(count: int, *items: str, **changes: Any) -> list[dict[str, Any]]:
    return [row for n in range(count) for row in als(f"u{n}", *items, **changes)]


def test_a_network_that_adds_a_user_part_and_an_item_part_is_refused(spark: SparkSession) -> None:
    # User and item vectors side by side in one linear layer: score = a(user) + b(item) + c.
    random = np.random.default_rng(3)
    layer, users, items = random.normal(size=7), random.normal(size=(20, 3)), random.normal(size=(9, 4))
    rows = []
    for n, user in enumerate(users):
        scores = [float(layer @ np.concatenate([user, item])) for item in items]
        rows += als(f"u{n}", *(f"i{place}" for place in np.argsort(scores)[::-1]))
    with pytest.raises(GateRefused, match=r"models\.candidates: the model ranks the items in the same order for all 20 users of a site"):
        audited(spark, rows)


def test_one_user_with_another_order_is_enough(spark: SparkSession) -> None:
    audited(spark, [*of_users(20, "i1", "i2", "i3"), *als("other", "i2", "i1", "i3")])


def test_fewer_than_twenty_users_may_agree_by_chance(spark: SparkSession) -> None:
    audited(spark, of_users(19, "i1", "i2"))


def test_each_site_is_looked_at_by_itself(spark: SparkSession) -> None:
    with pytest.raises(GateRefused, match="all 21 users of a site"):
        audited(spark, [*of_users(21, "i1", "i2"), *of_users(5, "o2", "o1", site_id="other"), *of_users(3, "o1", "o2", site_id="third")])


def test_lists_that_go_on_for_longer_do_not_hide_an_equal_ranking(spark: SparkSession) -> None:
    ten = [f"i{n}" for n in range(10)]
    with pytest.raises(GateRefused):
        audited(spark, [row for n in range(20) for row in als(f"u{n}", *ten, *(f"more{k}" for k in range(n)))])


def test_a_ranking_of_one_item_and_popular_items_say_nothing(spark: SparkSession) -> None:
    audited(spark, [*of_users(30, "i1"), *popular("i1", "i2")])
    audited(spark, [])
