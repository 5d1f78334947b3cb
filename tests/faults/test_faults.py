"""A run that dies or fails at any point, and is run again, leaves what an undisturbed run leaves."""

import ast
import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from builders import NEXT_DAY
from clickmill import config, execution
from clickmill.contracts import faults as points
from clickmill.contracts.days import Days
from clickmill.contracts.errors import GateRefused
from clickmill.contracts.tables import VALUE_RANGES
from clickmill.lake import Lake
from clickmill.ledger import Ledger
from clickmill.releases import Releases
from faults import reader, runs
from faults.runs import IN_THE_MIDDLE
from released import publishes
from warehouse import connected

TOP = Path(__file__).resolve().parents[2]
# Each point with the run that passes it. A run that has nothing yet makes its tables; the others find what a killed one left.
TABLES = ("lake.created", "lake.widened", "lake.writing", "lake.written", "lake.restoring", "lake.restored")
WRITES = (*TABLES, "ledger.admitting", "ledger.admitted")
PUBLISHES = ("releases.staged", "releases.approving", "releases.approved", "releases.table_served", "releases.served")
ELSEWHERE = ("locks.taken", "run.checked")
SWEEPS = ("vacuum.expired", "vacuum.swept")  # tried in tests/test_vacuum.py
EXPORTS = ("exports.written",)  # tried in tests/models/test_ctr_export.py
# A point that is passed for each table is tried at the last one, too; of what is written, that is the one that rows are added to.
KILLED = [*(("writes", point, 1) for point in WRITES), *(("publishes", point, 1) for point in PUBLISHES)]
KILLED += [("writes", "lake.written", 3), ("publishes", "releases.table_served", 2)]
# What a person does with the hands goes by the same steps in both: each step is tried in one of them.
KILLED += [("rolls back", point, 1) for point in ("lake.restoring", "lake.restored", "releases.approving", "releases.served")]
KILLED += [("accepts", point, 1) for point in ("lake.writing", "lake.written", "ledger.admitting", "ledger.admitted", "releases.approved")]
KILLED += [("rolls back", "releases.table_served", 1), ("accepts", "releases.table_served", 1), ("accepts", "releases.table_served", 2)]
KILLED += [("writes", IN_THE_MIDDLE, 1)]  # last: it does not stand still
# Where a run that lives on after an error has something to undo, or to leave alone.
MENDED = [("writes", point, passes) for point, passes in (("lake.written", 1), ("lake.written", 3), ("ledger.admitting", 1))]
MENDED += [("writes", "ledger.admitted", 1), ("publishes", "releases.staged", 1), ("publishes", "releases.approved", 1)]
MENDED += [("writes", point, 1) for point in ELSEWHERE]


def test_every_point_is_tried() -> None:
    found = {
        node.args[0].value
        for file in (TOP / "lib").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "faultpoint"
        and isinstance(node.args[0], ast.Constant)
    }
    assert found == {*WRITES, *PUBLISHES, *ELSEWHERE, *SWEEPS, *EXPORTS}


