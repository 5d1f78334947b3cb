"""raw.users -> clean.users, for a range of landing days: the states that say something new.

A day is made of what landed on it and of the history of the days before, so a table of any day can be made again from what was
known on that day.
"""

from pyspark.sql import SparkSession

from clickmill import job
from clickmill.clean import states
from clickmill.config import Config
from clickmill.contracts.days import Days
from clickmill.contracts.tables import RAW_USERS, USERS
from clickmill.job import Inputs, Outputs, Written

READS = (RAW_USERS.same_days(optional=True), USERS.before())
WRITES = (USERS,)
CONFIG = ("shop",)


def run(spark: SparkSession, conf: Config, days: Days, inputs: Inputs) -> Outputs:
    return {USERS: states.users(inputs[RAW_USERS], inputs[USERS], zone=conf.shop.zone)}


def check(written: Written, inputs: Inputs) -> dict[str, int]:
    return states.counts(written[USERS], inputs[RAW_USERS], "user_id")


if __name__ == "__main__":
    job.main(__name__)
