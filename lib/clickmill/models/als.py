"""Factors of users and items by alternating least squares (Spark MLlib), and the row that describes the training.

Implicit feedback follows Hu, Koren and Volinsky (2008): confidence grows with the
strength of an interaction, and strength fades with age.
"""

import json
import math
from collections.abc import Mapping
from datetime import date

from pyspark.ml.recommendation import ALS
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from clickmill.contracts.conform import conform
from clickmill.contracts.errors import BadData
from clickmill.contracts.events import USER
from clickmill.contracts.tables import ALS_FACTORS, MODEL_RUNS

_PAIR = (*USER, "item_id")
# The start of the factors depends on how ids are dealt to blocks: their number comes from the data, not from the machine.
# Few large blocks are faster than many small ones; a block of this size takes some 10 MB.
PAIRS_A_BLOCK = 250_000
_FEWEST_BLOCKS = 2


def taste(interactions: DataFrame, *, feedback: str, as_of: date, half_life_days: int) -> DataFrame:
    """What is trained on: strengths() where feedback is implicit, mean_ratings() where it is explicit.

    Grain   one row per (site_id, user_id, user_id_kind, item_id), with `strength`
    Needs   features.interactions of days up to `as_of`
    """
    if feedback == "explicit":
        return mean_ratings(interactions)
    return strengths(interactions, as_of=as_of, half_life_days=half_life_days)


def strengths(interactions: DataFrame, *, as_of: date, half_life_days: int) -> DataFrame:
    """Net the interactions of a user with an item, each halved for every `half_life_days` of its age.

    A pair whose sum is not above zero (bought and sent back) says nothing and is left out.

    Grain   one row per (site_id, user_id, user_id_kind, item_id), with `strength`
    Needs   features.interactions of days up to `as_of`
    """
    age_days = F.datediff(F.lit(as_of), F.col("event_date"))
    faded = F.col("weight") * F.pow(F.lit(0.5), age_days / F.lit(float(half_life_days)))
    # As decimals the sum is the same in any order of rows.
    summed = interactions.groupBy(*_PAIR).agg(F.sum(faded.cast("decimal(28, 10)")).cast("double").alias("strength"))
    return summed.where("strength > 0")


def mean_ratings(interactions: DataFrame) -> DataFrame:
    """Average the ratings of a user for an item over its days.

    Grain   one row per (site_id, user_id, user_id_kind, item_id) that was rated, with `strength`
    Needs   features.interactions
    """
    rating = F.col("rating").cast("decimal(28, 10)")
    rated = interactions.where("rating IS NOT NULL").groupBy(*_PAIR)
    return rated.agg((F.sum(rating).cast("double") / F.count(rating)).alias("strength"))


def with_numbers(pairs: DataFrame, ids: DataFrame) -> DataFrame:
    """Give every pair the numbers of its user and its item; null where an id has none.

    Grain   as in `pairs`, with user_number and item_number
    Needs   models.ids with one row per key
    """
    users = ids.where("entity = 'user'").select(
        "site_id", "user_id_kind", F.col("source_id").alias("user_id"), F.col("number").alias("user_number")
    )
    items = ids.where("entity = 'item'").select("site_id", F.col("source_id").alias("item_id"), F.col("number").alias("item_number"))
    return pairs.join(users, on=list(USER), how="left").join(items, on=["site_id", "item_id"], how="left")


def trainable_count(pairs: DataFrame) -> int:
    """Count the pairs before training; this reads `pairs`, so keep them.

    Needs   the columns of with_numbers
    Raises  BadData when there are no pairs, or when an id has no number
    """
    is_unnumbered = F.col("user_number").isNull() | F.col("item_number").isNull()
    counted = pairs.agg(F.count("*").alias("pairs"), F.count_if(is_unnumbered).alias("unnumbered")).first()
    assert counted is not None
    if counted.pairs == 0:
        raise BadData(
            "features.interactions: nothing to train on in the days of models.window_days; load more days, or check interactions.weights"
        )
    if counted.unnumbered:
        raise BadData(f"models.ids: {counted.unnumbered} pairs of user and item lack a number; run number_ids for their days first")
    return int(counted.pairs)


def factors(
    pairs: DataFrame,
    ids: DataFrame,
    *,
    as_of: date,
    model_run_id: str,
    feedback: str,
    rank: int,
    iterations: int,
    regularisation: float,
    alpha: float,
    seed: int,
) -> DataFrame:
    """Train, and return the factors under the ids as their source writes them. Training happens in this call.

    One model covers all sites: no user of one site has an item of another, so
    they share only the sum over all items, and candidates never cross sites.

    Grain   one row per user and per item of `pairs`
    Needs   the columns of with_numbers, read more than once: keep them; models.ids
    Ties    pairs are put in order of their numbers first: the same pairs give the same factors
    Raises  BadData as trainable_count()
    """
    blocks = max(_FEWEST_BLOCKS, math.ceil(trainable_count(pairs) / PAIRS_A_BLOCK))
    ordered = pairs.select("user_number", "item_number", F.col("strength").cast("float").alias("strength"))
    ordered = ordered.repartition(blocks, "user_number").sortWithinPartitions("user_number", "item_number")
    als = ALS(
        rank=rank,
        maxIter=iterations,
        regParam=regularisation,
        numUserBlocks=blocks,
        numItemBlocks=blocks,
        implicitPrefs=feedback == "implicit",
        alpha=alpha,
        userCol="user_number",
        itemCol="item_number",
        ratingCol="strength",
        seed=seed,
    )
    model = als.fit(ordered)
    users = model.userFactors.withColumn("entity", F.lit("user"))
    items = model.itemFactors.withColumn("entity", F.lit("item"))
    named = (
        users.unionByName(items).withColumnsRenamed({"id": "number", "features": "factors"}).join(ids, on=["entity", "number"], how="inner")
    )
    stamped = named.withColumns({"model_run_id": F.lit(model_run_id), "as_of_date": F.lit(as_of)})
    return conform(stamped, ALS_FACTORS)


def model_run(pairs: DataFrame, *, as_of: date, model_run_id: str, inputs: Mapping[str, int], params: Mapping[str, object]) -> DataFrame:
    """Describe the training.

    Grain   one row
    Needs   the columns of with_numbers
    """
    counted = pairs.agg(
        F.count_distinct("user_number").alias("user_count"),
        F.count_distinct("item_number").alias("item_count"),
        F.count("*").alias("interaction_count"),
    )
    told = {
        "model_run_id": F.lit(model_run_id),
        "model": F.lit("als"),
        "as_of_date": F.lit(as_of),
        "params": F.lit(json.dumps(dict(params), sort_keys=True)),
        "inputs": F.lit(json.dumps(dict(inputs), sort_keys=True)),
    }
    return conform(counted.withColumns(told), MODEL_RUNS)


def counts(model_runs: DataFrame, interactions: DataFrame) -> dict[str, int]:
    """Count the pairs of user and item that were trained on, and those that say nothing (a sum not above zero, or no rating).

    Needs   the row of model_run(), and the features.interactions that it was made from
    """
    trained = model_runs.agg(F.sum("interaction_count").alias("pairs")).first()
    there = interactions.select(*_PAIR).distinct().agg(F.count("*").alias("pairs")).first()
    assert trained is not None
    assert there is not None
    return {"pairs trained on": trained.pairs, "pairs left out": there.pairs - trained.pairs}
