"""What is known of a user at the end of a day, against a slow reading; and that nothing known later moves it."""

import random
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
from pyspark.sql import SparkSession

from builders import DAY, at, frame
from clickmill.contracts.days import Days
from clickmill.contracts.events import USER
from clickmill.contracts.tables import KNOWN_EVENTS, USER_DAYS
from clickmill.features import user_days
from features import slow
from features.acts import Row, act, acts_by_lot

DAYS = Days(DAY - timedelta(days=2), DAY)
PAST = DAYS.first - timedelta(days=90)
FEATURES = [name for name in USER_DAYS.columns if name not in USER_DAYS.key]


def found(spark: SparkSession, acts: list[Row], days: Days = DAYS, zone: str = "UTC") -> dict[tuple[date, str], dict]:
    read = [one for one in acts if days.first - timedelta(days=90) <= one["known_date"] <= days.last]
    rows = user_days.user_days(frame(spark, KNOWN_EVENTS, read), days, zone=zone).collect()
    told = {(row.known_date, row.user_id): {name: row[name] for name in FEATURES} for row in rows}
    assert len(told) == len(rows)
    return told


def test_every_column_is_what_a_slow_reading_finds(spark: SparkSession) -> None:
    acts = acts_by_lot(1, PAST, DAYS.last)
    expected = {}
    for day in DAYS:
        end = datetime.combine(day + timedelta(days=1), datetime.min.time())
        for user in "abcd":
            mine = [one for one in acts if one["user_id"] == user]
            if any(one["known_date"] == day for one in mine):
                expected[day, user] = slow.known(mine, end)
    told = found(spark, acts)
    assert set(told) == set(expected)
    for key, row in expected.items():
        assert set(row) == set(FEATURES)
        for name in FEATURES:
            assert told[key][name] == pytest.approx(row[name], abs=1e-6), (key, name)


def test_days_may_be_run_one_by_one_in_any_order_and_in_blocks_of_any_size(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    acts = acts_by_lot(3, PAST, DAYS.last)
    at_once = found(spark, acts)
    monkeypatch.setattr(user_days, "_QUESTIONS_AT_ONCE", 1)
    one_by_one: dict = {}
    for day in (DAYS.last, DAYS.first, DAYS.first + timedelta(days=1)):
        one_by_one |= found(spark, acts, Days(day, day))
    assert one_by_one == at_once


def test_no_column_moves_when_anything_known_later_is_edited_added_or_deleted(spark: SparkSession) -> None:
    """The leak canary: it looks at every column of the table, so a new one is looked at, too."""
    acts, draw = acts_by_lot(4, PAST, DAYS.last), random.Random(4)
    edited = []
    for one in acts:
        is_later = one["known_date"] > DAYS.first
        if is_later and draw.random() < 0.3:
            continue
        changes = {"event_type": "purchase", "item_id": "i9", "price": Decimal(77), "event_at": at("2024-05-01 00:00")} if is_later else {}
        edited.append(one | changes)
    flood = [act("item_view", f"x{n}", "2024-05-10 10:00", known="2024-05-15 00:00", item_id=f"x{n}") for n in range(500)]
    before, after = found(spark, acts, Days(DAYS.first, DAYS.first)), found(spark, [*edited, *flood], Days(DAYS.first, DAYS.first))
    assert before == after
    assert found(spark, acts) != found(spark, [*edited, *flood])


def test_a_day_ends_at_midnight_of_the_shop_or_of_the_source(spark: SparkSession) -> None:
    # 23:30 on the 16th in New York.
    one = act("click", "c1", "2024-05-17 03:30") | {"known_date": DAY}
    today = Days(DAY, DAY)
    assert found(spark, [one], today, zone="America/New_York")[DAY, "a"]["clicks_sum_1d"] == 1
    assert found(spark, [one | {"zone": "America/New_York"}], today)[DAY, "a"]["weekday_evening_share_90d"] == 1.0
    assert found(spark, [one], today) == {}


def test_a_user_has_a_row_on_days_on_which_something_became_known_and_on_no_other(spark: SparkSession) -> None:
    acts = [act("click", "c1", "2024-05-14 10:00"), act("click", "c2", "2024-05-14 11:00", known="2024-05-16 00:00")]
    assert {day.day: row["clicks_sum_7d"] for (day, _), row in found(spark, acts).items()} == {14: 1, 16: 2}


def test_the_key_of_the_table_is_a_user_and_a_day() -> None:
    assert USER_DAYS.key == ("known_date", *USER)
