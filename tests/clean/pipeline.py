"""Copies and sessions as the cleaning job chains them, without its rules: what the tests of cleaning run."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from builders import frame
from clickmill.clean import records, sessions, stream
from clickmill.contracts.days import Days
from clickmill.contracts.tables import OPEN_SESSIONS, RAW_EVENTS

GAP_S, NEAR_S, ORDER_S, HORIZON_S, CAP_S = 1800, 1, 82_800, 3600, 900
WINDOWS = stream.Windows(gap_s=GAP_S, dwell_cap_s=CAP_S, copy_horizon_s=HORIZON_S, near_copy_s=NEAR_S, order_copy_s=ORDER_S)


@dataclass
class Cleaned:
    events: DataFrame
    copies: DataFrame
    open_sessions: DataFrame


def clean(
    spark: SparkSession, rows: Iterable[dict[str, Any]], days: Days, carried: DataFrame | None = None, partitions: int = 2
) -> Cleaned:
    raw = frame(spark, RAW_EVENTS, rows).repartition(partitions)
    taken = records.of_days(raw, days, zone="UTC", lateness_days=2, future_tolerance_s=3600).withColumn("is_bot", F.lit(False))
    before = carried if carried is not None else frame(spark, OPEN_SESSIONS, [])
    before = records.of_day(before, days.widened(back=1).first)
    cut = stream.marked(taken, before, WINDOWS, zone="UTC").cache()
    rejects = records.rejects(taken.withColumn("_reasons", F.array().cast("array<string>")).limit(0), cut)
    return Cleaned(sessions.only_kept(cut), rejects, sessions.still_open(cut, copy_horizon_s=HORIZON_S, zone="UTC"))
