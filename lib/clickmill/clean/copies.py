"""Exact, conflicting and near copies, each with a deterministic winner and a stated horizon."""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from clickmill.clean.order import IN_TIME, OWNER

_PLACE = ("source", "landing_date", "file", "delivery_id", "block", "ordinal")


def marked(rows: DataFrame, *, horizon_s: int) -> DataFrame:
    """Mark the copies among the rows of each visitor; drop nothing.

    Copies of one id. Records with the same event id on the same day are copies of one
    event. The winner is the record of the delivery that supersedes the others,
    then the one that the source's tie-break puts first (the earliest, where it
    declares none), then the first by place. An id that was last seen on an
    earlier day, and is seen again within `horizon_s` seconds, goes on being that
    event: all its rows of the new day are copies. A copy is `exact_copy` where
    its rows equal those of the winner in every mapped column, else
    `conflicting_copy`.

    Near copies. Of the rows that are left, one that repeats the copy key of an
    earlier event within that key's window, counted from the last repeat, is a
    `near_copy` of the first. Rows of one event are no copies of each other.

    What was kept. `kept_event_id` names an event of clean.events: for a copy of
    an id that event, or, where (the first row of) it is a near copy, the event
    that it repeats.

    Grain   as in `rows`; adds `_copy` (null for what is kept) and `kept_event_id`
    Needs   the frame of order.by_visitor
    Ties    equal times go by source order, then event id
    """
    return _with_kept_event(_near_copies(_id_copies(rows, horizon_s)))


def _id_copies(rows: DataFrame, horizon_s: int) -> DataFrame:
    event = (*OWNER, "event_id")
    place = tuple(f"_place_{name}" for name in _PLACE)
    record = ("event_date", "_rank", "_tie", "event_at", *place)
    # A carried row has been decided on an earlier day; it stands before all of its own day.
    stood = rows.withColumns(
        {
            "_rank": F.coalesce("delivery_rank", F.lit(-1)),
            "_tie": F.coalesce("winner_key", F.when(F.col("_carried"), F.lit("")).otherwise(F.lit("\uffff"))),
            **{f"_place_{name}": F.col(name) for name in _PLACE},
            "_day_number": F.datediff("event_date", F.lit("1970-01-01").cast("date")),
        }
    )
    of_day = Window.partitionBy(*event, "event_date").orderBy(*record[1:], "item_pos")
    whole_day = Window.partitionBy(*event, "event_date")
    earlier_days = Window.partitionBy(*event).orderBy("_day_number").rangeBetween(Window.unboundedPreceding, -1)
    hashed = stood.withColumn("_record_hash", F.bit_xor("payload_hash").over(Window.partitionBy(*event, *record)))
    seen = hashed.withColumns(
        {
            "_first_of_day": F.min("event_at").over(whole_day),
            "_seen_before": F.max("event_at").over(earlier_days),
            "_hash_before": F.last("_record_hash").over(earlier_days),
            "_winner": F.first(F.struct(*record, "_record_hash")).over(of_day),
        }
    )
    goes_on = F.coalesce(_seconds(F.col("_first_of_day"), F.col("_seen_before")) <= horizon_s, F.lit(False))
    is_winner = F.struct(*record) == F.struct(*(F.col(f"_winner.{name}") for name in record))
    same_as = F.when(goes_on, F.col("_hash_before")).otherwise(F.col("_winner._record_hash"))
    kind = F.when(F.col("_record_hash") == same_as, "exact_copy").otherwise("conflicting_copy")
    is_copy = ~F.col("_carried") & (goes_on | ~is_winner)
    found = seen.withColumn("_copy", F.when(is_copy, kind))
    return found.drop("_rank", "_tie", *place, "_day_number", "_first_of_day", "_seen_before", "_hash_before", "_winner", "_record_hash")


def _near_copies(rows: DataFrame) -> DataFrame:
    # Copies of one id stand aside; those that were carried bring no key.
    keyed = rows.withColumn("_key", F.when(F.col("_copy").isNull(), F.col("copy_key")))
    in_time = Window.partitionBy(*OWNER, "_key").orderBy(*IN_TIME)
    of_event = Window.partitionBy(*OWNER, "_key", *IN_TIME[:-1]).orderBy("item_pos")
    timed = keyed.withColumn("_before_at", F.lag("event_at").over(in_time))
    is_repeat = _seconds(F.col("event_at"), F.col("_before_at")) <= F.col("copy_window_s")
    told = timed.withColumn(
        "_repeats", F.coalesce(F.first(is_repeat).over(of_event), F.lit(False)) & F.col("_key").isNotNull() & ~F.col("_carried")
    )
    original = F.when(~F.col("_repeats"), F.coalesce("kept_event_id", "event_id"))
    found = told.withColumn("_original", F.last(original, ignorenulls=True).over(in_time))
    return found.withColumns(
        {
            "_copy": F.when(F.col("_repeats"), "near_copy").otherwise(F.col("_copy")),
            "kept_event_id": F.when(F.col("_repeats"), F.col("_original")).otherwise(F.col("kept_event_id")),
        }
    ).drop("_key", "_before_at", "_repeats", "_original")


def _with_kept_event(rows: DataFrame) -> DataFrame:
    is_id_copy = F.coalesce(F.col("_copy") != "near_copy", F.lit(False))
    kept = F.when(~is_id_copy, F.coalesce("kept_event_id", "event_id"))
    # The rows of an event before the copies of its id, its first row as the last of them.
    of_id = Window.partitionBy(*OWNER, "event_id").orderBy("event_date", is_id_copy, F.desc("item_pos"))
    named = F.when(is_id_copy, F.last(kept, ignorenulls=True).over(of_id)).otherwise(F.col("kept_event_id"))
    return rows.withColumn("kept_event_id", named)


def _seconds(later: Column, earlier: Column) -> Column:
    """Seconds between two instants, exact to the microsecond."""
    return (F.unix_micros(later) - F.unix_micros(earlier)) / F.lit(1_000_000)
