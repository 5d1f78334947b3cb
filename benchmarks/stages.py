"""How every job of the river grows, from landing files to published lists, and what each costs an event in time and on disk.

python -m benchmarks.stages [EVENTS] [ROUNDS]     of one day; ten times as many are made as well, a lake each round
"""

import shutil
import statistics
import sys
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from pyspark.sql import SparkSession

from benchmarks import measure, results
from benchmarks.cleaning import FOLDER, NOTE
from clickmill import config, execution, river
from clickmill.contracts.days import Days
from clickmill.contracts.properties import set_for
from clickmill.contracts.table import Table
from clickmill.contracts.tables import ALL, CANDIDATES, IDS, INTERACTIONS, ITEMS
from clickmill.inputs import Job
from clickmill.lake import Lake
from clickmill.ledger import Ledger
from clickmill.simulate import landing
from clickmill.simulate.world import World

SEED = 4_001
CORES = 2
_FILES = 4  # of the smaller day, and partitions of its shuffles: a file is a task, and a day of one file would keep one core busy
_OF_ONE_DAY = 0.915  # of the events that a simulated shop is asked for so many come of a single day: what runs past midnight is cut off
_MOST_TIME = 10.5
# Nothing of theirs is in these days: there are no users' states, no days before, by whose lists a model could be judged, and no days
# after, on which the labels of impressions are final.
LEFT_OUT = ("clean_users", "evaluate_models", "export_ctr_rows", "train_ctr_models", "evaluate_ctr_models")


@dataclass(frozen=True)
class Shop:
    """Landing files of one day of a shop, and into how many partitions its rows are shuffled."""

    folder: Path
    files: int
    lines: int
    line_bytes: float
    partitions: int
    days: Days


@dataclass(frozen=True)
class Made:
    """What one making of a day took, by job; how many bytes each table has on disk then, and how many rows."""

    costs: dict[str, measure.Cost]
    table_bytes: dict[str, int]
    table_rows: dict[str, int]


