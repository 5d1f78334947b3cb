"""raw rows -> the rows of a run, each with the day it belongs to and what is wrong with it so far."""

from collections.abc import Mapping
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from clickmill.contracts.conform import conform
from clickmill.contracts.days import Days
from clickmill.contracts.tables import REJECTS

_ABOUT_PIECES = ("add_to_cart", "remove_from_cart", "checkout", "purchase", "refund")


def of_days(raw: DataFrame, days: Days, *, zone: str, lateness_days: int, future_tolerance_s: int) -> DataFrame:
    """Take the raw rows that belong to the days of a run, and name what ingestion and the clocks say against them.

    A row belongs to its event day; to its landing day where it has none, where
    it landed more than `lateness_days` after its event day (`too_late`), or where
    it was captured later than the end of its landing day plus
    `future_tolerance_s` (`in_future`). So each raw row belongs to exactly one
    day, and a run finds all rows of its days in the landings from the day before
    its first to `lateness_days` after its last.

    Grain   one row per raw row; `_day` is the day it belongs to, `_problems` array<string> what is wrong
    Needs   the columns of raw.events
    """
    landing_end = F.to_utc_timestamp(F.date_add("landing_date", 1).cast("timestamp"), zone_of_days(zone))
    is_late = F.col("landing_date") > F.date_add("event_date", lateness_days)
    is_future = F.unix_micros("event_at") > F.unix_micros(landing_end) + future_tolerance_s * 1_000_000
    has_own_day = F.coalesce(~is_late & ~is_future, F.lit(False))
    clocks = F.array_compact(F.array(F.when(is_late, "too_late"), F.when(is_future, "in_future")))
    belongs = F.when(has_own_day, F.col("event_date")).otherwise(F.col("landing_date"))
    rows = raw.withColumns({"_day": belongs, "_problems": F.array_union("problems", clocks)})
    return rows.where(F.col("_day").between(F.lit(days.first), F.lit(days.last)))


def only_mapped(rows: DataFrame) -> DataFrame:
    """The rows of a day of their own that nothing is said against so far: what ranges and bots are found on.

    Grain   as in `rows`
    Needs   the frame of of_days(); a row without an instant belongs to the day of its landing, and tells nothing of it
    """
    return rows.where((F.size("_problems") == 0) & F.col("event_date").isNotNull())


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


def split(rows: DataFrame) -> tuple[DataFrame, DataFrame]:
    """Rows that nothing is said against, and rejects with all that is.

    Grain   one row per row of `rows`, in one of the two
    Needs   `_problems` and `_rules`; the rules of a record that could not be read at all say nothing new, and
            neither does `price_missing` of a row whose price was there but bad
    """
    is_readable = F.col("event_id").isNotNull()
    news = F.array_except("_rules", _said_by("_problems"))
    reasons = F.when(is_readable, F.array_union("_problems", news)).otherwise(F.col("_problems"))
    told = rows.withColumn("_reasons", reasons)
    is_kept = F.size("_reasons") == 0
    return told.where(is_kept), told.where(~is_kept)


def _said_by(problems: str) -> Column:
    """The not-null rules that a value breaks only because ingestion could not take it."""
    return F.transform(
        problems, lambda name: F.concat(F.regexp_replace(name, "^(bad|unknown|missing|two_values_for)_", ""), F.lit("_missing"))
    )


def rejects(rejected: DataFrame, marked: DataFrame) -> DataFrame:
    """Every row that is not kept: rejects with the rules they broke, copies with the event that was kept.

    Grain   one row per raw row
    Needs   rejected: the second of `split`; marked: the frame of stream.marked
    """
    copies = marked.where(~F.col("_carried") & F.col("_copy").isNotNull()).withColumn("_reasons", F.array("_copy"))
    broken = rejected.withColumn("kept_event_id", F.lit(None).cast("string"))
    return _told(broken, "reject").unionByName(_told(copies, "copy"))


def _told(rows: DataFrame, kind: str) -> DataFrame:
    named = {"event_date": F.col("_day"), "kind": F.lit(kind), "reasons": F.array_sort(F.array_distinct("_reasons"))}
    return conform(rows.withColumns(named), REJECTS)
