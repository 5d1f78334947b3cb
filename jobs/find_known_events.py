"""raw.events -> clean.known_events, for a range of days: each event as it was first known, under the day on which it was.

What lands later adds rows to later days and changes none: whoever learns from the past reads this table.
"""

from pyspark.sql import SparkSession

from clickmill import job, quality, session
from clickmill.clean import known, records
from clickmill.config import Config
from clickmill.contracts.days import Days
from clickmill.contracts.tables import EVENTS, KNOWN_EVENTS, RAW_EVENTS
from clickmill.job import Inputs, Outputs, Written

READS = (RAW_EVENTS.recent("clean.known_days"),)
WRITES = (KNOWN_EVENTS,)
CONFIG = ("clean", "known", "shop")


def run(spark: SparkSession, conf: Config, days: Days, inputs: Inputs) -> Outputs:
    rows, lateness_days = _mapped(conf, inputs), conf.clean.lateness_days
    partitions = session.partitions(inputs[RAW_EVENTS])
    broken = quality.broken_rules(rows, EVENTS)
    return {KNOWN_EVENTS: known.known_events(rows, broken, days, lateness_days=lateness_days, partitions=partitions)}


def check(written: Written, inputs: Inputs) -> dict[str, int]:
    rows, conf = _mapped(inputs.conf, inputs), inputs.conf
    broken = quality.broken_rules(rows, EVENTS)
    return known.counts(rows, broken, inputs.days, written[KNOWN_EVENTS], lateness_days=conf.clean.lateness_days)


def _mapped(conf: Config, inputs: Inputs) -> job.DataFrame:
    judged = records.with_clocks(inputs[RAW_EVENTS], zone=conf.shop.zone, **conf.clean.clocks())
    filled = records.filled(records.only_mapped(judged), fill=conf.clean.fill)
    return known.with_known_at(filled, zone=conf.shop.zone, delay_s=conf.known.delay_s)


if __name__ == "__main__":
    job.main(__name__)
