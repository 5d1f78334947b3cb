"""What was last known before each row, an as-of join: beside tempo's asofJoin, and beside a plain sort-merge join of as many rows.

python -m benchmarks.asof [ROWS] [ROUNDS] [VALUES]     of each side, and how many values each row on the right has

Tempo (dbl-tempo) is installed into a folder of its own, .cache/rivals/tempo.
"""

import os
import subprocess
import sys
from pathlib import Path

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from benchmarks import measure, results

SECOND, SPAN_S, ROWS_A_KEY = 1_000_000, 90 * 86_400, 100


def main(rows: int = 2_000_000, rounds: int = 5, values: int = 24) -> None:
    """For each row of the left the values of the last row of the right strictly before it, of the same key."""
    spark = measure.session("clickmill asof")
    ids = spark.range(rows, numPartitions=8)
    left, right = _landed(ids, rows, "left", 0), _landed(ids, rows, "right", values)
    steps = {
        "ours": lambda: _noop(ours(left, right)),
        "tempo": lambda: _noop(tempo(left, right)),
        "sort-merge join": lambda: _noop(plain(left, right)),
    }
    assert _sum(ours(left, right)) == _sum(tempo(left, right)), "ours and tempo tell other values"
    costs = measure.in_turn(spark, steps, rounds)
    faster, longer = (measure.ratio(costs[one], costs[other]) for one, other in (("tempo", "ours"), ("ours", "sort-merge join")))
    told = [[name, measure.told(of), "", ""] for name, of in costs.items()]
    told += [
        ["tempo over ours", f"{faster:.2f}", ">= 2", results.met(faster >= 2)],
        ["ours over a sort-merge join", f"{longer:.2f}", "<= 1.5", results.met(longer <= 1.5)],
    ]
    notes = [
        f"{rows:,} rows on each side, {ROWS_A_KEY} of a key, at random instants of 90 days; nothing is written."
        " The sort-merge join is one by key and instant, which finds next to nothing: it moves and sorts as many rows."
    ]
    results.write(
        f"As-of join of {rows:,} by {rows:,} rows, {values} values", ["who", "seconds (median, min to max)", "goal", "met"], told, notes
    )


def _landed(ids: DataFrame, rows: int, side: str, values: int) -> DataFrame:
    """Rows of users at instants that are odd on the right and even on the left: none is at the instant of another."""
    user = F.pmod(F.xxhash64("id", F.lit(side)), F.lit(rows // ROWS_A_KEY)).alias("user")
    second = F.pmod(F.xxhash64("id", F.lit(side), F.lit(1)), F.lit(SPAN_S))
    at = (second * SECOND + F.pmod("id", F.lit(500_000)) * 2 + F.lit(int(side == "right"))).alias("at")
    told = [F.pmod(F.xxhash64("id", F.lit(n)), F.lit(1000)).alias(f"value_{n}") for n in range(values)]
    kept = ids.select(user, at, *told).persist()
    kept.count()
    return kept


def ours(left: DataFrame, right: DataFrame) -> DataFrame:
    """As features.outcomes finds what was shown before an answer: both sides in one shuffle and one sort, one window over one struct."""
    told = F.struct(*_values(right))
    mine = left.select("user", "at", F.lit(1).alias("is_asked"), F.lit(None).cast(right.select(told).schema[0].dataType).alias("_told"))
    past = right.select("user", "at", F.lit(0).alias("is_asked"), told.alias("_told"))
    so_far = Window.partitionBy("user").orderBy("at", "is_asked").rowsBetween(Window.unboundedPreceding, Window.currentRow)
    both = mine.unionByName(past).withColumn("_told", F.last("_told", ignorenulls=True).over(so_far))
    return both.where("is_asked = 1").select("user", "at", "_told.*")


def tempo(left: DataFrame, right: DataFrame) -> DataFrame:
    """As its documentation has it; a row of the right at the very instant does not occur."""
    _install()
    from tempo import TSDF  # type: ignore[import-not-found]

    instant = F.timestamp_micros("at").alias("event_at")
    mine = TSDF(left.select("user", "at", instant), ts_col="event_at", partition_cols=["user"])
    past = TSDF(right.select("user", instant, *_values(right)), ts_col="event_at", partition_cols=["user"])
    found: DataFrame = mine.asofJoin(past, right_prefix="right").df
    return found.select("user", "at", *(F.col(f"right_{name}").alias(name) for name in _values(right)))


def plain(left: DataFrame, right: DataFrame) -> DataFrame:
    return left.join(right.hint("merge"), on=["user", "at"], how="left")


def _values(of: DataFrame) -> list[str]:
    return [name for name in of.columns if name.startswith("value_")]


def _sum(rows: DataFrame) -> object:
    return rows.agg(F.sum(F.xxhash64("user", "at", *_values(rows)).cast("decimal(38,0)")), F.count("value_0")).first()


def _noop(rows: DataFrame) -> None:
    rows.write.format("noop").mode("overwrite").save()


def _install() -> None:
    cache = Path(os.environ.get("CLICKMILL_CACHE", ".cache"))
    folder = cache / "rivals" / "tempo"
    if not folder.exists():
        uv = [str(cache / "boot" / "bin" / "uv"), "pip", "install", "-q", "--python", sys.executable]
        subprocess.run([*uv, "--target", str(folder), "ipython==8.37.0"], check=True)  # which it imports, and does not say so
        subprocess.run([*uv, "--target", str(folder), "--no-deps", "dbl-tempo==0.1.30"], check=True)
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
