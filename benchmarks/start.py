"""The second start of `make demo`: what it takes until its first job has begun, beside what Spark itself takes to start.

python -m benchmarks.start [ROUNDS]     runs the demo of this folder, and ends it each time as soon as its first job has begun
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import psutil

from benchmarks import results
from clickmill import config

_SESSION = "from clickmill import session; session.build('start').range(1).count()"
_BARE = "from pyspark.sql import SparkSession; SparkSession.builder.master('local[2]').getOrCreate().range(1).count()"
_BEGUN = '"event": "started"'  # what a run of a job logs first


def main(rounds: int = 5) -> None:
    """Each is a process of its own; the first round of all is dropped: it fills the caches of the disk, and simulates the demo's shop."""
    steps: dict[str, Callable[[], float]] = {
        "set-up": partial(_seconds, ["tools/setup.sh"]),
        "demo, until its first job has begun": _demo_seconds,
        "Spark alone, with Delta": partial(_seconds, [sys.executable, "-c", _SESSION]),
        "Spark alone": partial(_seconds, [sys.executable, "-c", _BARE]),
    }
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(rounds + 1):
        for name, step in steps.items():
            found = step()
            if number:
                seconds[name].append(found)
    set_up, demo, delta, _ = (statistics.median(found) for found in seconds.values())
    beside = set_up + demo - delta
    told = [[name, f"{statistics.median(found):.1f} ({min(found):.1f} to {max(found):.1f})", "", ""] for name, found in seconds.items()]
    told.append(["set-up and demo beside Spark's own start", f"{beside:.1f}", "<= 2", results.met(beside <= 2)])
    notes = [
        f"{rounds} rounds. The demo reads its config, draws the river, starts Spark, finds the days of its landing, and looks at the Python"
        " of the executors; it is timed until ingest_events logs that it has begun. Spark alone is timed to the end of a first small job.",
    ]
    results.write("The second start", ["what", "seconds (median, min to max)", "goal", "met"], told, notes)


def _seconds(words: Sequence[str]) -> float:
    """How long a command takes."""
    started = time.monotonic()
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.monotonic() - started


def _demo_seconds() -> float:
    """How long the demo takes until its first job has begun, which the log of the runs tells from outside."""
    log = Path(config.load("local").run.log_folder) / "clickmill.log"
    before, started = log.stat().st_size if log.exists() else 0, time.monotonic()
    demo = subprocess.Popen([sys.executable, "-m", "clickmill.demo"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not (log.exists() and _BEGUN in log.read_bytes()[before:].decode()):
            if demo.poll() is not None:
                raise SystemExit(f"the demo ended with exit code {demo.returncode} before its first job had begun")
            time.sleep(0.05)
        return time.monotonic() - started
    finally:
        _end(demo)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it started: what a run had not admitted yet the next one makes anew."""
    with suppress(psutil.NoSuchProcess):
        one = psutil.Process(process.pid)
        family = [one, *one.children(recursive=True)]
        for each in family:
            with suppress(psutil.NoSuchProcess):
                each.terminate()
        psutil.wait_procs(family, timeout=60)
    process.wait()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
