"""models.exports -> models.ctr_models, models.ctr_scores: click networks and Spark's own models over the export of the last day.

Networks are trained by `export.ranks` processes in tasks of Spark, by Petastorm and Horovod; one that was stopped goes on.
"""

from clickmill import job
from clickmill.contracts.tables import CTR_MODELS, CTR_SCORES, EXPORTS
from clickmill.models import ctr_models

READS = (EXPORTS.window(1),)
WRITES = (CTR_MODELS, CTR_SCORES)
CONFIG = ("export", "networks")


def run(spark: job.SparkSession, conf: job.Config, days: job.Days, inputs: job.Inputs) -> job.Outputs:
    export, params = inputs[EXPORTS].first(), conf.networks.model_dump()
    if export is None:
        return dict(zip(WRITES, ctr_models.nothing(spark), strict=True))
    made = ctr_models.trained(spark, export, inputs.exports, ranks=conf.export.ranks, params=params)
    return dict(zip(WRITES, made, strict=True))


def check(written: job.Written, inputs: job.Inputs) -> dict[str, int]:
    return ctr_models.counts(written[CTR_MODELS], written[CTR_SCORES], inputs[EXPORTS])


if __name__ == "__main__":
    job.main(__name__)
