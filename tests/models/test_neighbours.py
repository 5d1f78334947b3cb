"""Neighbours: cosines by hand and by the slow definition, whatever the blocks, and lists made of them."""

import math
import random
from collections import defaultdict
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import SparkSession

from builders import DAY, frame
from clickmill.contracts.errors import BadData
from clickmill.contracts.tables import IDS, INTERACTIONS, ITEM_NEIGHBOURS
from clickmill.models import candidates, ids, neighbours
from models.rows import interaction

Found = dict[tuple[str, str], list[tuple[str, float, int]]]


def found(spark: SparkSession, rows: list[dict[str, Any]], *, history_items: int = 100, count: int = 100) -> Found:
    interactions = frame(spark, INTERACTIONS, rows)
    numbers = ids.new_ids(interactions, frame(spark, IDS, []))
    sizes = {"history_items": history_items, "neighbours": count}
    made = neighbours.item_neighbours(interactions, numbers, as_of=DAY, model_run_id="n1", **sizes)
    lists: Found = {}
    for row in made.orderBy("neighbour_rank").collect():
        owner = lists.setdefault((row.site_id, row.item_id), [])
        owner.append((row.neighbour_id, round(row.similarity, 6), row.user_count))
        assert (row.neighbour_rank, row.as_of_date, row.model_run_id) == (len(owner), DAY, "n1")
    return lists


def test_items_are_as_near_as_the_users_they_share(spark: SparkSession) -> None:
    rows = [interaction(user, item) for user, item in [("u", "a"), ("u", "b"), ("v", "a"), ("v", "b"), ("w", "b"), ("w", "c"), ("x", "d")]]
    lists = found(spark, rows)
    # Users of two items weigh alike: a and b share u and v, of two and three users; b and c share w, of three and one.
    assert lists["shop", "a"] == [("b", round(2 / math.sqrt(2 * 3), 6), 2)]
    assert lists["shop", "b"] == [("a", round(2 / math.sqrt(2 * 3), 6), 2), ("c", round(1 / math.sqrt(3 * 1), 6), 1)]
    assert lists["shop", "c"] == [("b", round(1 / math.sqrt(3), 6), 1)]
    assert ("shop", "d") not in lists


def test_a_user_of_many_items_says_less_of_each_pair(spark: SparkSession) -> None:
    rows = [interaction("few", item) for item in "ab"] + [interaction("many", item) for item in "acdefgh"]
    lists = found(spark, rows)
    few, many = 1 / 2, 1 / 7
    assert lists["shop", "a"][0] == ("b", pytest.approx(few / math.sqrt((few + many) * few), abs=1e-5), 1)
    assert lists["shop", "a"][1] == ("c", pytest.approx(many / math.sqrt((few + many) * many), abs=1e-5), 1)


def test_what_was_given_back_or_lies_before_the_latest_items_says_nothing(spark: SparkSession) -> None:
    rows = [interaction("u", "a"), interaction("u", "b", day=date(2024, 5, 15)), interaction("u", "c", day=date(2024, 5, 14))]
    rows += [interaction("u", "d"), interaction("u", "d", -8.0), interaction("u", "e", 0.0, rating=5.0, purchased_quantity=Decimal(0))]
    assert {item for _, item in found(spark, rows, history_items=3)} == {"a", "b", "e"}


def test_sites_and_kinds_of_user_stay_apart(spark: SparkSession) -> None:
    rows = [interaction("u", "a"), interaction("u", "b", site_id="other"), interaction("u", "c", user_id_kind="visitor")]
    assert found(spark, rows) == {}


