"""clean.known_events -> features.purchase_intent_rows, for a range of days on which labels become final.

Who did something on the day `intent.within_days` days before: what was known at its end, and whether a purchase followed.
"""

from pyspark.sql import SparkSession

from clickmill import job
from clickmill.config import Config
from clickmill.contracts.days import Days
from clickmill.contracts.tables import KNOWN_EVENTS, PURCHASE_INTENT_ROWS
from clickmill.features import purchase_intent
from clickmill.job import Inputs, Outputs

READS = (KNOWN_EVENTS.recent("intent_days"),)
WRITES = (PURCHASE_INTENT_ROWS,)
CONFIG = ("intent", "shop")


def run(spark: SparkSession, conf: Config, days: Days, inputs: Inputs) -> Outputs:
    events, within_days = inputs[KNOWN_EVENTS], conf.intent.within_days
    return {PURCHASE_INTENT_ROWS: purchase_intent.purchase_intent_rows(events, days, within_days=within_days, zone=conf.shop.zone)}


if __name__ == "__main__":
    job.main(__name__)
