"""Where the rows of a visitor are, and what the plan of cleaning moves and sorts."""

import re
from itertools import pairwise

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from builders import DAY, frame, raw_event
from clean.pipeline import WINDOWS, spread
from clickmill import river
from clickmill.clean import copies, order, records, sessions
from clickmill.contracts.days import Days
from clickmill.contracts.properties import set_for
from clickmill.contracts.tables import OPEN_SESSIONS, RAW_EVENTS


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


def test_rows_cross_the_network_once_and_are_sorted_once_and_no_python_is_in_their_way(spark: SparkSession) -> None:
    raw = frame(spark, RAW_EVENTS, [raw_event("10:00", event_id=f"e{n}", visitor=f"v{n % 3}") for n in range(9)]).cache()
    days = Days(DAY, DAY)
    taken = records.of_days(raw, days, zone="UTC", lateness_days=2, future_tolerance_s=3600).withColumn("is_bot", F.lit(False))
    carried = records.of_day(frame(spark, OPEN_SESSIONS, []), DAY)
    with spread(spark, 4), set_for(spark, river.job("clean_events").SPARK_CONF):
        looked_at = copies.looked_at(taken, carried, WINDOWS, zone="UTC", partitions=4)
        first_look = plan(spark, looked_at)
        examined = copies.examined(looked_at.cache(), WINDOWS).cache()
        told = plan(spark, sessions.events(taken, carried, copies.only_copies(examined), WINDOWS, zone="UTC", partitions=4))
    # The rows, and the few copies, whose own plan stands below their cache.
    told = told.split("InMemoryRelation")[0]
    assert (count("Exchange", told), count("Sort", told)) == (2, 1), told
    # All rows that hold little but keys: by id, and by copy key and time.
    assert (count("Exchange", first_look), count("Sort", first_look)) == (1, 2), first_look
    assert not re.search("Python|Arrow|Pandas", told + first_look)