def test_every_block_gives_the_neighbours_of_the_slow_definition(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(4)
    baskets = {f"u{n}": sorted(rng.sample(range(30), rng.randrange(1, 9))) for n in range(70)}
    rows = [interaction(user, f"i{item:02}") for user, items in baskets.items() for item in items]
    shared: dict[tuple[int, int], int] = defaultdict(int)
    users: dict[tuple[int, int], int] = defaultdict(int)
    for items in baskets.values():
        for one in items:
            for other in items:
                shared[one, other] += round(2**20 / len(items))
                users[one, other] += 1
    slow: Found = {}
    for one in range(30):
        near = [(shared[one, other] / math.sqrt(shared[one, one] * shared[other, other]), other) for other in range(30) if other != one]
        best = [(score, other) for score, other in sorted(near, key=lambda pair: (-pair[0], pair[1])) if score > 0][:5]
        slow["shop", f"i{one:02}"] = [(f"i{other:02}", round(score, 6), users[one, other]) for score, other in best]
    assert found(spark, rows, count=5) == slow
    monkeypatch.setattr(neighbours, "_FEWEST_BLOCKS", 1)
    monkeypatch.setattr(neighbours, "PAIRS_A_BLOCK", 10**9)
    assert found(spark, rows[::-1], count=5) == slow


def test_an_item_without_a_number_stops_the_run(spark: SparkSession) -> None:
    interactions = frame(spark, INTERACTIONS, [interaction("u", "a")])
    with pytest.raises(Exception, match=r"models\.ids: an item of features\.interactions lacks a number; run number_ids"):
        neighbours.item_neighbours(
            interactions, frame(spark, IDS, []), as_of=DAY, model_run_id="n1", history_items=9, neighbours=9
        ).collect()


def near(item: str, *others: tuple[str, float]) -> list[dict[str, Any]]:
    row = {"as_of_date": DAY, "site_id": "shop", "item_id": item, "user_count": 1, "model_run_id": "n1"}
    return [row | {"neighbour_rank": n, "neighbour_id": other, "similarity": score} for n, (other, score) in enumerate(others, 1)]


def test_a_list_adds_up_what_is_near_to_the_latest_items_and_names_the_nearest(spark: SparkSession) -> None:
    rows = [*near("a", ("c", 0.5), ("d", 0.3), ("b", 0.1)), *near("b", ("e", 0.4), ("d", 0.2), ("a", 0.1))]
    beside = candidates.neighbours_by_site(frame(spark, ITEM_NEIGHBOURS, rows), max_broadcast_bytes=1000)
    history = [interaction("ann", "a"), interaction("ann", "b", 1.0, purchased_quantity=Decimal(0)), interaction("bob", "z")]
    history.append(interaction("eve", "a", site_id="other"))
    liked = candidates.histories(frame(spark, INTERACTIONS, history))
    made = candidates.from_neighbours(liked, beside, as_of=DAY, per_user=4).orderBy("user_id", "candidate_rank").collect()
    # Of what is nearest to each item: c and e reach 1, so by id; d 0.3 / 0.5 + 0.2 / 0.4. a was bought, so the list goes on past it.
    assert [(row.user_id, row.item_id, round(row.score, 9), row.because_item_id, row.source, row.model_run_id) for row in made] == [
        ("ann", "d", 1.1, "a", "item_neighbours", "n1"),
        ("ann", "c", 1.0, "a", "item_neighbours", "n1"),
        ("ann", "e", 1.0, "b", "item_neighbours", "n1"),
        ("ann", "a", 0.25, "b", "item_neighbours", "n1"),
        ("ann", "b", 0.2, "a", "item_neighbours", "n1"),
    ]


def test_neighbours_beyond_the_broadcast_limit_are_refused_and_none_make_no_list(spark: SparkSession) -> None:
    table = frame(spark, ITEM_NEIGHBOURS, near("a", ("c", 0.5)))
    with pytest.raises(BadData, match=r"neighbours take 14 bytes, more than models\.max_broadcast_bytes = 13; keep fewer"):
        candidates.neighbours_by_site(table, max_broadcast_bytes=13)
    liked = candidates.histories(frame(spark, INTERACTIONS, [interaction("ann", "a")]))
    none = candidates.neighbours_by_site(table.limit(0), max_broadcast_bytes=1)
    assert candidates.from_neighbours(liked, none, as_of=DAY, per_user=3).count() == 0
