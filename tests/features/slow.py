"""What is known of a user before an instant, act by act, in plain Python: the words of known_user.py, and none of its arithmetic."""

import math
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

Act = dict[str, Any]

DAYS = {"1d": 1, "7d": 7, "28d": 28, "90d": 90}
PLURALS = {
    "impression": "impressions",
    "click": "clicks",
    "item_view": "item_views",
    "search": "searches",
    "add_to_cart": "add_to_carts",
    "purchase": "purchases",
}


def within(acts: list[Act], instant: datetime, days: float) -> list[Act]:
    """The acts known before the instant, within so many days of it, in the order in which they became known."""
    seen = [act for act in acts if instant - timedelta(days=days) <= act["known_at"] < instant]
    return sorted(seen, key=lambda act: (act["known_at"], act["event_date"], act["event_id"], act["item_pos"]))


def by(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None


def known(acts: list[Act], instant: datetime) -> dict[str, Any]:
    """Every column, of the acts of one user."""
    all_of = {label: within(acts, instant, days) for label, days in DAYS.items()}
    row: dict[str, Any] = {}
    for label, seen in all_of.items():
        for kind, plural in PLURALS.items():
            row[f"{plural}_sum_{label}"] = sum(act["event_type"] == kind for act in seen)
        row[f"items_distinct_{label}"] = len({act["item_id"] for act in seen} - {None})
        row[f"categories_distinct_{label}"] = len({act["category"] for act in seen} - {None})
        row[f"purchase_value_sum_{label}"] = sum(value(act) for act in seen if act["event_type"] == "purchase")
    for label in ("28d", "90d"):
        row[f"click_rate_{label}"] = by(row[f"clicks_sum_{label}"], row[f"impressions_sum_{label}"])
        row[f"cart_rate_{label}"] = by(row[f"add_to_carts_sum_{label}"], row[f"item_views_sum_{label}"])
        row[f"purchase_rate_{label}"] = by(row[f"purchases_sum_{label}"], row[f"item_views_sum_{label}"])
    row["item_views_trend"] = by(row["item_views_sum_7d"] / 7, row["item_views_sum_28d"] / 28)
    row["viewed_price_mean_28d"] = mean(prices(all_of["28d"], "item_view", "click"))
    row["bought_price_mean_90d"] = mean(prices(all_of["90d"], "purchase"))
    seen = all_of["90d"]
    return row | gaps(seen) | habits(seen) | fading(acts, instant) | silences(seen, instant) | last_seen(seen)


def value(act: Act) -> float:
    pieces = act.get("quantity") or 1
    return float(round((act.get("price") or Decimal(0)) * pieces, 2))


def prices(seen: list[Act], *kinds: str) -> list[float]:
    return [float(act["price"]) for act in seen if act["event_type"] in kinds and act.get("price")]


def gaps(seen: list[Act]) -> dict[str, float | None]:
    times = sorted({act["known_at"] for act in seen if act["event_type"] == "purchase"})
    days = [(later - earlier).total_seconds() // 60 / 1440 for earlier, later in pairwise(times)]
    middle = mean(days)
    told: dict[str, float | None] = {"purchase_gap_mean_d": middle, "purchase_gap_variation": None}
    if len(days) > 1 and middle:
        told["purchase_gap_variation"] = math.sqrt(sum((day - middle) ** 2 for day in days) / len(days)) / middle
    return told


def habits(seen: list[Act]) -> dict[str, float | None]:
    told: dict[str, float | None] = {}
    for name, is_weekend in (("weekday", False), ("weekend", True)):
        for part, first in (("night", 0), ("morning", 6), ("afternoon", 12), ("evening", 18)):
            mine = [act for act in seen if (act["event_at"].weekday() > 4) == is_weekend and first <= act["event_at"].hour < first + 6]
            told[f"{name}_{part}_share_90d"] = by(len(mine), len(seen))
    return told


def fading(acts: list[Act], instant: datetime) -> dict[str, float]:
    told = {}
    for kind in ("click", "item_view", "add_to_cart", "purchase"):
        for label, half_life, days in (("1d", 1, 24), ("7d", 7, 90)):
            ages = [(instant - act["known_at"]) / timedelta(days=1) for act in within(acts, instant, days) if act["event_type"] == kind]
            told[f"{PLURALS[kind]}_faded_{label}"] = sum(0.5 ** (age / half_life) for age in ages)
    return told


def silences(seen: list[Act], instant: datetime) -> dict[str, float | None]:
    told = {}
    for kind in (*PLURALS, None):
        times = [act["known_at"] for act in seen if kind is None or act["event_type"] == kind]
        told[f"since_{kind or 'any'}_s"] = (instant - max(times)).total_seconds() if times else None
    return told


def last_seen(seen: list[Act]) -> dict[str, list[str]]:
    told = {}
    for column, name, count in (("item_id", "last_items", 5), ("category", "last_categories", 3)):
        names: list[str] = []
        for act in seen:
            if act["event_type"] in ("item_view", "click") and act[column] is not None and act[column] != (names or [None])[-1]:
                names.append(act[column])
        told[name] = names[::-1][:count]
    return told
