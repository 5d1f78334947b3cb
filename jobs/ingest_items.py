"""Landing files -> raw.items and raw.item_files, for a range of landing days.

Each record is the state of one item as it was delivered; clean.items makes a
history of them. Otherwise as ingest_events.
"""

from collections.abc import Mapping

from pyspark.sql import DataFrame, SparkSession

from clickmill import job
from clickmill.config import Config
from clickmill.contracts.days import Days
from clickmill.contracts.table import Table
from clickmill.contracts.tables import RAW_ITEM_FILES, RAW_ITEMS
from clickmill.ingest import ingest
from clickmill.job import Inputs, Outputs

READS = (RAW_ITEM_FILES.whole(),)
WRITES = (RAW_ITEMS, RAW_ITEM_FILES)
CONFIG = ("shop",)
SPARK_CONF = ingest.SPARK_CONF
STANDING = ingest.STANDING
TAKES = "items"


def run(spark: SparkSession, conf: Config, days: Days, inputs: Inputs) -> Outputs:
    landed = ingest.landed(
        spark, conf.source(), conf.landing.path, days, table=RAW_ITEMS, zone=conf.shop.zone, known=inputs[RAW_ITEM_FILES], keep=inputs.keep
    )
    return {RAW_ITEMS: landed.rows, RAW_ITEM_FILES: landed.files}


def check(written: Mapping[Table, DataFrame], inputs: Inputs) -> dict[str, int]:
    return ingest.check(written[RAW_ITEMS], written[RAW_ITEM_FILES], inputs[RAW_ITEM_FILES], inputs.conf.source())


if __name__ == "__main__":
    job.main(__name__)
