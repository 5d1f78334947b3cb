"""When an event was first known, and that nothing which lands later changes what was known before."""

import random
from collections import defaultdict
from datetime import datetime, time, timedelta
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from builders import DAY, NEXT_DAY, at, frame, raw_event
from clickmill.clean import known, records
from clickmill.contracts.days import Days
from clickmill.contracts.tables import KNOWN_EVENTS, RAW_EVENTS

LATENESS_DAYS = 2
DELAY_S = 60
Row = dict[str, Any]


def mapped(spark: SparkSession, rows: list[Row], zone: str = "UTC") -> DataFrame:
    raw = frame(spark, RAW_EVENTS, rows)
    judged = records.with_clocks(raw, zone=zone, lateness_days=LATENESS_DAYS, future_tolerance_s=3600)
    return known.with_known_at(records.only_mapped(judged), zone=zone, delay_s=DELAY_S)


def found(spark: SparkSession, rows: list[Row], days: Days, partitions: int = 2) -> list[tuple]:
    """Day, instant, id and item of each event that became known on the days; a negative price is against the rules."""
    first_landing, last_landing = days.widened(back=2 * LATENESS_DAYS + 1).first, days.last
    read = [row for row in rows if first_landing <= row["landing_date"] <= last_landing]
    broken = {"price_negative": F.coalesce(F.col("price") < 0, F.lit(False))}
    events = known.known_events(mapped(spark, read), broken, days, lateness_days=LATENESS_DAYS, partitions=partitions)
    told = events.select("known_date", "known_at", "site_id", "visitor_id", "event_date", "event_id", "item_pos", "item_id", "landing_date")
    return sorted((tuple(row) for row in told.collect()), key=repr)


@pytest.mark.parametrize(
    ("changes", "instant", "day"),
    [
        ({"received_at": at("10:00:03")}, at("10:00:03"), DAY),
        ({"received_at": at("09:59")}, at("10:00"), DAY),  # a collector whose clock is behind
        ({}, at("10:01"), DAY),
        ({"is_day_only": True, "event_at": at("00:00")}, at("2024-05-17 00:01"), NEXT_DAY),
        ({"is_day_only": True, "event_at": at("00:00"), "received_at": at("11:00")}, at("2024-05-17 00:00"), NEXT_DAY),
        ({"landing_date": NEXT_DAY, "received_at": at("10:00:03")}, at("2024-05-17 00:00"), NEXT_DAY),
        ({"landing_date": NEXT_DAY, "received_at": at("2024-05-17 07:00")}, at("2024-05-17 07:00"), NEXT_DAY),
    ],
)
def test_an_event_is_known_when_it_has_happened_was_received_and_began_to_be_delivered(spark, changes, instant, day) -> None:
    row = mapped(spark, [raw_event("10:00", **changes)]).first()
    assert (row.known_at, row.known_date) == (instant, day)


def test_the_day_on_which_an_event_is_known_is_one_of_the_zone_of_its_days(spark: SparkSession) -> None:
    # 21:30 in New York, where the day ends at 04:00 UTC.
    row = raw_event("2024-05-17 01:30", event_date=DAY, landing_date=DAY)
    assert mapped(spark, [row], zone="America/New_York").first().known_date == DAY
    late = row | {"landing_date": NEXT_DAY}
    assert mapped(spark, [late], zone="America/New_York").first().known_at == at("2024-05-17 04:00")
    assert mapped(spark, [late | {"zone": "America/New_York"}]).first().known_at == at("2024-05-17 04:00")


def test_an_event_stays_as_its_first_record_told_it_and_a_later_one_adds_nothing(spark: SparkSession) -> None:
    rows = [
        raw_event("10:00", event_id="e1", item_id="first", received_at=at("10:00:02")),
        raw_event("10:00", event_id="e1", item_id="again", received_at=at("10:00:05"), delivery_rank=-1),
        raw_event("10:00", event_id="e1", item_id="next day", landing_date=NEXT_DAY, delivery_rank=-1),
        raw_event("11:00", event_id="e2", item_id="late", landing_date=NEXT_DAY),
        raw_event("12:00", event_id="e3", price="-1"),
    ]
    assert [(row[0], row[5], row[7]) for row in found(spark, rows, Days(DAY, NEXT_DAY))] == [(DAY, "e1", "first"), (NEXT_DAY, "e2", "late")]
    assert [(row[0], row[5], row[7]) for row in found(spark, rows, Days(NEXT_DAY, NEXT_DAY))] == [(NEXT_DAY, "e2", "late")]


