"""Histories of items and users: only what is new is added, and a day is made of its landings and of the days before."""

from datetime import date, datetime
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest
from pyspark.sql import Row, SparkSession

from builders import frame
from clickmill.clean import states
from clickmill.contracts.errors import BadData
from clickmill.contracts.local import local_frame
from clickmill.contracts.tables import ITEMS, RAW_ITEMS, RAW_USERS, USERS


def raw_item(day: int, stock: int | None, *, valid: datetime | None = None, ordinal: int = 0, **changes: Any) -> dict[str, Any]:
    """A state of item i1 that landed on a day of May 2024."""
    row = {"source": "stock_list", "landing_date": date(2024, 5, day), "file": "f1.csv", "block": 0, "ordinal": ordinal, "state_pos": 0}
    row |= {"problems": [], "delivery_id": "d1", "site_id": "shop", "item_id": "i1", "stock": stock, "valid_from": valid}
    return row | changes


def added(
    spark: SparkSession, raw: list[dict[str, Any]], known: list[Row] | None = None, zone: str = "UTC", partitions: int = 1
) -> list[Row]:
    history = local_frame(spark, known or [], ITEMS.schema)
    return states.items(frame(spark, RAW_ITEMS, raw).repartition(partitions), history, zone=zone).orderBy(*ITEMS.key).collect()


def told(rows: list[Row]) -> list[tuple[str, int | None, datetime, int]]:
    return [(row.item_id, row.stock, row.valid_from, row.known_from.day) for row in rows]


def may(day: int, hour: int = 0) -> datetime:
    return datetime(2024, 5, day, hour)


def test_a_state_that_is_equal_to_the_one_before_is_not_added(spark: SparkSession) -> None:
    rows = added(spark, [raw_item(13, 5), raw_item(14, 5), raw_item(15, 0), raw_item(16, 0), raw_item(17, 5)])
    assert told(rows) == [("i1", 5, may(13), 13), ("i1", 0, may(15), 15), ("i1", 5, may(17), 17)]
    assert [row.landing_date.day for row in rows] == [13, 15, 17]


@pytest.mark.parametrize("change", [{"price": None}, {"title": "Other"}, {"category": "a > b"}, {"stock": None}])
def test_a_state_that_differs_in_anything_is_added_and_null_is_a_value(spark: SparkSession, change: dict[str, Any]) -> None:
    whole = {"title": "Cup", "category": "a", "price": Decimal("2.5")}
    assert len(added(spark, [raw_item(13, 5, **whole), raw_item(14, 5, **whole), raw_item(15, 5, **whole) | change])) == 2


def test_days_one_by_one_give_the_history_of_the_range(spark: SparkSession) -> None:
    raw = [raw_item(13, 5), raw_item(14, 5, valid=may(10)), raw_item(15, 0, valid=may(12)), raw_item(16, 0), raw_item(16, 0, item_id="i2")]
    by_day: list[Row] = []
    for day in range(13, 17):
        by_day += added(spark, [row for row in raw if row["landing_date"].day == day], by_day)
    whole = added(spark, raw, partitions=3)
    assert sorted(by_day, key=lambda row: tuple(row[name] for name in ITEMS.key)) == whole
    # On the 16th the state in force was still that of the 13th (5), so 0 is news then.
    assert told(whole) == [
        ("i1", 5, may(10), 14),
        ("i1", 0, may(12), 15),
        ("i1", 5, may(13), 13),
        ("i1", 0, may(16), 16),
        ("i2", 0, may(16), 16),
    ]


def test_another_delivery_of_a_day_gives_the_history_of_one_load_and_what_it_says_holds(spark: SparkSession) -> None:
    before = added(spark, [raw_item(12, 5)])
    morning, evening = raw_item(13, 0), raw_item(13, 7, file="f2.csv")
    assert told(added(spark, [morning], before)) == [("i1", 0, may(13), 13)]
    assert told(added(spark, [morning, evening], before)) == [("i1", 7, may(13), 13)]
    assert added(spark, [evening | {"stock": 5}, morning], before) == [], "in the evening all was as the day before"


def test_every_record_is_counted_once(spark: SparkSession) -> None:
    bad = [raw_item(13, 1, problems=["bad_stock: many", "bad_price"]), raw_item(13, 2, item_id=None, problems=["item_id_missing"])]
    raw = [raw_item(13, 5), raw_item(13, 7, ordinal=1), raw_item(14, 7), raw_item(15, 8), *bad]
    landed = frame(spark, RAW_ITEMS, raw)
    made = states.items(landed, local_frame(spark, [], ITEMS.schema), zone="UTC")
    found = states.counts(made, landed, "item_id")
    assert [found[name] for name in ("records", "unreadable", "repeated", "states")] == [6, 2, 2, 2]
    assert {name: count for name, count in found.items() if name.startswith("reason ")} == {
        "reason bad_price": 1, "reason bad_stock": 1, "reason item_id_missing": 1
    }  # fmt: skip
    with pytest.raises(BadData, match="7 states were made of 4 readable records"):
        states.counts(spark.range(7), landed, "item_id")


def test_of_two_states_of_one_day_the_last_in_the_file_or_the_later_file_holds(spark: SparkSession) -> None:
    raw = [raw_item(13, 5, ordinal=1), raw_item(13, 7, ordinal=0), raw_item(13, 9, ordinal=9, file="f0.csv")]
    for order in permutations(raw):
        assert told(added(spark, list(order))) == [("i1", 5, may(13), 13)]


def test_a_state_is_known_from_the_start_of_its_landing_day_in_the_zone_of_the_shop(spark: SparkSession) -> None:
    [row] = added(spark, [raw_item(13, 5)], zone="America/New_York")
    assert (row.known_from, row.valid_from) == (datetime(2024, 5, 13, 4), datetime(2024, 5, 13, 4))
    [row] = added(spark, [raw_item(13, 5, valid=may(2, 7))], zone="Asia/Tokyo")
    assert (row.known_from, row.valid_from) == (datetime(2024, 5, 12, 15), may(2, 7))


def test_records_with_problems_or_without_an_id_are_left_out_and_items_of_sites_kept_apart(spark: SparkSession) -> None:
    raw = [raw_item(13, 1, problems=["bad_stock"]), raw_item(13, 2, item_id=None), raw_item(13, 3), raw_item(13, 3, site_id="other")]
    assert [(row.site_id, row.stock) for row in added(spark, raw)] == [("other", 3), ("shop", 3)]


def test_users_have_a_history_of_consent(spark: SparkSession) -> None:
    rows = [
        {"source": "crm", "landing_date": date(2024, 5, day), "file": "f", "block": 0, "ordinal": 0, "state_pos": 0, "problems": []}
        | {"delivery_id": "d", "site_id": "shop", "user_id": "17850.0", "has_consent": consent}
        for day, consent in [(13, None), (14, True), (15, True), (16, False)]
    ]
    made = states.users(frame(spark, RAW_USERS, rows), frame(spark, USERS, []), zone="UTC").orderBy("valid_from").collect()
    assert [(row.user_id, row.has_consent, row.known_from.day) for row in made] == [
        ("17850.0", None, 13),
        ("17850.0", True, 14),
        ("17850.0", False, 16),
    ]
