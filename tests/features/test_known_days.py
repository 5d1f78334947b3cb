"""What is known of items, and of users with items, at the end of a day, against a slow reading of the same words."""

from collections import defaultdict
from datetime import date, timedelta
from typing import Any

import pytest
from pyspark.sql import SparkSession

from builders import DAY, frame
from clickmill.contracts.days import Days
from clickmill.contracts.local import local_frame
from clickmill.contracts.table import Table
from clickmill.contracts.tables import ITEM_DAYS, KNOWN_EVENTS, USER_ITEM_DAYS
from clickmill.features import known_days
from features import slow
from features.acts import Row, acts_by_lot

DAYS = Days(DAY - timedelta(days=2), DAY)
PAST = DAYS.first - timedelta(days=95)
MADE = {ITEM_DAYS: known_days.item_days, USER_ITEM_DAYS: known_days.user_item_days}
KINDS = {kind: plural for kind, plural in slow.PLURALS.items() if kind != "search"}
both = pytest.mark.parametrize("table", MADE, ids=lambda table: table.name)


def found(spark: SparkSession, acts: list[Row], table: Table, days: Days = DAYS) -> dict[tuple, dict[str, Any]]:
    read = [one for one in acts if days.first - timedelta(days=89) <= one["known_date"] <= days.last]
    rows = MADE[table](frame(spark, KNOWN_EVENTS, read), days, zone="UTC").collect()
    told = {tuple(row[name] for name in table.key): row.asDict() for row in rows}
    assert len(told) == len(rows)
    return told


def slowly(acts: list[Row], day: date) -> dict[str, Any]:
    """Every column at the end of a day, of the acts of one key."""
    of_last = {label: [one for one in acts if 0 <= (day - one["known_date"]).days < days] for label, days in slow.DAYS.items()}
    count = {
        f"{plural}_sum_{label}": sum(one["event_type"] == kind for one in seen)
        for label, seen in of_last.items()
        for kind, plural in KINDS.items()
    }
    row: dict[str, Any] = dict(count)
    for label, seen in of_last.items():
        row[f"purchase_value_sum_{label}"] = sum(slow.value(one) for one in seen if one["event_type"] == "purchase")
    row["click_rate_28d"] = slow.by(count["clicks_sum_28d"], count["impressions_sum_28d"])
    row["cart_rate_28d"] = slow.by(count["add_to_carts_sum_28d"], count["item_views_sum_28d"])
    row["purchase_rate_28d"] = slow.by(count["purchases_sum_28d"], count["item_views_sum_28d"])
    row["item_views_trend"] = slow.by(count["item_views_sum_7d"] / 7, count["item_views_sum_28d"] / 28)
    today = [float(one["price"]) for one in of_last["1d"] if one["price"]]
    row |= {"price_sum_1d": sum(today), "priced_sum_1d": len(today)}
    row["price_mean_28d"] = slow.mean([float(one["price"]) for one in of_last["28d"] if one["price"]])
    for kind in ("click", "item_view", "purchase"):
        ages = [(day - one["known_date"]).days for one in of_last["90d"] if one["event_type"] == kind]
        row[f"{KINDS[kind]}_faded_7d"] = sum(0.5 ** ((age + 1) / 7) for age in ages)
        row[f"days_since_{KINDS[kind]}"] = min(ages, default=None)
    return row


@both
def test_every_column_is_what_a_slow_reading_finds(spark: SparkSession, table: Table) -> None:
    acts = acts_by_lot(5, PAST, DAYS.last)
    by_key = defaultdict(list)
    for one in acts:
        if one["item_id"] is not None:
            by_key[tuple(one[name] for name in table.key[1:])].append(one)
    expected = {}
    for key, mine in by_key.items():
        for day in DAYS:
            ages = [(day - one["known_date"]).days for one in mine]
            if 0 in ages:
                expected[day, *key] = slowly(mine, day) | dict(zip(table.key, (day, *key), strict=True))
    told = found(spark, acts, table)
    assert set(told) == set(expected)
    for key, row in expected.items():
        assert set(row) == set(table.columns)
        for name in table.columns:
            assert told[key][name] == pytest.approx(row[name], abs=1e-6), (key, name)


@both
def test_days_may_be_run_one_by_one_and_nothing_known_later_moves_one(spark: SparkSession, table: Table) -> None:
    acts = acts_by_lot(6, PAST, DAYS.last)
    at_once = found(spark, acts, table)
    first = [one for one in acts if one["known_date"] <= DAYS.first]
    one_by_one = found(spark, first, table, Days(DAYS.first, DAYS.first))
    one_by_one |= found(spark, acts, table, Days(DAYS.first + timedelta(days=1), DAYS.last))
    assert one_by_one == at_once


def test_what_is_known_of_an_item_before_a_day_is_told_of_any_day_from_the_days_that_it_has(spark: SparkSession) -> None:
    acts = acts_by_lot(7, PAST, DAYS.last)
    of_days = known_days.item_days(frame(spark, KNOWN_EVENTS, acts), Days(PAST, DAYS.last), zone="UTC")
    asked = [("shop", item, day + timedelta(days=1)) for item in ("i1", "i2", "new") for day in DAYS]
    rows = known_days.items_before(of_days, local_frame(spark, asked, "site_id string, item_id string, event_date date")).collect()
    told = {(row.item_id, row.event_date): row.asDict() for row in rows}
    assert len(rows) == len(asked)
    for _, item, day in asked:
        mine = [one for one in acts if one["item_id"] == item]
        for name, value in slowly(mine, day - timedelta(days=1)).items():
            assert told[item, day][name] == pytest.approx(value, abs=1e-6), (item, day, name)
