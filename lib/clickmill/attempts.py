"""Runs that a scheduler names itself, so that one that it starts again is known: done once, it is not done twice."""

import hashlib

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from clickmill.config import Config
from clickmill.contracts.days import Days
from clickmill.contracts.errors import UsageError
from clickmill.contracts.properties import set_for
from clickmill.contracts.tables import RUNS
from clickmill.ingest import ingest, reading
from clickmill.inputs import Job, hashes_of
from clickmill.lake import Lake
from clickmill.ledger import Ledger


def inputs_hash(job: Job, conf: Config, days: Days, spark: SparkSession, lake: Lake) -> str:
    """Hash of all that a run would read: the days of its inputs as they are admitted now; of landing files their names and contents.

    Of its own tables only the days before the run count: those within it are what the run itself makes.
    """
    if hasattr(job, "TAKES"):
        source = conf.source()
        files = ingest.due(spark, source, conf.landing.path, days, table=job.WRITES[0])
        with set_for(spark, ingest.SPARK_CONF):
            told = repr(sorted((one.file.name, one.delivery_id) for one in reading.scan(spark, source, files)))
    else:
        ledger, own = Ledger(lake), {table.name for table in job.WRITES}
        asked = list(days) if job.WRITES[0].write != "last_day" else [days.last]
        hashes = [hashes_of(job, day, conf, ledger) for day in asked]
        told = repr(
            [sorted((name, one) for name, one in found.items() if not place or name not in own) for place, found in enumerate(hashes)]
        )
    return hashlib.md5(told.encode()).hexdigest()[:16]


def is_done(lake: Lake, run_id: str, job: str, days: Days, made_of: tuple[str, str]) -> bool:
    """True where the run of this id was done before, of the same config and inputs; False where it is new, or failed before.

    Needs   made_of: config hash and inputs_hash()
    Raises  UsageError when the id is that of another run, or the data are others by now
    """
    before = sorted(lake.read(RUNS).where(F.col("run_id") == run_id).collect(), key=lambda row: row.started_at)
    others = [row for row in before if (row.job, row.first_date, row.last_date) != (job, days.first, days.last)]
    if others:
        last = Days(others[-1].first_date, others[-1].last_date)
        raise UsageError(f"run {run_id} is one of {others[-1].job} {last}; {job} {days} needs an id of its own")
    done = [row for row in before if row.status == "done"]
    if done and (done[-1].config_hash, done[-1].inputs_hash) != made_of:
        raise UsageError(f"run {run_id} of {job} {days} was done with other data or another config; give the new one an id of its own")
    return bool(done)
