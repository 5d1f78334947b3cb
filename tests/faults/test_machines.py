"""What happens to machines: an executor is killed, a worker dies, tasks are run twice, a disk is full."""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from py4j.protocol import Py4JJavaError

from builders import DAY, NEXT_DAY
from faults import runs
from faults.test_faults import TOP


def test_a_killed_executor_a_dead_worker_and_tasks_that_run_twice_change_no_row(tmp_path: Path) -> None:
    env = os.environ | {"PYTHONPATH": f"{TOP}/lib:{TOP}/tests"}
    words = [sys.executable, str(TOP / "tests/faults/cluster.py"), str(tmp_path / "lake")]
    ended = subprocess.run(words, env=env, cwd=TOP, capture_output=True, text=True, check=False)
    told = ended.stdout.splitlines()
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert "executors 2" in told and "speculated True" in told and f"rows {[f'v{n}' for n in range(8)]}" in told
    assert (tmp_path / "lake-died").exists()


@contextmanager
def full_disk(pid: int) -> Iterator[None]:
    """No file that a process writes may grow beyond a few bytes."""
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (200, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


def test_a_full_disk_fails_the_run_and_the_next_one_writes_the_day(spark, tmp_path: Path) -> None:
    for root in ("lake", "undisturbed"):
        runs.run(spark, str(tmp_path / root), "writes", DAY)
    java = next(one for one in psutil.Process().children() if one.name() == "java")
    with full_disk(java.pid), pytest.raises(Py4JJavaError, match="File too large"):
        runs.run(spark, str(tmp_path / "lake"), "writes", NEXT_DAY)
    for root in ("lake", "undisturbed"):
        runs.run(spark, str(tmp_path / root), "writes", NEXT_DAY)
    assert runs.told(spark, str(tmp_path / "lake"), "writes") == runs.told(spark, str(tmp_path / "undisturbed"), "writes")
