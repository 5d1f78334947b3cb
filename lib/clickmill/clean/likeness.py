"""What copies have in common: the hash of all that a row says, and the key of what a visitor did."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from clickmill.contracts.hashing import hash_of
from clickmill.contracts.tables import EVENTS

# When and in which file a record came is not what it says: a retry that arrives later is still an exact copy.
_PROVENANCE = ("source", "landing_date", "received_at", "zone")
_STAMPED = ("visitor_bucket", "is_bot", "session_id", "gap_s", "dwell_s")
_PAYLOAD = tuple(name for name in EVENTS.columns if name not in (*_PROVENANCE, *_STAMPED, "event_id", "event_date"))
_OF_ORDER = ("event_type", "order_id", "item_id")
_OF_ACT = (
    "event_type",
    "item_id",
    "quantity",
    "price",
    "currency",
    "rating",
    "review_text",
    "query",
    "page_url",
    "campaign_id",
    "impression_id",
    "order_id",
)


def with_keys(rows: DataFrame, *, near_copy_s: int, order_copy_s: int) -> DataFrame:
    """Add payload_hash, equal for exact copies, and copy_key, which near copies share for copy_window_s seconds.

    Near copies share an item of an order, else everything a visitor did: an order
    is the same however its total or position was written; without an order, two
    acts are the same only where all of item, page, words and amounts are. So are
    two refunds of an order: its pieces may go back one after the other.

    copy_key and its window are null where no near copies are looked for: in a
    source without them, and among engagement, which is several literals of a
    source under one name: two of them at once are two things that happened. It is
    compared among the rows of a visitor only, where 64 bits tell all acts apart.

    Grain   as in `rows`
    Needs   the columns of clean.events that raw.events has, has_near_copies
    """
    is_order = F.col("order_id").isNotNull() & F.col("event_type").isin("checkout", "purchase")
    is_looked_for = F.col("has_near_copies") & (F.col("event_type") != "engagement")
    key = F.when(is_order, hash_of(map(F.col, _OF_ORDER))).otherwise(hash_of(map(F.col, _OF_ACT)))
    window_s = F.when(is_order, F.lit(order_copy_s)).otherwise(F.lit(near_copy_s)).cast("long")
    return rows.withColumns(
        {
            "payload_hash": hash_of(F.col(name) for name in _PAYLOAD),
            "copy_key": F.when(is_looked_for, key),
            "copy_window_s": F.when(is_looked_for, window_s),
        }
    )
