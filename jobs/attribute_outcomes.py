"""clean.known_events -> features.outcomes, for a range of days: the clicks and purchases that became known on them, with their impressions.

An outcome that is here is never moved by what lands later.
"""

from pyspark.sql import SparkSession

from clickmill import job
from clickmill.config import Config
from clickmill.contracts.days import Days
from clickmill.contracts.tables import KNOWN_EVENTS, OUTCOMES
from clickmill.features import outcomes
from clickmill.job import Inputs, Outputs

READS = (KNOWN_EVENTS.recent("outcome_days"),)
WRITES = (OUTCOMES,)
CONFIG = ("outcomes",)


def run(spark: SparkSession, conf: Config, days: Days, inputs: Inputs) -> Outputs:
    return {OUTCOMES: outcomes.outcomes(inputs[KNOWN_EVENTS], days, outcomes.Rules(**conf.outcomes.model_dump()))}


if __name__ == "__main__":
    job.main(__name__)
