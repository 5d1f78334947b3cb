"""The only builder, and stopper, of a SparkSession.

Under spark-submit the properties come from spark-submit.sh; a process that was
started without it (the command line, tests, a notebook on a laptop) reads the
same file, conf/spark/local.conf.
"""

import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pyspark import SparkConf, SparkContext
from pyspark.sql import DataFrame, SparkSession

from clickmill import config
from clickmill.contracts import resources

DELTA_PACKAGE = "io.delta:delta-spark_2.13:4.0.1"
_PARTITION_BYTES = 16 * 2**20
"""Of files that are read, for each partition: some 100,000 events with their text. The largest visitor that is no flood has so many."""


@contextmanager
def started(app_name: str) -> Iterator[SparkSession]:
    """The session of this process: one that is there already is used and left alive, else one is built and stopped."""
    there = SparkSession.getActiveSession()
    spark = in_utc(there) if there else build(app_name)
    try:
        yield spark
    finally:
        if there is None:
            spark.stop()


def build(app_name: str, extra: Mapping[str, str] | None = None) -> SparkSession:
    """Build the session; `extra` properties win over the file."""
    conf = SparkConf()
    if not conf.contains("spark.submit.deployMode"):
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        for key, value in config.spark_properties("local").items():
            conf.set(key, value.replace("conf/spark/log4j2.properties", _log4j_file()))
        # Jars that set-up resolved are taken as they lie; asking Ivy again costs seconds and thirty lines of talk.
        jars = sorted(map(str, (config.cache_folder() / "ivy" / "jars").glob("*.jar")))
        conf.set("spark.jars", ",".join(jars)) if jars else conf.set("spark.jars.packages", DELTA_PACKAGE)
        conf.set("spark.jars.ivy", str(config.cache_folder() / "ivy"))
        classes = Path(sys.prefix) / "spark.jsa"
        if classes.exists():  # set-up noted what Java loads; where they are of another Java or other jars it loads them itself
            noted = f'"-XX:SharedArchiveFile={classes}" -Xlog:cds*=off'
            conf.set("spark.driver.extraJavaOptions", f"{conf.get('spark.driver.extraJavaOptions')} {noted}")
    for key, value in (extra or {}).items():
        conf.set(key, value)
    return in_utc(SparkSession.builder.config(conf=conf).appName(app_name).getOrCreate())


def in_utc(spark: SparkSession) -> SparkSession:
    """A session, whoever started it, that reads and writes every instant in UTC, and so does Python, through which the ledger goes.

    In another zone each time without an offset would be taken for one of that zone, and nobody would be told.
    """
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    os.environ["TZ"] = "UTC"
    time.tzset()
    return spark


def partitions(rows: DataFrame) -> int:
    """Into how many partitions rows that are read from tables are shuffled: no more than the session does, and none of a few rows.

    What is written has a file a partition: a small day on a large cluster would be hundreds of files.
    """
    most = int(rows.sparkSession.conf.get("spark.sql.shuffle.partitions") or 1)
    read_bytes = int(str(rows._jdf.queryExecution().optimizedPlan().stats().sizeInBytes()))
    return min(most, 1 + read_bytes // _PARTITION_BYTES)


def executors_differ(spark: SparkSession) -> str | None:
    """One line that says how the executors' Python differs from the driver's, or None.

    A task on each core imports what the jobs need, before any table is touched.
    """
    needed = ("pandas", "pyarrow", "numpy")
    want = ".".join(map(str, sys.version_info[:2]))

    def look(_: Iterable[int]) -> Iterable[str]:
        import importlib
        import platform

        for name in needed:
            try:
                importlib.import_module(name)
            except ImportError:
                yield f"cannot import {name} (Python {platform.python_version()})"

    context: SparkContext = spark.sparkContext
    tasks = context.defaultParallelism
    try:
        missing = context.parallelize(range(tasks), tasks).mapPartitions(look).distinct().collect()
    except Exception as error:
        if "PYTHON_VERSION_MISMATCH" in str(error) or "different version" in str(error):
            return f"the executors run another Python than the driver's {want}: send the environment archive, or set spark.pyspark.python"
        if "Error from python worker" in str(error) or "Cannot run program" in str(error):
            return "the executors cannot start their Python: send the environment archive, or set spark.pyspark.python"
        raise
    return f"the executors {missing[0]}: send the environment archive built by `make archive`" if missing else None


def _log4j_file() -> str:
    """Whole path of the logging properties that keep Java traces off the terminal: the working folder may be any."""
    return str(resources.folder("conf").joinpath("spark").joinpath("log4j2.properties"))
