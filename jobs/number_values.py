"""features.ctr_rows -> models.vocabularies, for a range of days: numbers for the values that have none yet and are no longer rare.

Embeddings need small whole numbers. They are given in order of appearance and never change; 0 is what has none.
"""

from pyspark.sql import SparkSession

from clickmill import job
from clickmill.config import Config
from clickmill.contracts.days import Days
from clickmill.contracts.tables import CTR_ROWS, VOCABULARIES
from clickmill.job import Inputs, Outputs
from clickmill.models import vocabularies

READS = (CTR_ROWS.recent(vocabularies.WINDOW_DAYS - 1), VOCABULARIES.whole())
WRITES = (VOCABULARIES,)
CONFIG = ("ctr",)


def run(spark: SparkSession, conf: Config, days: Days, inputs: Inputs) -> Outputs:
    return {VOCABULARIES: vocabularies.new_values(inputs[CTR_ROWS], inputs[VOCABULARIES], days, min_rows=conf.ctr.vocabulary_min_rows)}


if __name__ == "__main__":
    job.main(__name__)
