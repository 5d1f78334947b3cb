"""features.interactions, models.ids -> models.item_neighbours, as of the last day: which items users take to together."""

from pyspark.sql import SparkSession

from clickmill import job
from clickmill.config import Config
from clickmill.contracts.days import Days
from clickmill.contracts.tables import IDS, INTERACTIONS, ITEM_NEIGHBOURS
from clickmill.job import Inputs, Outputs
from clickmill.models import neighbours, runs

READS = (INTERACTIONS.window("models.window_days"), IDS.whole())
WRITES = (ITEM_NEIGHBOURS,)
CONFIG = ("models",)


def run(spark: SparkSession, conf: Config, days: Days, inputs: Inputs) -> Outputs:
    params = conf.models.params("item_neighbours")
    run_id = runs.model_run_id(as_of=days.last, inputs=inputs.versions, code_version=job.CODE_VERSION, params=params)
    sizes = conf.models.item_neighbours.model_dump()
    return {ITEM_NEIGHBOURS: neighbours.item_neighbours(inputs[INTERACTIONS], inputs[IDS], as_of=days.last, model_run_id=run_id, **sizes)}


if __name__ == "__main__":
    job.main(__name__)
