"""The gate of clean.events beside one aggregate, written by hand, of the same facts: how many rows break each rule, and share a key.

python -m benchmarks.gate [ROWS] [ROUNDS]
"""

import shutil
import sys

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from benchmarks import measure, results, shop
from benchmarks.cleaning import FOLDER, fresh, landed, ours
from clickmill.contracts import kinds, suite
from clickmill.contracts.days import Days
from clickmill.contracts.tables import EVENTS
from clickmill.quality import engine
from clickmill.quality.rows import broken

RULES = suite.of(EVENTS).rules


def main(rows: int = 3_000_000, rounds: int = 5) -> None:
    """One day of cleaned events, looked at by each in turn."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    spark = measure.session("clickmill gate")
    lake = fresh(spark, "gate")
    ours(landed(spark, rows, 1), lake, Days(shop.FIRST, shop.FIRST))
    events = lake.read(EVENTS)
    count = events.count()
    steps = {"gate": lambda: gated(events, count), "by hand": lambda: by_hand(events)}
    costs = measure.in_turn(spark, steps, rounds)
    spark.sparkContext.setJobGroup("gate", "gate")
    gated(events, count)
    jobs = len(spark.sparkContext.statusTracker().getJobIdsForGroup("gate"))
    ratio = measure.ratio(costs["gate"], costs["by hand"])
    told = [
        ["seconds (median, min to max)", f"{measure.told(costs['gate'])} against {measure.told(costs['by hand'])}", "", ""],
        ["gate over one aggregate", f"{ratio:.2f}", "<= 1.3", results.met(ratio <= 1.3)],
        ["Spark jobs of the gate", str(jobs), "<= 8", results.met(jobs <= 8)],
    ]
    title = f"Gate of {len(RULES)} rules over {count:,} rows, the key's uniqueness among them"
    results.write(
        title, ["what", "measured", "goal", "met"], told, ["The aggregate counts distinct keys, and rows against each other rule."]
    )


def gated(events: DataFrame, count: int) -> None:
    """What a run asks of Great Expectations."""
    found = engine.evaluate(events, RULES, name=EVENTS.name, rows=count)
    assert found.rows_checked == count and all(one.passed for one in found.verdicts.values())


def by_hand(events: DataFrame) -> None:
    """The same facts in one row."""
    of_rows = [rule for rule in RULES if kinds.KINDS[rule.kind].is_row_kind]
    counts = [F.count_if(broken(events, rule)).alias(rule.name) for rule in of_rows]
    row = events.agg(F.count("*").alias("_rows"), F.count_distinct(*map(F.col, EVENTS.key)).alias("_keys"), *counts).first()
    assert row is not None and row["_rows"] == row["_keys"] and not any(row[rule.name] for rule in of_rows)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
