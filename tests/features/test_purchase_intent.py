"""Who buys within some days: what was known of users at the end of a day, and a label that is there once it is final."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from pyspark.sql import SparkSession

from builders import DAY, frame
from clickmill.contracts.days import Days
from clickmill.contracts.tables import KNOWN_EVENTS, PURCHASE_INTENT_ROWS
from clickmill.features import purchase_intent
from features import slow
from features.acts import Row, act, acts_by_lot

WITHIN_DAYS = 3
DAYS = Days(DAY - timedelta(days=2), DAY)
PAST = DAYS.first - timedelta(days=WITHIN_DAYS + 90)
KINDS = ("click", "item_view", "add_to_cart", "purchase")
Rows = dict[tuple[date, str, str], dict[str, Any]]


def found(spark: SparkSession, acts: list[Row], days: Days = DAYS, zone: str = "UTC") -> Rows:
    read = [one for one in acts if days.first - timedelta(days=WITHIN_DAYS + 90) <= one["known_date"] <= days.last]
    events = frame(spark, KNOWN_EVENTS, read)
    rows = purchase_intent.purchase_intent_rows(events, days, within_days=WITHIN_DAYS, zone=zone).collect()
    told = {(row.as_of_date, row.user_id, row.category): row.asDict() for row in rows}
    assert len(told) == len(rows)
    return told


def end(day: date) -> datetime:
    return datetime.combine(day + timedelta(days=1), datetime.min.time())


def slowly(acts: list[Row], day: date, category: str, label_date: date) -> dict[str, Any]:
    """Every column of one user, read act by act."""
    mine = [one for one in acts if category in ("*", one["category"])]
    after = [one for one in mine if end(day) <= one["known_at"] < end(label_date) and one["event_type"] == "purchase"]
    row: dict[str, Any] = {f"user_{name}": value for name, value in slow.known(acts, end(day)).items()}
    row |= {"label_date": label_date, "as_of_date": day, "category": category, "bought": bool(after)}
    for kind in KINDS:
        of_kind = [one for one in slow.within(mine, end(day), 90) if one["event_type"] == kind]
        for label in ("7d", "28d", "90d"):
            row[f"user_category_{slow.PLURALS[kind]}_sum_{label}"] = len(slow.within(of_kind, end(day), slow.DAYS[label]))
        row[f"user_category_since_{kind}_s"] = (end(day) - of_kind[-1]["known_at"]).total_seconds() if of_kind else None
    row["user_category_item_views_share_90d"] = slow.by(row["user_category_item_views_sum_90d"], row["user_item_views_sum_90d"])
    return row


def test_every_column_and_every_label_is_what_a_slow_reading_finds(spark: SparkSession) -> None:
    acts, expected = acts_by_lot(7, PAST, DAYS.last, count=600), {}
    for label_date in DAYS:
        day = label_date - timedelta(days=WITHIN_DAYS)
        for user in "abcd":
            mine = [one for one in acts if one["user_id"] == user]
            touched = {one["category"] for one in slow.within(mine, end(day), 28) if one["event_type"] in KINDS} - {None}
            if any(one["known_date"] == day for one in mine):
                expected |= {(day, user, category): slowly(mine, day, category, label_date) for category in ("*", *touched)}
    told = found(spark, acts)
    assert set(told) == set(expected)
    assert {row["bought"] for row in told.values()} == {True, False}
    for key, row in expected.items():
        assert {*row, "site_id", "user_id", "user_id_kind"} == set(PURCHASE_INTENT_ROWS.columns)
        for name in row:
            assert told[key][name] == pytest.approx(row[name], abs=1e-6), (key, name)


def test_only_a_purchase_after_the_day_and_by_the_end_of_the_label_s_makes_it_true(spark: SparkSession) -> None:
    day = DAY - timedelta(days=WITHIN_DAYS)
    before = act("item_view", "v1", f"{day} 10:00", category="c1")
    for when, bought in ((f"{day} 23:59:59", False), ("2024-05-14 00:00", True), ("2024-05-16 23:59:59", True)):
        rows = found(spark, [before, act("purchase", "p1", when, category="c1")], Days(DAY, DAY))
        assert {key[2]: row["bought"] for key, row in rows.items()} == {"*": bought, "c1": bought}, when
    other = found(spark, [before, act("purchase", "p1", "2024-05-15 12:00", category="c2")], Days(DAY, DAY))
    assert {key[2]: row["bought"] for key, row in other.items()} == {"*": True, "c1": False}


def test_rows_are_there_when_their_label_is_final_and_the_same_in_any_order_of_days(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    acts = acts_by_lot(8, PAST, DAYS.last)
    at_once = found(spark, acts)
    monkeypatch.setattr(purchase_intent, "_QUESTIONS_AT_ONCE", 1)
    one_by_one: Rows = {}
    for day in sorted(DAYS, reverse=True):
        one_by_one |= found(spark, [one for one in acts if one["known_date"] <= day], Days(day, day))
    assert one_by_one == at_once
