"""features.interactions -> models.ids, for a range of days: numbers for the users and items that have none yet.

Factorisation needs small whole numbers. They are given in order of appearance and never change.
"""

from pyspark.sql import SparkSession

from clickmill import job
from clickmill.config import Config
from clickmill.contracts.days import Days
from clickmill.contracts.tables import IDS, INTERACTIONS
from clickmill.job import Inputs, Outputs
from clickmill.models import ids

READS = (INTERACTIONS.same_days(), IDS.whole())
WRITES = (IDS,)
CONFIG = ()


def run(spark: SparkSession, conf: Config, days: Days, inputs: Inputs) -> Outputs:
    return {IDS: ids.new_ids(inputs[INTERACTIONS], inputs[IDS])}


if __name__ == "__main__":
    job.main(__name__)
