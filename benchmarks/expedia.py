"""Whether a click on a hotel leads to a booking: all models of clicks beside rates of answers, on Expedia's clicks of 2013 and 2014.

python -m benchmarks.expedia FILE [LAKE]     FILE is expedia.csv.gz; of a LAKE that is there only what is missing or stale is made

The jobs are those of every shop; conf/sources/expedia.yaml holds what differs. It was tuned by the days that choose networks; the last
three months judge.
"""

import json
import shutil
import sys
import time
from pathlib import Path

from pyspark.sql import Row, SparkSession
from pyspark.sql import functions as F

from benchmarks import results
from clickmill import config, execution, flow, river, session
from clickmill.contracts.days import Days
from clickmill.contracts.properties import set_for
from clickmill.contracts.tables import CTR_EVALUATIONS, CTR_MODELS, EXPORTS
from clickmill.ingest import ingest, landings
from clickmill.inputs import Job
from clickmill.lake import Lake
from clickmill.metrics import ctr_standing

SOURCE = "expedia"
FRESH = Path("demo") / "benchmark"


def main(file: str, lake: str | None = None) -> None:
    """Bring the file through the jobs up to the judgement of the models, and write how these stand."""
    if lake is None:
        shutil.rmtree(FRESH, ignore_errors=True)
    where = {"lake.root": lake or str(FRESH / "lake"), "landing.source": SOURCE, "landing.path": file}
    conf = config.load("local", {**where, "run.makes": (CTR_EVALUATIONS.name,)})
    with session.started("clickmill benchmark") as spark:
        with set_for(spark, ingest.SPARK_CONF):
            days = landings.days(spark, conf.source(), file, zone=conf.shop.zone)
        started = time.monotonic()
        flow.bring(river.that_make(conf.run.makes, river.flow(SOURCE)), conf, days, spark, print, _told)
        _write(spark, conf.lake.root, days, f"{time.monotonic() - started:,.0f} s")
    if lake is None:
        shutil.rmtree(FRESH)


def _told(job: Job, result: execution.RunResult | str) -> None:
    print(execution.name_of(job), result if isinstance(result, str) else result.counts, flush=True)


def _write(spark: SparkSession, root: str, days: Days, took: str) -> None:
    lake, of_day = Lake(spark, root), F.col("as_of_date") == F.lit(days.last)
    evaluations = lake.read(CTR_EVALUATIONS).where(of_day & (F.col("slice") == "all")).collect()
    (standing,) = ctr_standing.standings(evaluations)
    (export,) = lake.read(EXPORTS).where(of_day).collect()
    networks = lake.read(CTR_MODELS).where(of_day & (F.col("step_count") > 0)).orderBy("model").collect()
    rows = [[model, *ctr_standing.told(metrics)] for model, metrics in standing.models]
    judged = (
        f"{export.train_count:,} clicks of {export.train_first_date} to {export.train_last_date} to learn from, {export.valid_count:,} to"
        f" choose by, {export.test_count:,} of {export.test_first_date} to {export.test_last_date} to judge by, of"
        f" {evaluations[0].user_count:,} users; intervals of 95 % by user. The jobs took {took}."
    )
    epochs = f"Log loss of the days that choose, by epoch; the best is kept: {'; '.join(map(_epochs, networks))}."
    results.write(
        "Expedia: does a click lead to a booking?", ["model", *ctr_standing.COLUMNS], rows, [f"**{standing.verdict()}.**", judged, epochs]
    )


def _epochs(model: Row) -> str:
    return f"{model.model} {' '.join(f'{loss:.4f}' for loss in json.loads(model.epoch_losses))} ({model.train_s:.0f} s)"


if __name__ == "__main__":
    main(*sys.argv[1:])
