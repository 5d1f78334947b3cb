"""Rows with defaults: a test states only what it is about. The day is 16 May 2024."""

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from itertools import count
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

from clickmill.contracts.local import local_frame
from clickmill.contracts.table import Table

DAY = date(2024, 5, 16)
NEXT_DAY = date(2024, 5, 17)
_ordinals = count()


def at(text: str) -> datetime:
    """`10:00`, `10:00:01.5` on the day, or a whole `2024-05-17 00:05`."""
    whole = text if "-" in text else f"{DAY} {text}"
    return datetime.fromisoformat(whole)


def raw_event(when: str | None = "10:00", *, visitor: str | None = "a", event_id: str | None = None, **changes: Any) -> dict[str, Any]:
    """One row of raw.events: an item view of visitor `a`, mapped without problems, landed on its own day."""
    ordinal = changes.get("ordinal", next(_ordinals))
    event_at = None if when is None else at(when)
    event_date = changes.get("event_date", event_at.date() if event_at else None)
    row: dict[str, Any] = {
        "source": "shop_log",
        "landing_date": event_date or DAY,
        "file": "f1.jsonl",
        "block": 0,
        "ordinal": ordinal,
        "item_pos": 0,
        "record_text": "{}",
        "problems": [],
        "event_date": event_date,
        "delivery_rank": 0,
        "delivery_id": "d1",
        "site_id": "shop",
        "event_id": event_id if event_id is not None else hashlib.md5(f"{visitor} {when} {ordinal}".encode()).hexdigest(),
        "winner_key": None if event_at is None else event_at.isoformat(timespec="microseconds"),
        "visitor_id": visitor,
        "user_id": visitor,
        "user_id_kind": None if visitor is None else "visitor",
        "event_type": "item_view",
        "event_at": event_at,
        "is_day_only": False,
        "item_id": "i1",
        "has_near_copies": True,
    }
    if isinstance(changes.get("price"), str):
        changes["price"] = Decimal(changes["price"])
    if isinstance(changes.get("quantity"), int):
        changes["quantity"] = Decimal(changes["quantity"])
    return row | changes


def narrower(table: Table, name: str) -> Table:
    """The contract of a table as it was before it had a column."""
    old = replace(table)
    old.__dict__["schema"] = StructType([field for field in table.schema.fields if field.name != name])
    return old


def frame(spark: SparkSession, table: Table, rows: Iterable[dict[str, Any]]) -> DataFrame:
    """Rows as a frame of the table's schema; a column that a row leaves out is null.

    Raises  KeyError when a row has a column that the table has not
    """
    rows = list(rows)
    unknown = {name for row in rows for name in row} - set(table.columns)
    if unknown:
        raise KeyError(f"{table.name} has no column {', '.join(sorted(unknown))}")
    return local_frame(spark, rows, table.schema)
