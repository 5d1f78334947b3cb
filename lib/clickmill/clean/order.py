"""The one order of cleaning: rows of a visitor in one partition, carried rows in front."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from clickmill.contracts.events import VISITOR_BUCKETS
from clickmill.contracts.hashing import hash_of
from clickmill.contracts.tables import EVENTS, OPEN_SESSIONS

OWNER = ("visitor_bucket", "site_id", "_owner")
"""Columns that lead every window of cleaning: one shuffle by them serves all."""

IN_TIME = ("event_at", "source_order", "event_id", "item_pos")
"""The total order of a visitor's rows. Equal times go by the source's own order (null first), then by event id."""

# When and in which file a record came is not what it says: a retry that arrives later is still an exact copy.
_PROVENANCE = ("source", "landing_date", "received_at", "zone")
_STAMPED = ("visitor_bucket", "is_bot", "session_id", "gap_s", "dwell_s")
_PAYLOAD = tuple(name for name in EVENTS.columns if name not in (*_PROVENANCE, *_STAMPED, "event_id", "event_date"))
STATE_ONLY = (
    "started_at",
    "event_count",
    "item_view_count",
    "add_to_cart_count",
    "purchase_count",
    "purchase_value",
    "bought_item_ids",
    "entry_page",
    "exit_page",
)
STATE = (*STATE_ONLY, "is_bot", "user_id")
"""What is known of an open session so far, as clean.open_sessions carries it."""


def by_visitor(rows: DataFrame, carried: DataFrame, *, near_copy_s: int, order_copy_s: int) -> DataFrame:
    """Put the carried rows before the rows of the run, and all rows of a visitor into one partition.

    A row without a visitor is spread by its event id: its copies still meet it.
    `copy_key` is what near copies share, for `copy_window_s`; both are null where
    none are looked for: in a source without them, and among engagement, which is
    several literals of a source under one name.

    Grain   one row per row of `rows` and of `carried`; `_carried` tells them apart
    Needs   the columns of clean.events that raw.events has, has_near_copies, and of `carried` those of clean.open_sessions
    """
    owner = F.coalesce("visitor_id", "event_id")
    bucket = F.pmod(F.xxhash64("site_id", owner), F.lit(VISITOR_BUCKETS)).cast("int")
    near, window_s = _near_copy(near_copy_s, order_copy_s)
    # Engagement is many literals of a source: two of them at once are two things that happened, and say the same here.
    is_looked_for = F.col("has_near_copies") & (F.col("event_type") != "engagement")
    fresh = rows.withColumns(
        {
            "visitor_bucket": bucket,
            "payload_hash": hash_of(F.col(name) for name in _PAYLOAD),
            "copy_key": F.when(is_looked_for, near),
            "copy_window_s": F.when(is_looked_for, window_s),
            "_carried": F.lit(False),
        }
    )
    before = carried.withColumns({"_carried": F.lit(True), "_so_far": F.struct(*STATE)}).select(
        *(name for name in OPEN_SESSIONS.columns if name not in STATE_ONLY), "_carried", "_so_far"
    )
    both = fresh.unionByName(before, allowMissingColumns=True)
    return both.withColumn("_owner", owner).repartition(*OWNER)


def _near_copy(near_copy_s: int, order_copy_s: int) -> tuple[Column, Column]:
    """What near copies share, and for how long: an item of an order, else everything a visitor did.

    An order is the same however its total or position was written; without an
    order, two acts are the same only where all of item, page, words and amounts are.
    So are two refunds of an order: its pieces may go back one after the other.
    """
    is_order = F.col("order_id").isNotNull() & F.col("event_type").isin("checkout", "purchase")
    of_order = ("event_type", "order_id", "item_id")
    of_act = (
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
    key = F.when(is_order, _hash("order", of_order)).otherwise(_hash("act", of_act))
    return key, F.when(is_order, F.lit(order_copy_s)).otherwise(F.lit(near_copy_s)).cast("long")


def _hash(kind: str, names: tuple[str, ...]) -> Column:
    # to_json leaves null fields out and names the others: no separator can be forged.
    return F.md5(F.to_json(F.struct(F.lit(kind).alias("kind"), *names)))
