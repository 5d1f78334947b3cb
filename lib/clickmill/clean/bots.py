"""Visitors that are machines: rate, burst, regularity, waking hours and breadth of a day."""

import math
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from clickmill.contracts.conform import conform
from clickmill.contracts.tables import BOTS

_DAY = ("site_id", "event_date", "visitor_id")
_LOOKED_AT = ("event_id", "item_id", "order_id", "event_type", "event_at", "is_day_only")
_BAND = 1.2
"""Gaps in one band differ by less than this factor."""
_LOOKING = ("page_view", "item_view", "search", "click", "impression")


@dataclass(frozen=True)
class Limits:
    """From where on a day is no person's; conf/base.yaml gives unit and reason of each."""

    min_events: int
    rate_events: int
    burst_events: int
    regular_gap_share: float
    active_hours: int
    breadth_items: int
    breadth_share: float
    flood_events: int


def suspects(rows: DataFrame, limits: Limits) -> DataFrame:
    """The rows of visitor days with enough events for a rule to look at, found by one small aggregate.

    Grain   one row per row of a suspect, with what rules look at, and `_rows`, how many there are; read several times: keep it
    Needs   site_id, event_date, visitor_id, event_id, item_id, order_id, event_type, event_at, is_day_only
    """
    named = rows.where(F.col("visitor_id").isNotNull())
    counts = named.groupBy(*_DAY).agg(F.count("*").alias("_rows")).where(F.col("_rows") >= limits.min_events)
    return named.select(*_DAY, *_LOOKED_AT).join(counts, on=list(_DAY), how="inner")


def bots(suspects: DataFrame, limits: Limits) -> DataFrame:
    """Visitor days on which a rule fires, with the rules and the numbers they looked at.

    Copies count once (by event id), an order counts as one act however many
    lines it has, and rows that know the day only say nothing about minutes,
    hours and gaps.

    Grain   one row per (site_id, event_date, visitor_id) with a rule that fired; small: broadcast it
    Needs   the frame of suspects()
    """
    facts = _acts(suspects).join(_breadth(suspects), on=list(_DAY), how="inner")
    fired = facts.withColumn("rules", _rules(limits))
    return conform(fired.where(F.size("rules") > 0), BOTS)


def _acts(rows: DataFrame) -> DataFrame:
    """Rate, fullest minute, waking hours and evenness of the gaps, on different acts.

    Even are the gaps of the fullest band of one fifth in width. A share of them, unlike a deviation, hardly moves where an
    act is lost or doubled: one gap of two lengths among a hundred raises the deviation of a timer to a tenth of its mean.
    """
    acts = rows.groupBy(*_DAY, F.coalesce("order_id", "event_id").alias("_act")).agg(
        F.min("event_at").alias("_at"), F.min("is_day_only").alias("_day_only")
    )
    in_time = Window.partitionBy(*_DAY).orderBy("_at", "_act")
    timed = ~F.col("_day_only")
    gap_us = F.when(timed, F.unix_micros("_at") - F.unix_micros(F.lag("_at").over(in_time)))
    minute_s = F.when(timed, F.unix_seconds(F.date_trunc("minute", "_at")))
    gaps = acts.withColumns({"_gap_us": gap_us, "_minute_s": minute_s})
    # Every act is tallied under its minute, and its gap under two bands, half a band apart: gaps that are alike share one,
    # wherever they lie. One shuffle counts both.
    place = F.ln(F.when(F.col("_gap_us") > 0, F.col("_gap_us")).cast("double")) / math.log(_BAND)
    bands = (F.when(F.col("_gap_us").isNotNull(), _tally("band", band)) for band in (F.floor(place) * 2, F.floor(place + 0.5) * 2 - 1))
    tallies = gaps.select(*_DAY, F.explode(F.array_compact(F.array(_tally("minute", F.col("_minute_s")), *bands))).alias("_tally"))
    counted = tallies.groupBy(*_DAY, "_tally").agg(F.count("*").alias("_count")).select(*_DAY, "_tally.*", "_count")
    of_minute, of_band = (F.when(F.col("what") == what, F.col("_count")) for what in ("minute", "band"))
    day = counted.groupBy(*_DAY).agg(
        F.sum(of_minute).alias("event_count"),
        F.coalesce(F.max(F.when(F.col("place").isNotNull(), of_minute)), F.lit(0)).cast("long").alias("peak_minute_count"),
        F.size(F.collect_set(F.when(F.col("what") == "minute", F.hour(F.timestamp_seconds("place"))))).alias("active_hour_count"),
        (F.sum(of_band) / 2).alias("_gap_count"),
        F.max(F.when(F.col("place").isNotNull(), of_band)).alias("_even"),
    )
    share = F.coalesce("_even", F.lit(0)) / F.col("_gap_count")
    return day.withColumn("even_gap_share", F.when(F.col("_gap_count") >= 2, share))


def _tally(what: str, place: Column) -> Column:
    return F.struct(F.lit(what).alias("what"), place.cast("long").alias("place"))


def _breadth(rows: DataFrame) -> DataFrame:
    """Different items looked at, and looks: a crawler hardly looks at one twice. Carts and orders say nothing here."""
    looks = rows.where(F.col("event_type").isin(*_LOOKING)).groupBy(*_DAY, "item_id").agg(F.count_distinct("event_id").alias("_looks"))
    seen = looks.groupBy(*_DAY).agg(
        F.count("item_id").alias("_items"), F.sum(F.when(F.col("item_id").isNotNull(), F.col("_looks"))).alias("_item_looks")
    )
    everyone = rows.groupBy(*_DAY).agg(F.max("_rows").alias("_rows"))
    joined = everyone.join(seen, on=list(_DAY), how="left")
    return joined.withColumns(
        {"item_count": F.coalesce("_items", F.lit(0)).cast("long"), "_item_looks": F.coalesce("_item_looks", F.lit(0))}
    )


def _rules(limits: Limits) -> Column:
    is_broad = (F.col("item_count") >= limits.breadth_items) & (F.col("item_count") >= F.col("_item_looks") * limits.breadth_share)
    fires = {
        "rate": F.col("event_count") >= limits.rate_events,
        "burst": F.col("peak_minute_count") >= limits.burst_events,
        "regularity": F.col("even_gap_share") >= limits.regular_gap_share,
        "hours": F.col("active_hour_count") >= limits.active_hours,
        "breadth": is_broad,
    }
    is_enough = F.col("event_count") >= limits.min_events
    is_flood = F.col("_rows") >= limits.flood_events
    return F.array_compact(F.array(*(F.when(fired & is_enough, name) for name, fired in fires.items()), F.when(is_flood, "flood")))


def with_verdict(rows: DataFrame, bots: DataFrame) -> DataFrame:
    """Add is_bot and `_flood`; both are false where there is no visitor.

    The rows of a flood would overload the task that sorts them: they are rejects, which lie apart from
    their visitor, and are counted like every reject.

    Grain   as in `rows`
    Needs   site_id, event_date, visitor_id
    """
    judged = bots.select(*_DAY, F.array_contains("rules", "flood").alias("_verdict"))
    joined = rows.join(F.broadcast(judged), on=list(_DAY), how="left")
    found = {"is_bot": F.col("_verdict").isNotNull(), "_flood": F.coalesce("_verdict", F.lit(False))}
    return joined.withColumns(found).select(*rows.columns, *found)
