"""`racer.py LAKE NAME DAY...`: a process that runs one day a round, each begun when the other racer is ready, and tells how it ended."""

import sys
import time
from datetime import date
from pathlib import Path

from clickmill import log, session
from clickmill.contracts.errors import ClickmillError
from conftest import SHORT_LIVED, TEST_PROPERTIES
from faults import runs

root, name, *days = sys.argv[1:]
log.configure(f"{root}-logs-{name}")
java = f"{TEST_PROPERTIES['spark.driver.defaultJavaOptions']} {SHORT_LIVED}"
spark = session.build("racer", {**TEST_PROPERTIES, "spark.driver.memory": "1g", "spark.driver.defaultJavaOptions": java})
told = []
for number, day in enumerate(days):
    Path(f"{root}-ready-{number}-{name}").touch()
    while len(list(Path(root).parent.glob(f"{Path(root).name}-ready-{number}-*"))) < 2:
        time.sleep(0.01)
    try:
        runs.run(spark, root, "writes", date.fromisoformat(day))
        told.append(0)
    except ClickmillError as error:
        told.append(error.exit_code)
print(*told)
