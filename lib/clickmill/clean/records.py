"""raw rows -> the rows of a run, each with the day it belongs to and what is wrong with it so far."""

from collections.abc import Mapping
from datetime import date
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from clickmill.clean.order import seconds
from clickmill.contracts.conform import conform
from clickmill.contracts.days import Days
from clickmill.contracts.reasons import named
from clickmill.contracts.tables import REJECTS

_ABOUT_PIECES = ("add_to_cart", "remove_from_cart", "checkout", "purchase", "refund")

FOUND = ("too_late", "in_future", "price_outlier", "quantity_outlier", "flood")
"""What is said against a row on the way to the split, beside the rules of its suite: column `_<name>` is true or false. They
are booleans, not a list of names: of millions of rows that are kept no list is built."""


def of_days(raw: DataFrame, days: Days, *, zone: str, lateness_days: int, future_tolerance_s: int) -> DataFrame:
    """Take the raw rows that belong to the days of a run, and name what ingestion and the clocks say against them.

    A row belongs to its event day; to its landing day where it has none, where
    it landed more than `lateness_days` after its event day (`too_late`), or where
    it was captured later than the end of its landing day plus
    `future_tolerance_s` (`in_future`). So each raw row belongs to exactly one
    day, and a run finds all rows of its days in the landings from the day before
    its first to `lateness_days` after its last.

    Grain   one row per raw row; `_day` is the day it belongs to, `_too_late` and `_in_future` say what the clocks say
    Needs   the columns of raw.events; event_date is the day of event_at in the zone of the row's days
    """
    told = with_clocks(raw, zone=zone, lateness_days=lateness_days, future_tolerance_s=future_tolerance_s)
    has_own_day = F.col("event_date").isNotNull() & ~F.col("_too_late") & ~F.col("_in_future")
    rows = told.withColumn("_day", F.when(has_own_day, F.col("event_date")).otherwise(F.col("landing_date")))
    return rows.where(F.col("_day").between(F.lit(days.first), F.lit(days.last)))


def with_clocks(raw: DataFrame, *, zone: str, lateness_days: int, future_tolerance_s: int) -> DataFrame:
    """Say of each row whether it landed too late, and whether it was captured in the future: `_too_late` and `_in_future`.

    Grain   one row per raw row
    Needs   the columns of raw.events
    """
    is_late = F.col("landing_date") > F.date_add("event_date", lateness_days)
    # Only of a day after that of its landing can an event be later than the end of that day: of the others nothing is computed.
    is_after = F.col("event_date") > F.col("landing_date")
    landing_end_us = F.unix_micros(day_ends_at(F.col("landing_date"), zone))
    is_future = is_after & (F.unix_micros("event_at") > landing_end_us + future_tolerance_s * 1_000_000)
    return raw.withColumns({"_too_late": F.coalesce(is_late, F.lit(False)), "_in_future": F.coalesce(is_future, F.lit(False))})


def only_mapped(rows: DataFrame) -> DataFrame:
    """The rows of a day of their own that nothing is said against so far: what ranges and bots are found on.

    Grain   as in `rows`
    Needs   the frame of of_days() or of with_clocks(); a row without an instant belongs to the day of its landing, and tells nothing of it
    """
    return rows.where((F.size("problems") == 0) & ~F.col("_too_late") & ~F.col("_in_future") & F.col("event_date").isNotNull())


def day_ends_at(day: Column, shop_zone: str) -> Column:
    """The instant at which a day ends in the zone of a row's days.

    A zone that is one for all rows is looked up once, not once a row.
    """
    midnight = F.date_add(day, 1).cast("timestamp")
    of_shop, of_source = (F.to_utc_timestamp(midnight, zone) for zone in (F.lit(shop_zone), F.col("zone")))
    return F.when(F.col("zone").isNull(), of_shop).otherwise(of_source)


def until_day_ends_s(shop_zone: str) -> Column:
    """Seconds from the event to the end of its day in the zone of its days."""
    return seconds(day_ends_at(F.col("event_date"), shop_zone), F.col("event_at"))


def zone_of_days(shop_zone: str) -> Column:
    """The time zone of a row's days: that of its source, else that of the shop."""
    return F.coalesce("zone", F.lit(shop_zone))


def of_day(carried: DataFrame, day: date) -> DataFrame:
    """The carried rows that stand at the end of one day."""
    return carried.where(F.col("event_date") == F.lit(day))


def filled(rows: DataFrame, *, fill: Mapping[str, int]) -> DataFrame:
    """Fill what is missing by the policy of its column; what has no policy stays null, which means unknown.

    Only rows that move pieces of an item are filled (cart, checkout, purchase,
    refund): a shop that leaves the quantity out means one piece.

    Grain   as in `rows`
    """
    moves_pieces = F.col("event_type").isin(*_ABOUT_PIECES) & F.col("item_id").isNotNull()
    types = {name: rows.schema[name].dataType for name in fill}
    return rows.withColumns(
        {
            name: F.when(moves_pieces & F.col(name).isNull(), F.lit(value).cast(types[name])).otherwise(F.col(name))
            for name, value in fill.items()
        }
    )


def judged(rows: DataFrame, broken: Mapping[str, Column]) -> DataFrame:
    """Add `_reasons`: all that is said against a row; null where nothing is.

    Grain   as in `rows`
    Needs   a column for each of FOUND; broken: for each rule whether a row breaks it. The rules of a record that could not
            be read at all say nothing new, and neither does `price_missing` of a row whose price was there but bad
    """
    against = {**{name: F.col(f"_{name}") for name in FOUND}, **broken}
    is_rejected = (F.size("problems") > 0) | reduce(Column.__or__, against.values())
    found = F.array_union("problems", named({name: F.col(f"_{name}") for name in FOUND}))
    news = named({name: breaks & ~_was_said(name) for name, breaks in broken.items()})
    is_readable = F.col("event_id").isNotNull() | (F.size(found) == 0)
    reasons = F.when(is_readable, F.array_union(found, news)).otherwise(found)
    return rows.withColumn("_reasons", F.when(is_rejected, reasons))


def _was_said(rule: str) -> Column:
    """True where a not-null rule is broken only because ingestion could not take the value."""
    column = rule.removesuffix("_missing")
    said = F.array(*(F.lit(f"{what}_{column}") for what in ("bad", "unknown", "missing", "two_values_for")))
    return F.arrays_overlap("problems", said) if rule.endswith("_missing") else F.lit(False)


def rejects(rejected: DataFrame, copies: DataFrame) -> DataFrame:
    """Every row that is not kept: rejects with the rules they broke, copies with the event that was kept.

    Grain   one row per raw row
    Needs   rejected: the frame of copies.rejected; copies: the frame of copies.only_copies
    """
    broken = rejected.withColumn("kept_event_id", F.lit(None).cast("string"))
    return _told(broken, "reject").unionByName(_told(copies.withColumn("_reasons", F.array("_copy")), "copy"))


def _told(rows: DataFrame, kind: str) -> DataFrame:
    named = {"event_date": F.col("_day"), "kind": F.lit(kind), "reasons": F.array_sort(F.array_distinct("_reasons"))}
    return conform(rows.withColumns(named), REJECTS)
