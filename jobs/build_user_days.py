"""clean.known_events -> features.user_days, for a range of days: what was known of each user at the end of each day.

Made of the 90 days before it and of nothing that may still move, so a day is the same whenever it is made.
"""

from pyspark.sql import SparkSession

from clickmill import job
from clickmill.config import Config
from clickmill.contracts.days import HORIZON_DAYS, Days
from clickmill.contracts.tables import KNOWN_EVENTS, USER_DAYS
from clickmill.features import user_days
from clickmill.job import Inputs, Outputs

READS = (KNOWN_EVENTS.recent(HORIZON_DAYS),)
WRITES = (USER_DAYS,)
CONFIG = ("shop",)


def run(spark: SparkSession, conf: Config, days: Days, inputs: Inputs) -> Outputs:
    return {USER_DAYS: user_days.user_days(inputs[KNOWN_EVENTS], days, zone=conf.shop.zone)}


if __name__ == "__main__":
    job.main(__name__)
