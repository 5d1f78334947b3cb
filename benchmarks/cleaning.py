"""Cleaning beside its floor, beside the chain of steps that is usual, and beside DuckDB: same rows in, same columns out.

python -m benchmarks.cleaning [ROWS] [ROUNDS]     needs some 4 GB a million rows at most, and an hour for ten million
"""

import shutil
import sys
from functools import partial
from pathlib import Path

import duckdb
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from benchmarks import duck, measure, results, shop
from clickmill import config, river
from clickmill.clean import order
from clickmill.contracts.conform import conform
from clickmill.contracts.days import Days
from clickmill.contracts.properties import set_for
from clickmill.contracts.table import Table
from clickmill.contracts.tables import BOTS, EVENTS, OPEN_SESSIONS, RAW_EVENTS, REJECTS, VALUE_RANGES
from clickmill.inputs import Inputs
from clickmill.lake import Lake

FOLDER = Path("demo") / "benchmark"
DAY = Days(shop.FIRST, shop.FIRST)
NOTE = {"run_id": "benchmark"}


def main(rows: int = 10_000_000, rounds: int = 5) -> None:
    """One day of `rows` rows, cleaned by each in turn."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    spark = measure.session("clickmill benchmark")
    raw = landed(spark, rows, 1)
    steps = {
        "ours": partial(ours, raw, fresh(spark, "ours"), DAY),
        "floor": partial(floor, raw, fresh(spark, "floor")),
        "usual": partial(usual, raw, fresh(spark, "usual")),
        "duckdb": partial(duck.cleaned, str(FOLDER / "raw" / "raw" / "events"), FOLDER / "duckdb"),
    }
    costs = measure.in_turn(spark, steps, rounds)
    same_as_duckdb(Lake(spark, str(FOLDER / "ours")))
    goals = {"floor": ("<= 1.6", 1.6), "usual": ("<= 0.5", 0.5), "duckdb": ("<= 4", 4.0)}
    told = [["ours", measure.told(costs["ours"]), "", "", "", *_bytes(costs["ours"])]]
    for name, (goal, limit) in goals.items():
        ratio = measure.ratio(costs["ours"], costs[name])
        told.append([name, measure.told(costs[name]), f"{ratio:.2f}", goal, results.met(ratio <= limit), *_bytes(costs[name])])
    columns = ["who", "seconds (median, min to max)", "ours / it", "goal", "met", "MB shuffled", "MB spilled", "GB of memory"]
    wide = [name for name, found in costs.items() if measure.spread(found) > 0.15]
    notes = [
        f"One day, {rounds} rounds that took turns after two to warm up. Ours: bots, then cleaning with rejects and what stays open"
        " overnight; the gate is not in it. Floor: scan, one shuffle by visitor, one sort, write. Usual: dropDuplicates, lag, running"
        " sum, bots by group and join; it keeps near copies and writes no rejects. All three write with the same settings of Delta and"
        " Parquet. One visit in five ends with a purchase. DuckDB: the same rows as ours, checked by id, session, gap, dwell and bot;"
        " it writes Parquet.",
    ]
    notes += [f"Spread above 15 %: {', '.join(wide)}."] if wide else []
    results.write(f"Cleaning {rows:,} events of one day", columns, told, notes)


def landed(spark: SparkSession, rows: int, days: int, *, giant_share: float = 0.0, folder: str = "raw") -> Lake:
    """A lake with raw.events of a shop, and nothing else."""
    lake = fresh(spark, folder, (RAW_EVENTS,))
    span = Days(shop.FIRST, shop.last_day(days))
    lake.write(shop.raw_events(spark, rows, days, giant_share=giant_share), RAW_EVENTS, span, NOTE)
    return lake


def fresh(spark: SparkSession, folder: str, tables: tuple[Table, ...] = (EVENTS, REJECTS, OPEN_SESSIONS, BOTS)) -> Lake:
    """A lake with these tables, empty."""
    shutil.rmtree(FOLDER / folder, ignore_errors=True)
    lake = Lake(spark, str(FOLDER / folder))
    for table in tables:
        lake.ensure(table, NOTE)
    return lake


def ours(raw: Lake, lake: Lake, days: Days) -> None:
    """The jobs that find bots and clean, as a run has them write: without counts, gate and admission."""
    conf = config.load("test", {"lake.root": lake.root})
    for name in ("find_bots", "clean_events"):
        job, inputs = river.job(name), Inputs("benchmark", days, conf, lake)
        for read in job.READS:
            inputs[read.table] = (raw if read.table is RAW_EVENTS else lake).read(read.table)
        inputs[VALUE_RANGES] = lake.read(VALUE_RANGES)
        with set_for(lake.spark, getattr(job, "SPARK_CONF", {})):
            made, written = job.run(lake.spark, conf, days, inputs), {}
            for table in job.WRITES:
                output = made[table]
                frame = output if isinstance(output, DataFrame) else output(written)
                written[table] = lake.rows_of(lake.write(frame, table, days, NOTE))
        inputs.release()


def floor(raw: Lake, lake: Lake) -> None:
    """The least that puts these rows by visitor: scan, one shuffle, one sort, write; of columns as full as those of ours."""
    rows = _stamped(raw.read(RAW_EVENTS)).repartition("site_id", "visitor_id")
    lake.write(rows.sortWithinPartitions("site_id", "visitor_id", *order.IN_TIME), EVENTS, DAY, NOTE)


def usual(raw: Lake, lake: Lake) -> None:
    """What a tutorial would do: one record an id, sessions by lag and running sum, busy visitors joined as bots."""
    rows = raw.read(RAW_EVENTS).where((F.size("problems") == 0) & ~((F.col("event_type") == "item_view") & F.col("item_id").isNull()))
    rows = _stamped(rows.dropDuplicates(["site_id", "event_id"]))
    in_time = Window.partitionBy("site_id", "visitor_id").orderBy(*order.IN_TIME)
    gap_s = order.seconds(F.col("event_at"), F.lag("event_at").over(in_time))
    gaps = rows.withColumn("gap_s", gap_s)
    numbered = gaps.withColumn("_number", F.sum((F.coalesce("gap_s", F.lit(1e9)) > 1800).cast("long")).over(in_time))
    named = numbered.withColumn("session_id", F.concat_ws("-", "visitor_id", "_number"))
    per_minute = named.groupBy("site_id", "visitor_id", F.date_trunc("minute", "event_at").alias("_minute")).count()
    busy = per_minute.groupBy("site_id", "visitor_id").agg(F.sum("count").alias("_events"), F.max("count").alias("_peak"))
    found = busy.where((F.col("_events") >= 2000) | (F.col("_peak") >= 120)).select("site_id", "visitor_id", F.lit(True).alias("_bot"))
    told = named.drop("is_bot").join(found, on=["site_id", "visitor_id"], how="left")
    lake.write(told.withColumn("is_bot", F.coalesce("_bot", F.lit(False))), EVENTS, DAY, NOTE)


def _stamped(rows: DataFrame) -> DataFrame:
    bucket = F.pmod(F.xxhash64("site_id", "visitor_id"), F.lit(256)).cast("int")
    of_minute = F.unix_micros("event_at") % 60_000_000 / F.lit(1e6)
    filled = {"session_id": F.concat("visitor_id", F.lit("-20240501")), "gap_s": of_minute, "dwell_s": of_minute}
    return conform(rows.withColumns({"visitor_bucket": bucket, "is_bot": F.lit(False), **filled}), EVENTS)


def same_as_duckdb(lake: Lake) -> None:
    """Stop where ours and DuckDB's rows differ in what cleaning says of them."""
    told = [
        duckdb.sql(duck.said(files)).fetchall() for files in (lake.read(EVENTS).inputFiles(), [str(FOLDER / "duckdb" / "*" / "*.parquet")])
    ]
    if told[0] != told[1]:
        raise SystemExit(f"ours and DuckDB's rows differ: {told[0]} and {told[1]}")


def _bytes(costs: list[measure.Cost]) -> list[str]:
    highest = max(cost.memory_bytes for cost in costs)
    return [f"{costs[-1].shuffled_bytes / 1e6:,.0f}", f"{costs[-1].spilled_bytes / 1e6:,.0f}", f"{highest / 1e9:.1f}"]


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
