"""Frames that several outputs are made of: their rows are made once, and what is made of them starts from there.

A plan that begins with rows that are there already is short, so all that is built on it is planned in little time. That
Spark begins a plan so is what checkpoints rest on; where its own classes are out of reach, as on Spark Connect, the
frames are persisted and each plan tells the whole way.
"""

from py4j.protocol import Py4JError
from pyspark import StorageLevel
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from clickmill.contracts.properties import set_for

SIEVED = {
    "spark.sql.optimizer.runtime.bloomFilter.applicationSideScanSizeThreshold": "0",
    "spark.sql.optimizer.runtime.bloomFilter.creationSideThreshold": "1PB",
}
"""Properties under which rows that have no partner among a few others are sieved out (by a Bloom filter) before they are shuffled,
however large what the few are found in."""


def shuffled(frame: DataFrame, *, by: str, partitions: int) -> DataFrame:
    """The rows in so many partitions by the hash of a column; each reader reads what the one shuffle left on the disks.

    Spark keeps these files as long as the frame is held, and makes them again where an executor took them along. To
    persist the frame would write all its rows a second time, and costs more than that where rows are few and wide.

    Needs   `by`, a whole number that is never negative
    """
    # Spark leaves out a shuffle of rows that lie so already, and each reader would make them all anew.
    spread = frame.withColumn(by, F.abs(by)).repartition(partitions, by)
    return _beginning_with(spread) or spread.persist(StorageLevel.DISK_ONLY)


def kept(frame: DataFrame) -> DataFrame:
    """The rows of a persisted frame: made when they are first read, and again where they got lost."""
    return _beginning_with(frame) or frame


def _beginning_with(frame: DataFrame) -> DataFrame | None:
    """A frame whose plan begins with the rows of another, in their partitions; None where Spark's own classes are out of reach."""
    spark = frame.sparkSession
    try:
        sql = spark._jvm.org.apache.spark.sql  # type: ignore[union-attr]
        plans, frames = getattr(sql.execution, "LogicalRDD$"), getattr(sql.classic, "Dataset$")
        # Adaptive execution tells nobody afterwards where the rows are: each window would shuffle them again.
        with set_for(spark, {"spark.sql.adaptive.enabled": "false"}):
            rows = frame._jdf.queryExecution().toRdd()
            plan = getattr(plans, "MODULE$").fromDataset(rows, frame._jdf, False)
        return DataFrame(getattr(frames, "MODULE$").ofRows(spark._jsparkSession, plan), spark)
    except (AttributeError, TypeError, Py4JError):
        return None
