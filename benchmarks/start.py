"""The second start of `make demo`: what it takes before the first job runs, beside what Spark itself takes to start.

python -m benchmarks.start [ROUNDS]
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

from benchmarks import results

_SESSION = "from clickmill import session; session.build('start').range(1).count()"
# All that the demo does before its first job, that job, and nothing after it.
_DEMO = f"import clickmill.demo; {_SESSION}"
_BARE = "from pyspark.sql import SparkSession; SparkSession.builder.master('local[2]').getOrCreate().range(1).count()"


def main(rounds: int = 5) -> None:
    """Each is a process of its own; the first round of all is dropped, it fills the caches of the disk."""
    steps = {
        "set-up": ["tools/setup.sh"],
        "demo": [sys.executable, "-c", _DEMO],
        "Spark alone, with Delta": [sys.executable, "-c", _SESSION],
        "Spark alone": [sys.executable, "-c", _BARE],
    }
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(rounds + 1):
        for name, words in steps.items():
            found = _seconds(words)
            if number:
                seconds[name].append(found)
    middle = {name: statistics.median(found) for name, found in seconds.items()}
    beside = middle["set-up"] + middle["demo"] - middle["Spark alone, with Delta"]
    told = [[name, f"{middle[name]:.1f} ({min(found):.1f} to {max(found):.1f})", "", ""] for name, found in seconds.items()]
    told.append(["set-up and demo beside Spark's own start", f"{beside:.1f}", "<= 2", results.met(beside <= 2)])
    results.write(
        "The second start", ["what", "seconds (median, min to max)", "goal", "met"], told, [f"{rounds} rounds, to the end of a first job."]
    )


def _seconds(words: Sequence[str]) -> float:
    started = time.monotonic()
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.monotonic() - started


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
