"""Streams that cleaning could get wrong: crowded instants, silences at the very edge of a window, a midnight beside any event.

An example is many short streams of visitors who know nothing of each other, so that one run of Spark tries them all.
"""

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

from builders import raw_event
from clean.behaviour import AGAIN, DAYS, ID_AGAIN, NEW_ACTS, OF_ITEM, OTHERWISE, PACES_MS, RESENT, TASTES, VISITORS, Habits, Midnight

COUNT = 150
OFFSETS_H = {"UTC": 0, "+05:30": 5.5, "-08:00": -8}
RECEIVED_AT = datetime(2024, 5, 20)
Row = dict[str, Any]


class Streams:
    """Raw rows of many visitors, and the zone of their shop. Ids start with the number of the visitor."""

    def __init__(self, rows: list[Row], zone: str) -> None:
        self.rows, self.zone = rows, zone

    def of_visitor(self, number: str) -> list[str]:
        """The rows of a visitor as lines, with the columns that matter."""
        rows = [row for row in self.rows if visitor_of(row["event_id"]) == number]
        rows.sort(key=lambda row: (row["event_at"], row["ordinal"], row["item_pos"]))
        return [" ".join(f"{name}={row[name]}" for name in _TOLD if row[name] is not None) for row in rows]

    def __repr__(self) -> str:
        return f"<{len(self.rows)} rows, zone {self.zone}>"


_TOLD = (
    *("ordinal", "item_pos", "event_id", "event_date", "event_at", "zone", "visitor_id", "event_type", *OTHERWISE),
    *("source_session_id", "source_order", "delivery_rank", "winner_key", "file", "landing_date", "has_near_copies"),
)


def visitor_of(event_or_session_id: str) -> str:
    return event_or_session_id.split(".")[0]


@st.composite
def streams(draw: st.DrawFn) -> Streams:
    zone = draw(st.sampled_from(list(OFFSETS_H)))
    visitors = draw(st.lists(VISITORS, min_size=COUNT, max_size=COUNT))
    rows: list[Row] = []
    for number, (habits, midnight, events) in enumerate(visitors):
        records = _records(habits, events)
        start = _start(midnight, [record["ms"] for record in records], habits.zone or zone)
        for record in records:
            rows += _rows(number, record, start, habits, zone, ordinal=len(rows))
    return Streams(rows, zone)


def adversarial_streams() -> st.SearchStrategy[Streams]:
    """Streams of which a run is worth its time: the simplest example of hypothesis has hardly any rows."""
    return streams().filter(lambda drawn: len(drawn.rows) > 4 * COUNT)


def _records(habits: Habits, events: list[tuple]) -> list[Row]:
    """What was delivered of one visitor; times are milliseconds after the start of the stream."""
    records: list[Row] = []
    now = 0
    for new_id, (silence, deed, handling) in zip(habits.ids, events, strict=False):
        now += PACES_MS[habits.pace][silence]
        what, back, change = TASTES[habits.taste][deed]
        if isinstance(what, str) and not records:
            what = NEW_ACTS[0]
        if isinstance(what, dict):
            record = {**what, "event_id": new_id, "ms": now, "handling": handling}
        else:
            record = _changed(records[-min(back, len(records))], change)
            record |= {AGAIN: {"event_id": new_id, "ms": now, "handling": handling}, RESENT: {}, ID_AGAIN: {"ms": now}}[what]
        records.append({**record, "delivery": handling})
    return records


def _changed(record: Row, change: str) -> Row:
    items = record["items"]
    if change in OTHERWISE:
        first = len(items) - 1 if change in OF_ITEM else 0
        items = [*items[:first], *({**item, change: OTHERWISE[change]} for item in items[first:])]
    elif change == "one item less" and len(items) > 1:
        items = items[:-1]
    elif change == "one item more":
        items = [*items, {**items[-1], "item_id": "c", "price": None}]
    return {**record, "items": items}


def _start(midnight: Midnight, times: list[int], zone: str) -> datetime:
    """Start of the stream, UTC, so that a midnight of the zone falls where it was wanted."""
    silences = [later - earlier for earlier, later in pairwise(times)]
    event = silences.index(max(silences)) + 1 if midnight.event is None else min(midnight.event, len(silences))
    following = times[min(event + 1, len(silences))]
    wanted = {"at": times[event], "just after": times[event] + 1, "half-way": (times[event] + following) // 2}
    return datetime.combine(midnight.day, datetime.min.time()) - timedelta(hours=OFFSETS_H[zone], milliseconds=wanted[midnight.beside])


def _rows(number: int, record: Row, start: datetime, habits: Habits, zone: str, ordinal: int) -> list[Row]:
    """The rows of a record, if it lies in the days; of two visitors of the same name each is at a site of its own."""
    handling, delivery = record["handling"], record["delivery"]
    event_at = start + timedelta(milliseconds=record["ms"])
    event_date = (event_at + timedelta(hours=OFFSETS_H[habits.zone or zone])).date()
    if event_date not in DAYS:
        return []
    is_hidden = habits.hides and not handling.has_visitor
    said = {
        "event_at": event_at,
        "event_date": event_date,
        "zone": habits.zone,
        "site_id": f"site{number % 2}",
        "event_type": record["event_type"],
        "source_order": handling.source_order if habits.has_order else None,
        "source_session_id": handling.source_session_id if habits.has_source_sessions else None,
        "has_near_copies": habits.has_near_copies,
        "delivery_rank": delivery.delivery_rank,
        "winner_key": event_at.isoformat(timespec="microseconds") if delivery.tie_break == "time" else delivery.tie_break,
        "file": delivery.file,
        "landing_date": event_date + timedelta(days=delivery.days_late),
        "ordinal": ordinal,
        # Says nothing, and tells which record a row of clean.events came with.
        "received_at": RECEIVED_AT + timedelta(seconds=ordinal),
    }
    first = raw_event(
        visitor=None if is_hidden else f"v{number // 2}", event_id=f"{number}.{record['event_id']}{'!' if is_hidden else ''}", **said
    )
    return [{**first, **item, "item_pos": pos if len(record["items"]) > 1 else 0} for pos, item in enumerate(record["items"], 1)]
