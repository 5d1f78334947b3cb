"""The definition of cleaning, in plain Python: what happens to each row, said without days of runs, partitions and carried state.

It knows three things: rows of one id are one event, acts that repeat are one act, silences end sessions. It is slow, and
lib/clickmill/clean must say the same of every row.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from itertools import groupby
from typing import Any

from clean.pipeline import GAP_S, HORIZON_S, NEAR_S, ORDER_S

Row = dict[str, Any]
Outcome = tuple[str, str | None]
"""`kept` with its session (None without a visitor), or the kind of copy with the event that is kept in its place."""

ACT = (
    *("event_type", "item_id", "quantity", "price", "currency", "order_id"),
    *("rating", "review_text", "query", "page_url", "campaign_id", "impression_id"),
)
SAID = (*ACT, "device", "position", "item_pos", "event_at", "source_session_id", "source_order")


def outcomes(rows: Iterable[Row]) -> dict[tuple[int, int], Outcome]:
    """The outcome of every row, by the number of its record and its place in the record's list."""
    told: dict[tuple[int, int], Outcome] = {}
    # Whoever acted; a row without a visitor stands for itself.
    for visitor in grouped(rows, lambda row: (row["site_id"], row["visitor_id"] or row["event_id"])):
        events, copies = without_copies_of_one_id(visitor)
        acts = without_near_copies(events, told)
        name_sessions(acts, told)
        for row, kind, winner in copies:
            what, original = told[name(winner)]
            told[name(row)] = (kind, original if what == "near_copy" else winner["event_id"])
    return told


def without_copies_of_one_id(rows: list[Row]) -> tuple[list[Row], list[tuple[Row, str, Row]]]:
    """One id on one day is one event. On a later day it still is, if at most the horizon has passed since it was last seen.

    Returns  the rows of the events, and each other row with its kind and the first row of the event that it is a copy of
    """
    events: list[Row] = []
    copies: list[tuple[Row, str, Row]] = []
    for of_id in grouped(rows, lambda row: row["event_id"]):
        winner, seen_at = [], None
        for of_day in grouped(of_id, lambda row: row["event_date"]):
            records = grouped(of_day, precedence)
            if seen_at is None or seconds(seen_at, min(row["event_at"] for row in of_day)) > HORIZON_S:
                winner = sorted(records.pop(0), key=in_time)
                events += winner
            for record in records:
                kind = "exact_copy" if said(record) == said(winner) else "conflicting_copy"
                copies += [(row, kind, winner[0]) for row in record]
            seen_at = max(row["event_at"] for row in of_day)
    return events, copies


def without_near_copies(rows: list[Row], told: dict) -> list[Row]:
    """An act that repeats another within the window of its kind is a copy of the first; each repeat opens the window anew.

    Engagement is no act that could be repeated: it is the name of all that visitors do beside the acts.
    """
    kept: list[Row] = []
    last: dict[tuple, tuple[datetime, str]] = {}
    for event in grouped(rows, lambda row: in_time(row)[:-1]):
        before = dict(last)  # Rows of one event are no copies of each other.
        for row in event:
            act, window_s = what_was_done(row)
            last_at, original = before.get(act, (None, None))
            is_looked_for = row["has_near_copies"] and row["event_type"] != "engagement"
            if is_looked_for and last_at and seconds(last_at, row["event_at"]) <= window_s:
                told[name(row)] = ("near_copy", original)
            else:
                original = row["event_id"]
                kept.append(row)
            last[act] = (row["event_at"], original)
    return kept


def name_sessions(rows: list[Row], told: dict) -> None:
    """A silence longer than the gap ends a session, nothing else does. Its name is its first event, with the day of it."""
    for stream in grouped(rows, lambda row: row["source_session_id"] or ""):
        session, last_at = None, None
        for row in sorted(stream, key=in_time):
            if last_at is None or seconds(last_at, row["event_at"]) > GAP_S:
                session = f"{row['event_id']}-{row['event_date']:%Y%m%d}"
            told[name(row)] = ("kept", session if row["visitor_id"] else None)
            last_at = row["event_at"]


def what_was_done(row: Row) -> tuple[tuple, int]:
    """What near copies have in common, and for how many seconds they are looked for."""
    if row["order_id"] and row["event_type"] in ("checkout", "purchase"):
        return ("order", row["event_type"], row["order_id"], row["item_id"]), ORDER_S
    return ("act", *(row[column] for column in ACT)), NEAR_S


def precedence(record: Row) -> tuple:
    """Of the records of one id and day the smallest wins: by delivery, by the source's tie-break, the earliest, by place."""
    no_tie_break = record["winner_key"] is None
    return record["delivery_rank"], no_tie_break, record["winner_key"] or "", record["event_at"], place(record)


def in_time(row: Row) -> tuple:
    """Equal times go by the source's own order, where it has none first; then by event id."""
    return row["event_at"], row["source_order"] is not None, row["source_order"] or 0, row["event_id"], row["item_pos"]


def place(row: Row) -> tuple:
    return row["source"], row["landing_date"], row["file"], row["delivery_id"], row["block"], row["ordinal"]


def name(row: Row) -> tuple[int, int]:
    return row["ordinal"], row["item_pos"]


def said(record: list[Row]) -> list[tuple]:
    return sorted((tuple(row[column] for column in SAID) for row in record), key=repr)


def seconds(earlier: datetime, later: datetime) -> float:
    return (later - earlier).total_seconds()


def grouped(rows: Iterable[Row], by: Callable[[Row], Any]) -> list[list[Row]]:
    """Groups of equal `by`, the smallest first."""
    return [list(group) for _, group in groupby(sorted(rows, key=by), key=by)]
