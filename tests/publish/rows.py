"""Candidates, verdicts and states with defaults, for the tests of publishing."""

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


def judged(model: str, ndcg: float, gain: tuple[float, float] | None = None, users: int = 50, **changes: Any) -> list[dict[str, Any]]:
    """What users with a history say of a model: its NDCG, and the interval of its gain over popular items."""
    row = {"as_of_date": DAY, "trained_to_date": DAY, "model_run_id": f"{model} run", "model": model, "params": "{}", "site_id": "shop"}
    row |= {"slice": "known", "list_length": 20, "user_count": users, "is_current": True, "low": ndcg - 0.01, "high": ndcg + 0.01}
    rows = [row | {"metric": "ndcg", "value": ndcg}]
    if gain is not None:
        rows.append(row | {"metric": "ndcg_gain", "value": sum(gain) / 2, "low": gain[0], "high": gain[1]})
    return [one | changes for one in rows]
