"""Sessions: cut at silences, named after their first event, carried over midnight, and closed."""

from pyspark.sql import Column, DataFrame, Window, WindowSpec
from pyspark.sql import functions as F

from clickmill.clean import order
from clickmill.clean.order import IN_TIME, Windows, seconds
from clickmill.clean.records import zone_of_days
from clickmill.contracts.conform import conform
from clickmill.contracts.days import Days
from clickmill.contracts.tables import EVENTS, OPEN_SESSIONS, RAW_EVENTS, SESSIONS

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


def events(kept: DataFrame, carried: DataFrame, copies: DataFrame, windows: Windows, *, zone: str, partitions: int) -> DataFrame:
    """Give every row that is no copy the session it belongs to, the silence before it and the time spent on it.

    A session ends after a silence of more than `gap_s` seconds; a silence of
    exactly `gap_s` does not end it, nor does midnight. Where the source names
    sessions, each of its sessions is cut on its own, so two that overlap stay
    two, and one whose name is used again after the gap becomes two. A session is
    named after its first event and that event's day; one that the day before left
    open brings its name. `dwell_s` looks no further than the end of the day, so
    that a day that is done does not change when the next one comes.

    The rows cross the network once and are sorted once. The few copies are
    taken out where the rows of their visitor are, by hash, which keeps their order.

    Grain   one row per (event_id, item_pos): the rows of clean.events
    Needs   kept: rows with is_bot that no rule rejects; carried: clean.open_sessions at the end of the day before; copies: the
            frame of copies.only_copies
    Ties    equal times go by source order, then event id
    Raises  ValueError when gap_s is not positive
    """
    if windows.gap_s <= 0:
        raise ValueError(f"gap_s must be positive, not {windows.gap_s}")
    before = carried.where("is_last").select(
        *(name for name in OPEN_SESSIONS.columns if name in EVENTS.columns), F.lit(True).alias("_carried")
    )
    rows = kept.withColumn("_carried", F.lit(False)).unionByName(before, allowMissingColumns=True)
    spread = order.owned(rows, partitions=partitions).repartition("_slot")
    there = ["_slot", "_visitor_hash", "event_id", *RAW_EVENTS.key]
    turned_away = copies.select(*there).repartition("_slot").hint("shuffle_hash")
    timed = _timed(spread.join(turned_away, on=there, how="left_anti"), windows.gap_s)
    goes_on = (F.col("_next_date") == F.col("event_date")) & (F.col("_next_s") <= windows.gap_s)
    has_time, has_visitor = ~F.col("is_day_only"), F.col("visitor_id").isNotNull()
    told = timed.withColumns(
        {
            "visitor_bucket": order.visitor_bucket(),
            "session_id": F.when(has_visitor, F.col("_session_id")),
            "gap_s": F.when(has_visitor & has_time & ~F.col("_starts"), F.col("_silence_s")),
            "dwell_s": F.when(has_visitor & has_time & goes_on, F.least(F.col("_next_s"), F.lit(float(windows.dwell_cap_s)))),
        }
    )
    return conform(told.where(~F.col("_carried")), EVENTS)


def _timed(rows: DataFrame, gap_s: int) -> DataFrame:
    """Silence before and after each event, which all its rows share, and the name of its session."""
    in_time = Window.partitionBy(*_STREAM).orderBy(*IN_TIME)
    # The rows of an event lie side by side in that order: both windows share its sort.
    of_event = Window.partitionBy(*_STREAM, *IN_TIME[:-1]).orderBy("item_pos")
    whole_event = of_event.rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing)
    beside = rows.withColumns(
        {
            "_lag_s": seconds(F.col("event_at"), F.lag("event_at").over(in_time)),
            "_lead_s": seconds(F.lead("event_at").over(in_time), F.col("event_at")),
            "_lead_date": F.lead("event_date").over(in_time),
        }
    )
    timed = beside.withColumns(
        {
            "_silence_s": F.first("_lag_s").over(whole_event),
            "_next_s": F.last("_lead_s").over(whole_event),
            "_next_date": F.last("_lead_date").over(whole_event),
        }
    )
    starts = ~F.col("_carried") & F.coalesce(F.col("_silence_s") > gap_s, F.lit(True))
    # An id may come back on a later day for another event, so the day is part of the name.
    name = F.concat_ws("-", "event_id", F.date_format("event_date", "yyyyMMdd"))
    named = F.when(F.col("_carried"), F.col("session_id")).when(F.col("_starts"), name)
    return timed.withColumn("_starts", starts).withColumn("_session_id", F.last(named, ignorenulls=True).over(in_time))


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
