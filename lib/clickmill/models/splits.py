"""Interactions cut by time: models learn from the days before the cut, and are judged on those after it."""

from datetime import date, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from clickmill.contracts.events import USER


def trained_to(last: date, *, test_days: int) -> date:
    """The last day that a model may have seen where the `test_days` days up to `last` judge it."""
    return last - timedelta(days=test_days)


def before(interactions: DataFrame, day: date) -> DataFrame:
    """What had been done by the end of a day."""
    return interactions.where(F.col("event_date") <= F.lit(day))


def liked(interactions: DataFrame) -> DataFrame:
    """What each user took to: items whose weights sum to more than zero, or that it rated.

    Grain   one row per user and item, with `_last_event_at`
    Needs   features.interactions
    """
    # Weights are whole numbers: exact in any order.
    items = interactions.groupBy(*USER, "item_id").agg(
        F.sum("weight").alias("_weight"), F.count("rating").alias("_ratings"), F.max("last_event_at").alias("_last_event_at")
    )
    return items.where("_weight > 0 or _ratings > 0").drop("_weight", "_ratings")


def targets(interactions: DataFrame, kept: DataFrame, day: date, *, excludes_bought: bool) -> DataFrame:
    """What users took to after a day, without what its lists may not hold.

    A user is known where it has any interaction up to the day, else new.

    Grain   one row per user and item, with is_known
    Needs   features.interactions; kept: USER, item_id, distinct, what was bought and kept up to the day
    """
    later = liked(interactions.where(F.col("event_date") > F.lit(day)))
    if excludes_bought:
        later = later.join(kept, on=[*USER, "item_id"], how="left_anti")
    known = before(interactions, day).select(*USER, F.lit(True).alias("is_known")).distinct()
    told = later.join(known, on=list(USER), how="left").withColumn("is_known", F.coalesce("is_known", F.lit(False)))
    return told.select(*USER, "item_id", "is_known")


def catalogue(interactions: DataFrame) -> DataFrame:
    """The items that anyone took to on any day, with their users counted.

    Grain   one row per (site_id, item_id), with item_users
    Needs   features.interactions
    """
    took_to = interactions.where((F.col("weight") > 0) | F.col("rating").isNotNull())
    return took_to.select(*USER, "item_id").distinct().groupBy("site_id", "item_id").agg(F.count("*").alias("item_users"))
