"""raw.items -> clean.items, for a range of landing days: the states that say something new.

A day is made of what landed on it and of the history of the days before, so a table of any day can be made again from what was
known on that day.
"""

from pyspark.sql import SparkSession

from clickmill import job
from clickmill.clean import states
from clickmill.config import Config
from clickmill.contracts.days import Days
from clickmill.contracts.tables import ITEMS, RAW_ITEMS
from clickmill.job import Inputs, Outputs, Written

READS = (RAW_ITEMS.same_days(optional=True), ITEMS.before())
WRITES = (ITEMS,)
CONFIG = ("shop",)


def run(spark: SparkSession, conf: Config, days: Days, inputs: Inputs) -> Outputs:
    return {ITEMS: states.items(inputs[RAW_ITEMS], inputs[ITEMS], zone=conf.shop.zone)}


def check(written: Written, inputs: Inputs) -> dict[str, int]:
    return states.counts(written[ITEMS], inputs[RAW_ITEMS], "item_id")


if __name__ == "__main__":
    job.main(__name__)
