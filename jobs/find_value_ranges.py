"""raw.events -> clean.value_ranges, for a range of event days.

Looks at raw values on purpose: the ranges must stand before cleaning, which uses those of earlier days.
"""

from pyspark.sql import SparkSession

from clickmill import job
from clickmill.clean import ranges, records
from clickmill.config import Config
from clickmill.contracts.days import Days
from clickmill.contracts.tables import RAW_EVENTS, VALUE_RANGES
from clickmill.job import Inputs, Outputs

READS = (RAW_EVENTS.landed("clean.lateness_days"),)
WRITES = (VALUE_RANGES,)
CONFIG = ("clean", "shop")


def run(spark: SparkSession, conf: Config, days: Days, inputs: Inputs) -> Outputs:
    rows = records.of_days(inputs[RAW_EVENTS], days, zone=conf.shop.zone, **conf.clean.clocks())
    return {VALUE_RANGES: ranges.value_ranges(records.only_mapped(rows), factor=conf.clean.range_factor)}


if __name__ == "__main__":
    job.main(__name__)