@pytest.fixture(scope="module")
def lakes(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lakes to start from, `writes` and `publishes`, with a day in each; and how each ends undisturbed."""
    folder = tmp_path_factory.mktemp("lakes")
    for name in runs.WRITTEN:
        if name in runs.BY_HAND:
            shutil.copytree(folder / "publishes", folder / name)
        runs.prepared(spark, str(folder / name), name)
    return folder


@pytest.fixture(scope="module")
def undisturbed(spark: SparkSession, lakes: Path) -> dict[tuple[str, bool], dict[str, Any]]:
    found = {}
    for name in runs.WRITTEN:
        for is_new in (False, True) if name == "writes" else (False,):
            root = lakes / f"{name}-undisturbed-{is_new}"
            if not is_new:
                shutil.copytree(lakes / name, root)
            runs.run(spark, str(root), name, NEXT_DAY)
            found[name, is_new] = runs.told(spark, str(root), name)
    return found


def begun(lakes: Path, name: str, point: str, folder: Path) -> tuple[str, bool]:
    """A lake for a run that is to pass `point`, and whether it is a new one."""
    is_new = point == "lake.created"
    if not is_new:
        shutil.copytree(lakes / name, folder / "lake")
    return str(folder / "lake"), is_new


def killed(*asked: tuple[str, str, str, int]) -> None:
    """Let runs (job, lake, point, passes) come to their points in a process group of their own, and see it killed with them."""
    env = os.environ | {"PYTHONPATH": f"{TOP}/lib:{TOP}/tests"}
    words = [sys.executable, str(Path(__file__).with_name("victim.py")), json.dumps(asked)]
    ended = subprocess.run(words, env=env, cwd=TOP, start_new_session=True, capture_output=True, text=True, check=False)
    assert ended.returncode == -9, ended.stderr[-2000:]


@pytest.fixture(scope="module")
def left(lakes: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str, int], tuple[str, bool]]:
    """The lake that a driver left that was killed at each point, and whether it was a new one."""
    found = {one: begun(lakes, one[0], one[1], tmp_path_factory.mktemp("killed")) for one in KILLED}
    killed(*((name, root, point, passes) for (name, point, passes), (root, _) in found.items()))
    return found


def found(left: dict[tuple[str, str, int], tuple[str, bool]], one: tuple[str, str, int], folder: Path) -> tuple[str, bool]:
    """A copy of the lake that a killed driver left."""
    root, is_new = left[one]
    return shutil.copytree(root, str(folder / "lake")), is_new


@pytest.mark.parametrize(("name", "point", "passes"), KILLED)
def test_a_driver_that_is_killed_at_any_point_leaves_nothing_that_the_next_run_does_not_mend(
    spark, left, undisturbed, tmp_path: Path, name: str, point: str, passes: int
) -> None:
    root, is_new = found(left, (name, point, passes), tmp_path)
    if name != "writes":
        reader.sees_one_release(reader.once(connected(), root))
    runs.run(spark, root, name, NEXT_DAY)
    assert runs.told(spark, root, name) == undisturbed[name, is_new]


@pytest.mark.parametrize(("name", "point", "passes"), MENDED)
def test_an_error_at_any_point_leaves_nothing_that_the_next_run_does_not_mend(
    spark, lakes, undisturbed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, point: str, passes: int
) -> None:
    def fails() -> None:
        raise OSError(28, "No space left on device")

    root, is_new = begun(lakes, name, point, tmp_path)
    monkeypatch.setitem(points.armed, point, runs.at_pass(passes, fails))
    with pytest.raises(OSError, match="No space left"):
        runs.run(spark, root, name, NEXT_DAY)
    runs.run(spark, root, name, NEXT_DAY)
    assert runs.told(spark, root, name) == undisturbed[name, is_new]


@contextmanager
def full_disk(pid: int) -> Iterator[None]:
    """No file that a process writes may grow beyond a few bytes."""
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (200, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


def test_a_full_disk_fails_the_run_and_the_next_one_writes_the_day(spark, lakes, undisturbed, tmp_path: Path) -> None:
    root, is_new = begun(lakes, "writes", IN_THE_MIDDLE, tmp_path)
    # The disk is to be full when the run writes, not when it undoes what another one left.
    assert Ledger(Lake(spark, root)).recover(VALUE_RANGES, {"run_id": "before"})
    java = next(one for one in psutil.Process().children() if one.name() == "java")
    with full_disk(java.pid), pytest.raises(Py4JJavaError, match="File too large"):
        runs.run(spark, root, "writes", NEXT_DAY)
    runs.run(spark, root, "writes", NEXT_DAY)
    assert runs.told(spark, root, "writes") == undisturbed["writes", is_new]


def test_a_release_that_a_killed_run_had_decided_is_finished_before_the_next_is_made(spark, left, tmp_path: Path) -> None:
    root, _ = found(left, ("publishes", "releases.approved", 1), tmp_path)
    decided = Releases(Lake(spark, root)).unfinished
    assert decided is not None and decided.as_of_date == NEXT_DAY
    day = NEXT_DAY + timedelta(days=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(execution.audit, "faults", lambda *_, **__: ["not this one"])
        with pytest.raises(GateRefused, match=f"{decided.release_id} of {NEXT_DAY} stays served"):
            execution.execute(publishes(4, without=1, day=day), config.load("test", {"lake.root": root}), Days(day, day), spark)
    assert Releases(Lake(spark, root)).current.release_id == decided.release_id
