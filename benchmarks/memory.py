"""What the tasks of every job hold at once, for a day and for one of ten times as many events, in partitions of one size.

python -m benchmarks.memory [EVENTS]     of the smaller day
"""

import shutil
import sys

from benchmarks import measure, results, stages
from benchmarks.cleaning import FOLDER
from clickmill.models import als, neighbours

_MOST = 1.1
_SPLIT_BYTES = 2**20
# As shipped a partition grows with its day up to 64 MB of shuffled rows and 128 MB of a file, and no day of a laptop comes near that;
# and whatever holds a row takes 64 MB at once.
_OF_ONE_SIZE = {
    "spark.sql.files.maxPartitionBytes": str(_SPLIT_BYTES),
    "spark.hadoop.parquet.block.size": str(_SPLIT_BYTES),
    "spark.sql.adaptive.coalescePartitions.enabled": "false",
    "spark.buffer.pageSize": "1m",
    "spark.driver.memory": "3g",
}


def main(events: int = 200_000) -> None:
    """Each day is made once, the smaller one first."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    spark = measure.session("clickmill memory", _OF_ONE_SIZE)
    small, large = (stages.land(spark, FOLDER / name, events, times) for name, times in (("small", 1), ("large", 10)))
    before, after = (stages.make(spark, shop).costs for shop in (small, large))
    told = [_row(name, before[name], after[name]) for name in before if name not in stages.LEFT_OUT]
    columns = ["job", f"MB of {small.lines:,} events", f"of {large.lines:,}", "ratio", "met"]
    notes = [
        "The most that tasks hold at once for sorts, hashes and windows, two tasks at a time; goal: at most"
        f" {_MOST:g} times as much for ten times the events. Files are read in splits of {_SPLIT_BYTES / 2**20:.0f} MB, and rows shuffled"
        f" into {small.partitions} and {large.partitions} partitions: of ten times the rows there are ten times as many, and no larger"
        " ones. As shipped a partition grows up to 64 MB of shuffled rows, and 128 MB of a file, and no further."
        f" Neighbours and ALS deal their pairs into blocks of their own, of {neighbours.PAIRS_A_BLOCK:,} and {als.PAIRS_A_BLOCK:,} pairs:"
        " a day that does not fill the first blocks says nothing of them. What is broadcast is not"
        " in it, for it lies there until Java collects it; nor are rows that are kept to be read again, for they go to the disk where"
        " there is no room.",
    ]
    results.write(f"Memory of every job, from {events:,} events of a day to ten times as many", columns, told, notes)
    shutil.rmtree(FOLDER)


def _row(name: str, before: measure.Cost, after: measure.Cost) -> list[str]:
    # What holds next to nothing has no less than its first pages.
    held = [max(1_000_000, cost.of_tasks_bytes) for cost in (before, after)]
    ratio = held[1] / held[0]
    return [name, *(f"{one / 1e6:,.0f}" for one in held), f"{ratio:.2f}", results.met(ratio <= _MOST)]


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
