"""Sessions: cut at silences, named after their first event, carried over midnight, and closed."""

from functools import reduce

from pyspark.sql import Column, DataFrame, Window, WindowSpec
from pyspark.sql import functions as F

from clickmill.clean import order
from clickmill.clean.order import IN_TIME, Windows, seconds
from clickmill.clean.records import zone_of_days
from clickmill.clean.stream import PLACE
from clickmill.contracts.conform import conform
from clickmill.contracts.days import Days
from clickmill.contracts.tables import EVENTS, RAW_EVENTS, SESSIONS

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

_STREAM = ("_visitor_hash", "site_id", "visitor_id", "source_session_id", "_slot")


def events(stream: DataFrame, copies: DataFrame, windows: Windows) -> DataFrame:
    """Give every row that is no copy the session it belongs to, the silence before it and the time spent on it.

    A session ends after a silence of more than `gap_s` seconds; a silence of
    exactly `gap_s` does not end it, nor does midnight. Where the source names
    sessions, each of its sessions is cut on its own, so two that overlap stay
    two, and one whose name is used again after the gap becomes two. A session is
    named after its first event and that event's day; one that the day before left
    open brings its name. `dwell_s` looks no further than the end of the day, so
    that a day that is done does not change when the next one comes.

    The rows are sorted once. The few copies are taken out where the rows of their visitor are, by hash, which keeps their order.

    Grain   one row per (event_id, item_pos): the rows of clean.events
    Needs   the frame of stream.stream(); copies: the frame of copies.only_copies; both shuffled by `_slot`
    Ties    equal times go by source order, then event id
    Raises  ValueError when gap_s is not positive
    """
    if windows.gap_s <= 0:
        raise ValueError(f"gap_s must be positive, not {windows.gap_s}")
    kept = stream.where(F.col("_is_kept") & (~F.col("_carried") | F.col("is_last")))
    timed = _timed(_without(kept, copies), windows.gap_s)
    goes_on = (F.col("_next_date") == F.col("event_date")) & (F.col("_next_s") <= windows.gap_s)
    has_time, has_visitor = ~F.col("is_day_only"), F.col("visitor_id").isNotNull()
    told = timed.where(~F.col("_carried")).withColumns(
        {
            "visitor_bucket": order.visitor_bucket(),
            "session_id": F.when(has_visitor, F.col("_session_id")),
            "gap_s": F.when(has_visitor & has_time & (F.col("_silence_s") <= windows.gap_s), F.col("_silence_s")),
            "dwell_s": F.when(has_visitor & has_time & goes_on, F.least(F.col("_next_s"), F.lit(float(windows.dwell_cap_s)))),
        }
    )
    return conform(told.select("*", "_event.*"), EVENTS)


def _without(rows: DataFrame, copies: DataFrame) -> DataFrame:
    """The rows that are not among the copies, in their order."""
    there = ["_slot", "_visitor_hash", "event_id", *RAW_EVENTS.key]
    placed = rows.select("*", *(f"_record.{name}" for name in PLACE))
    return placed.join(copies.select(*there).hint("shuffle_hash"), on=there, how="left_anti")


def _timed(rows: DataFrame, gap_s: int) -> DataFrame:
    """Silence before each event and time to the next one, which all rows of an event share, and the name of its session."""
    in_time = Window.partitionBy(*_STREAM).orderBy(*IN_TIME)
    so_far = in_time.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    event = ("event_at", "source_order", "event_id")
    needed = rows.select(*_STREAM, *IN_TIME, "event_date", "is_day_only", "zone", "_carried", "session_id", "_event")
    # The rows of an event lie side by side in that order. Both steps share its sort.
    beside = needed.withColumns({f"_before_{name}": F.lag(name).over(in_time) for name in event})
    is_first = ~reduce(Column.__and__, (F.col(name).eqNullSafe(F.col(f"_before_{name}")) for name in event))
    silence = F.when(is_first, F.coalesce(seconds(F.col("event_at"), F.col("_before_event_at")), F.lit(float("inf"))))
    # An id may come back on a later day for another event, so the day is part of the name.
    name = F.concat_ws("-", "event_id", F.date_format("event_date", "yyyyMMdd"))
    named = F.when(F.col("_carried"), F.col("session_id")).when(silence > gap_s, name)
    begun = F.when(is_first, F.struct("event_at", "event_date"))
    told = beside.withColumns({"_own_silence_s": silence, "_named": named, "_begun": begun})
    return told.withColumns(
        {
            "_silence_s": F.last("_own_silence_s", ignorenulls=True).over(so_far),
            "_session_id": F.last("_named", ignorenulls=True).over(so_far),
            "_next": F.expr("lead(_begun, 1) IGNORE NULLS").over(in_time),
        }
    ).withColumns({"_next_s": seconds(F.col("_next.event_at"), F.col("event_at")), "_next_date": F.col("_next.event_date")})