def main(events: int = 300_000, rounds: int = 3) -> None:
    """Both days are made in turn, each time in a new lake; before that the smaller one, so that Java has compiled what there is."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    # With the heap of a laptop most of what is resident is garbage that nobody had to collect yet.
    spark = measure.session("clickmill stages", {"spark.driver.memory": "3g"})
    small, large = (land(spark, FOLDER / name, events, times) for name, times in (("small", 1), ("large", 10)))
    make(spark, small)
    pairs = [(make(spark, small), make(spark, large)) for _ in range(rounds)]
    names = [name for name in pairs[0][0].costs if name not in LEFT_OUT]
    told = [_row(name, pairs, large.lines) for name in names]
    told.append(_whole(names, pairs, large.lines))
    columns = [
        "job", f"seconds of {small.lines:,}", f"of {large.lines:,}", "ratio", "met", "GB resident, both", "µs of one core an event",
        "bytes an event on disk",
    ]  # fmt: skip
    wide = [name for name in names if any(measure.spread([made.costs[name] for made in side]) > 0.15 for side in zip(*pairs, strict=True))]
    notes = _notes(pairs[-1][1], small, large, rounds) + ([f"Spread above 15 %: {', '.join(wide)}."] if wide else [])
    results.write(f"Every job, from {events:,} events of a day to ten times as many", columns, told, notes)
    shutil.rmtree(FOLDER)


def land(spark: SparkSession, folder: Path, events: int, times: int) -> Shop:
    """Simulate one day of a shop; its lines come in files of the same length whatever the day's size."""
    made = landing.write(spark, seed=SEED, days=1, events=round(events * times / _OF_ONE_DAY), out=str(folder / "shop"))
    folder_of_lines, files, lines, size = Path(made.landing), 0, 0, 0
    for path in sorted(folder_of_lines.glob("*.jsonl")):
        if ".again." in path.name:  # a file that is delivered twice is taken once: its lines are no events of the day
            path.unlink()
            continue
        with path.open("rb") as whole:
            for number, first in enumerate(whole, 1):
                part = [first, *islice(whole, events // _FILES - 1)]
                files, lines, size = files + 1, lines + len(part), size + sum(map(len, part))
                path.with_name(f"{path.stem}.part-{number}.jsonl").write_bytes(b"".join(part))
        path.unlink()
    shutil.rmtree(made.truth)
    day = World(SEED, days=1).first_day
    return Shop(folder, files, lines, size / lines, _FILES * times, Days(day, day))


def make(spark: SparkSession, shop: Shop) -> Made:
    """Run every job over the day as a run of a flow does, into tables that are there already: a shop makes them once.

    Those that are served the first release makes itself: what is in them is always a release's.
    """
    root = shop.folder / "lake"
    shutil.rmtree(root, ignore_errors=True)
    lake = Lake(spark, str(root))
    for table in ALL:
        if not table.is_served:
            lake.ensure(table, NOTE)
    costs = {}
    for job in (river.job("ingest_items"), *river.flow("events_jsonl")):
        name = execution.name_of(job)
        with set_for(spark, {"spark.sql.shuffle.partitions": str(shop.partitions)}):
            costs[name] = measure.of(spark, partial(execution.execute, job, _conf(job, shop, lake), shop.days, spark))
        print(f"{shop.lines:,} {name}: {costs[name].seconds:.1f} s, {costs[name].shuffled_bytes / 1e6:,.0f} MB shuffled", flush=True)
    ledger = Ledger(lake)
    rows = {table.name: sum(one.row_count for one in ledger.admitted(table).values()) for table in ALL}
    return Made(costs, {table.name: lake.size_bytes(table) for table in ALL}, rows)


def _conf(job: Job, shop: Shop, lake: Lake) -> config.Config:
    states = {"landing.source": "items_jsonl", "landing.path": str(shop.folder / "shop" / "items")}
    events = {"landing.source": "events_jsonl", "landing.path": str(shop.folder / "shop" / "landing")}
    return config.load("local", {"lake.root": lake.root, **(states if getattr(job, "TAKES", "") == "items" else events)})


def _row(name: str, pairs: list[tuple[Made, Made]], events: int) -> list[str]:
    """One job in one row of the table."""
    small, large = ([made.costs[name] for made in side] for side in zip(*pairs, strict=True))
    time = measure.ratio(large, small)
    resident = " and ".join(f"{max(cost.memory_bytes for cost in side) / 1e9:.1f}" for side in (small, large))
    written = [f"{table.name} {_bytes(pairs, table, events):,.1f}" for table in river.job(name).WRITES]
    return [
        name, measure.told(small), measure.told(large), f"{time:.2f}", results.met(time <= _MOST_TIME),
        resident, f"{_micros(large, events):.1f}", "; ".join(written),
    ]  # fmt: skip


def _whole(names: list[str], pairs: list[tuple[Made, Made]], events: int) -> list[str]:
    """All of them together: a round's seconds are the sum of those of its jobs."""
    seconds = [[sum(made.costs[name].seconds for name in names) for made in side] for side in zip(*pairs, strict=True)]
    small, large = map(statistics.median, seconds)
    tables = [table for name in names for table in river.job(name).WRITES]
    micros, whole = large * CORES / events * 1e6, sum(_bytes(pairs, table, events) for table in tables)
    ratio = large / small
    seconds_told = [f"{small:.1f}", f"{large:.1f}", f"{ratio:.2f}", results.met(ratio <= _MOST_TIME)]
    return ["all", *seconds_told, "", f"{micros:.1f}", f"{whole:,.1f}"]


def _micros(costs: list[measure.Cost], events: int) -> float:
    return statistics.median(cost.seconds for cost in costs) * CORES / events * 1e6


def _bytes(pairs: list[tuple[Made, Made]], table: Table, events: int) -> float:
    return pairs[-1][1].table_bytes[table.name] / events


def _notes(made: Made, small: Shop, large: Shop, rounds: int) -> list[str]:
    rows = made.table_rows
    return [
        f"One day of a simulated shop, {large.line_bytes:.0f} bytes of JSON an event; {rounds} rounds that took turns in one session after"
        " one of the smaller day to warm up. Each job is a whole run: locks, counts, gate, content hashes and admission are in it."
        f" The days land in {small.files} and {large.files} files, and are shuffled into {small.partitions} and {large.partitions}"
        f" partitions; the heap has 3 GiB. Goal: ten times the events take at most {_MOST_TIME:g} times the time. A run takes some seconds"
        " whatever its size, so a ratio far below ten says that these are most of the smaller day's time.",
        "Resident are the driver, Java with it, and the Python workers. An event is a line that landed. Bytes are those of the newest"
        " version; raw.events has the text of each record, record_text, in them.",
        f"Of {large.lines:,} events came {rows[INTERACTIONS.name]:,} interactions of {rows[IDS.name]:,} users and items and"
        f" {rows[CANDIDATES.name]:,} candidates; the shop has {rows[ITEMS.name]:,} items at either size. Models, candidates and lists are"
        " made of a window of this one day: they grow with the users and interactions of their window, not with the events of a day.",
        "evaluate_models ran, and is not told: it judges lists by the days after them, and of one day there are none. So popular items are"
        " published: lists that are all alike, and take next to no space. clean_users had no input. No label of an impression is final on"
        " its own day, so there was nothing to export and to train on: benchmarks.training measures that.",
    ]


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
