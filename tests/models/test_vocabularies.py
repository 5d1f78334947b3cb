"""Numbers for values: stable, growing, without holes, the same however the days are cut; and none for what is rare."""

import random
from datetime import timedelta

import pytest
from pyspark.sql import Row, SparkSession

from builders import DAY, NEXT_DAY, frame
from clickmill.contracts.days import Days
from clickmill.contracts.local import local_frame
from clickmill.contracts.tables import CTR_ROWS, VOCABULARIES
from clickmill.models import vocabularies
from clickmill.models.ctr_fields import FIELDS
from models.rows import ctr_row

TODAY = Days(DAY, DAY)


def new(spark: SparkSession, rows: list[dict], known: list[Row] = (), days: Days = TODAY, min_rows: int = 1) -> list[Row]:  # type: ignore[assignment]
    have = local_frame(spark, known, VOCABULARIES.schema)
    found = vocabularies.new_values(frame(spark, CTR_ROWS, rows), have, days, min_rows=min_rows).collect()
    return sorted(found, key=lambda row: (row.vocabulary, row.number))


def of(rows: list[Row], vocabulary: str) -> list[tuple[str, int]]:
    return [(row.value, row.number) for row in rows if row.vocabulary == vocabulary]


def test_a_value_is_numbered_once_it_is_no_longer_rare_and_keeps_its_number(spark: SparkSession) -> None:
    rows = [ctr_row("b"), ctr_row("b"), ctr_row("a"), ctr_row("b", day=NEXT_DAY), ctr_row("a", day=NEXT_DAY)]
    first = new(spark, rows[:3], min_rows=2)
    assert of(first, "item") == [("b", 1)]
    second = new(spark, rows, first, Days(NEXT_DAY, NEXT_DAY), min_rows=2)
    assert [(row.value, row.number, row.first_date) for row in second if row.vocabulary == "item"] == [("a", 2, NEXT_DAY)]
    assert new(spark, rows, first + second, Days(DAY, NEXT_DAY), min_rows=2) == []


def test_rows_of_more_than_28_days_ago_make_nothing_less_rare(spark: SparkSession) -> None:
    for back, numbered in ((27, [("a", 1)]), (28, [])):
        assert of(new(spark, [ctr_row("a"), ctr_row("a", day=DAY - timedelta(days=back))], min_rows=2), "item") == numbered


def test_items_shown_and_items_seen_last_have_the_same_numbers(spark: SparkSession) -> None:
    row = ctr_row("c", user_last_items=["b", "a", "d", "e"], category="x", user_last_categories=["y"], user_id="u", user_id_kind="visitor")
    told = new(spark, [row | {"placement": "home", "position": 2}])
    assert of(told, "item") == [("a", 1), ("b", 2), ("c", 3), ("d", 4)]
    assert of(told, "category") == [("x", 1), ("y", 2)]
    assert (of(told, "user"), of(told, "position")) == ([("visitor u", 1)], [("home 2", 1)])
    assert {row.vocabulary for row in told} < {field.vocabulary for field in FIELDS}


@pytest.mark.parametrize("partitions", [1, 5])
def test_a_range_gives_the_numbers_of_its_days_one_by_one(spark: SparkSession, partitions: int) -> None:
    draw, days = random.Random(5), Days(DAY - timedelta(days=3), DAY)
    rows = [ctr_row(f"i{draw.randrange(40)}", day=draw.choice(list(days)), site_id=draw.choice("st")) for _ in range(150)]
    rows += [ctr_row(f"i{n % 40}", day=days.first - timedelta(days=n % 30)) for n in range(60)]
    have = local_frame(spark, [], VOCABULARIES.schema)
    at_once = vocabularies.new_values(frame(spark, CTR_ROWS, rows).repartition(partitions), have, days, min_rows=3).collect()
    known: list[Row] = []
    for day in days:
        known += new(spark, [row for row in rows if row["known_date"] <= day], known, Days(day, day), min_rows=3)
    assert sorted(map(tuple, at_once)) == sorted(map(tuple, known))
    numbers = sorted(row.number for row in at_once if row.vocabulary == "item")
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) > 20
