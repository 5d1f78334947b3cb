"""features.ctr_rows, models.vocabularies -> a frozen training export of click networks, and its row in models.exports.

Plain Parquet files of 32-bit numbers in equal groups, as of the last day: made from one version of each table, and never changed.
"""

from clickmill import job
from clickmill.contracts.tables import CTR_ROWS, EXPORTS, VOCABULARIES
from clickmill.models import ctr_examples, ctr_export

READS = (CTR_ROWS.window("export.days"), VOCABULARIES.whole())
WRITES = (EXPORTS,)
CONFIG = ("ctr", "export")
SPARK_CONF = ctr_examples.SPARK_CONF


def plan_of(conf: job.Config, inputs: job.Inputs) -> ctr_export.Plan:
    return ctr_export.Plan(inputs.days.last, conf.export.model_dump(), conf.ctr.label_wait_days, inputs.versions, job.CODE_VERSION)


def run(spark: job.SparkSession, conf: job.Config, days: job.Days, inputs: job.Inputs) -> job.Outputs:
    inputs.must_be_plain(CTR_ROWS)
    return {EXPORTS: ctr_export.exported(inputs[CTR_ROWS], inputs[VOCABULARIES], plan_of(conf, inputs), inputs.exports)}


def check(written: job.Written, inputs: job.Inputs) -> dict[str, int]:
    return ctr_export.counts(written[EXPORTS], inputs[CTR_ROWS], plan_of(inputs.conf, inputs))


if __name__ == "__main__":
    job.main(__name__)