def sessions(events: DataFrame, open_before: DataFrame, days: Days, *, gap_s: int, zone: str) -> DataFrame:
    """Sessions that close on the days of a run: the day of the last event plus the gap.

    Grain   one row per session
    Needs   `events` of the days, and of `open_before` (clean.open_sessions) the state at the end of the day before them
    Ties    the first and the last event are by event_at, source order, event id, item_pos
    """
    fresh = events.where(F.col("session_id").isNotNull()).withColumn("_carried", F.lit(False))
    is_state_before = F.col("is_last") & (F.col("event_date") == F.lit(days.widened(back=1).first))
    before = open_before.where(is_state_before).withColumns({"_carried": F.lit(True), "_so_far": F.struct(*STATE)}).drop(*STATE_ONLY)
    rows = fresh.unionByName(before, allowMissingColumns=True)
    closing = F.to_date(F.from_utc_timestamp(F.col("ended_at") + F.make_dt_interval(secs=F.lit(gap_s)), zone_of_days(zone)))
    stated = with_state(rows).withColumn("_next", F.lead("event_id").over(Window.partitionBy("session_id").orderBy(*IN_TIME)))
    whole = stated.where(F.col("_next").isNull()).withColumn("ended_at", F.col("event_at"))
    closed = whole.withColumns(
        {
            "event_date": closing,
            "duration_s": seconds(F.col("ended_at"), F.col("started_at")),
            "has_purchase": F.col("purchase_count") > 0,
        }
    )
    return conform(closed.where(F.col("event_date").between(F.lit(days.first), F.lit(days.last))), SESSIONS)


def with_state(rows: DataFrame) -> DataFrame:
    """Add the state of the session (started_at, counts, entry, exit, bought) up to and including each row.

    Grain   as in `rows`
    Needs   the columns of clean.events, `_carried` and `_so_far`, the state that a carried row brings
    """
    in_time = Window.partitionBy("session_id").orderBy(*IN_TIME)
    event = F.struct("event_at", "event_id")
    marked = rows.withColumn("_is_new_event", ~event.eqNullSafe(F.lag(event).over(in_time)))
    is_purchase = F.col("event_type") == "purchase"
    value = (F.col("price") * F.coalesce("quantity", F.lit(1).cast("decimal(18,3)"))).cast("decimal(28,4)")
    bought = F.when(is_purchase & F.col("item_id").isNotNull(), F.array("item_id")).otherwise(F.array().cast("array<string>"))
    page = F.coalesce("page_url", "item_id")
    own = {
        "started_at": F.col("event_at"),
        "event_count": F.col("_is_new_event").cast("long"),
        "item_view_count": (F.col("event_type") == "item_view").cast("long"),
        "add_to_cart_count": (F.col("event_type") == "add_to_cart").cast("long"),
        "purchase_count": is_purchase.cast("long"),
        "purchase_value": F.coalesce(F.when(is_purchase, value), F.lit(0).cast("decimal(28,4)")),
        "bought_item_ids": bought,
        "entry_page": page,
        "exit_page": page,
        "is_bot": F.col("is_bot"),
        "user_id": F.col("user_id"),
    }
    shared = marked.withColumns(
        {f"_{name}": F.when(F.col("_carried"), F.col("_so_far")[name]).otherwise(column) for name, column in own.items()}
    )
    return shared.withColumns(_totals(in_time))


def _totals(in_time: WindowSpec) -> dict[str, Column]:
    """The state of a session from the shares of its rows, in time order."""
    counts = ("event_count", "item_view_count", "add_to_cart_count", "purchase_count")
    return {
        **{name: F.sum(f"_{name}").over(in_time) for name in counts},
        "purchase_value": F.sum("_purchase_value").over(in_time).cast("decimal(28,4)"),
        "started_at": F.min("_started_at").over(in_time),
        "bought_item_ids": F.array_sort(F.array_distinct(F.flatten(F.collect_list("_bought_item_ids").over(in_time)))),
        "entry_page": F.first("_entry_page").over(in_time),
        "exit_page": F.last("_exit_page").over(in_time),
        "is_bot": F.max("_is_bot").over(in_time),
        "user_id": F.last("_user_id", ignorenulls=True).over(in_time),
    }
