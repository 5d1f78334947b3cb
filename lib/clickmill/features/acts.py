"""Known events as the kernels of features read them: a key, whole numbers, and the two names that are counted apart."""

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

ACTS = ("impression", "click", "item_view", "search", "add_to_cart", "purchase")
"""The event types that are counted by themselves; `_act` is the place of one in this list, -1 for all others."""
PLURALS = dict(zip(ACTS, ("impressions", "clicks", "item_views", "searches", "add_to_carts", "purchases"), strict=True))
"""What many of them are called in the names of columns."""

MONEY = 100
"""Values and prices are whole hundredths: sums of them are exact."""
_MOST_MONEY = 10**15  # hundredths; more than any rule of clean.events lets through


def acts(events: DataFrame, key: Sequence[str], *, zone: str, more: Sequence[str] = ()) -> DataFrame:
    """The columns that kernels read, of the events that have a key, and `more` that they hand on.

    Grain   one row per row of `events` whose key columns are all there: the key, known_us, act, item_id, category, price and
            value (hundredths of the event's currency, which is not converted; 0 where unknown), zone of its days, hour_of_week
            (0 is the first hour of Monday in that zone)
    Needs   clean.known_events
    """
    has_key = F.lit(True)
    for name in key:
        has_key = has_key & F.col(name).isNotNull()
    types = F.array(*map(F.lit, ACTS))
    of_days = F.coalesce("zone", F.lit(zone))
    local = F.from_utc_timestamp("event_at", of_days)
    return events.where(has_key).select(
        *key,
        "known_date",
        F.unix_micros("known_at").alias("known_us"),
        (F.coalesce(F.array_position(types, F.col("event_type")), F.lit(0)) - 1).cast("int").alias("act"),
        *(name for name in ("item_id", "category") if name not in key),
        _money(F.col("price")).alias("price"),
        _money(paid()).alias("value"),
        of_days.alias("zone"),
        (F.weekday(local) * 24 + F.hour(local)).cast("int").alias("hour_of_week"),
        "event_date",
        "event_id",
        "item_pos",
        *more,
    )


def paid() -> Column:
    """Price x pieces of a purchase, one piece where none are told; null of all else, and where no price is known."""
    pieces = F.coalesce("quantity", F.lit(1).cast("decimal(18,3)"))
    return F.when(F.col("event_type") == "purchase", F.col("price") * pieces)


def _money(amount: Column) -> Column:
    hundredths = F.coalesce(F.round(amount * MONEY).cast("decimal(38,0)"), F.lit(0).cast("decimal(38,0)"))
    return F.least(hundredths, F.lit(_MOST_MONEY).cast("decimal(38,0)")).cast("long")
