"""features.interactions, models.ids -> models.als_factors, models.runs, as of the last day.

Training happens in run(); the run is named after all that the factors depend on.
"""

from collections.abc import Mapping

from pyspark.sql import DataFrame, SparkSession

from clickmill import job
from clickmill.config import Config
from clickmill.contracts.days import Days
from clickmill.contracts.table import Table
from clickmill.contracts.tables import ALS_FACTORS, IDS, INTERACTIONS, MODEL_RUNS
from clickmill.job import Inputs, Outputs
from clickmill.models import als, runs

READS = (INTERACTIONS.window("models.window_days"), IDS.whole())
WRITES = (ALS_FACTORS, MODEL_RUNS)
CONFIG = ("models",)


def run(spark: SparkSession, conf: Config, days: Days, inputs: Inputs) -> Outputs:
    params = conf.models.params("als")
    run_id = runs.model_run_id(as_of=days.last, inputs=inputs.versions, code_version=job.CODE_VERSION, params=params)
    taste = als.taste(inputs[INTERACTIONS], feedback=conf.models.als.feedback, as_of=days.last, half_life_days=conf.models.half_life_days)
    pairs = inputs.keep(als.with_numbers(taste, inputs[IDS]))
    model_run = als.model_run(pairs, as_of=days.last, model_run_id=run_id, inputs=inputs.versions, params=params)
    factors = als.factors(pairs, inputs[IDS], as_of=days.last, model_run_id=run_id, **conf.models.als.model_dump())
    return {ALS_FACTORS: factors, MODEL_RUNS: model_run}


def check(written: Mapping[Table, DataFrame], inputs: Inputs) -> dict[str, int]:
    return als.counts(written[MODEL_RUNS], inputs[INTERACTIONS])


if __name__ == "__main__":
    job.main(__name__)
