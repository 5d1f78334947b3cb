"""Landing files -> raw.users and raw.user_files, for a range of landing days.

Each record is the state of one user as it was delivered; clean.users makes a
history of them. Otherwise as ingest_events.
"""

from collections.abc import Mapping

from pyspark.sql import DataFrame, SparkSession

from clickmill import job
from clickmill.config import Config
from clickmill.contracts.days import Days
from clickmill.contracts.table import Table
from clickmill.contracts.tables import RAW_USER_FILES, RAW_USERS
from clickmill.ingest import ingest
from clickmill.job import Inputs, Outputs

READS = (RAW_USER_FILES.whole(),)
WRITES = (RAW_USERS, RAW_USER_FILES)
CONFIG = ("shop",)
SPARK_CONF = ingest.SPARK_CONF
STANDING = ingest.STANDING
TAKES = "users"


def run(spark: SparkSession, conf: Config, days: Days, inputs: Inputs) -> Outputs:
    landed = ingest.landed(
        spark, conf.source(), conf.landing.path, days, table=RAW_USERS, zone=conf.shop.zone, known=inputs[RAW_USER_FILES], keep=inputs.keep
    )
    return {RAW_USERS: landed.rows, RAW_USER_FILES: landed.files}


def check(written: Mapping[Table, DataFrame], inputs: Inputs) -> dict[str, int]:
    return ingest.check(written[RAW_USERS], written[RAW_USER_FILES], inputs[RAW_USER_FILES], inputs.conf.source())


if __name__ == "__main__":
    job.main(__name__)
