"""What a site is given: the best model that is proven to beat popularity, popular items where none is, and why."""

from typing import Any

import numpy as np
import pytest
from pyspark.sql import Row, SparkSession

from builders import frame
from clickmill.contracts.tables import CANDIDATES, EVALUATIONS
from clickmill.publish import choice
from publish.rows import als, judged, popular


def of_users(count: int, *items: str, **changes: Any) -> list[dict[str, Any]]:
    return [row for n in range(count) for row in als(f"u{n}", *items, **changes)]


OWN = [*als("ann", "i1", "i2"), *als("bob", "i2", "i1"), *popular("i1", "i2")]

WHY = "popular: no model is proven better; "
LOSES = "als: NDCG@20 0.1900 of 50 users, does not beat popular 0.2000 by [-0.0300, 0.0100]"


def chosen(spark: SparkSession, evaluations: list[dict[str, Any]], candidates: list[dict[str, Any]] = OWN) -> dict[str, Row]:
    made = choice.chosen(frame(spark, EVALUATIONS, evaluations), frame(spark, CANDIDATES, candidates), min_users=50)
    return {row.site_id: row for row in made.collect()}


def refused(spark: SparkSession, evaluations: list[dict[str, Any]], candidates: list[dict[str, Any]] = OWN) -> str:
    row = chosen(spark, evaluations, candidates)["shop"]
    assert (row.model, row.is_refused) == ("popular", True)
    return str(row.why)


def test_the_model_with_the_highest_ndcg_is_chosen_and_says_why(spark: SparkSession) -> None:
    rows = [*judged("als", 0.22, (0.01, 0.03)), *judged("item_neighbours", 0.25, (0.02, 0.08)), *judged("popular", 0.2)]
    row = chosen(spark, rows)["shop"]
    assert (row.model, row.is_refused) == ("item_neighbours", False)
    assert row.why == "item_neighbours: NDCG@20 0.2500 of 50 users, beats popular 0.2000 by [0.0200, 0.0800]"


def test_a_higher_ndcg_that_may_be_chance_is_passed_over(spark: SparkSession) -> None:
    rows = [*judged("als", 0.26, (0.0, 0.12)), *judged("item_neighbours", 0.21, (0.001, 0.02)), *judged("popular", 0.2)]
    assert chosen(spark, rows)["shop"].model == "item_neighbours"


def test_models_that_do_not_beat_popularity_are_refused_and_popular_items_published(spark: SparkSession) -> None:
    told = refused(spark, [*judged("als", 0.19, (-0.03, 0.01)), *judged("item_neighbours", 0.21, (-0.01, 0.03)), *judged("popular", 0.2)])
    assert told == f"{WHY}{LOSES}; item_neighbours: NDCG@20 0.2100 of 50 users, does not beat popular 0.2000 by [-0.0100, 0.0300]"


def test_with_too_few_users_to_judge_popular_items_are_published(spark: SparkSession) -> None:
    row = chosen(spark, [*judged("als", 0.3, (0.05, 0.15), users=49), *judged("popular", 0.2, users=49)])["shop"]
    assert (row.model, row.is_refused, row.why) == ("popular", False, "popular: 49 users with a history judge the models, 50 are needed")
    assert chosen(spark, [])["shop"].why.startswith("popular: 0 users")


def test_each_site_has_its_own_choice_and_earlier_evaluations_and_new_users_have_no_say(spark: SparkSession) -> None:
    other = [*judged("als", 0.3, (0.1, 0.2), site_id="other"), *judged("popular", 0.1, site_id="other")]
    earlier = judged("als", 0.9, (0.5, 0.6), is_current=False) + judged("als", 0.9, (0.5, 0.6), slice="new")
    found = chosen(spark, other + earlier, [*OWN, *als("eve", "o1", "o2", site_id="other")])
    assert {site: row.model for site, row in found.items()} == {"shop": "popular", "other": "als"}


def test_a_site_whose_models_are_refused_gets_popular_items_beside_one_that_has_a_model(spark: SparkSession) -> None:
    bad = [*judged("als", 0.19, (-0.03, 0.01)), *judged("popular", 0.2)]
    good = [*judged("als", 0.3, (0.1, 0.2), site_id="other"), *judged("popular", 0.1, site_id="other")]
    candidates = [*OWN, *als("eve", "o1", "o2", site_id="other")]
    found = {site: (row.model, row.is_refused, row.why) for site, row in chosen(spark, bad + good, candidates).items()}
    assert found["other"][:2] == ("als", False)
    assert found["shop"] == ("popular", True, WHY + LOSES)


def test_a_network_that_adds_a_user_part_and_an_item_part_is_refused(spark: SparkSession) -> None:
    # User and item vectors side by side in one linear layer: score = a(user) + b(item) + c. It may well beat the popular list.
    random = np.random.default_rng(3)
    layer, users, items = random.normal(size=7), random.normal(size=(20, 3)), random.normal(size=(9, 4))
    rows = []
    for n, user in enumerate(users):
        scores = [float(layer @ np.concatenate([user, item])) for item in items]
        rows += als(f"u{n}", *(f"i{place}" for place in np.argsort(scores)[::-1]))
    told = refused(spark, [*judged("als", 0.3, (0.05, 0.15)), *judged("popular", 0.2)], rows)
    assert "beats popular 0.2000 by [0.0500, 0.1500], ranks the items in the same order for 20 of 20 users" in told
    near = [{**row, "source": "item_neighbours"} for row in OWN if row["source"] == "als"]
    beside = [*judged("als", 0.3, (0.05, 0.15)), *judged("item_neighbours", 0.25, (0.01, 0.09)), *judged("popular", 0.2)]
    assert chosen(spark, beside, rows + near)["shop"].model == "item_neighbours"


@pytest.mark.parametrize(
    ("candidates", "passes"),
    [
        (of_users(20, "i1", "i2", "i3"), False),
        ([*of_users(20, "i1", "i2", "i3"), *als("other", "i2", "i1", "i3")], False),
        ([*of_users(20, "i1", "i2", "i3"), *als("v", "i2", "i1", "i3"), *als("w", "i2", "i1", "i3")], True),
        (of_users(19, "i1", "i2"), True),
        (of_users(30, "i1"), True),
        ([*of_users(10, "i1", "i2"), *of_users(15, "o1", "o2", site_id="other")], True),
        ([row for n in range(20) for row in als(f"u{n}", *(f"i{k}" for k in range(10)), *(f"more{k}" for k in range(n)))], False),
    ],
    ids=[
        "twenty alike",
        "one in twenty-one differs",
        "two in twenty-two differ",
        "nineteen by chance",
        "one item says nothing",
        "sites apart",
        "longer lists hide nothing",
    ],
)
def test_a_model_that_ranks_alike_for_twenty_users_does_not_pass(spark: SparkSession, candidates: list[Any], passes: bool) -> None:
    row = chosen(spark, [*judged("als", 0.3, (0.05, 0.15)), *judged("popular", 0.2)], candidates)["shop"]
    assert row.is_refused is not passes
