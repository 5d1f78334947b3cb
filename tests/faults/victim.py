"""`victim.py '[[JOB, LAKE, POINT, PASSES], ...]'`: a process of its own that is killed with a run at each of the points.

A run that has come to its point stands there; when the last one has come to its own the process group is killed, and what a run
had not done by then it never does.
"""

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

from pyspark.sql import SparkSession

from builders import NEXT_DAY
from clickmill import log, session
from clickmill.contracts import faults
from conftest import SHORT_LIVED, TEST_PROPERTIES
from faults import runs
from faults.runs import IN_THE_MIDDLE


def stands(spark: SparkSession, name: str, root: str, point: str, passes: int) -> None:
    """Begin a run of the day, and come back when it stands where it is to be killed."""
    arrived = threading.Event()

    def stay() -> None:
        arrived.set()
        threading.Event().wait()

    def watches() -> None:
        known = set(Path(root).rglob("*.parquet"))

        def watch() -> None:
            while not set(Path(root).rglob("*.parquet")) - known:
                time.sleep(0.001)
            arrived.set()

        threading.Thread(target=watch, daemon=True).start()

    def run() -> None:
        runs.run(session.in_utc(spark.newSession()), root, name, NEXT_DAY)

    faults.armed.clear()
    faults.armed.update({"lake.writing": watches} if point == IN_THE_MIDDLE else {point: runs.at_pass(passes, stay)})
    running = threading.Thread(target=run, daemon=True)
    running.start()
    while not arrived.wait(0.001):
        if not running.is_alive():
            sys.exit(f"{name} ended before it came to {point}")


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    log.configure(f"{asked[0][1]}-logs")
    java = f"{TEST_PROPERTIES['spark.driver.defaultJavaOptions']} {SHORT_LIVED}"
    spark = session.build("victim", {**TEST_PROPERTIES, "spark.driver.memory": "1g", "spark.driver.defaultJavaOptions": java})
    for one in asked:
        stands(spark, *one)
    os.killpg(0, signal.SIGKILL)
