"""How cleaning and its tables grow: more rows a day, more days before it, a range of days, one visitor of many days, one huge visitor.

python -m benchmarks.growth [ROWS] [ROUNDS]     of one day; ten times as many are needed as well, and half an hour for a million
"""

import math
import shutil
import sys
from datetime import timedelta
from functools import partial

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from benchmarks import measure, results, shop
from benchmarks.cleaning import FOLDER, fresh, landed, ours
from clickmill import config
from clickmill.contracts.days import Days
from clickmill.contracts.properties import set_for
from clickmill.contracts.tables import EVENTS
from clickmill.lake import Lake

_FILE_BYTES = 128 * 2**20
_DAYS = 60
_GIANT = 0.2


def main(rows: int = 1_000_000, rounds: int = 3) -> None:
    """Each row of the table is measured in one session, after a day of `rows` rows to warm up."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    # With the heap of a laptop most of what is resident is garbage that nobody had to collect yet.
    spark = measure.session("clickmill growth", {"spark.driver.memory": "3g"})
    small, large = landed(spark, rows, 1, folder="small"), landed(spark, 10 * rows, 1, folder="large")
    ours(small, fresh(spark, "warm"), _first(1))
    flood = config.load("test").bots.flood_events
    told = [*_more_rows(spark, small, large, rows, rounds), _one_visitor(spark, rows), *_more_days(spark, rows), *_many_days(spark, rows)]
    told.append(_one_huge_visitor(spark, 4 * rows))  # of fewer rows a stage has fewer than four tasks
    columns = ["what", "measured", "goal", "met"]
    rows_told = [[what, f"{value:.2f}", f"<= {goal:g}", results.met(value <= goal)] for what, value, goal in told]
    notes = [
        f"Ratios of medians of {rounds} rounds; finding bots is in them, the gate is not. The heap has 3 GiB.",
        "The files of one visitor are those of a day of so many rows, whatever days there are beside it. A small day has one file, and one"
        " visitor's rows are read from one file a day then.",
        f"A visitor with more than bots.flood_events, {flood:,} rows a day, is a flood: they are spread over all tasks and turned away"
        f" before any sort. One who is no flood sends {_GIANT:.0%} of a day of {flood / _GIANT:,.0f} rows at most: a partition or two, so"
        " there are no tasks to compare.",
    ]
    results.write(f"Growth of cleaning from {rows:,} rows", columns, rows_told, notes)


def _more_rows(spark: SparkSession, small: Lake, large: Lake, rows: int, rounds: int) -> list[tuple[str, float, float]]:
    """Ten times the rows in ten times the partitions, which is how a cluster is set up for them."""
    sizes = {"small": (small, 8), "large": (large, 80)}
    steps = {name: partial(_cleaned, raw, fresh(spark, name + "-out"), _first(1), partitions) for name, (raw, partitions) in sizes.items()}
    costs = measure.in_turn(spark, steps, rounds)
    held = [max(cost.held_bytes for cost in costs[name]) for name in steps]
    time = measure.ratio(costs["large"], costs["small"])
    return [(f"time of {10 * rows:,} rows over {rows:,}", time, 10.5), ("memory that Spark held, the same", held[1] / held[0], 1.1)]


def _cleaned(raw: Lake, lake: Lake, days: Days, partitions: int) -> None:
    with set_for(lake.spark, {"spark.sql.shuffle.partitions": str(partitions)}):
        ours(raw, lake, days)


def _more_days(spark: SparkSession, rows: int) -> list[tuple[str, float, float]]:
    """One more day of `rows` / 10 rows after 6 days, and after 60."""
    costs = {}
    for days in (_DAYS // 10, _DAYS):
        raw = landed(spark, (days + 1) * rows // 10, days + 1, folder=f"raw-{days}")
        lake = fresh(spark, f"days-{days}")
        ours(raw, lake, _first(days))
        last = Days(shop.last_day(days + 1), shop.last_day(days + 1))
        costs[days] = [measure.of(spark, partial(ours, raw, lake, last)) for _ in range(4)][1:]
    return [(f"a day more after {_DAYS} days over after {_DAYS // 10}", measure.ratio(costs[_DAYS], costs[_DAYS // 10]), 1.3)]


def _one_visitor(spark: SparkSession, rows: int) -> tuple[str, float, float]:
    """Share of the files of the large day, as it was just cleaned, that a reader of one visitor opens."""
    events = Lake(spark, str(FOLDER / "large-out")).read(EVENTS)
    row = events.select("site_id", "visitor_bucket").first()
    assert row is not None
    of_bucket = events.where((F.col("site_id") == row.site_id) & (F.col("visitor_bucket") == row.visitor_bucket))
    there = len(events.inputFiles())
    return (f"files opened for one visitor over the {there} of a day of {10 * rows:,} rows", len(of_bucket.inputFiles()) / there, 0.05)


def _many_days(spark: SparkSession, rows: int) -> list[tuple[str, float, float]]:
    """300 days in one run: files of a day over what their bytes ask for."""
    raw = landed(spark, rows, 300, folder="raw-300")
    lake = fresh(spark, "days-300")
    ours(raw, lake, _first(300))
    sizes: dict[str, list[int]] = {}
    files = (
        spark.read.format("binaryFile").option("recursiveFileLookup", "true").load(lake.read(EVENTS).inputFiles()).select("path", "length")
    )
    for file in files.collect():
        sizes.setdefault(file.path.split("event_date=")[1][:10], []).append(file.length)
    assert len(sizes) == 300
    worst = max(len(of_day) / (math.ceil(sum(of_day) / _FILE_BYTES) + 1) for of_day in sizes.values())
    return [("files of a day of 300 in one run over ceil(bytes / 128 MB) + 1", worst, 1.0)]


def _one_huge_visitor(spark: SparkSession, rows: int) -> tuple[str, float, float]:
    raw = landed(spark, rows, 1, giant_share=_GIANT, folder=f"raw-giant-{rows}")
    found = measure.slowest_over_median(spark, partial(ours, raw, fresh(spark, f"giant-{rows}"), _first(1)))
    return (f"slowest task over the median, one visitor sending 20 % of {rows:,} rows", found, 2.0)


def _first(days: int) -> Days:
    return Days(shop.FIRST, shop.FIRST + timedelta(days=days - 1))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
