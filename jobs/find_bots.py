"""raw.events -> clean.bots, for a range of event days.

A visitor is judged by a whole day, and by a small aggregate: cleaning only has to look the verdict up.
"""

from pyspark.sql import SparkSession

from clickmill import job, reused
from clickmill.clean import bots, records
from clickmill.config import Config
from clickmill.contracts.days import Days
from clickmill.contracts.tables import BOTS, RAW_EVENTS
from clickmill.job import Inputs, Outputs

READS = (RAW_EVENTS.landed("clean.lateness_days"),)
WRITES = (BOTS,)
CONFIG = ("bots", "clean", "shop")
SPARK_CONF = reused.SIEVED


def run(spark: SparkSession, conf: Config, days: Days, inputs: Inputs) -> Outputs:
    taken = records.of_days(inputs[RAW_EVENTS], days, zone=conf.shop.zone, **conf.clean.clocks())
    rows, limits = records.only_mapped(taken), bots.Limits(**conf.bots.model_dump())
    busy = inputs.keep(bots.busy(rows, limits))
    suspects = inputs.keep(bots.suspects(rows, busy, limits))
    return {BOTS: bots.bots(suspects, busy, limits)}


if __name__ == "__main__":
    job.main(__name__)
