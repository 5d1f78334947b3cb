"""Candidates and states with defaults, for the tests of publishing."""

from datetime import datetime
from typing import Any

from builders import DAY


def als(user: str, *items: str, because: str | None = None, **changes: Any) -> list[dict[str, Any]]:
    """Candidates of one account, best first."""
    row = {"as_of_date": DAY, "site_id": "shop", "user_id": user, "user_id_kind": "account", "source": "als", "model_run_id": "m1"}
    ranked = enumerate(items, start=1)
    return [
        row | {"item_id": item, "score": 1.0 / rank, "candidate_rank": rank, "because_item_id": because} | changes for rank, item in ranked
    ]


def popular(*items: str, **changes: Any) -> list[dict[str, Any]]:
    """Popular items of the shop, most popular first."""
    rows = als("*", *items, user_id_kind="unknown", source="popular", model_run_id=None)
    return [row | changes for row in rows]


def item(item_id: str, stock: int | None, *, valid: datetime, known: datetime | None = None, **changes: Any) -> dict[str, Any]:
    row = {
        "site_id": "shop",
        "item_id": item_id,
        "stock": stock,
        "landing_date": DAY,
        "valid_from": valid,
        "known_from": known or datetime(2024, 5, 1),
    }
    return row | changes


def user(user_id: str, has_consent: bool | None, *, valid: datetime) -> dict[str, Any]:
    row = {"site_id": "shop", "user_id": user_id, "has_consent": has_consent, "landing_date": DAY}
    return row | {"valid_from": valid, "known_from": datetime(2024, 5, 1)}
