"""The lake: hashes that depend on rows alone, few files, and rows read back as they were written."""

import random
from dataclasses import replace
from datetime import date
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import functions as F
from pyspark.sql.types import LongType, StructField, StructType

from benchmarks import measure
from builders import DAY, NEXT_DAY, frame, narrower, raw_event
from clickmill import doctor
from clickmill.contracts.days import Days
from clickmill.contracts.errors import UsageError
from clickmill.contracts.properties import set_for
from clickmill.contracts.tables import RAW_EVENTS, RAW_FILES, RAW_USERS, RECOMMENDATIONS
from clickmill.facts import facts_by_day
from clickmill.lake import Lake
from released import listed


def test_the_hash_of_a_day_depends_on_its_rows_and_on_nothing_else(spark) -> None:
    rows = [raw_event(f"10:{n:02d}", price=f"{n}.5", ordinal=n) for n in range(20)]
    one = facts_by_day(frame(spark, RAW_EVENTS, rows).repartition(1), RAW_EVENTS)
    other = facts_by_day(frame(spark, RAW_EVENTS, rows[::-1]).repartition(7), RAW_EVENTS)
    changed = facts_by_day(frame(spark, RAW_EVENTS, [*rows[:-1], rows[-1] | {"price": Decimal("19.6")}]), RAW_EVENTS)
    assert one == other and one[0].row_count == 20
    assert changed[0].content_hash != one[0].content_hash


def test_a_map_column_is_hashed_whatever_the_order_of_its_keys(spark) -> None:
    base = {"source": "s", "landing_date": DAY, "file": "f", "delivery_id": "d", "size_bytes": 1, "record_count": 1, "mapped_count": 1}
    base |= {"rejected_count": 0, "row_count": 1}
    base |= {name: 0 for name in RAW_FILES.columns if name.endswith("_count") and name not in base}
    hashes = {
        facts_by_day(frame(spark, RAW_FILES, [base | {"unmapped_fields": fields}]), RAW_FILES)[0].content_hash
        for fields in ({"a": 1, "b": 2}, {"b": 2, "a": 1})
    }
    assert len(hashes) == 1


def raw_user(name: str, day: date) -> dict[str, Any]:
    """One state of a user as it was delivered."""
    place = {"source": "s", "landing_date": day, "file": "f", "delivery_id": "d", "block": 0, "ordinal": 0, "state_pos": 0}
    return place | {"problems": [], "site_id": "shop", "user_id": name}


def test_appended_rows_are_read_back_alone_with_their_types(spark, lake: Lake) -> None:
    lake.ensure(RAW_USERS, {})
    lake.write(frame(spark, RAW_USERS, [raw_user("00123", DAY)]), RAW_USERS, Days(DAY, DAY), {})
    written = lake.write(frame(spark, RAW_USERS, [raw_user("00124", DAY), raw_user("00125", NEXT_DAY)]), RAW_USERS, Days(DAY, NEXT_DAY), {})
    assert sorted((row.user_id, row.landing_date) for row in lake.rows_of(written).collect()) == [("00124", DAY), ("00125", NEXT_DAY)]
    assert lake.read(RAW_USERS).count() == 3


def test_a_range_of_days_is_written_with_one_file_a_day(spark, lake: Lake) -> None:
    rows = [raw_event(f"2024-05-{day} 10:{n:02d}") for day in (16, 17, 18) for n in range(30)]
    lake.ensure(RAW_EVENTS, {})
    lake.write(frame(spark, RAW_EVENTS, rows).repartition(8), RAW_EVENTS, Days(DAY, rows[-1]["event_date"]), {})
    assert len(lake.read(RAW_EVENTS).inputFiles()) == 3


def test_the_files_of_a_large_day_in_a_range_are_cut_where_the_rows_were_cut(spark, lake: Lake) -> None:
    rows = [
        raw_user(f"u{n}", (DAY, NEXT_DAY)[n % 2]) | {"ordinal": n, "record_text": random.Random(n).randbytes(500).hex()} for n in range(400)
    ]
    lake.ensure(RAW_USERS, {})
    with set_for(spark, {"spark.sql.adaptive.advisoryPartitionSizeInBytes": "50k"}):
        lake.write(frame(spark, RAW_USERS, rows).repartitionByRange(8, "ordinal"), RAW_USERS, Days(DAY, NEXT_DAY), {})
    held = (
        lake.read(RAW_USERS).groupBy("landing_date", F.input_file_name()).agg(F.min("ordinal").alias("low"), F.max("ordinal").alias("high"))
    )
    of_days = [held.where(F.col("landing_date") == day).orderBy("low").collect() for day in (DAY, NEXT_DAY)]
    assert all(len(files) > 1 and all(one.high < other.low for one, other in pairwise(files)) for files in of_days), of_days


def test_the_writer_keeps_the_order_of_rows_by_sorting_none_of_its_own(spark, lake: Lake) -> None:
    rows = frame(spark, RAW_USERS, [raw_user(f"u{n}", (DAY, NEXT_DAY)[n % 2]) for n in range(8)])
    lake.ensure(RAW_USERS, {})

    def sorts(writers: int) -> int:
        with set_for(spark, {"spark.sql.maxConcurrentOutputFileWriters": str(writers)}):
            stages = measure.operations(spark, lambda: lake.write(rows, RAW_USERS, Days(DAY, NEXT_DAY), {}))
        (writing,) = (names for names in stages if "DeltaInvariantChecker" in names)
        return writing.count("Sort")

    shipped = int(spark.conf.get("spark.sql.maxConcurrentOutputFileWriters"))
    assert (shipped > 1, sorts(shipped), sorts(0)) == (True, 0, 1)


