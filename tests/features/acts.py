"""Known events of users, as tests of features need them: one by one, or many by lot."""

import random
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from builders import at

Row = dict[str, Any]
KINDS = ("impression", "impression", "click", "item_view", "item_view", "search", "add_to_cart", "purchase", "page_view")


def act(
    kind: str, event_id: str, when: str | datetime, *, known: str | datetime | None = None, visitor: str | None = "a", **more: Any
) -> Row:
    """One row of clean.known_events: visitor `a` with item `i1`, known when it happened."""
    event_at = at(when) if isinstance(when, str) else when
    known_at = event_at if known is None else at(known) if isinstance(known, str) else known
    row = {
        "event_type": kind,
        "event_id": event_id,
        "item_pos": 0,
        "event_at": event_at,
        "event_date": event_at.date(),
        "known_at": known_at,
        "known_date": known_at.date(),
        "site_id": "shop",
        "visitor_bucket": 0,
        "visitor_id": visitor,
        "user_id": visitor,
        "user_id_kind": visitor and "visitor",
        "item_id": "i1",
        "category": None,
        "is_day_only": False,
        "source": "shop_log",
        "landing_date": known_at.date(),
    }
    return row | more


def acts_by_lot(seed: int, first: date, last: date, count: int = 400) -> list[Row]:
    """Acts of four visitors, most of them in the last days; some are known long after they happened, some at one instant."""
    draw, rows, days = random.Random(seed), [], (last - first).days + 1
    for number in range(count):
        back = draw.choice((draw.random() * days, draw.random() * 5, draw.randrange(4)))
        event_at = datetime.combine(last, datetime.min.time()) + timedelta(days=1) - timedelta(minutes=1 + int(min(back, days - 1) * 1440))
        known_at = event_at + timedelta(minutes=draw.choice((0, 0, 0, 5, 2000)), microseconds=draw.choice((0, 1)))
        item = draw.choice((None, "i1", "i2", "i3"))
        more = {"item_id": item, "category": item and draw.choice((None, "c1", "c2")), "quantity": draw.choice((None, Decimal(2)))}
        price = draw.choice((None, Decimal("2.50"), Decimal("9.99")))
        if known_at.date() <= last:
            rows.append(act(draw.choice(KINDS), f"e{number}", event_at, known=known_at, visitor=draw.choice("abcd"), price=price, **more))
    return rows
