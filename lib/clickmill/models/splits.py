"""Interactions cut by time: models learn from the days before the cut, and are judged on those after it."""

from datetime import date, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

USER = ("site_id", "user_id_kind", "user_id")


def trained_to(last: date, *, test_days: int) -> date:
    """The last day that a model may have seen where the `test_days` days up to `last` judge it."""
    return last - timedelta(days=test_days)


def before(interactions: DataFrame, day: date) -> DataFrame:
    """What had been done by the end of a day."""
    return interactions.where(F.col("event_date") <= F.lit(day))


def targets(interactions: DataFrame, kept: DataFrame, day: date, *, excludes_bought: bool) -> DataFrame:
    """What users took to after a day, without what its lists may not hold.

    A user takes to an item where the weights of the days after sum to more than
    zero, or where it rates it. A user is known where it has any interaction up to
    the day, else new.

    Grain   one row per user and item, with is_known
    Needs   features.interactions; kept: USER, item_id, distinct, what was bought and kept up to the day
    """
    later = interactions.where(F.col("event_date") > F.lit(day)).groupBy(*USER, "item_id")
    liked = later.agg(F.sum("weight").alias("_weight"), F.count("rating").alias("_ratings")).where("_weight > 0 or _ratings > 0")
    if excludes_bought:
        liked = liked.join(kept, on=[*USER, "item_id"], how="left_anti")
    known = before(interactions, day).select(*USER, F.lit(True).alias("is_known")).distinct()
    told = liked.join(known, on=list(USER), how="left").withColumn("is_known", F.coalesce("is_known", F.lit(False)))
    return told.select(*USER, "item_id", "is_known")


def catalogue(interactions: DataFrame) -> DataFrame:
    """The items that anyone took to, with their users counted.

    Grain   one row per (site_id, item_id), with item_users
    Needs   features.interactions
    """
    took_to = interactions.where(_took_to()).select("site_id", "item_id", "user_id_kind", "user_id").distinct()
    return took_to.groupBy("site_id", "item_id").agg(F.count("*").alias("item_users"))


def _took_to() -> Column:
    return (F.col("weight") > 0) | F.col("rating").isNotNull()
