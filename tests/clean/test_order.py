"""Where the rows of a visitor are, and what the plan of cleaning moves and sorts."""

import re
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from benchmarks import measure
from builders import DAY, frame, raw_event
from clean.pipeline import WINDOWS, spread
from clickmill import quality, reused, river
from clickmill.clean import bots, copies, order, ranges, records, sessions, stream
from clickmill.contracts.days import Days
from clickmill.contracts.properties import set_for
from clickmill.contracts.tables import BOTS, EVENTS, OPEN_SESSIONS, RAW_EVENTS, VALUE_RANGES


@pytest.mark.parametrize("partitions", [1, 7, 40])
def test_partitions_are_ranges_of_visitor_buckets_in_their_order(spark: SparkSession, partitions: int) -> None:
    visitors = spark.range(2_000).select(
        F.lit("shop").alias("site_id"), F.col("id").cast("string").alias("visitor_id"), F.lit("e").alias("event_id")
    )
    with spread(spark, partitions):
        placed = order.owned(visitors, partitions=partitions).repartition("_slot")
        bucketed = placed.select(F.spark_partition_id().alias("partition"), order.visitor_bucket().alias("bucket"))
        bounds = (
            bucketed.groupBy("partition").agg(F.min("bucket").alias("low"), F.max("bucket").alias("high")).orderBy("partition").collect()
        )
    assert [row.partition for row in bounds] == list(range(partitions))
    assert (bounds[0].low, bounds[-1].high) == (0, 255)
    # Where a range ends within a bucket, the next one begins with it.
    assert all(row.high <= following.low for row, following in pairwise(bounds))


def plan(spark: SparkSession, rows: DataFrame) -> str:
    return str(spark._jvm.PythonSQLUtils.explainString(rows._jdf.queryExecution(), "simple"))


def count(node: str, text: str) -> int:
    return len(re.findall(rf"(?m)^[ :+\-*()0-9]*{node}\b", text))


def test_rows_cross_the_network_once_and_no_output_sorts_them_more_than_twice_or_by_python(spark: SparkSession) -> None:
    raw = frame(spark, RAW_EVENTS, [raw_event("10:00", event_id=f"e{n}", visitor=f"v{n % 3}") for n in range(9)]).cache()
    days = Days(DAY, DAY)
    taken = records.of_days(raw, days, zone="UTC", lateness_days=2, future_tolerance_s=3600).withColumn("is_bot", F.lit(False))
    judged = taken.withColumn("_reasons", F.lit(None).cast("array<string>"))
    carried = records.of_day(frame(spark, OPEN_SESSIONS, []), DAY)
    with spread(spark, 4), set_for(spark, river.job("clean_events").SPARK_CONF):
        moved = reused.shuffled(stream.stream(judged, carried, WINDOWS, partitions=4), by="_slot", partitions=4)
        looked_at = copies.looked_at(moved, WINDOWS, zone="UTC")
        first_look = plan(spark, looked_at)
        of_them = reused.shuffled(looked_at, by="_slot", partitions=4)
        second_look = plan(spark, copies.examined(of_them, WINDOWS))
        turned_away = copies.only_copies(reused.shuffled(copies.examined(of_them, WINDOWS), by="_slot", partitions=4))
        told = plan(spark, sessions.events(moved, turned_away, WINDOWS))
        rejects = plan(spark, copies.rejected(of_them))
    # All begins with what the one shuffle left, beside which the few copies lie.
    assert (count("Exchange", told), count("Sort", told), count("Window", told)) == (0, 1, 2), told
    assert count("Exchange", second_look) == 0, second_look
    # By id, and by copy key and time.
    assert (count("Exchange", first_look), count("Sort", first_look)) == (0, 2), first_look
    assert (count("Exchange", rejects), count("Sort", rejects)) == (0, 0), rejects
    assert not re.search("Python|Arrow|Pandas", told + first_look + second_look + rejects)


