"""What a user did with an item on a day, as one signed weight: the only thing models see of events."""

from collections.abc import Mapping

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from clickmill.contracts.conform import conform
from clickmill.contracts.tables import INTERACTIONS

_COUNTED = {"purchase": "purchased_quantity", "refund": "refunded_quantity"}


def interactions(events: DataFrame, *, weights: Mapping[str, int]) -> DataFrame:
    """Add up the events of a user with an item on a day.

    Machines, and events without a user or an item, are left out; so is an event
    whose type weighs nothing, unless it carries a rating or is a purchase or
    refund, which are counted whatever they weigh. Weights are not decayed and
    days are not netted: that happens on reading, as of a day.

    Grain   one row per (event_date, site_id, user_id, user_id_kind, item_id)
    Needs   the columns of clean.events; a whole-number weight of every event type
    Ties    none: whole numbers and decimals add up to the same in any order
    """
    weight = F.coalesce(*(F.when(F.col("event_type") == name, F.lit(value)) for name, value in weights.items()), F.lit(0))
    is_told = (F.col("_weight") != 0) | F.col("rating").isNotNull() | F.col("event_type").isin(*_COUNTED)
    is_human = ~F.col("is_bot") & F.col("user_id").isNotNull() & F.col("item_id").isNotNull()
    told = events.where(is_human).withColumn("_weight", weight.cast("long")).where(is_told)
    # Doubles add up differently in another order of rows, decimals do not.
    rating = F.expr("try_cast(rating AS DECIMAL(18, 6))")
    rows = told.groupBy(*INTERACTIONS.key).agg(
        F.sum("_weight").cast("double").alias("weight"),
        F.count("*").alias("event_count"),
        *(_pieces(kind).alias(name) for kind, name in _COUNTED.items()),
        F.try_divide(F.sum(rating).cast("double"), F.count(rating)).alias("rating"),
        F.max("event_at").alias("last_event_at"),
    )
    return conform(rows, INTERACTIONS)


def counts(events: DataFrame) -> dict[str, int]:
    """Count the refunds that weigh against no item: of a whole order, by its id alone.

    Needs   the columns of clean.events
    """
    whole = events.where(~F.col("is_bot") & (F.col("event_type") == "refund") & F.col("item_id").isNull())
    return {"refunds that name no item, and weigh against none": whole.count()}


def _pieces(event_type: str) -> Column:
    pieces = F.coalesce("quantity", F.lit(1).cast("decimal(18,3)"))
    return F.coalesce(F.sum(F.when(F.col("event_type") == event_type, pieces)), F.lit(0))
