"""Sums over sliding windows of each row's past: by differences of prefixes beside Spark's own RANGE frames, and ten times the window.

python -m benchmarks.rolling [ROWS] [ROUNDS]     of about 1,000 rows a window
"""

import sys
from collections.abc import Iterator

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F
from pyspark.sql.types import LongType, StringType, StructField, StructType

from benchmarks import measure, results
from clickmill.features.blocks import by_key
from clickmill.features.histories import Histories, Ints, Questions

SECOND = 1_000_000
SPAN_DAYS = 90
KEY = ("user",)
WINDOWS_DAYS = {"ours": 28.0, "ours, a tenth of the window": 2.8, "RANGE frames": 28.0}


def main(rows: int = 5_000_000, rounds: int = 5) -> None:
    """Rows of some users over 90 days, so that 28 days of one hold about a thousand."""
    spark = measure.session("clickmill rolling")
    acts = landed(spark, rows)
    same = {name: checksum(_run(name, acts)) for name in ("ours", "RANGE frames")}
    assert len(set(same.values())) == 1, same
    steps = {name: lambda name=name: _noop(_run(name, acts)) for name in WINDOWS_DAYS}
    costs = measure.in_turn(spark, steps, rounds)
    frames, tenth = costs["RANGE frames"], costs["ours, a tenth of the window"]
    faster, longer = 1 / measure.ratio(costs["ours"], frames), measure.ratio(costs["ours"], tenth)
    told = [[name, measure.told(costs[name]), "", ""] for name in costs]
    told += [
        ["RANGE frames over ours", f"{faster:.1f}", ">= 8", results.met(faster >= 8)],
        ["ours over ours with a tenth of the window", f"{longer:.2f}", "<= 1.2", results.met(longer <= 1.2)],
    ]
    notes = [f"Sum and count of the last 28 days of each of {rows:,} rows, about 1,000 each, strictly before the row; nothing is written."]
    results.write(f"Sliding windows over {rows:,} rows", ["who", "seconds (median, min to max)", "goal", "met"], told, notes)


def landed(spark: SparkSession, rows: int) -> DataFrame:
    """Rows of users at random instants, none of them twice, in memory."""
    users = max(1, round(rows * 28 / SPAN_DAYS / 1000))
    span = SPAN_DAYS * 86_400 * SECOND
    made = spark.range(rows, numPartitions=8).select(
        F.concat(F.lit("u"), F.pmod(F.xxhash64("id"), F.lit(users)).cast("string")).alias("user"),
        (F.pmod(F.xxhash64("id", F.lit(1)), F.lit(span // 8)) * 8 + F.pmod("id", F.lit(8))).alias("at"),
        F.pmod(F.xxhash64("id", F.lit(2)), F.lit(100)).alias("value"),
    )
    kept = made.persist()
    kept.count()
    return kept


def _run(name: str, acts: DataFrame) -> DataFrame:
    window = round(WINDOWS_DAYS[name] * 86_400 * SECOND)
    return ranged(acts, window) if name == "RANGE frames" else ours(acts, window)


def ours(acts: DataFrame, window: int) -> DataFrame:
    schema = StructType([StructField("user", StringType()), *(StructField(name, LongType()) for name in ("at", "sum", "count"))])

    def answered(table: pa.Table, key: Ints) -> Iterator[pa.Table]:
        at, value = table["at"].to_numpy(), table["value"].to_numpy()
        told = Histories(key, at).asked(Questions(key, at))
        total, count = told.sums(value, window)[0], told.sums(np.ones(len(at), bool), window)[0]
        yield pa.table({"user": table["user"], "at": table["at"], "sum": total, "count": count})

    return by_key(acts, KEY, ("at",), answered, schema)


def ranged(acts: DataFrame, window: int) -> DataFrame:
    """The same by Spark's frames, which go through a window's rows for each row."""
    frame = Window.partitionBy(*KEY).orderBy("at").rangeBetween(-window, -1)
    total = F.coalesce(F.sum("value").over(frame), F.lit(0))
    return acts.select("user", "at", total.alias("sum"), F.count("value").over(frame).alias("count"))


def checksum(rows: DataFrame) -> object:
    return rows.agg(F.sum(F.xxhash64("user", "at", "sum", "count").cast("decimal(38,0)")), F.sum("count")).first()


def _noop(rows: DataFrame) -> None:
    rows.write.format("noop").mode("overwrite").save()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
