"""Lists against what users took to later: one row a user, and what these rows add up to.

Jarvelin and Kekalainen, Cumulated gain-based evaluation of IR techniques, 2002,
with gains of 0 and 1 and the logarithm to the base 2 of (rank + 1).
"""

import math

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from clickmill.contracts.events import UNKNOWN_USER, USER

Z_95 = 1.959963984540054
"""Quantile of the normal distribution: an interval of 95 % is the mean and so many standard errors to each side."""

# Sums of decimals are the same in any order of rows; sums of doubles are not.
_GAIN = "decimal(18,15)"
_SUMMED = "decimal(24,15)"


def shown(lists: DataFrame, targets: DataFrame, *, k: int) -> DataFrame:
    """What each user of `targets` would have been shown: its own list, or that of the unknown users of its site where it has none.

    Grain   one row per (model, user, rank), ranks up to k
    Needs   lists: model, USER, rank, item_id, ranks from 1 without holes; targets: USER, item_id, distinct
    """
    top = lists.where(F.col("rank") <= k).select("model", *USER, "rank", "item_id")
    users = targets.select(*USER).distinct()
    own = top.join(users, on=list(USER), how="left_semi")
    unknown = top.where(F.col("user_id") == UNKNOWN_USER).select("model", "site_id", "rank", "item_id")
    has_list = own.select("model", *USER).distinct()
    without = users.crossJoin(F.broadcast(top.select("model").distinct())).join(has_list, on=["model", *USER], how="left_anti")
    return own.unionByName(without.join(F.broadcast(unknown), on=["model", "site_id"], how="inner"))


def by_user(shown: DataFrame, targets: DataFrame, tail: DataFrame, *, k: int) -> DataFrame:
    """Judge what each user was shown by each model; a user that was shown nothing scores nothing.

    recall = hits / targets; ndcg = gain of the hits / gain of the best list of k there could be; reciprocal_rank is that
    of the first hit; tail_share the share of the list that lies in `tail`.

    Grain   one row per (model, user of `targets`)
    Needs   shown() of at least one model; targets: USER, item_id, distinct; tail: site_id, item_id, distinct
    """
    hit = targets.select(*USER, "item_id", F.lit(True).alias("_hit"))
    rare = tail.select("site_id", "item_id", F.lit(True).alias("_rare"))
    told = shown.join(hit, on=[*USER, "item_id"], how="left").join(rare, on=["site_id", "item_id"], how="left")
    gain = _one_of([1 / math.log2(rank + 1) for rank in range(1, k + 1)], F.col("rank"))
    of_list = told.groupBy("model", *USER).agg(
        F.count("_hit").alias("hit_count"),
        F.sum(F.when(F.col("_hit"), gain)).cast("double").alias("_gain"),
        F.min(F.when(F.col("_hit"), F.col("rank"))).alias("_first_hit"),
        (F.count("_rare") / F.count("*")).alias("tail_share"),
    )
    users = targets.groupBy(*USER).agg(F.count("*").alias("target_count"))
    everyone = users.crossJoin(F.broadcast(shown.select("model").distinct()))
    best = _one_of(_cumulated(k), F.least("target_count", F.lit(k))).cast("double")
    judged = everyone.join(of_list, on=["model", *USER], how="left")
    return judged.withColumns(
        {
            "hit_count": F.coalesce("hit_count", F.lit(0)).cast("long"),
            "recall": F.coalesce(F.col("hit_count") / F.col("target_count"), F.lit(0.0)),
            "ndcg": F.least(F.coalesce("_gain", F.lit(0.0)) / best, F.lit(1.0)),
            "reciprocal_rank": F.coalesce(1 / F.col("_first_hit"), F.lit(0.0)),
        }
    ).drop("_gain", "_first_hit")


def means(rows: DataFrame, measures: dict[str, str], by: tuple[str, ...]) -> DataFrame:
    """The mean of each measure over users, and its interval of 95 %.

    The state that is summed is (count, sum, sum of squares); the interval is the
    mean and Z_95 standard errors to each side, no wider than the mean where there is one user.

    Grain   one row per (`by`, metric) with value, low, high and user_count
    Needs   rows: one row per user within `by`; measures: metric -> its column, nulls count for nothing
    """
    pairs = F.explode(F.array(*(F.struct(F.lit(name).alias("metric"), F.col(column).alias("_x")) for name, column in measures.items())))
    long = rows.select(*by, pairs.alias("_pair")).select(*by, "_pair.metric", F.col("_pair._x").cast(_SUMMED).alias("_x"))
    state = long.groupBy(*by, "metric").agg(
        F.count("_x").alias("user_count"),
        F.sum("_x").cast("double").alias("_sum"),
        F.sum((F.col("_x") * F.col("_x")).cast(_SUMMED)).cast("double").alias("_squares"),
    )
    n = F.col("user_count")
    spread = F.greatest(F.col("_squares") - F.col("_sum") * F.col("_sum") / n, F.lit(0.0))
    error = F.sqrt(F.coalesce(F.try_divide(spread, n * (n - 1)), F.lit(0.0)))
    counted = state.where(n > 0).withColumns({"value": F.col("_sum") / n, "_error": error})
    return counted.select(
        *by,
        "metric",
        "value",
        (F.col("value") - Z_95 * F.col("_error")).alias("low"),
        (F.col("value") + Z_95 * F.col("_error")).alias("high"),
        "user_count",
    )


def _one_of(values: list[float], place: Column) -> Column:
    """The value of a list at a place, counted from 1, as a decimal."""
    return F.element_at(F.array(*(F.lit(value).cast(_GAIN) for value in values)), place.cast("int"))


def _cumulated(k: int) -> list[float]:
    return [sum(1 / math.log2(rank + 1) for rank in range(1, count + 1)) for count in range(1, k + 1)]
