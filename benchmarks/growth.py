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


def main(rows: int = 1_000_000, rounds: int = 3) -> None:
    """Each row of the table is measured in one session, after a day of `rows` rows to warm up."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    # With the heap of a laptop most of what is resident is garbage that nobody had to collect yet.
    spark = measure.session("clickmill growth", {"spark.driver.memory": "3g"})
    small, large = landed(spark, rows, 1, folder="small"), landed(spark, 10 * rows, 1, folder="large")
    ours(small, fresh(spark, "warm"), _first(1))
    told = [*_more_rows(spark, small, large, rows, rounds), *_more_days(spark, rows), *_one_visitor(spark, rows), *_many_days(spark, rows)]
    told.append(_one_huge_visitor(spark, rows))
    columns, flood = ["what", "measured", "goal", "met"], config.load("test").bots.flood_events
    rows_told = [[what, f"{value:.2f}", f"<= {goal:g}", results.met(value <= goal)] for what, value, goal in told]
    notes = [
        f"Ratios of medians of {rounds} rounds; finding bots is in them, the gate is not. The heap has 3 GiB.",
        "Days of 40 files are laid out as days of about 5 GB of clean.events are. A small day has one file, and one visitor's rows are read"
        " from one file a day then.",
        f"The visitor who sends 20 % has {round(0.2 * rows):,} rows, {'more' if 0.2 * rows > flood else 'no more'} than bots.flood_events,"
        f" {flood:,}: beyond that rows are spread over all tasks and turned away before any sort, so this row tells of a flood that is"
        " turned away, not of a sort of one visitor's rows.",
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


def _one_visitor(spark: SparkSession, rows: int) -> list[tuple[str, float, float]]:
    """Share of the files of ten days that a reader of one visitor opens; the days were run one by one, into 40 partitions."""
    raw, lake = landed(spark, rows, 10, folder="raw-10"), fresh(spark, "days-10")
    for number in range(10):
        _cleaned(raw, lake, Days(shop.last_day(number + 1), shop.last_day(number + 1)), 40)
    events = lake.read(EVENTS)
    row = events.select("site_id", "visitor_bucket").first()
    assert row is not None
    of_bucket = events.where((F.col("site_id") == row.site_id) & (F.col("visitor_bucket") == row.visitor_bucket))
    share = len(of_bucket.inputFiles()) / len(events.inputFiles())
    return [("files opened for one visitor over files there are, 10 days of 40 files each", share, 0.05)]


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
    raw = landed(spark, rows, 1, giant_share=0.2, folder="raw-giant")
    found = measure.slowest_over_median(spark, partial(ours, raw, fresh(spark, "giant"), _first(1)))
    return ("slowest task over the median, one visitor sending 20 %", found, 2.0)


def _first(days: int) -> Days:
    return Days(shop.FIRST, shop.FIRST + timedelta(days=days - 1))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