def test_what_rows_are_judged_by_is_brought_to_them_and_no_step_leaves_compiled_code(spark: SparkSession) -> None:
    raw = frame(spark, RAW_EVENTS, [raw_event("10:00", event_id=f"e{n}", visitor=f"v{n % 3}") for n in range(9)]).cache()
    bot = {"site_id": "shop", "event_date": DAY, "visitor_id": "v1", "rules": ["rate"], "event_count": 2000}
    bot |= {"peak_minute_count": 9, "active_hour_count": 2, "item_count": 1}
    fence = {"site_id": "shop", "event_date": DAY - timedelta(days=1), "event_type": "item_view", "measure": "price", "row_count": 99}
    # As large as can be told beforehand: what is broadcast is so because the code asks for it.
    settings = {"spark.sql.autoBroadcastJoinThreshold": "-1", "spark.sql.adaptive.enabled": "false"}
    settings |= {"spark.sql.codegen.wholeStage": "true", "spark.sql.codegen.factoryMode": "FALLBACK"}
    with set_for(spark, settings):
        bounds = ranges.bounds(frame(spark, VALUE_RANGES, [fence | {"low": 1.0, "high": 9.0}]), Days(DAY, DAY), range_days=28, min_rows=30)
        taken = records.of_days(raw, Days(DAY, DAY), zone="UTC", lateness_days=2, future_tolerance_s=3600)
        rows = bots.with_verdict(ranges.with_outliers(records.filled(taken, fill={"quantity": 1}), bounds), frame(spark, BOTS, [bot]))
        judged = records.judged(rows, quality.broken_rules(rows, EVENTS))
        told = plan(spark, stream.stream(judged, frame(spark, OPEN_SESSIONS, []), WINDOWS, partitions=4))
    assert (count("BroadcastHashJoin", told), len(re.findall(r"\w+Join", told))) == (2, 2), told
    # The one shuffle is that of the few fences; the one step of the rows begins where they are read.
    assert count("Exchange", told) == 1 and not re.search("Python|Arrow|Pandas", told), told
    of_rows = set(re.findall(r"(?m)\*\((\d+)\) (?:Project|Filter|BroadcastHashJoin)", told.partition("BroadcastExchange")[0]))
    assert len(of_rows) == 1, told


def test_rows_that_are_turned_away_do_not_crowd_the_partition_of_their_visitor(spark: SparkSession) -> None:
    rows = [raw_event("10:00", event_id=f"e{n}", visitor="flood", ordinal=n) for n in range(400)]
    taken = records.of_days(frame(spark, RAW_EVENTS, rows), Days(DAY, DAY), zone="UTC", lateness_days=2, future_tolerance_s=3600)
    is_over = F.col("ordinal") >= 40
    judged = taken.withColumns({"is_bot": F.lit(True), "_reasons": F.when(is_over, F.array(F.lit("flood")))})
    told = stream.stream(judged, frame(spark, OPEN_SESSIONS, []), WINDOWS, partitions=4)
    counts = {(row._is_kept, row._slot): row["count"] for row in told.groupBy("_is_kept", "_slot").count().collect()}
    kept, turned_away = ([count for (is_kept, _), count in counts.items() if is_kept is which] for which in (True, False))
    assert kept == [40] and len(turned_away) == 4 and max(turned_away) <= 1.5 * min(turned_away)


def test_what_several_outputs_are_made_of_is_shuffled_once_and_where_spark_does_not_allow_it_persisted(spark, monkeypatch) -> None:
    rows = spark.range(1_000).withColumn("_slot", F.col("id").cast("int") % 5)
    expected = sorted(row.id for row in rows.collect())
    moved = reused.shuffled(rows, by="_slot", partitions=3)
    costs = [measured(spark, lambda: sorted(row.id for row in moved.collect()) == expected) for _ in range(2)]
    assert costs[0] > 0 and costs[1] == 0, "the second reader finds the files of the first"
    monkeypatch.setattr(reused, "set_for", lambda *_: spark.there_is_no_such_thing)
    kept = reused.shuffled(rows, by="_slot", partitions=3)
    assert kept.is_cached and sorted(row.id for row in kept.collect()) == expected
    kept.unpersist()


def measured(spark: SparkSession, step: Callable[[], bool]) -> int:
    """Bytes that the stages of a step wrote to shuffles."""
    cost = measure.of(spark, lambda: None if step() else pytest.fail("other rows"))
    return cost.shuffled_bytes
