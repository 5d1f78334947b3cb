"""clean.events -> clean.identities, for a range of days: which accounts were seen with which visitors."""

from pyspark.sql import SparkSession

from clickmill import job
from clickmill.clean import identities
from clickmill.config import Config
from clickmill.contracts.days import Days
from clickmill.contracts.tables import EVENTS, IDENTITIES
from clickmill.job import Inputs, Outputs

READS = (EVENTS.same_days(),)
WRITES = (IDENTITIES,)
CONFIG = ()


def run(spark: SparkSession, conf: Config, days: Days, inputs: Inputs) -> Outputs:
    return {IDENTITIES: identities.identities(inputs[EVENTS])}


if __name__ == "__main__":
    job.main(__name__)
