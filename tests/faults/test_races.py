"""Several at once: two backfills, and readers beside publishes, rollbacks and kills of both."""

import multiprocessing
import os
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from builders import DAY, NEXT_DAY
from clickmill import config, execution
from clickmill.contracts.days import Days
from clickmill.contracts.errors import GateRefused
from clickmill.contracts.tables import DAYS, IDENTITIES, SERVED
from clickmill.lake import Lake
from clickmill.releases import Releases
from faults import reader, runs
from faults.test_faults import TOP, killed
from released import publishes


def raced(spark: SparkSession, folder: Path, rounds: int) -> list[list[int]]:
    """Let two processes run so many days each at once, those that were turned away once more, and see that all came out right.

    Returns  how each run of each process ended: 0, or 4 where it was turned away
    """
    root = str(folder / "lake")
    runs.run(spark, root, "writes", DAY)
    days = [[str(DAY + timedelta(days=1 + 2 * n + side)) for n in range(rounds)] for side in (0, 1)]
    env = os.environ | {"PYTHONPATH": f"{TOP}/lib:{TOP}/tests"}
    words = [[sys.executable, str(TOP / "tests/faults/racer.py"), root, name, *days[side]] for side, name in enumerate("ab")]
    racers = [subprocess.Popen(one, env=env, cwd=TOP, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for one in words]
    ended = [one.communicate() for one in racers]
    codes = [list(map(int, out.split()[-rounds:])) for out, _ in ended]
    assert all(set(one) <= {0, 4} for one in codes), [err[-2000:] for _, err in ended]
    for side in (0, 1):
        for day, code in zip(days[side], codes[side], strict=True):
            if code == 4:  # turned away: it runs later
                runs.run(spark, root, "writes", date.fromisoformat(day))
    lake, every = Lake(spark, root), {str(DAY), *days[0], *days[1]}
    for table in runs.WRITTEN["writes"]:
        assert sorted(str(row[table.day]) for row in lake.read(table).collect()) == sorted(every)
    admitted = lake.read(DAYS).where(f"table = '{IDENTITIES.name}'").collect()
    assert {str(row.day) for row in admitted} == every, "no entry of the ledger is lost where two write to it at once"
    assert codes[0].count(0) + codes[1].count(0) >= rounds, "one of the two always gets through"
    return codes


def test_of_two_backfills_at_once_both_days_come_out_right_or_one_is_turned_away(spark, tmp_path: Path) -> None:
    raced(spark, tmp_path, 3)


def test_readers_see_one_release_whole_whatever_happens_beside_them(spark, tmp_path: Path) -> None:
    root = str(tmp_path / "lake")
    runs.prepared(spark, root, "publishes")
    context = multiprocessing.get_context("spawn")
    stop, queue = context.Event(), context.Queue()
    reading = context.Process(target=reader.reads, args=(root, stop, queue), daemon=True)
    reading.start()
    lake, conf = Lake(spark, root), config.load("test", {"lake.root": root})
    first = Releases(lake).current
    killed(("publishes", root, "releases.table_served", 1))
    killed(("rolls back", root, "lake.restored", 2))
    assert Releases(lake).unfinished.restored_versions, "it died between a table that it had restored and the row that says so"
    runs.run(spark, root, "rolls back", NEXT_DAY)
    current = Releases(lake).current
    assert (current.release_id, current.versions) == (first.release_id, {table.name: lake.head(table) for table in SERVED})
    for n in (1, 2):
        day = DAY + timedelta(days=n)
        execution.execute(publishes(2 + n, without=n, day=day), conf, Days(day, day), spark)
    with pytest.raises(GateRefused):
        execution.execute(publishes(300, without=1, day=day), conf, Days(day, day), spark)
    stop.set()
    told: list[Any] = queue.get(timeout=60)
    reading.join()
    assert [seen for seen in told if seen[0] == "error"] == []
    assert len(told) > 20, "it read all the while"
    reader.sees_one_release(told)
    assert len({seen[1] for seen in told if seen[0] == "release"}) > 2
