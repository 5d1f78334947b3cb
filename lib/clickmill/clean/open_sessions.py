"""What the end of a day hands to the next: sessions that are open, and rows of which a copy may still come."""

from collections.abc import Callable

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from clickmill.clean import order, sessions
from clickmill.clean.order import IN_TIME, OWNER, Windows
from clickmill.clean.records import until_day_ends_s
from clickmill.contracts.conform import conform
from clickmill.contracts.tables import OPEN_SESSIONS

Keep = Callable[[DataFrame], DataFrame]

_ROW = ("site_id", "event_date", "event_id", "item_pos", "visitor_id")
_CONTENT = (*_ROW, "payload_hash")
_SAID_OF_COPIES = ("payload_hash", "copy_key", "copy_window_s", "kept_event_id", "_visitor_hash")


def open_sessions(events: DataFrame, carried: DataFrame, examined: DataFrame, windows: Windows, *, zone: str, keep: Keep) -> DataFrame:
    """What each day of a run hands to the one after it.

    Grain   one row per row of the day that lies within its horizon of the day's end; is_last marks the
            last row of a session that is open, which brings the state of the session so far
    Needs   events: clean.events of the days of the run; carried: clean.open_sessions at the end of the day before; examined:
            the frame of copies.examined; keep: holds on to the few rows that are read twice
    """
    fresh = examined.where(~F.col("_carried"))
    so_far = _so_far(events, carried, windows.gap_s, zone)
    kept = fresh.where(F.col("_copy").isNull()).select(*_ROW, *_SAID_OF_COPIES)
    named = _same(so_far, kept, _ROW, "inner").withColumns({"is_last": F.lit(True), "visitor_bucket": order.visitor_bucket()})
    last = keep(named)
    nothing = {name: F.lit(None).cast(OPEN_SESSIONS.schema[name].dataType) for name in ("session_id", *sessions.STATE)}
    waiting = _same(_waiting(fresh, windows.copy_horizon_s, zone), last.select(*_CONTENT), _CONTENT, "left_anti")
    waiting = waiting.withColumns({**nothing, "is_last": F.lit(False), "visitor_bucket": order.visitor_bucket()})
    return conform(last, OPEN_SESSIONS).unionByName(conform(waiting, OPEN_SESSIONS))


def _waiting(fresh: DataFrame, copy_horizon_s: int, zone: str) -> DataFrame:
    """Rows that a copy may still follow, each content once.

    A copy of an id only says when that id was last seen: no near copy is looked for, and it says nothing where
    a row that was kept has the same content, and so the same time.
    """
    left_s = until_day_ends_s(zone)
    is_id_copy = F.coalesce(F.col("_copy") != "near_copy", F.lit(False))
    keyed = fresh.withColumns({name: F.when(~is_id_copy, F.col(name)) for name in ("copy_key", "copy_window_s")})
    can_be_copied = (left_s <= copy_horizon_s) | F.coalesce(left_s <= F.col("copy_window_s"), F.lit(False))
    of_content = Window.partitionBy(*OWNER, *OPEN_SESSIONS.key).orderBy(is_id_copy)
    return keyed.where(can_be_copied).withColumn("_content", F.row_number().over(of_content)).where(F.col("_content") == 1)


def _so_far(events: DataFrame, carried: DataFrame, gap_s: int, zone: str) -> DataFrame:
    """Last row of each day of each session that is open then, with the state of the session; running sums over these few sessions."""
    named = events.where(F.col("session_id").isNotNull())
    crossing = named.where(until_day_ends_s(zone) <= gap_s).select("session_id")
    state = carried.where("is_last").withColumns({"_carried": F.lit(True), "_so_far": F.struct(*sessions.STATE)})
    before = state.select(*(name for name in state.columns if name in named.columns), "_carried", "_so_far")
    fresh = named.join(crossing, on="session_id", how="left_semi").withColumn("_carried", F.lit(False))
    stated = sessions.with_state(fresh.unionByName(before, allowMissingColumns=True))
    in_time = Window.partitionBy("session_id").orderBy(*IN_TIME)
    is_last_of_day = F.coalesce(F.lead("event_date").over(in_time) > F.col("event_date"), F.lit(True))
    told = stated.withColumn("_is_last_of_day", is_last_of_day)
    return told.where(F.col("_is_last_of_day") & ~F.col("_carried") & (until_day_ends_s(zone) <= gap_s))


def _same(left: DataFrame, right: DataFrame, names: tuple[str, ...], how: str) -> DataFrame:
    """Join on columns that may be null in both."""
    renamed = right.withColumnsRenamed({name: f"_r_{name}" for name in names})
    same = [F.col(name).eqNullSafe(F.col(f"_r_{name}")) for name in names]
    return left.join(renamed, on=same, how=how).drop(*(f"_r_{name}" for name in names))
