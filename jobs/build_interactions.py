"""clean.events -> features.interactions, for a range of days: one signed weight a user, item and day.

Machines are out from here on; refunds weigh against purchases.
"""

from pyspark.sql import SparkSession

from clickmill import job
from clickmill.config import Config
from clickmill.contracts.days import Days
from clickmill.contracts.tables import EVENTS, INTERACTIONS
from clickmill.features import interactions
from clickmill.job import Inputs, Outputs, Written

READS = (EVENTS.same_days(),)
WRITES = (INTERACTIONS,)
CONFIG = ("interactions",)


def run(spark: SparkSession, conf: Config, days: Days, inputs: Inputs) -> Outputs:
    return {INTERACTIONS: interactions.interactions(inputs[EVENTS], weights=conf.interactions.weights)}


def check(written: Written, inputs: Inputs) -> dict[str, int]:
    return interactions.counts(inputs[EVENTS])


if __name__ == "__main__":
    job.main(__name__)