def test_all_items_of_the_first_record_are_kept_and_none_of_another(spark: SparkSession) -> None:
    first = [raw_event(event_id="e1", ordinal=1, item_pos=pos, item_id=item) for pos, item in ((1, "a"), (2, "b"))]
    other = [raw_event(event_id="e1", ordinal=2, item_pos=pos, item_id="c", received_at=at("10:02")) for pos in (1, 2, 3)]
    assert [(row[6], row[7]) for row in found(spark, [*other, *first], Days(DAY, DAY))] == [(1, "a"), (2, "b")]


def test_what_becomes_of_every_row_is_counted(spark: SparkSession) -> None:
    rows = [
        raw_event("10:00", event_id="e1"),
        raw_event("10:00", event_id="e1", received_at=at("10:05")),
        raw_event("11:00", event_id="e2", price="-1"),
        raw_event("2024-05-13 11:00", event_id="e3", received_at=at("12:00")),
        raw_event("2024-05-14 11:00", event_id="e4", received_at=at("12:00")),
        raw_event("23:59:30", event_id="e5"),
    ]
    days = Days(DAY, DAY)
    told, broken = mapped(spark, rows), {"price_negative": F.coalesce(F.col("price") < 0, F.lit(False))}
    events = known.known_events(told, broken, days, lateness_days=LATENESS_DAYS, partitions=2)
    assert list(known.counts(told, broken, days, events, lateness_days=LATENESS_DAYS).values()) == [5, 2, 1, 1, 1, 1]


def deliveries(seed: int) -> list[Row]:
    """Records of few ids, so that copies, late ones and conflicts are the rule."""
    draw, rows = random.Random(seed), []
    for ordinal in range(250):
        day = DAY + timedelta(days=draw.randrange(4))
        event_at = datetime.combine(day, time(draw.choice((0, 12, 23)), draw.randrange(60)))
        landing = day + timedelta(days=draw.choice((0, 0, 0, 1, 2)))
        received = event_at + timedelta(minutes=draw.choice((1, 1, 90, 1500, 3100)))
        visitor = draw.choice(("a", "b", None))
        rows.append(
            raw_event(
                str(event_at),
                visitor=visitor,
                event_id=f"{visitor}{draw.randrange(30)}",
                landing_date=landing,
                received_at=draw.choice((None, received)),
                item_id=f"i{ordinal}",
                ordinal=ordinal,
                price=draw.choice(("1", "-1") if draw.random() < 0.1 else ("2",)),
                delivery_rank=draw.randrange(2),
            )
        )
    return rows


def slowly(rows: list[Row]) -> list[tuple]:
    """The first record of each id and day, read record by record."""
    ids = defaultdict(list)
    for row in rows:
        received = row["received_at"] or row["event_at"] + timedelta(seconds=DELAY_S)
        delivered = datetime.combine(row["landing_date"], time()) if row["landing_date"] > row["event_date"] else row["event_at"]
        instant = max(row["event_at"], received, delivered)
        if row["price"] >= 0 and (instant.date() - row["landing_date"]).days <= LATENESS_DAYS:
            ids[row["visitor_id"], row["event_date"], row["event_id"]].append(
                (instant, row["delivery_rank"], row["winner_key"], row["landing_date"], row["ordinal"], row["item_id"])
            )
    told = []
    for (visitor, day, event_id), records_of_id in ids.items():
        instant, _, _, landing, _, item = min(records_of_id)
        told.append((instant.date(), instant, "shop", visitor, day, event_id, 0, item, landing))
    return told


def test_each_day_is_the_same_whatever_landed_after_it_and_however_its_days_are_run(spark: SparkSession) -> None:
    rows, days = deliveries(1), Days(DAY, DAY + timedelta(days=6))
    at_once = found(spark, rows, days)
    assert at_once == sorted((row for row in slowly(rows) if row[0] in days), key=repr)
    one_by_one = [row for day in days for row in found(spark, rows, Days(day, day), partitions=1)]
    assert sorted(one_by_one, key=repr) == at_once
    assert len({row[0] for row in at_once}) > 4


def test_its_columns_are_those_that_no_later_landing_can_change() -> None:
    moved = {"is_bot", "session_id", "gap_s", "dwell_s", "unmapped"}
    assert not moved & set(KNOWN_EVENTS.columns)
    assert set(KNOWN_EVENTS.columns) - set(RAW_EVENTS.columns) == {"known_at", "known_date", "visitor_bucket"}
