"""Visitors that are machines: rate, burst, regularity, waking hours and breadth of a day."""

import math
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from clickmill.contracts.conform import conform
from clickmill.contracts.tables import BOTS

_DAY = ("site_id", "event_date", "visitor_id")
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


def busy(rows: DataFrame, limits: Limits) -> DataFrame:
    """The visitor days with enough events for a rule to look at.

    Grain   one row per (site_id, event_date, visitor_id), with `_who`, a hash that names it, `_rows`, how many there are, and
            `_is_flood` where they are too many for one task; read several times: keep it
    Needs   site_id, event_date, visitor_id
    """
    counts = _named(rows).groupBy(*_DAY).agg(F.count("*").alias("_rows")).where(F.col("_rows") >= limits.min_events)
    return counts.withColumns({"_who": _who(), "_is_flood": F.col("_rows") >= limits.flood_events})


def suspects(rows: DataFrame, busy: DataFrame, limits: Limits) -> DataFrame:
    """The rows of busy visitor days as rules look at them. The others are sieved out where they are read: see reused.SIEVED.

    What is only compared, and within a visitor day, is a hash: of a row come a few numbers.

    Grain   one row per row of a suspect; read several times: keep it
    Needs   rows: site_id, event_date, visitor_id, event_id, item_id, order_id, event_type, event_at, is_day_only; the frame of busy()
    """
    looks = F.col("event_type").isin(*_LOOKING)
    looked_at = {
        "_act": F.xxhash64(F.coalesce("order_id", "event_id")),
        "_look": F.when(looks, F.xxhash64("event_id")),
        "_item": F.when(looks & F.col("item_id").isNotNull(), F.xxhash64("item_id")),
        "_at": F.col("event_at"),
        "_day_only": F.col("is_day_only"),
    }
    told = _named(rows).select(_who().alias("_who"), *(column.alias(name) for name, column in looked_at.items()))
    # Spark sieves only by what is picked by a condition, so the one of busy() is said again.
    of_them = busy.where(F.col("_rows") >= limits.min_events).select("_who", "_is_flood")
    return told.join(of_them, on="_who", how="inner")


def _named(rows: DataFrame) -> DataFrame:
    return rows.where(F.col("visitor_id").isNotNull())


def _who() -> Column:
    return F.xxhash64(*_DAY)


def bots(suspects: DataFrame, busy: DataFrame, limits: Limits) -> DataFrame:
    """Visitor days on which a rule fires, with the rules and the numbers they looked at.

    Copies count once (by event id), an order counts as one act however many
    lines it has, and rows that know the day only say nothing about minutes,
    hours and gaps. A flood, whose rows are not kept anyway, is not looked at for even gaps.

    Grain   one row per (site_id, event_date, visitor_id) with a rule that fired; small: broadcast it
    Needs   the frames of suspects() and busy()
    """
    facts = busy.join(_acts(suspects), on="_who", how="inner").join(_breadth(suspects), on="_who", how="left")
    seen = {"item_count": F.coalesce("_items", F.lit(0)).cast("long"), "_item_looks": F.coalesce("_item_looks", F.lit(0))}
    fired = facts.withColumns(seen).withColumn("rules", _rules(limits))
    return conform(fired.where(F.size("rules") > 0), BOTS)


def _acts(rows: DataFrame) -> DataFrame:
    """Rate, fullest minute, waking hours and evenness of the gaps, on different acts.

    Even are the gaps of the fullest band of one fifth in width. A share of them, unlike a deviation, hardly moves where an
    act is lost or doubled: one gap of two lengths among a hundred raises the deviation of a timer to a tenth of its mean.
    Of a flood no gaps are looked at: its acts would have to be sorted by one task.
    """
    acts = rows.groupBy("_who", "_is_flood", "_act").agg(F.min("_at").alias("_at"), F.min("_day_only").alias("_day_only"))
    in_time = Window.partitionBy("_who", F.when(F.col("_is_flood"), F.col("_act"))).orderBy("_at", "_act")
    timed = ~F.col("_day_only")
    gap_us = F.when(timed, F.unix_micros("_at") - F.unix_micros(F.lag("_at").over(in_time)))
    minute_s = F.when(timed, F.unix_seconds(F.date_trunc("minute", "_at")))
    gaps = acts.withColumns({"_gap_us": gap_us, "_minute_s": minute_s})
    # Every act is tallied under its minute, and its gap under two bands, half a band apart: gaps that are alike share one,
    # wherever they lie. One pass counts both.
    place = F.ln(F.when(F.col("_gap_us") > 0, F.col("_gap_us")).cast("double")) / math.log(_BAND)
    bands = (F.when(F.col("_gap_us").isNotNull(), _tally(False, band)) for band in (F.floor(place) * 2, F.floor(place + 0.5) * 2 - 1))
    tallies = gaps.select("_who", F.explode(F.array_compact(F.array(_tally(True, F.col("_minute_s")), *bands))).alias("_tally"))
    counted = tallies.select("_who", "_tally.*").groupBy("_who", "is_minute", "place").agg(F.count("*").alias("_count"))
    of_minute, of_band = (F.when(which, F.col("_count")) for which in (F.col("is_minute"), ~F.col("is_minute")))
    has_place = F.col("place").isNotNull()
    hour = F.when(F.col("is_minute"), F.hour(F.timestamp_seconds("place")))
    day = counted.groupBy("_who").agg(
        F.sum(of_minute).alias("event_count"),
        F.coalesce(F.max(F.when(has_place, of_minute)), F.lit(0)).cast("long").alias("peak_minute_count"),
        F.bit_count(F.coalesce(F.bit_or(F.call_function("shiftleft", F.lit(1), hour)), F.lit(0))).alias("active_hour_count"),
        (F.sum(of_band) / 2).alias("_gap_count"),
        F.max(F.when(has_place, of_band)).alias("_even"),
    )
    share = F.coalesce("_even", F.lit(0)) / F.col("_gap_count")
    return day.withColumn("even_gap_share", F.when(F.col("_gap_count") >= 2, share))


def _tally(is_minute: bool, place: Column) -> Column:
    return F.struct(F.lit(is_minute).alias("is_minute"), place.cast("long").alias("place"))


def _breadth(rows: DataFrame) -> DataFrame:
    """Different items looked at, and looks: a crawler hardly looks at one twice. Carts and orders say nothing here."""
    looks = rows.where(F.col("_item").isNotNull()).select("_who", "_item", "_look").distinct()
    of_item = looks.groupBy("_who", "_item").agg(F.count("*").alias("_looks"))
    return of_item.groupBy("_who").agg(F.count("*").alias("_items"), F.sum("_looks").alias("_item_looks"))


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
    return F.array_compact(
        F.array(*(F.when(fired & is_enough, name) for name, fired in fires.items()), F.when(F.col("_is_flood"), "flood"))
    )


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
