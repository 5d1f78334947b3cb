"""Lists against targets: values worked out by hand, and those of Spark's own metrics on random lists."""

import math
import random

import pytest
from pyspark.ml.evaluation import RankingEvaluator
from pyspark.sql import DataFrame, SparkSession

from clickmill.contracts.local import local_frame
from clickmill.metrics import ranking

LISTS = "model string, site_id string, user_id_kind string, user_id string, rank int, item_id string"
TARGETS = "site_id string, user_id_kind string, user_id string, item_id string"


def lists(spark: SparkSession, *given: tuple[str, str, str], site: str = "shop") -> DataFrame:
    """Each (model, user, items in order, one letter an item)."""
    rows = [(m, site, "unknown" if u == "*" else "account", u, n, item) for m, u, items in given for n, item in enumerate(items, 1)]
    return local_frame(spark, rows, LISTS)


def targets(spark: SparkSession, **items: str) -> DataFrame:
    return local_frame(spark, [("shop", "account", user, item) for user, some in items.items() for item in some], TARGETS)


def tail(spark: SparkSession, items: str) -> DataFrame:
    return local_frame(spark, [("shop", item) for item in items], "site_id string, item_id string")


def judged(spark: SparkSession, made: DataFrame, wanted: DataFrame, k: int = 3, rare: str = "") -> dict[tuple[str, str], tuple]:
    shown = ranking.shown(made, wanted, k=k)
    rows = ranking.by_user(shown, wanted, tail(spark, rare), k=k).collect()
    names = ("target_count", "hit_count", "recall", "ndcg", "reciprocal_rank", "tail_share")
    return {(row.model, row.user_id): tuple(row[name] for name in names) for row in rows}


def test_a_list_is_judged_by_where_its_hits_stand(spark: SparkSession) -> None:
    wanted = targets(spark, ann="bdx", bob="c")
    found = judged(spark, lists(spark, ("als", "ann", "abcd"), ("als", "bob", "cab")), wanted, rare="ac")
    # Ann's b stands at 2, her d behind the cut; the best list of three for three targets holds three hits.
    best = 1 + 1 / math.log2(3) + 1 / 2
    assert found["als", "ann"] == (3, 1, pytest.approx(1 / 3), pytest.approx(1 / math.log2(3) / best), 0.5, pytest.approx(2 / 3))
    assert found["als", "bob"] == (1, 1, 1.0, 1.0, 1.0, pytest.approx(2 / 3))


def test_a_user_without_a_hit_and_one_without_any_list_score_nothing(spark: SparkSession) -> None:
    found = judged(spark, lists(spark, ("als", "ann", "abc")), targets(spark, ann="x", bob="a"))
    assert found == {("als", "ann"): (1, 0, 0.0, 0.0, 0.0, 0.0), ("als", "bob"): (1, 0, 0.0, 0.0, 0.0, None)}


def test_a_user_that_was_never_seen_before_gets_the_list_for_unknown_users(spark: SparkSession) -> None:
    made = lists(spark, ("als", "ann", "ab"), ("als", "*", "cd"), ("popular", "*", "cd"))
    found = judged(spark, made, targets(spark, ann="a", new="d"), k=2)
    assert {key: row[1] for key, row in found.items()} == {
        ("als", "ann"): 1,
        ("als", "new"): 1,
        ("popular", "ann"): 0,
        ("popular", "new"): 1,
    }
    assert found["als", "new"][4] == 0.5


def test_another_site_s_list_is_not_shown(spark: SparkSession) -> None:
    made = lists(spark, ("als", "*", "a"), site="other").unionByName(lists(spark, ("als", "*", "b")))
    assert judged(spark, made, targets(spark, new="a"), k=1)["als", "new"][1] == 0


@pytest.mark.parametrize("k", [1, 4])
def test_means_are_those_of_spark_s_own_metrics(spark: SparkSession, k: int) -> None:
    rng, letters = random.Random(7), "abcdefghij"
    made = {f"u{n}": "".join(rng.sample(letters, rng.randrange(k, 8))) for n in range(40)}
    liked = {user: "".join(rng.sample(letters, rng.randrange(1, 7))) for user in made}
    shown = lists(spark, *(("als", user, items) for user, items in made.items()))
    rows = ranking.by_user(ranking.shown(shown, targets(spark, **liked), k=k), targets(spark, **liked), tail(spark, ""), k=k)
    found = ranking.means(rows, {"ndcg": "ndcg", "recall": "recall"}, ("model",)).collect()
    numbers = [([float(ord(item)) for item in made[user]], [float(ord(item)) for item in liked[user]]) for user in made]
    frame = local_frame(spark, numbers, "prediction array<double>, label array<double>")
    for name, metric in (("ndcg", "ndcgAtK"), ("recall", "recallAtK")):
        expected = RankingEvaluator(metricName=metric, k=k).evaluate(frame)
        assert [row.value for row in found if row.metric == name] == [pytest.approx(expected)], name


def test_a_mean_has_an_interval_by_user_and_ignores_what_is_not_known(spark: SparkSession) -> None:
    rows = local_frame(spark, [("als", x) for x in (1.0, 2.0, 6.0, None)] + [("popular", 5.0)], "model string, x double")
    found = {row.model: row for row in ranking.means(rows, {"x": "x"}, ("model",)).collect()}
    # Deviations -2, -1, 3: variance 14 / 2 = 7, standard error sqrt(7 / 3).
    assert (found["als"].value, found["als"].user_count) == (3.0, 3)
    reach = 1.959964 * math.sqrt(7 / 3)
    assert (found["als"].low, found["als"].high) == (pytest.approx(3.0 - reach, abs=1e-6), pytest.approx(3.0 + reach))
    assert (found["popular"].low, found["popular"].value, found["popular"].high) == (5.0, 5.0, 5.0)
