"""A process that runs jobs over input full of canaries, well and badly; what it leaves behind is searched for them by the test.

`leaks.py LANDING`, in a folder of its own: the landing files lie there, lake and logs go beside them.
"""

import shutil
import sys
from pathlib import Path

from typer.testing import CliRunner

from clickmill import cli, session
from conftest import TEST_PROPERTIES

landing = Path(sys.argv[1])
# With all that Spark writes down of its settings and of each plan.
plans = {"spark.eventLog.enabled": "true", "spark.eventLog.dir": Path("plans").absolute().as_uri(), "spark.eventLog.compress": "false"}
Path("plans").mkdir()
# Compiled, as in production: code that was made of a plan is written into errors and logs, too.
compiled = {"spark.sql.codegen.wholeStage": "true", "spark.sql.codegen.factoryMode": "FALLBACK"}
told = {"spark.driver.memory": "1g", "spark.sql.ui.explainMode": "formatted", "spark.sql.debug.maxToStringFields": "200"}
spark = session.build("leaks", {**TEST_PROPERTIES, **compiled, **told, **plans})
day = ["--date", "2024-05-16", "--env", "test", "--lake", "lake"]
source = ["--source", "events_jsonl"]
for words in (
    ["run", "ingest_events", *day, "--to", "2024-05-17", *source, "--path", str(landing / "good")],
    ["run", "ingest_events", *day, *source, "--path", str(landing / "cut")],
    ["run", "find_bots", *day, "--to", "2024-05-17"],
    ["run", "clean_events", *day],
    ["run", "clean_events", "--date", "2024-05-17", "--env", "test", "--lake", "lake"],
    ["run", "build_sessions", "--date", "2024-05-18", "--env", "test", "--lake", "lake"],
    ["run", "build_interactions", *day],
    ["sources", "check", str(landing / "good"), "--source", "events_jsonl"],
    ["lineage", "clean.events", "--day", "2024-05-16", "--lake", "lake"],
    ["status", "--lake", "lake", "--env", "test"],
    ["sql", "select nothing from clean.events", "--lake", "lake"],
):
    print(" ".join(words[:2]), CliRunner().invoke(cli.app, words).exit_code, flush=True)
# Of a task that fails Spark itself writes down the value that it failed on: what is looked at are the plans of the runs above.
spark.sparkContext._jsc.sc().listenerBus().waitUntilEmpty()
shutil.copytree("plans", "plans_of_runs")
# A task that fails on a value, as Spark would tell it.
spark.read.format("delta").load("lake/clean/events").createOrReplaceTempView("events")
from clickmill import job  # noqa: E402

try:
    job.told(lambda: spark.sql("select cast(visitor_id as int) from events").collect())
except BaseException as ended:
    print("a value that does not fit", type(ended).__name__)
