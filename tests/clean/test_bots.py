"""Machines: each rule fires at its limit and not below, and no rule fires for what people do."""

import re

from pyspark.sql import DataFrame, SparkSession

from builders import DAY, frame, raw_event
from clean.test_order import plan
from clickmill import reused, river
from clickmill.clean import bots
from clickmill.contracts.properties import set_for
from clickmill.contracts.tables import RAW_EVENTS

LIMITS = bots.Limits(
    min_events=4,
    rate_events=30,
    burst_events=10,
    regular_gap_share=0.8,
    active_hours=6,
    breadth_items=8,
    breadth_share=0.95,
    flood_events=100,
)


def rules(spark: SparkSession, rows: list[dict], partitions: int = 2) -> dict[str, list[str]]:
    return {row.visitor_id: list(row.rules) for row in found(frame(spark, RAW_EVENTS, rows).repartition(partitions)).collect()}


def found(rows: DataFrame) -> DataFrame:
    """The visitor days on which a rule fires."""
    busy = bots.busy(rows, LIMITS)
    return bots.bots(bots.suspects(rows, busy, LIMITS), busy, LIMITS)


def clock(second: int) -> str:
    return f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"


def uneven(visitor: str, count: int, start: int = 36_000, step: int = 40, **changes) -> list[dict]:
    """Events with gaps that differ widely, as people's do."""
    return [raw_event(clock(start + step * n + (n * n * 7) % 37), visitor=visitor, item_id=f"i{n % 3}", **changes) for n in range(count)]


def test_rate_fires_from_the_limit_on(spark: SparkSession) -> None:
    assert rules(spark, uneven("bot", 30) + uneven("human", 29)) == {"bot": ["rate"]}


def test_burst_fires_for_a_full_minute(spark: SparkSession) -> None:
    seconds = [0, 1, 2, 7, 8, 20, 31, 33, 50, 55]
    busy = [raw_event(f"10:00:{second:02d}", visitor="bot", item_id="i1") for second in seconds]
    calm = [raw_event(f"10:00:{second:02d}", visitor="human", item_id="i1") for second in seconds[:9]]
    assert rules(spark, busy + calm) == {"bot": ["burst"]}


def test_regularity_fires_for_a_timer(spark: SparkSession) -> None:
    timer = [raw_event(clock(36_000 + 61 * n), visitor="bot", item_id="i1") for n in range(8)]
    assert rules(spark, timer + uneven("human", 8)) == {"bot": ["regularity"]}


def test_a_timer_is_one_also_where_acts_of_it_are_lost_or_come_twice(spark: SparkSession) -> None:
    seconds = [61 * n for n in range(20) if n not in (7, 13)] + [61 * 3 + 1]
    assert rules(spark, [raw_event(clock(36_000 + second), visitor="bot", item_id="i1") for second in seconds]) == {"bot": ["regularity"]}


def test_regularity_fires_from_its_share_of_even_gaps_on(spark: SparkSession) -> None:
    # Gaps of a minute, the last of them an hour: four of five are even, or three of four.
    visits = {"bot": [0, 60, 122, 180, 240, 3_840], "human": [0, 60, 122, 180, 3_780]}
    rows = [raw_event(clock(36_000 + second), visitor=name, item_id="i1") for name, seconds in visits.items() for second in seconds]
    assert rules(spark, rows) == {"bot": ["regularity"]}


def test_waking_hours_and_breadth_fire(spark: SparkSession) -> None:
    sleepless = [raw_event(when, visitor="sleepless", item_id="i1") for when in ("00:00", "01:50", "02:01", "03:55", "04:02", "05:58")]
    crawler = [raw_event(clock(36_000 + 70 * n + n * n * 9 % 65), visitor="crawler", item_id=f"i{n}") for n in range(8)]
    assert rules(spark, sleepless + crawler) == {"sleepless": ["hours"], "crawler": ["breadth"]}


def test_copies_count_once_and_a_large_order_is_one_act(spark: SparkSession) -> None:
    copied = [raw_event(clock(36_000 + n * n), visitor="copied", item_id="i1", event_id=f"c{n}") for n in range(5)] * 7
    basket = [raw_event("12:00", visitor="wholesale", event_type="purchase", order_id="o1", item_id=f"i{n}") for n in range(60)]
    assert rules(spark, copied + basket) == {}


def test_rows_that_know_the_day_only_say_nothing_about_minutes(spark: SparkSession) -> None:
    rows = [raw_event("00:00", visitor="human", is_day_only=True, item_id="i1") for _ in range(20)]
    assert rules(spark, rows) == {}


def test_a_flood_is_told_whatever_it_is_made_of_and_any_partitioning_finds_the_same(spark: SparkSession) -> None:
    flood = [raw_event("12:00", visitor="flood", event_type="purchase", order_id="o1", item_id=f"i{n}") for n in range(100)]
    told = [rules(spark, flood + uneven("bot", 30), partitions) for partitions in (1, 5)]
    assert told[0] == told[1] == {"flood": ["flood"], "bot": ["rate"]}


def test_a_flood_is_not_looked_at_for_even_gaps(spark: SparkSession) -> None:
    rows = [raw_event(clock(36_000 + n), visitor=visitor) for visitor, count in (("timer", 99), ("flood", 100)) for n in range(count)]
    assert rules(spark, rows) == {"timer": ["rate", "burst", "regularity"], "flood": ["rate", "burst", "flood"]}


def test_flags_and_floods_reach_the_rows_of_their_visitor_and_day_only(spark: SparkSession) -> None:
    flood = [raw_event("12:00", visitor="x", event_type="purchase", order_id="o1") for _ in range(100)]
    verdicts = found(frame(spark, RAW_EVENTS, flood))
    rows = [raw_event("10:00", visitor="x"), raw_event("2024-05-17 10:00", visitor="x"), raw_event("10:00", visitor=None)]
    told = bots.with_verdict(frame(spark, RAW_EVENTS, rows), verdicts).orderBy("ordinal").collect()
    told_of = [(row.event_date == DAY, row.is_bot, row._flood) for row in told]
    assert told_of == [(True, True, True), (False, False, False), (True, False, False)]


def test_rows_of_visitors_that_no_rule_looks_at_are_sieved_out_before_they_are_moved(spark: SparkSession) -> None:
    rows = uneven("busy", 6) + [row for n in range(40) for row in uneven(f"v{n}", 3)]
    with set_for(spark, {**river.job("find_bots").SPARK_CONF, "spark.sql.autoBroadcastJoinThreshold": "-1"}):
        raw = frame(spark, RAW_EVENTS, rows)
        busy = reused.kept(bots.busy(raw, LIMITS).cache())
        told = plan(spark, bots.suspects(raw, busy, LIMITS))
    _, _, of_rows = told.partition("SortMergeJoin")
    assert re.search(r"Exchange.*\n.*Filter.*might_contain", of_rows), told
