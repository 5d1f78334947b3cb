"""Landing files -> raw.events and raw.files, for a range of landing days.

Every record is kept as it came, with its place in its file, the columns that the source maps, and its problems; nothing
is rejected here. A file whose content is in the manifest already is left out, so the same file again changes nothing, and
another delivery of a day is added.
"""

from collections.abc import Mapping

from pyspark.sql import DataFrame, SparkSession

from clickmill import job
from clickmill.config import Config
from clickmill.contracts.days import Days
from clickmill.contracts.table import Table
from clickmill.contracts.tables import RAW_EVENTS, RAW_FILES
from clickmill.ingest import ingest
from clickmill.job import Inputs, Outputs

READS = (RAW_FILES.whole(),)
WRITES = (RAW_EVENTS, RAW_FILES)
CONFIG = ("shop",)
SPARK_CONF = ingest.SPARK_CONF
STANDING = ingest.STANDING
TAKES = "events"


def run(spark: SparkSession, conf: Config, days: Days, inputs: Inputs) -> Outputs:
    landed = ingest.landed(
        spark, conf.source(), conf.landing.path, days, table=RAW_EVENTS, zone=conf.shop.zone, known=inputs[RAW_FILES], keep=inputs.keep
    )
    return {RAW_EVENTS: landed.rows, RAW_FILES: landed.files}


def check(written: Mapping[Table, DataFrame], inputs: Inputs) -> dict[str, int]:
    return ingest.check(written[RAW_EVENTS], written[RAW_FILES], inputs[RAW_FILES], inputs.conf.source())


if __name__ == "__main__":
    job.main(__name__)
