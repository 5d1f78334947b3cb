"""Numbers for ids: stable, growing, without holes, the same however the days are cut."""

from datetime import date
from typing import Any

import pytest
from pyspark.errors import PySparkException
from pyspark.sql import Row, SparkSession

from builders import DAY, NEXT_DAY, frame
from clickmill.contracts.local import local_frame
from clickmill.contracts.tables import IDS, INTERACTIONS
from clickmill.models.ids import new_ids
from clickmill.models.numbers import LARGEST
from models.rows import interaction

LONG_IDS = ["1515915625519388267", "1515915625519388268", "17850.0"]
ODD_ITEMS = ["0108775015", "108775015", "21602730330000060100100000358582"]


def numbered(spark: SparkSession, rows: list[dict[str, Any]], known: list[Row] | None = None, partitions: int = 1) -> list[Row]:
    have = local_frame(spark, known or [], IDS.schema)
    new = new_ids(frame(spark, INTERACTIONS, rows).repartition(partitions), have)
    return sorted(new.collect(), key=lambda row: (row.entity, row.number))


def of(rows: list[Row], entity: str) -> list[tuple[str, int]]:
    return [(row.source_id, row.number) for row in rows if row.entity == entity]


def test_numbers_start_at_one_and_follow_day_then_id(spark: SparkSession) -> None:
    rows = numbered(spark, [interaction("b", "y", day=NEXT_DAY), interaction("c", "x"), interaction("a", "z", day=NEXT_DAY)])
    assert of(rows, "user") == [("c", 1), ("a", 2), ("b", 3)]
    assert of(rows, "item") == [("x", 1), ("y", 2), ("z", 3)]
    assert [row.first_date for row in rows if row.entity == "item"] == [DAY, NEXT_DAY, NEXT_DAY]


def test_ids_that_look_alike_stay_apart_and_as_written(spark: SparkSession) -> None:
    rows = numbered(spark, [interaction(user, item) for user, item in zip(LONG_IDS, ODD_ITEMS, strict=True)])
    assert of(rows, "user") == [("1515915625519388267", 1), ("1515915625519388268", 2), ("17850.0", 3)]
    assert of(rows, "item") == [("0108775015", 1), ("108775015", 2), ("21602730330000060100100000358582", 3)]


def test_only_ids_without_a_number_are_added_and_old_numbers_stay(spark: SparkSession) -> None:
    first = numbered(spark, [interaction("m", "i1")])
    second = numbered(spark, [interaction("m", "i1", day=NEXT_DAY), interaction("a", "i1", day=NEXT_DAY)], first)
    assert of(first, "user") == [("m", 1)]
    assert [(row.entity, row.source_id, row.number) for row in second] == [("user", "a", 2)]
    assert numbered(spark, [interaction("m", "i1"), interaction("a", "i1")], first + second) == []


def test_the_same_id_of_another_site_or_kind_is_another_user(spark: SparkSession) -> None:
    rows = numbered(spark, [interaction("u", "i"), interaction("u", "i", site_id="other"), interaction("u", "i", user_id_kind="visitor")])
    users = [(row.site_id, row.user_id_kind, row.number) for row in rows if row.entity == "user"]
    assert users == [("other", "account", 1), ("shop", "account", 2), ("shop", "visitor", 3)]
    assert [(row.site_id, row.user_id_kind, row.number) for row in rows if row.entity == "item"] == [("other", None, 1), ("shop", None, 2)]


def test_a_range_in_any_partitioning_gives_the_numbers_of_its_days_one_by_one(spark: SparkSession) -> None:
    days = [date(2024, 5, day) for day in (14, 15, 16)]
    rows = [interaction(f"user{(7 * n) % 23}", f"{(5 * n) % 31}", day=days[n % 3]) for n in range(60)]
    by_day: list[Row] = []
    for day in days:
        by_day += numbered(spark, [row for row in rows if row["event_date"] == day], by_day)
    whole = numbered(spark, rows, partitions=5)
    assert sorted(by_day) == sorted(whole)
    assert [number for _, number in of(whole, "user")] == list(range(1, 24))


def test_the_largest_number_is_given_and_the_next_is_an_error_that_names_the_table(spark: SparkSession) -> None:
    before = [Row(entity="user", site_id="shop", source_id="a", user_id_kind="account", number=LARGEST - 1, first_date=DAY)]
    assert of(numbered(spark, [interaction("b", "i")], before), "user") == [("b", LARGEST)]
    with pytest.raises(PySparkException, match=r"models\.ids: no number is left for another user"):
        numbered(spark, [interaction("b", "i"), interaction("c", "i")], before)