def test_a_table_is_published_with_comments_and_for_readers_of_version_one(spark, lake: Lake) -> None:
    lake.ensure(RAW_EVENTS, {})
    detail = spark.sql(f"describe detail delta.`{lake.path(RAW_EVENTS)}`").first()
    assert detail.minReaderVersion == 1 and detail.partitionColumns == ["landing_date"]
    columns = {row.col_name: row.comment for row in spark.sql(f"describe delta.`{lake.path(RAW_EVENTS)}`").collect()}
    assert columns["price"].startswith("Price of one piece")


def test_a_value_that_moves_to_another_column_changes_the_hash_of_its_day(spark) -> None:
    there, moved = (facts_by_day(frame(spark, RAW_EVENTS, [raw_event(**{name: "x"})]), RAW_EVENTS)[0] for name in ("query", "page_url"))
    assert there.content_hash != moved.content_hash


def test_a_column_that_is_new_in_a_contract_is_added_and_is_null_in_the_rows_of_before(spark, lake: Lake) -> None:
    old = narrower(RAW_EVENTS, "zone")
    lake.ensure(old, {})
    lake.write(frame(spark, old, [raw_event("10:00")]), old, Days(DAY, DAY), {})
    lake.ensure(RAW_EVENTS, {"run_id": "r1"})
    assert lake.note(RAW_EVENTS) == {"run_id": "r1"}
    lake.write(frame(spark, RAW_EVENTS, [raw_event("11:00", zone="Europe/Berlin")]), RAW_EVENTS, Days(DAY, DAY), {})
    assert sorted(map(str, (row.zone for row in lake.read(RAW_EVENTS).collect()))) == ["Europe/Berlin", "None"]
    assert [row.zone for row in lake.read(RAW_EVENTS, 1).collect()] == [None], "an older version is read under the new contract"
    columns = {row.col_name: row.comment for row in spark.sql(f"describe delta.`{lake.path(RAW_EVENTS)}`").collect()}
    assert columns["zone"] == RAW_EVENTS.schema["zone"].metadata["comment"]


def test_a_published_table_and_another_type_are_never_changed_in_place(lake: Lake) -> None:
    lake.ensure(narrower(RECOMMENDATIONS, "model_run_id"), {})
    with pytest.raises(UsageError, match=r"a published table never changes; its new contract is a new table, publish.recommendations_v2"):
        lake.ensure(RECOMMENDATIONS, {})
    other = replace(RAW_USERS)
    fields = [
        StructField(one.name, LongType() if one.name == "file" else one.dataType, one.nullable, one.metadata) for one in RAW_USERS.schema
    ]
    other.__dict__["schema"] = StructType(fields)
    lake.ensure(other, {})
    with pytest.raises(UsageError, match=r"raw.users: file is bigint, expected string"):
        lake.ensure(RAW_USERS, {})


def test_a_published_table_says_what_it_is(spark, lake: Lake) -> None:
    lake.ensure(RECOMMENDATIONS, {})
    detail = spark.sql(f"describe detail delta.`{lake.path(RECOMMENDATIONS)}`").first()
    assert detail.description == RECOMMENDATIONS.comment and (detail.minReaderVersion, detail.minWriterVersion) == (1, 2)
    fields = {one.name: one.metadata for one in spark.read.format("delta").load(lake.path(RECOMMENDATIONS)).schema}
    assert fields["user_id"]["personal"] == "direct" and fields["rank"]["comment"] == "Place in the list, from 1 without holes"


def test_where_there_is_a_catalogue_a_published_table_is_known_by_name_and_without_its_version(spark, tmp_path: Path) -> None:
    lake = Lake(spark, str(tmp_path / "lake"), catalog="spark_catalog")
    try:
        for _ in range(2):  # a second run finds both there
            lake.ensure(RECOMMENDATIONS, {})
        lake.write(frame(spark, RECOMMENDATIONS, [listed("u1", release_id="r")]), RECOMMENDATIONS, Days(DAY, DAY), {})
        assert [row.user_id for row in spark.table("spark_catalog.publish.recommendations").collect()] == ["u1"]
        assert spark.catalog.getTable("publish.recommendations_v1").description == RECOMMENDATIONS.comment
        spark.sql("create table spark_catalog.publish.recommendations_v10 using delta as select 'u2' as user_id")
        for number in (10, 1):  # the view moves to a newer contract, and not back where the older one is written as well
            lake._show(f"spark_catalog.publish.recommendations_v{number}")
            assert [row.user_id for row in spark.table("spark_catalog.publish.recommendations").collect()] == ["u2"]
        with pytest.raises(UsageError, match=r"recommendations_v1: is there already, at file:.*/lake/publish/recommendations_v1; drop it"):
            Lake(spark, str(tmp_path / "another lake"), catalog="spark_catalog").ensure(RECOMMENDATIONS, {})
    finally:
        spark.sql("drop schema if exists spark_catalog.publish cascade")


def test_the_round_trip_that_set_up_and_the_doctor_make_goes_through(spark) -> None:
    assert doctor.round_trip(spark) == "a row was written and read"
