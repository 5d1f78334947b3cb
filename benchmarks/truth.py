"""How much of the planted truth is found in a shop of a million events, for seeds that nothing was tuned on.

python -m benchmarks.truth [EVENTS]     needs some 3 GB beside the repository, and an hour on two cores
"""

import shutil
import sys
import time
from pathlib import Path

from pyspark.sql import SparkSession

from benchmarks import results
from clickmill import config, execution, river, session, truth
from clickmill.ingest import landings
from clickmill.lake import Lake
from clickmill.simulate import landing
from clickmill.simulate.found import Finding

SEEDS = (1_009, 2_003, 3_001)
DAYS = 28


def main(events: int = 1_000_000) -> None:
    """Simulate a shop for each seed, run the river over it, and write what was found."""
    folder, found, notes = Path("demo") / "benchmark", {}, []
    with session.started("clickmill benchmark") as spark:
        for seed in SEEDS:
            shutil.rmtree(folder, ignore_errors=True)
            started = time.monotonic()
            made = landing.write(spark, seed=seed, days=DAYS, events=events, out=str(folder / "shop"))
            simulated_s = time.monotonic() - started
            found[seed] = _found(spark, folder, made)
            flow_s = time.monotonic() - started - simulated_s
            notes.append(f"Seed {seed}: {made.deliveries:,} lines, simulated in {simulated_s:.0f} s, river and count {flow_s:.0f} s.")
            _write(events, found, notes)
    shutil.rmtree(folder)


def _found(spark: SparkSession, folder: Path, made: landing.Written) -> list[Finding]:
    conf = config.load("local", {"lake.root": str(folder / "lake"), "landing.source": "events_jsonl", "landing.path": made.landing})
    days = landings.days(spark, conf.source(), made.landing, zone=conf.shop.zone)
    items = {"landing.source": "items_jsonl", "landing.path": str(folder / "shop" / "items")}
    execution.execute(river.job("ingest_items"), config.load("local", {"lake.root": conf.lake.root, **items}), days, spark)
    for one in river.flow("events_jsonl"):
        execution.execute(one, conf, days, spark)
    return truth.findings(Lake(spark, conf.lake.root), made.truth, conf, days.last)


def _write(events: int, found: dict[int, list[Finding]], notes: list[str]) -> None:
    rows = []
    for findings in zip(*found.values(), strict=True):
        one = findings[0]
        shares = [f"{each.share:.3%} of {each.count:,}" for each in findings]
        rows.append([one.what, one.bound, *shares, "" if one.floor is None else results.met(all(each.holds for each in findings))])
    columns = ["what", "floor", *(f"seed {seed}" for seed in found), "holds"]
    results.write(f"Planted truth found in {events:,} events of {DAYS} days", columns, rows, notes)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
