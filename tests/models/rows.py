"""Interactions, impressions, factors and candidates with defaults, for the tests of models and publishing."""

from datetime import date, datetime, time
from decimal import Decimal
from itertools import count
from typing import Any

from builders import DAY, at
from clickmill.contracts.tables import CTR_ROWS

_events = count()


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


def ctr_row(item: str | None = None, day: date = DAY, **more: Any) -> dict[str, Any]:
    """A row of features.ctr_rows of which only what a test names has a value; rates are a half."""
    row: dict[str, Any] = {field.name: 0 for field in CTR_ROWS.schema.fields if not field.nullable}
    row |= {"known_date": day, "event_date": day, "known_at": at("10:00"), "shown_at": at("10:00"), "label_known_at": at("10:00")}
    row |= {field.name: 0.0 for field in CTR_ROWS.schema.fields if not field.nullable and field.dataType.typeName() == "double"}
    row |= {name: 0.5 for name in row if name.endswith(("_answer_rate", "_conversion_rate"))}
    row |= {"event_id": f"e{next(_events)}", "site_id": "shop", "user_last_items": [], "user_last_categories": [], "item_id": item}
    return row | more


def user_factors(user: str, factors: list[float], **changes: Any) -> dict[str, Any]:
    return _factors("user", user, factors) | {"user_id_kind": "account"} | changes


def item_factors(item: str, factors: list[float], **changes: Any) -> dict[str, Any]:
    return _factors("item", item, factors) | changes


def _factors(entity: str, source_id: str, factors: list[float]) -> dict[str, Any]:
    return {"model_run_id": "m1", "as_of_date": DAY, "entity": entity, "site_id": "shop", "source_id": source_id, "factors": factors}
