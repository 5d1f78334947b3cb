"""models.ctr_scores, models.ctr_models, models.exports, features.ctr_rows -> models.ctr_evaluations, as of the last day.

Models of clicks, and rates of answers beside them, are judged by the last days of their export, which none of them learnt from.
"""

from clickmill import job
from clickmill.contracts.tables import CTR_EVALUATIONS, CTR_MODELS, CTR_ROWS, CTR_SCORES, EXPORTS
from clickmill.metrics import ctr_evaluation
from clickmill.models import ctr_examples

READS = (CTR_ROWS.window("export.days"), *(one.window(1) for one in (EXPORTS, CTR_MODELS, CTR_SCORES)))
WRITES = (CTR_EVALUATIONS,)
CONFIG = ()


def trial_of(inputs: job.Inputs) -> ctr_evaluation.Trial | None:
    return ctr_evaluation.trial(inputs[EXPORTS], inputs[CTR_MODELS])


def run(spark: job.SparkSession, conf: job.Config, days: job.Days, inputs: job.Inputs) -> job.Outputs:
    trial = trial_of(inputs)
    rows = inputs[CTR_ROWS] if trial is None else inputs[CTR_ROWS].withColumn("row_id", ctr_examples.row_id(trial.export.seed))
    return {CTR_EVALUATIONS: ctr_evaluation.evaluated(rows, inputs[CTR_SCORES], trial, inputs.keep)}


def check(written: job.Written, inputs: job.Inputs) -> dict[str, int]:
    return ctr_evaluation.counts(written[CTR_EVALUATIONS], inputs[CTR_SCORES], trial_of(inputs))


if __name__ == "__main__":
    job.main(__name__)
