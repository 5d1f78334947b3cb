"""clean.known_events -> features.user_item_days, for a range of days: what was known of each user with each item at the end of each day.

Made of the 90 days that end with it and of nothing that may still move, so a day is the same whenever it is made.
"""

from pyspark.sql import SparkSession

from clickmill import job
from clickmill.config import Config
from clickmill.contracts.days import HORIZON_DAYS, Days
from clickmill.contracts.tables import KNOWN_EVENTS, USER_ITEM_DAYS
from clickmill.features import known_days
from clickmill.job import Inputs, Outputs

READS = (KNOWN_EVENTS.recent(HORIZON_DAYS - 1),)
WRITES = (USER_ITEM_DAYS,)
CONFIG = ("shop",)


def run(spark: SparkSession, conf: Config, days: Days, inputs: Inputs) -> Outputs:
    return {USER_ITEM_DAYS: known_days.user_item_days(inputs[KNOWN_EVENTS], days, zone=conf.shop.zone)}


if __name__ == "__main__":
    job.main(__name__)
