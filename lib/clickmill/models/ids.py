"""Whole numbers for ids: given once, in order of appearance, and never changed. No hash, so no two ids meet."""

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from clickmill.contracts.conform import conform
from clickmill.contracts.tables import IDS

LARGEST = 2**31 - 1
"""Factorisation takes 32-bit numbers."""

# Numbers are places within small groups plus the size of the groups before: no window ever spans all ids.
# The start of an id goes along with the order of ids, so groups by it can be put in order.
_GROUP = ("entity", "first_date", "site_id", "_kind", "_start")
_START_LENGTH = 3


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
    fresh = (
        _seen(interactions)
        .join(have, on=["entity", "site_id", "_kind", "source_id"], how="left_anti")
        .withColumn("_start", F.substring("source_id", 1, _START_LENGTH))
    )
    before = Window.partitionBy("entity").orderBy(*_GROUP[1:]).rowsBetween(Window.unboundedPreceding, -1)
    groups = fresh.groupBy(*_GROUP).agg(F.count("*").alias("_size"))
    offsets = groups.select(*_GROUP, F.coalesce(F.sum("_size").over(before), F.lit(0)).alias("_offset"))
    largest = known.groupBy("entity").agg(F.max("number").alias("_largest"))
    place = F.row_number().over(Window.partitionBy(*_GROUP).orderBy("source_id"))
    number = F.coalesce(F.col("_largest").cast("long"), F.lit(0)) + F.col("_offset") + place
    full = F.raise_error(F.concat(F.lit("models.ids: no number is left for another "), "entity", F.lit(f"; the largest is {LARGEST}")))
    numbered = (
        fresh.join(offsets, on=list(_GROUP), how="inner")
        .join(F.broadcast(largest), on="entity", how="left")
        .withColumn("_number", number)
        .withColumn("number", F.when(F.col("_number") > LARGEST, full).otherwise(F.col("_number")).cast("int"))
    )
    return conform(numbered.withColumn("user_id_kind", F.nullif("_kind", F.lit(""))), IDS)


def _seen(interactions: DataFrame) -> DataFrame:
    users = interactions.select(
        F.lit("user").alias("entity"), "site_id", F.col("user_id_kind").alias("_kind"), F.col("user_id").alias("source_id"), "event_date"
    )
    items = interactions.select(
        F.lit("item").alias("entity"), "site_id", F.lit("").alias("_kind"), F.col("item_id").alias("source_id"), "event_date"
    )
    both = users.unionByName(items)
    return both.groupBy("entity", "site_id", "_kind", "source_id").agg(F.min("event_date").alias("first_date"))
