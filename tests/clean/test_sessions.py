"""Sessions: where they are cut, what they are called, what midnight does (nothing)."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from pyspark.sql import SparkSession

from builders import DAY, NEXT_DAY, raw_event
from clean.pipeline import WINDOWS, clean
from clickmill.clean import sessions
from clickmill.contracts.days import Days

ONE_DAY = Days(DAY, DAY)
E1 = "e1-20240516"


def ids(cleaned) -> dict[str, str]:
    return {row.event_id: row.session_id for row in cleaned.events.collect()}


@pytest.mark.parametrize(("second", "count"), [("10:30:00", 1), ("10:30:00.000001", 2)])
def test_silence_of_exactly_the_gap_does_not_end_a_session(spark: SparkSession, second, count) -> None:
    cleaned = clean(spark, [raw_event("10:00"), raw_event(second, item_id="i2")], ONE_DAY)
    assert len(set(ids(cleaned).values())) == count


def test_a_session_is_named_after_its_first_event_and_times_its_events(spark: SparkSession) -> None:
    rows = [
        raw_event("10:00", event_id="e1"),
        raw_event("10:05", event_id="e2", item_id="i2"),
        raw_event("10:25", event_id="e3", item_id="i3"),
    ]
    found = {row.event_id: (row.session_id, row.gap_s, row.dwell_s) for row in clean(spark, rows, ONE_DAY).events.collect()}
    # The dwell is capped at 900 s.
    assert found == {"e1": (E1, None, 300.0), "e2": (E1, 300.0, 900.0), "e3": (E1, 1200.0, None)}


def test_items_of_one_event_share_its_silence_and_its_dwell(spark: SparkSession) -> None:
    rows = [raw_event("10:00", event_id="e1")]
    rows += [raw_event("10:05", event_id="e2", item_pos=pos, item_id=f"i{pos}", ordinal=9) for pos in (1, 2)]
    rows += [raw_event("10:06", event_id="e3", item_id="i9")]
    found = sorted(
        (row.event_id, row.item_pos, row.gap_s, row.dwell_s)
        for row in clean(spark, rows, ONE_DAY).events.where("event_id = 'e2'").collect()
    )
    assert found == [("e2", 1, 300.0, 60.0), ("e2", 2, 300.0, 60.0)]


def test_midnight_is_that_of_the_zone_that_the_source_declares(spark: SparkSession) -> None:
    # The day ends in Berlin at 22:00 UTC.
    evening = raw_event("21:50", event_id="e1", zone="Europe/Berlin")
    night = raw_event("22:10", event_id="e2", item_id="i2", event_date=NEXT_DAY, zone="Europe/Berlin")
    first, next_day = clean(spark, [evening], ONE_DAY), Days(NEXT_DAY, NEXT_DAY)
    second = clean(spark, [night], next_day, first.open_sessions)
    assert ids(second) == {"e2": "e1-20240516"}
    closed = sessions.sessions(second.events, first.open_sessions, next_day, gap_s=1800, zone="UTC").first()
    assert (closed.event_count, str(closed.event_date)) == (2, "2024-05-17")


def test_a_session_of_the_source_is_kept_and_cut_where_its_name_is_used_again_after_the_gap(spark: SparkSession) -> None:
    rows = [
        raw_event("10:00", event_id="e1", source_session_id="s1"),
        raw_event("10:01", event_id="e2", source_session_id="s2", item_id="i2"),
        raw_event("10:02", event_id="e3", source_session_id="s1", item_id="i3"),
        raw_event("12:00", event_id="e4", source_session_id="s1", item_id="i4"),
    ]
    assert ids(clean(spark, rows, ONE_DAY)) == {"e1": E1, "e2": "e2-20240516", "e3": E1, "e4": "e4-20240516"}


def test_equal_times_go_by_the_order_of_the_source(spark: SparkSession) -> None:
    steps = ["item_view", "add_to_cart", "checkout", "purchase"]
    rows = [raw_event("02:37:42", event_type=kind, source_order=n, event_id=f"z{9 - n}", page_url=kind) for n, kind in enumerate(steps, 1)]
    for partitions in (1, 5):
        cleaned = clean(spark, rows[::-1], ONE_DAY, partitions=partitions)
        closed = sessions.sessions(cleaned.events, cleaned.open_sessions.limit(0), ONE_DAY, gap_s=1800, zone="UTC").first()
        assert closed.session_id == "z8-20240516"
        assert (closed.entry_page, closed.exit_page, closed.purchase_count) == ("item_view", "purchase", 1)


def test_a_change_of_campaign_or_midnight_ends_no_session_by_days_or_as_a_range(spark: SparkSession) -> None:
    rows = [
        raw_event("23:50", event_id="e1", campaign_id="x"),
        raw_event("2024-05-17 00:05", event_id="e2"),
        raw_event("2024-05-17 00:10", event_id="e3", campaign_id="x"),
        raw_event("2024-05-17 00:20", event_id="e4", campaign_id="y"),
    ]
    together = ids(clean(spark, rows, Days(DAY, NEXT_DAY)))
    one = clean(spark, rows, ONE_DAY)
    two = clean(spark, rows, Days(NEXT_DAY, NEXT_DAY), carried=one.open_sessions)
    assert together == dict.fromkeys(["e1", "e2", "e3", "e4"], E1)
    assert ids(one) | ids(two) == together


def test_a_session_of_80_hours_is_one_by_days_as_a_range_and_with_its_last_day_run_again(spark: SparkSession) -> None:
    hours = [f"2024-05-{16 + n // 48} {n % 48 // 2:02d}:{n % 2 * 30:02d}" for n in range(161)]
    rows = [raw_event(when, event_id=f"e{n:03d}", item_id=f"i{n}", has_near_copies=False) for n, when in enumerate(hours)]
    whole_days = Days(DAY, date(2024, 5, 19))
    as_range = clean(spark, rows, whole_days)
    assert set(ids(as_range).values()) == {"e000-20240516"}
    before, by_days, closed = {DAY: None}, {}, []
    for day in [*whole_days, whole_days.last]:
        today = clean(spark, rows, Days(day, day), carried=before[day])
        by_days |= ids(today)
        state = before[day] if before[day] is not None else today.open_sessions.limit(0)
        closed = sessions.sessions(today.events, state, Days(day, day), gap_s=1800, zone="UTC").collect()
        before[day + timedelta(days=1)] = today.open_sessions
    assert by_days == ids(as_range)
    ranged = sessions.sessions(as_range.events, as_range.open_sessions.limit(0), whole_days, gap_s=1800, zone="UTC").collect()
    assert closed == ranged
    assert (ranged[0].event_count, ranged[0].duration_s, ranged[0].event_date) == (161, 80 * 3600.0, date(2024, 5, 19))


def test_a_session_that_ends_near_midnight_closes_on_the_next_day(spark: SparkSession) -> None:
    rows = [raw_event("23:40", event_id="e1", event_type="purchase", order_id="o1", item_id="i7", quantity=2, price="1.50")]
    one = clean(spark, rows, ONE_DAY)
    assert sessions.sessions(one.events, one.open_sessions.limit(0), ONE_DAY, gap_s=1800, zone="UTC").count() == 0
    tomorrow = Days(NEXT_DAY, NEXT_DAY)
    closed = sessions.sessions(one.events.limit(0), one.open_sessions, tomorrow, gap_s=1800, zone="UTC").first()
    assert (closed.session_id, closed.event_date, closed.bought_item_ids, str(closed.purchase_value)) == (E1, NEXT_DAY, ["i7"], "3.0000")


def test_a_session_whose_last_event_before_midnight_holds_several_items_counts_them_once(spark: SparkSession) -> None:
    items = [{"item_pos": pos, "item_id": f"i{pos}"} for pos in (1, 2, 3)]
    rows = [raw_event("23:50", event_id="e1", event_type="purchase", order_id="o1", price="1.50", ordinal=0, **item) for item in items]
    rows += [raw_event("2024-05-17 00:05", event_id="e2", item_id="i9")]
    one, tomorrow = clean(spark, rows, ONE_DAY), Days(NEXT_DAY, NEXT_DAY)
    two = clean(spark, rows, tomorrow, one.open_sessions)
    closed = sessions.sessions(two.events, one.open_sessions, tomorrow, gap_s=1800, zone="UTC").first()
    assert (closed.event_count, closed.purchase_count, str(closed.purchase_value)) == (2, 3, "4.5000")


def test_day_only_events_say_nothing_about_silence_and_dwell(spark: SparkSession) -> None:
    rows = [raw_event("00:00", is_day_only=True, source_session_id="s1", source_order=n, item_id=f"i{n}", event_id=f"e{n}") for n in (1, 2)]
    assert [(row.session_id, row.gap_s, row.dwell_s) for row in clean(spark, rows, ONE_DAY).events.collect()] == [(E1, None, None)] * 2


def test_a_gap_that_is_not_positive_is_refused(spark: SparkSession) -> None:
    with pytest.raises(ValueError, match="gap_s must be positive"):
        nothing = spark.range(1)
        sessions.events(nothing, nothing, replace(WINDOWS, gap_s=0))
