"""Exact, conflicting and near copies, each with a deterministic winner and a stated horizon."""

from functools import reduce

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from clickmill.clean.order import IN_TIME, OWNER, Windows, seconds
from clickmill.clean.records import until_day_ends_s
from clickmill.clean.stream import PLACE

_COMPARED = ("_slot", "_visitor_hash", "_id_hash", "copy_key", "copy_window_s", "event_at", "_row_hash")


def looked_at(stream: DataFrame, windows: Windows, *, zone: str) -> DataFrame:
    """The few rows of a run that might be copies, or that the next day needs, and those that are turned away.

    `_has_like` are those whose id, or whose copy key within its window, another row of the visitor has; of the others that
    are kept so far the day is so near its end that copies may still come or the session may go on.

    Grain   one row per such row of the stream; read several times: keep it
    Needs   the frame of stream.stream(), shuffled by `_slot`
    """
    waits_s = F.greatest(F.lit(max(windows.copy_horizon_s, windows.gap_s)), F.coalesce("copy_window_s", F.lit(0)))
    is_wanted = F.when(F.col("_is_kept"), until_day_ends_s(zone) <= waits_s).otherwise(True)
    rows = stream.drop("_event").withColumn("_id_hash", F.xxhash64("site_id", "_owner", "event_id"))
    rows = rows.withColumn("_row_hash", F.xxhash64("_id_hash", "copy_key", "event_at", "item_pos", "_carried"))
    # All rows pass here: they are compared by numbers alone, which finds all likes and hardly a row more, and nothing else is sorted.
    likes = rows.where("_is_kept").select(*_COMPARED).withColumn("_has_like", _has_like()).where("_has_like")
    there = ["_slot", "_row_hash"]
    found = rows.join(likes.select(*there, "_has_like").dropDuplicates(there).hint("shuffle_hash"), on=there, how="left")
    told = found.withColumn("_has_like", F.col("_has_like").isNotNull()).where(F.col("_has_like") | is_wanted)
    return told.drop("_id_hash", "_row_hash").select("*", "_record.*").drop("_record")


def rejected(looked_at: DataFrame) -> DataFrame:
    """The rows that a rule or a clock turned away, with their places and `_reasons`.

    Grain   one row per raw row
    Needs   the frame of looked_at()
    """
    return looked_at.where(~F.col("_is_kept"))


def examined(looked_at: DataFrame, windows: Windows) -> DataFrame:
    """Find out which rows are copies, among those that have their like.

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

    Grain   as in `looked_at`, less what is turned away; `_copy` is null for what is kept, and kept_event_id names the event
            that a copy repeats
    Needs   the frame of looked_at()
    Ties    equal times go by source order, then event id
    """
    kept = looked_at.where("_is_kept").drop("_reasons")
    judged = _with_kept_event(_near_copies(_id_copies(kept.where("_has_like"), windows.copy_horizon_s)))
    others = kept.where(~F.col("_has_like")).withColumn("_copy", F.lit(None).cast("string"))
    return judged.unionByName(others).drop("_has_like")


def only_copies(examined: DataFrame) -> DataFrame:
    """The rows of the run that are not kept, for they are copies.

    Grain   one row per raw row
    """
    return examined.where(~F.col("_carried") & F.col("_copy").isNotNull())


def _has_like() -> Column:
    """True where a row next to it by id has its id, or one next to it by copy key and time has its key, within its window."""
    of_visitor = Window.partitionBy("_visitor_hash", "_slot")
    by_id, by_key = of_visitor.orderBy("_id_hash"), of_visitor.orderBy("copy_key", "event_at")
    has_id = (F.lag("_id_hash").over(by_id) == F.col("_id_hash")) | (F.lead("_id_hash").over(by_id) == F.col("_id_hash"))
    repeats = (F.lag("copy_key").over(by_key) == F.col("copy_key")) & (
        seconds(F.col("event_at"), F.lag("event_at").over(by_key)) <= F.col("copy_window_s")
    )
    is_repeated = (F.lead("copy_key").over(by_key) == F.col("copy_key")) & (
        seconds(F.lead("event_at").over(by_key), F.col("event_at")) <= F.lead("copy_window_s").over(by_key)
    )
    return reduce(Column.__or__, (F.coalesce(found, F.lit(False)) for found in (has_id, repeats, is_repeated)))


def _id_copies(rows: DataFrame, horizon_s: int) -> DataFrame:
    event = (*OWNER, "event_id")
    place = tuple(f"_place_{name}" for name in PLACE)
    record = ("event_date", "_rank", "_tie", "event_at", *place)
    # A carried row has been decided on an earlier day; it stands before all of its own day.
    stood = rows.withColumns(
        {
            "_rank": F.coalesce("delivery_rank", F.lit(-1)),
            "_tie": F.coalesce("winner_key", F.when(F.col("_carried"), F.lit("")).otherwise(F.lit("\uffff"))),
            **{f"_place_{name}": F.col(name) for name in PLACE},
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
    goes_on = F.coalesce(seconds(F.col("_first_of_day"), F.col("_seen_before")) <= horizon_s, F.lit(False))
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
    is_repeat = seconds(F.col("event_at"), F.col("_before_at")) <= F.col("copy_window_s")
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
