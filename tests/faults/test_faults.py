"""A run that dies or fails at any point, and is run again, leaves what an undisturbed run leaves."""

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from builders import NEXT_DAY
from clickmill.contracts import faults as points
from faults import reader, runs
from faults.runs import IN_THE_MIDDLE
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


@pytest.mark.parametrize(("name", "point", "passes"), KILLED)
def test_a_driver_that_is_killed_at_any_point_leaves_nothing_that_the_next_run_does_not_mend(
    spark, left, undisturbed, name: str, point: str, passes: int
) -> None:
    root, is_new = left[name, point, passes]
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
