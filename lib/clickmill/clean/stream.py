"""The rows of a run as cleaning moves them: what it looks at in columns, and what it only hands on packed into two."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from clickmill.clean import likeness, order
from clickmill.clean.order import Windows
from clickmill.contracts.tables import EVENTS, OPEN_SESSIONS, RAW_EVENTS

PLACE = tuple(name for name in RAW_EVENTS.key if name != "item_pos")
"""Where a record lies in the landing files."""

_MADE = ("visitor_bucket", "session_id", "gap_s", "dwell_s")
_LOOKED_AT = (
    *("site_id", "zone", "visitor_id", "source_session_id", "event_id", "item_pos"),
    *("event_date", "event_at", "is_day_only", "source_order"),
)
_KEYS = ("payload_hash", "copy_key", "copy_window_s")
_HANDED_ON = tuple(name for name in EVENTS.columns if name not in (*_MADE, *_LOOKED_AT))
_OF_RECORD = (*PLACE, "_day", "delivery_rank", "winner_key", "person_hash", "_reasons")
_BROUGHT = ("kept_event_id", "session_id", "is_last")


def stream(rows: DataFrame, carried: DataFrame, windows: Windows, *, partitions: int) -> DataFrame:
    """All rows of a run beside those that the day before left, each with its owner, ready to be shuffled by `_slot`.

    Each window and each sort copies a row column by column: the many that nobody
    looks at on the way are one column, `_event`, those of clean.events, and one,
    `_record`, those that tell where a row came from and what is wrong with it.

    Grain   one row per row of `rows` and of `carried` (`_carried` tells them apart); `_is_kept` where nothing is said against it
    Needs   rows: raw rows with is_bot and the columns of records.judged; carried: clean.open_sessions at the end of the day before
    """
    keyed = likeness.with_keys(rows, near_copy_s=windows.near_copy_s, order_copy_s=windows.order_copy_s)
    packed = {
        "_event": F.struct(*_HANDED_ON),
        "_record": F.struct(*_OF_RECORD),
        "_is_kept": F.col("_reasons").isNull(),
        "_carried": F.lit(False),
    }
    fresh = keyed.select(*_LOOKED_AT, *_KEYS, *(column.alias(name) for name, column in packed.items()))
    told = [name for name in (*_LOOKED_AT, *_KEYS, *_BROUGHT) if name in OPEN_SESSIONS.columns]
    before = carried.select(*told, F.lit(True).alias("_carried"), F.lit(True).alias("_is_kept"))
    # What is turned away meets nobody: a flood of one visitor would all lie in one partition.
    alone = F.when(~F.col("_is_kept"), F.xxhash64("item_pos", *(f"_record.{name}" for name in PLACE)))
    return order.owned(fresh.unionByName(before, allowMissingColumns=True), partitions=partitions, by_itself=alone)
