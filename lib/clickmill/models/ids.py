"""Whole numbers for ids: given once, in order of appearance, and never changed. No hash, so no two ids meet."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from clickmill.contracts.conform import conform
from clickmill.contracts.tables import IDS
from clickmill.models.numbers import numbered


def new_ids(interactions: DataFrame, known: DataFrame) -> DataFrame:
    """Number the users and items of `interactions` that have no number yet.

    Numbers of an entity go on after the largest known one, without holes, by
    (first day, site, kind, id): a range of days gives the numbers of its days one by one.

    Grain   one row per (entity, site_id, user_id_kind, source_id) that is not in `known`
    Needs   the key of features.interactions; every row of models.ids there is
    Ties    none: the order is total
    Raises  a Spark error that names models.ids when an entity has more than 2,147,483,647 ids
    """
    have = known.select("entity", "site_id", F.coalesce("user_id_kind", F.lit("")).alias("_kind"), "source_id")
    fresh = _seen(interactions).join(have, on=["entity", "site_id", "_kind", "source_id"], how="left_anti")
    told = numbered(fresh, known, kind="entity", order=("first_date", "site_id", "_kind", "source_id"), table=IDS.name)
    return conform(told.withColumn("user_id_kind", F.nullif("_kind", F.lit(""))), IDS)


def _seen(interactions: DataFrame) -> DataFrame:
    users = interactions.select(
        F.lit("user").alias("entity"), "site_id", F.col("user_id_kind").alias("_kind"), F.col("user_id").alias("source_id"), "event_date"
    )
    items = interactions.select(
        F.lit("item").alias("entity"), "site_id", F.lit("").alias("_kind"), F.col("item_id").alias("source_id"), "event_date"
    )
    both = users.unionByName(items)
    return both.groupBy("entity", "site_id", "_kind", "source_id").agg(F.min("event_date").alias("first_date"))
