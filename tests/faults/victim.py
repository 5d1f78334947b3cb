"""`victim.py LAKE JOB [--in-the-middle]`: a process of its own that runs one day and is killed where CLICKMILL_KILL_AT says."""

import sys
import threading
import time
from pathlib import Path

from builders import NEXT_DAY
from clickmill import log, session
from clickmill.contracts import faults
from conftest import TEST_PROPERTIES
from faults import runs

root, name = sys.argv[1:3]


def when_files_are_there() -> None:
    """Kill in the middle of a write: its first file is there, its commit is not."""
    known = set(Path(root).rglob("*.parquet"))

    def watch() -> None:
        while not set(Path(root).rglob("*.parquet")) - known:
            time.sleep(0.001)
        faults.kill()

    threading.Thread(target=watch, daemon=True).start()


log.configure(f"{root}-logs")
java = TEST_PROPERTIES["spark.driver.defaultJavaOptions"] + " -XX:TieredStopAtLevel=1"
spark = session.build("victim", {**TEST_PROPERTIES, "spark.driver.memory": "1g", "spark.driver.defaultJavaOptions": java})
if "--in-the-middle" in sys.argv:
    faults.armed["lake.writing"] = when_files_are_there
runs.run(spark, root, name, NEXT_DAY)
