"""Copies and sessions as the cleaning job chains them, without its rules: what the tests of cleaning run."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from builders import frame
from clickmill import reused
from clickmill.clean import copies, open_sessions, order, records, sessions, stream
from clickmill.contracts.days import Days
from clickmill.contracts.table import Table
from clickmill.contracts.tables import EVENTS, OPEN_SESSIONS, RAW_EVENTS, REJECTS, SESSIONS

GAP_S, NEAR_S, ORDER_S, HORIZON_S, CAP_S = 1800, 1, 82_800, 3600, 900
WINDOWS = order.Windows(gap_s=GAP_S, dwell_cap_s=CAP_S, copy_horizon_s=HORIZON_S, near_copy_s=NEAR_S, order_copy_s=ORDER_S)


@dataclass
class Cleaned:
    events: DataFrame
    copies: DataFrame
    open_sessions: DataFrame


def clean(
    spark: SparkSession,
    rows: Iterable[dict[str, Any]],
    days: Days,
    carried: DataFrame | None = None,
    partitions: int = 2,
    zone: str = "UTC",
) -> Cleaned:
    before = states(spark, days, carried)
    moved = of_visitors(spark, rows, days, before, partitions, zone)
    looked_at = reused.shuffled(copies.looked_at(moved, WINDOWS, zone=zone), by="_slot", partitions=partitions)
    examined = reused.shuffled(copies.examined(looked_at, WINDOWS), by="_slot", partitions=partitions)
    turned_away = copies.only_copies(examined)
    events = reused.kept(sessions.events(moved, turned_away, WINDOWS).cache())
    rejects = records.rejects(copies.rejected(looked_at), turned_away)
    return Cleaned(events, rejects, open_sessions.open_sessions(events, before, examined, WINDOWS, zone=zone, keep=DataFrame.cache))


def states(spark: SparkSession, days: Days, carried: DataFrame | None) -> DataFrame:
    """What the day before hands on: rows, not a plan, for one plan upon the other has no end."""
    rows = [row.asDict() for row in carried.collect()] if carried is not None else []
    return records.of_day(frame(spark, OPEN_SESSIONS, rows), days.widened(back=1).first)


def of_visitors(
    spark: SparkSession, rows: Iterable[dict[str, Any]], days: Days, before: DataFrame, partitions: int = 2, zone: str = "UTC"
) -> DataFrame:
    raw = frame(spark, RAW_EVENTS, rows).repartition(partitions)
    taken = records.of_days(raw, days, zone=zone, lateness_days=2, future_tolerance_s=3600).withColumn("is_bot", F.lit(False))
    judged = taken.withColumn("_reasons", F.lit(None).cast("array<string>"))
    return reused.shuffled(stream.stream(judged, before, WINDOWS, partitions=partitions), by="_slot", partitions=partitions)


class Tables:
    """The rows of the four tables of cleaning; a run replaces its days in each."""

    def __init__(self, spark: SparkSession, zone: str) -> None:
        self.spark, self.zone = spark, zone
        self.rows: dict[Table, list[Row]] = {table: [] for table in (EVENTS, REJECTS, OPEN_SESSIONS, SESSIONS)}

    def run(self, rows: Iterable[dict[str, Any]], days: Days, partitions: int = 2) -> "Tables":
        """Clean the days, as the jobs do: with all rows that landed so far, and with what the tables hold so far."""
        carried = frame(self.spark, OPEN_SESSIONS, [row.asDict() for row in self.rows[OPEN_SESSIONS]])
        with spread(self.spark, partitions):
            cleaned = clean(self.spark, rows, days, carried, partitions, self.zone)
            closed = sessions.sessions(cleaned.events, carried, days, gap_s=GAP_S, zone=self.zone)
            for table, made in zip(self.rows, (cleaned.events, cleaned.copies, cleaned.open_sessions, closed), strict=True):
                self.rows[table] = [row for row in self.rows[table] if row.event_date not in days] + made.collect()
        return self

    def carried_into(self, day: date) -> set[str]:
        return {str(row) for row in self.rows[OPEN_SESSIONS] if row.event_date == day - timedelta(days=1)}


@contextmanager
def spread(spark: SparkSession, partitions: int) -> Iterator[None]:
    """Shuffle into so many partitions; adaptive execution would make one of them again, the rows are so few."""
    settings = {"spark.sql.shuffle.partitions": str(partitions), "spark.sql.adaptive.enabled": "false"}
    before = {name: spark.conf.get(name) for name in settings}
    try:
        for name, value in settings.items():
            spark.conf.set(name, value)
        yield
    finally:
        for name, value in before.items():
            spark.conf.set(name, value)
