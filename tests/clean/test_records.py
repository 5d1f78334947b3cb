"""Which day a raw row belongs to, and what the clocks say against it."""

from datetime import date

import pytest
from pyspark.sql import SparkSession

from builders import DAY, frame, raw_event
from clickmill.clean import identity, records
from clickmill.contracts.days import Days
from clickmill.contracts.errors import BadData
from clickmill.contracts.local import local_frame
from clickmill.contracts.tables import EVENTS, RAW_EVENTS, REJECTS

A_MONTH = Days(date(2024, 5, 1), date(2024, 5, 31))


def belongs(spark: SparkSession, row: dict, zone: str = "UTC") -> tuple[str, list[str]]:
    raw = frame(spark, RAW_EVENTS, [row])
    found = records.of_days(raw, A_MONTH, zone=zone, lateness_days=2, future_tolerance_s=3600).first()
    return str(found._day), [*found.problems, *(name for name in ("too_late", "in_future") if found[f"_{name}"])]


@pytest.mark.parametrize(
    ("landed", "day", "problems"),
    [(18, "2024-05-16", []), (19, "2024-05-19", ["too_late"])],
)
def test_an_event_is_taken_up_to_exactly_the_lateness_and_rejected_under_its_landing_day_after_it(spark, landed, day, problems) -> None:
    assert belongs(spark, raw_event("10:00", landing_date=date(2024, 5, landed))) == (day, problems)


@pytest.mark.parametrize(
    ("when", "day", "problems"),
    [("2024-05-17 01:00:00", "2024-05-17", []), ("2024-05-17 01:00:00.000001", "2024-05-16", ["in_future"])],
)
def test_an_event_after_its_landing_day_is_taken_within_the_tolerance(spark, when, day, problems) -> None:
    assert belongs(spark, raw_event(when, landing_date=DAY)) == (day, problems)


def test_the_end_of_the_landing_day_is_that_of_the_zone_of_the_source_or_else_of_the_shop(spark: SparkSession) -> None:
    # 16 May ends in New York at 04:00 UTC of the 17th.
    row = raw_event("2024-05-17 04:59", landing_date=DAY, event_date=date(2024, 5, 17))
    assert belongs(spark, row, zone="America/New_York") == ("2024-05-17", [])
    assert belongs(spark, row, zone="UTC") == ("2024-05-16", ["in_future"])
    assert belongs(spark, row | {"zone": "America/New_York"}, zone="UTC") == ("2024-05-17", [])


def test_a_row_without_a_time_belongs_to_its_landing_day(spark: SparkSession) -> None:
    assert belongs(spark, raw_event(None, landing_date=DAY)) == ("2024-05-16", [])
    assert belongs(spark, raw_event(None, landing_date=DAY, problems=["bad_event_at"])) == ("2024-05-16", ["bad_event_at"])


def test_every_raw_row_belongs_to_exactly_one_day(spark: SparkSession) -> None:
    whens = [None, "2024-05-14 12:00", "2024-05-16 00:00", "2024-05-16 23:59:59.999999", "2024-05-18 12:00", "2024-06-16 12:00"]
    rows = [raw_event(when, landing_date=DAY) for when in whens]
    raw = frame(spark, RAW_EVENTS, rows)
    taken = [records.of_days(raw, Days(day, day), zone="UTC", lateness_days=2, future_tolerance_s=3600).count() for day in A_MONTH]
    assert sum(taken) == len(rows)


def test_a_missing_quantity_is_one_piece_only_where_pieces_move(spark: SparkSession) -> None:
    rows = [raw_event(event_type="purchase"), raw_event(event_type="item_view"), raw_event(event_type="purchase", item_id=None)]
    rows += [raw_event(event_type="purchase", quantity=3)]
    filled = records.filled(frame(spark, RAW_EVENTS, rows), fill={"quantity": 1}).orderBy("ordinal").collect()
    assert [row.quantity for row in filled] == [1, None, None, 3]


def test_a_row_is_kept_or_rejected_with_all_its_reasons_and_each_said_once(spark: SparkSession) -> None:
    from pyspark.sql import functions as F

    rows = [
        raw_event(event_id="e1"),
        raw_event(event_id="e2", problems=["bad_price"]),
        raw_event(event_id=None, visitor="b", problems=["bad_json"]),
        raw_event(event_id="e3", problems=["unknown_event_type", "two_values_for_item_id", "bad_price"]),
    ]
    rows[2]["event_id"] = None
    is_third = F.coalesce(F.col("event_id") == "e3", F.lit(False))
    broken = {f"{name}_missing": is_third for name in ("event_type", "item_id", "visitor_id")}
    broken["r9"] = F.coalesce(F.col("event_id") == "e2", F.lit(True))
    nothing = {f"_{name}": F.lit(False) for name in records.FOUND}
    told = frame(spark, RAW_EVENTS, rows).withColumns({"_day": F.col("landing_date"), **nothing, "_flood": is_third})
    judged = records.judged(told, broken)
    assert [row.event_id for row in judged.where("_reasons is null").collect()] == ["e1"]
    rejected = judged.where("_reasons is not null")
    no_copies = rejected.withColumns({"_copy": F.lit(None).cast("string"), "kept_event_id": F.lit(None).cast("string")}).limit(0)
    found = records.rejects(rejected, no_copies).orderBy("ordinal").collect()
    assert {row.event_id: row.reasons for row in found} == {
        "e2": ["bad_price", "r9"],
        None: ["bad_json"],
        "e3": ["bad_price", "flood", "two_values_for_item_id", "unknown_event_type", "visitor_id_missing"],
    }


def test_a_site_whose_days_are_those_of_two_zones_stops_the_run_and_zones_of_other_sites_do_not(spark: SparkSession) -> None:
    def counted(*places: tuple[str, str | None]) -> int:
        raw_rows = [raw_event(site_id=site, zone=zone) for site, zone in places]
        marked = {"visitor_bucket": 0, "is_bot": False}
        rows = [{name: value for name, value in row.items() if name in EVENTS.columns} | marked for row in raw_rows]
        raw, rejects = spark.range(len(rows)), local_frame(spark, [], REJECTS.schema)
        return identity.rows_are_all_there({EVENTS: frame(spark, EVENTS, rows), REJECTS: rejects}, raw)["clean"]

    assert counted(("a", None), ("a", None), ("b", "America/New_York")) == 3
    with pytest.raises(BadData, match=r"the days of site a are those of several zones \(America/New_York, that of the shop\)"):
        counted(("a", None), ("a", "America/New_York"), ("b", None))
