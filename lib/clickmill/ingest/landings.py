"""On which days the files of a source landed: the range that a run over all of them has to take."""

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from clickmill.contracts.days import Days
from clickmill.contracts.errors import BadData
from clickmill.ingest import failures, files, ingest, reading
from clickmill.ingest.source import Source


def days(spark: SparkSession, source: Source, path: str, *, zone: str) -> Days:
    """First to last landing day of the files below `path`; they are only read where their names do not say it.

    Needs   ingest.SPARK_CONF
    Raises  BadData when no file or no record has a day
    """
    with failures.told(source.name):
        found = files.listed(spark, source, path)
        dates = {file.landing_date for file in found if file.landing_date is not None}
        undated = [file for file in found if file.landing_date is None]
        if undated:
            groups = reading.groups(spark, source, reading.scan(spark, source, undated))
            for group in groups:
                row = ingest.mapped_rows([group], source, zone).agg(F.min("event_date"), F.max("event_date")).first()
                dates |= {day for day in (row or ()) if day is not None}
    if not dates:
        raise BadData(f"{source.name}: no record of {path} has a day; try `clickmill sources check`")
    return Days(min(dates), max(dates))
