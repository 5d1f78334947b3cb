"""Sessions: cut at silences, named after their first event, carried over midnight, and closed."""

from pyspark.sql import Column, DataFrame, Window, WindowSpec
from pyspark.sql import functions as F

from clickmill.clean.order import IN_TIME, OWNER, STATE, STATE_ONLY
from clickmill.clean.records import zone_of_days
from clickmill.contracts.conform import conform
from clickmill.contracts.days import Days
from clickmill.contracts.tables import EVENTS, OPEN_SESSIONS, SESSIONS

_STREAM = (*OWNER, "source_session_id")


def with_session_id(rows: DataFrame, *, gap_s: int, dwell_cap_s: int, zone: str) -> DataFrame:
    """Give every kept row the session it belongs to, the silence before it and the time spent on it.

    A session ends after a silence of more than `gap_s` seconds; a silence of
    exactly `gap_s` does not end it, nor does midnight. Where the source names
    sessions, each of its sessions is cut on its own, so two that overlap stay
    two, and one whose name is used again after the gap becomes two. A session is
    named after its first event and that event's day; a carried row brings the name of the session it
    left open. `dwell_s` looks no further than the end of the day, so that a day
    that is done does not change when the next one comes.

    Grain   as in `rows`; adds session_id, gap_s, dwell_s and `_is_last` (the session may go on after this day)
    Needs   the frame of copies.marked
    Ties    equal times go by source order, then event id
    Raises  ValueError when gap_s is not positive
    """
    if gap_s <= 0:
        raise ValueError(f"gap_s must be positive, not {gap_s}")
    takes_part = F.col("_copy").isNull() & F.col("visitor_id").isNotNull() & (~F.col("_carried") | F.col("is_last"))
    parted = rows.withColumn("_takes_part", takes_part)
    stream = (*_STREAM, "_takes_part")
    in_time = Window.partitionBy(*stream).orderBy(*IN_TIME)
    of_event = Window.partitionBy(*stream, *IN_TIME[:-1]).orderBy("item_pos")
    timed = _timed(parted, in_time, of_event)
    starts = ~F.col("_carried") & F.coalesce(F.col("_silence_s") > gap_s, F.lit(True))
    # An id may come back on a later day for another event, so the day is part of the name.
    name = F.concat_ws("-", "event_id", F.date_format("event_date", "yyyyMMdd"))
    anchor = F.when(F.col("_carried"), F.col("session_id")).when(starts, name)
    named = timed.withColumn("_session_id", F.when(F.col("_takes_part"), F.last(anchor, ignorenulls=True).over(in_time)))
    has_time = F.col("_takes_part") & ~F.col("_carried") & ~F.col("is_day_only")
    goes_on = (F.col("_next_date") == F.col("event_date")) & (F.col("_next_s") <= gap_s)
    is_open = _until_end_of_day(zone) <= gap_s
    # One row brings the state of a session, also where its last event has several.
    is_last_of_day = F.coalesce(F.col("_lead_date") > F.col("event_date"), F.lit(True))
    return named.withColumns(
        {
            "session_id": F.col("_session_id"),
            "gap_s": F.when(has_time & ~starts, F.col("_silence_s")),
            "dwell_s": F.when(has_time & goes_on, F.least(F.col("_next_s"), F.lit(float(dwell_cap_s)))),
            "_is_last": F.col("_takes_part") & is_last_of_day & is_open,
        }
    ).drop("_session_id", "_silence_s", "_next_s", "_next_date", "_lead_date")


def _timed(rows: DataFrame, in_time: WindowSpec, of_event: WindowSpec) -> DataFrame:
    """Silence before and after each event; all rows of one event share them."""
    whole_event = of_event.rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing)
    beside = rows.withColumns(
        {
            "_lag_s": _seconds(F.col("event_at"), F.lag("event_at").over(in_time)),
            "_lead_s": _seconds(F.lead("event_at").over(in_time), F.col("event_at")),
            "_lead_date": F.lead("event_date").over(in_time),
        }
    )
    return beside.withColumns(
        {
            "_silence_s": F.first("_lag_s").over(of_event),
            "_next_s": F.last("_lead_s").over(whole_event),
            "_next_date": F.last("_lead_date").over(whole_event),
        }
    ).drop("_lag_s", "_lead_s")


