"""Interactions, factors and candidates with defaults, for the tests of models and publishing."""

from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from builders import DAY


def interaction(user: str, item: str, weight: float = 8.0, *, day: date = DAY, **changes: Any) -> dict[str, Any]:
    """A purchase of an item by an account of the shop, at noon, unless told otherwise."""
    bought = Decimal(weight > 0)
    row = {"event_date": day, "site_id": "shop", "user_id": user, "user_id_kind": "account", "item_id": item, "weight": weight}
    row |= {
        "event_count": 1,
        "purchased_quantity": bought,
        "refunded_quantity": 1 - bought,
        "last_event_at": datetime.combine(day, time(12)),
    }
    return row | changes


def user_factors(user: str, factors: list[float], **changes: Any) -> dict[str, Any]:
    return _factors("user", user, factors) | {"user_id_kind": "account"} | changes


def item_factors(item: str, factors: list[float], **changes: Any) -> dict[str, Any]:
    return _factors("item", item, factors) | changes


def _factors(entity: str, source_id: str, factors: list[float]) -> dict[str, Any]:
    return {"model_run_id": "m1", "as_of_date": DAY, "entity": entity, "site_id": "shop", "source_id": source_id, "factors": factors}
