"""What happens to machines: an executor is killed, a worker dies, tasks are run twice."""

import os
import subprocess
import sys
from pathlib import Path

from faults.test_faults import TOP


def test_a_killed_executor_a_dead_worker_and_tasks_that_run_twice_change_no_row(tmp_path: Path) -> None:
    env = os.environ | {"PYTHONPATH": f"{TOP}/lib:{TOP}/tests"}
    words = [sys.executable, str(TOP / "tests/faults/cluster.py"), str(tmp_path / "lake")]
    ended = subprocess.run(words, env=env, cwd=TOP, capture_output=True, text=True, check=False)
    told = ended.stdout.splitlines()
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert "executors 2" in told and "speculated True" in told and f"rows {[f'v{n}' for n in range(8)]}" in told
    assert (tmp_path / "lake-died").exists()