def only_kept(rows: DataFrame) -> DataFrame:
    """The rows of clean.events: neither carried nor copies.

    Grain   one row per (event_id, item_pos)
    """
    return conform(rows.where(~F.col("_carried") & F.col("_copy").isNull()), EVENTS)


def still_open(rows: DataFrame, *, copy_horizon_s: int, zone: str) -> DataFrame:
    """What the end of each day hands to the next: open sessions, and rows that a copy may still follow.

    Grain   one row per row of the day that lies within its horizon of the day's end; is_last marks the
            last row of a session that is open, which brings the state of the session so far
    Needs   the frame of with_session_id
    """
    fresh = rows.where(~F.col("_carried"))
    nothing = {name: F.lit(None).cast(OPEN_SESSIONS.schema[name].dataType) for name in STATE}
    waiting = _waiting(fresh, copy_horizon_s, zone).withColumns({**nothing, "is_last": F.lit(False)})
    return conform(_so_far(rows), OPEN_SESSIONS).unionByName(conform(waiting, OPEN_SESSIONS))


def _waiting(fresh: DataFrame, copy_horizon_s: int, zone: str) -> DataFrame:
    """Rows that a copy may still follow, beside those that bring the state of a session.

    A copy of an id only says when that id was last seen: no near copy is looked for, and it says nothing where
    a row that was kept has the same content, and so the same time.
    """
    left_s = _until_end_of_day(zone)
    is_id_copy = F.coalesce(F.col("_copy") != "near_copy", F.lit(False))
    keyed = fresh.withColumns({name: F.when(~is_id_copy, F.col(name)) for name in ("copy_key", "copy_window_s")})
    can_be_copied = (left_s <= copy_horizon_s) | F.coalesce(left_s <= F.col("copy_window_s"), F.lit(False))
    of_content = Window.partitionBy(*OWNER, *OPEN_SESSIONS.key).orderBy(is_id_copy)
    handed_on = keyed.where(can_be_copied | F.col("_is_last")).withColumn("_content", F.row_number().over(of_content))
    return handed_on.where((F.col("_content") == 1) & ~F.col("_is_last"))


def _so_far(rows: DataFrame) -> DataFrame:
    """State of each open session after its last row of each day; running sums over the few sessions that cross a midnight."""
    keys = [*OWNER, "session_id"]
    members = rows.where(F.col("_takes_part"))
    is_handed_on = F.col("_is_last") & ~F.col("_carried")
    crossing = members.where(is_handed_on).select(*keys).distinct()
    stated = with_state(members.join(crossing, on=keys, how="left_semi"), keys)
    return stated.where(is_handed_on).withColumn("is_last", F.lit(True))


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
    stated = with_state(rows, ["session_id"]).withColumn(
        "_next", F.lead("event_id").over(Window.partitionBy("session_id").orderBy(*IN_TIME))
    )
    whole = stated.where(F.col("_next").isNull()).withColumn("ended_at", F.col("event_at"))
    closed = whole.withColumns(
        {
            "event_date": closing,
            "duration_s": _seconds(F.col("ended_at"), F.col("started_at")),
            "has_purchase": F.col("purchase_count") > 0,
        }
    )
    return conform(closed.where(F.col("event_date").between(F.lit(days.first), F.lit(days.last))), SESSIONS)


def with_state(rows: DataFrame, keys: list[str]) -> DataFrame:
    """Add the state of the session (started_at, counts, entry, exit, bought) up to and including each row.

    Grain   as in `rows`
    Needs   the columns of clean.events, `_carried` and `_so_far`, the state that a carried row brings
    """
    in_time = Window.partitionBy(*keys).orderBy(*IN_TIME)
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


def _until_end_of_day(zone: str) -> Column:
    """Seconds from the event to the end of its day in the zone of its days."""
    return _seconds(F.to_utc_timestamp(F.date_add("event_date", 1).cast("timestamp"), zone_of_days(zone)), F.col("event_at"))


def _seconds(later: Column, earlier: Column) -> Column:
    return (F.unix_micros(later) - F.unix_micros(earlier)) / F.lit(1_000_000)
