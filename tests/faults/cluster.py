"""`cluster.py LAKE`: a run on executors of their own, of which one is killed, with a Python worker that dies once, and speculation on.

The two executors have addresses of their own: Spark runs no task a second time on the host where it runs already.
"""

import atexit
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pyspark
from pyspark.sql import functions as F

from builders import DAY
from clickmill import config, execution, log, quality, session
from clickmill.contracts.days import Days
from clickmill.contracts.tables import IDENTITIES
from conftest import SHORT_LIVED, TEST_PROPERTIES
from ungated import passes

root = sys.argv[1]
log.configure(f"{root}-logs")


def started(what: str, *words: str) -> subprocess.Popen[bytes]:
    """A daemon of a cluster of Spark's own."""
    jars = Path(pyspark.__file__).with_name("jars")
    java = Path(os.environ["JAVA_HOME"]) / "bin" / "java" if "JAVA_HOME" in os.environ else "java"
    full = [str(java), "-Xmx256m", SHORT_LIVED, "-cp", f"{jars}/*", f"org.apache.spark.deploy.{what}", *words]
    return subprocess.Popen(
        full,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"SPARK_HOME": str(jars.parent), "SPARK_SCALA_VERSION": "2.13"},
    )


with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
daemons = [started("master.Master", "--host", "127.0.0.1", "--port", str(port), "--webui-port", "0")]
for number in (1, 2):
    words = ("--host", f"127.0.0.{number}", "--cores", "1", "--memory", "900m", "--webui-port", "0", "--work-dir", f"{root}-work-{number}")
    daemons.append(started("worker.Worker", *words, f"spark://127.0.0.1:{port}"))
atexit.register(lambda: [one.kill() for one in daemons])
cluster = {
    "spark.master": f"spark://127.0.0.1:{port}",
    "spark.executor.memory": "600m",
    "spark.executor.defaultJavaOptions": SHORT_LIVED,
    "spark.driver.defaultJavaOptions": f"{TEST_PROPERTIES['spark.driver.defaultJavaOptions']} {SHORT_LIVED}",
    "spark.executorEnv.PYTHONPATH": os.environ["PYTHONPATH"],
    # Both are there before the first task starts.
    "spark.cores.max": "2",
    "spark.scheduler.minRegisteredResourcesRatio": "1.0",
    "spark.scheduler.maxRegisteredResourcesWaitingTime": "300s",
    "spark.speculation": "true",
    "spark.speculation.quantile": "0.5",
    "spark.speculation.multiplier": "1.1",
}
spark = session.build("cluster", {**TEST_PROPERTIES, "spark.driver.memory": "1g", **cluster})
flag, started = f"{root}-died", f"{root}-started"


def slowly(batches):
    """Rows as they are, a while later; the first worker that comes here dies, and one task takes much longer than the others."""
    for batch in batches:
        Path(started).touch()
        if not os.path.exists(flag):
            Path(flag).touch()
            os._exit(1)
        time.sleep(6 if 7 in set(batch["id"]) else 1)
        yield batch


def words_of(process: psutil.Process) -> str:
    """How a process was started; nothing where it is gone by now, as the worker that dies may be."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def kill_one() -> None:
    while not os.path.exists(started):
        time.sleep(0.05)
    time.sleep(2)
    executors = [one for one in psutil.Process().children(recursive=True) if "CoarseGrainedExecutorBackend" in words_of(one)]
    executors[0].kill()
    print("executors", len(executors))


def run(spark, conf, days, inputs):
    told = spark.range(0, 8, 1, 8).mapInPandas(slowly, "id long")
    at = F.lit("2024-05-16 10:00:00").cast("timestamp")
    columns = {"site_id": F.lit("s"), "event_date": F.lit(DAY), "first_seen_at": at, "last_seen_at": at}
    ids = {name: F.concat(F.lit(name[0]), F.col("id").cast("string")) for name in ("visitor_id", "account_id")}
    return {IDENTITIES: told.withColumns(columns | ids)}


job = SimpleNamespace(__name__="slow", READS=(), WRITES=(IDENTITIES,), run=run, CONFIG=("shop",))
quality.gate = passes
threading.Thread(target=kill_one, daemon=True).start()
execution.execute(job, config.load("test", {"lake.root": root}), Days(DAY, DAY), spark)
store, gateway = spark.sparkContext._jsc.sc().statusStore(), spark.sparkContext._gateway
stages = store.stageList(None, False, False, gateway.new_array(gateway.jvm.double, 0), gateway.jvm.java.util.ArrayList())
tasks = [store.taskList(one.stageId(), one.attemptId(), 1000) for one in (stages.apply(n) for n in range(stages.size()))]
print("speculated", sum(some.apply(n).speculative() for some in tasks for n in range(some.size())) > 0)
print("rows", sorted(row.visitor_id for row in spark.read.format("delta").load(f"{root}/clean/identities").collect()))
