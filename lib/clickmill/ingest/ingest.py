"""Files of a source -> rows of its raw table and of the file manifest, for a range of landing days."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from clickmill.contracts.conform import conform
from clickmill.contracts.days import Days
from clickmill.contracts.errors import BadData, UsageError
from clickmill.contracts.local import local_frame
from clickmill.contracts.table import Table
from clickmill.ingest import failures, files, manifest, reading
from clickmill.ingest.binding import tried
from clickmill.ingest.files import LandingFile
from clickmill.ingest.manifest import Delivery
from clickmill.ingest.mapping import exploded, rows
from clickmill.ingest.records import BLOCK_BYTES, Records
from clickmill.ingest.source import TABLES, Source

SPARK_CONF = {
    # A split of a file is a partition of its own, on every cluster alike: the place of a record counts within it.
    "spark.sql.files.maxPartitionBytes": str(BLOCK_BYTES),
    "spark.sql.files.openCostInBytes": str(BLOCK_BYTES),
    # Names of fields are exact: a key in another case is another key, and is told.
    "spark.sql.caseSensitive": "true",
    # windows-1252 and the like; Spark alone knows six encodings.
    "spark.sql.legacy.javaCharsets": "true",
    # Bytes that are no text in the declared encoding are a problem of their record, and stop no run.
    "spark.sql.legacy.codingErrorAction": "true",
    # A field `a.b` beside an object `a` with a field `b`: both are in the text of the record.
    "spark.sql.mapKeyDedupPolicy": "LAST_WIN",
    # Other tools write times in nanoseconds, which Spark has no type for: a number, then, with `unit: nanoseconds`.
    "spark.sql.legacy.parquet.nanosAsLong": "true",
    "spark.sql.files.ignoreCorruptFiles": "false",
    "spark.sql.files.ignoreMissingFiles": "false",
}
"""What must hold while an ingest job reads, maps and writes; the runner sets it for the length of the job."""

STANDING = (manifest.WAITING,)


@dataclass(frozen=True)
class Landed:
    """What a run is to write: rows of the raw table of the source, and of raw.files."""

    rows: DataFrame
    files: DataFrame


def due(spark: SparkSession, source: Source, path: str | None, days: Days, *, table: Table) -> list[LandingFile]:
    """The files below `path` that may hold records which landed in `days`: those of another day are not read.

    Raises  UsageError naming the path, or the source where it brings another table; BadData naming a file without a date
    """
    there = named(source, path, table=table)
    with failures.told(source.name):
        return [file for file in files.listed(spark, source, there) if file.landing_date is None or file.landing_date in days]


def named(source: Source, path: str | None, *, table: Table) -> str:
    """The path to read for a table, as far as can be told without a session.

    Raises  UsageError where none is named, or the source brings another table
    """
    if not path:
        raise UsageError("nothing to read: give the landing file, folder or glob with --path")
    if TABLES[source.table] != table:
        raise UsageError(f"{source.name} is a source of {TABLES[source.table].name}; expected one of {table.name}")
    return path


def landed(
    spark: SparkSession,
    source: Source,
    path: str | None,
    days: Days,
    *,
    table: Table,
    zone: str,
    known: DataFrame,
    keep: Callable[[DataFrame], DataFrame],
) -> Landed:
    """Map the files below `path` that landed in `days` and are not in the manifest yet.

    Files whose name says another day are not read. Of a file whose records land
    on their own days those of `days` are taken; the others wait for their run.

    Grain   rows: as `mapping.rows`; files: one row per (landing_date, file, delivery_id)
    Needs   SPARK_CONF; known: rows of raw.files; keep persists the frame that both outputs share
    Raises  UsageError naming a key of the source or the path, BadData naming the file
    """
    found = due(spark, source, path, days, table=table)
    with failures.told(source.name):
        deliveries = manifest.not_seen(reading.scan(spark, source, found), known, source=source.name)
        groups = reading.groups(spark, source, [one.scanned for one in deliveries]) if deliveries else []
        if not groups:
            nothing = local_frame(spark, [], table.schema).withColumns(
                {"_pos": F.lit(0), "_unmapped_names": F.lit(None).cast("array<string>")}
            )
            return Landed(conform(nothing, table), manifest.files(spark, nothing, deliveries, source=source.name))
        mapped = _with_deliveries(spark, mapped_rows(groups, source, zone), deliveries, source)
        tried(spark, exploded(groups[0], source), source)
        mapped = keep(mapped)
        chosen = _of_days(spark, mapped, deliveries, days)
    return Landed(conform(chosen, table), manifest.files(spark, chosen, deliveries, source=source.name))


def check(rows: DataFrame, written: DataFrame, before: DataFrame, source: Source) -> dict[str, int]:
    """The identity records = mapped + rejected, from what was written; see `manifest.checked`."""
    position = "item_pos" if "item_pos" in rows.columns else "state_pos"
    return manifest.checked(rows.withColumn("_pos", F.col(position)), written, before, source)


def mapped_rows(groups: Sequence[Records], source: Source, zone: str) -> DataFrame:
    made = ["landing_date", "file", "block", "ordinal", "delivery_id", "delivery_rank", "source"]
    names = [name for name in TABLES[source.table].columns if name not in made]
    extra = {"__path", "__block", "__ordinal", "_unmapped_names", "item_pos"} - set(names)
    frames = [rows(group, source, zone=zone).select(*names, *sorted(extra)) for group in groups]
    return reduce(DataFrame.unionByName, frames)


def _with_deliveries(spark: SparkSession, mapped: DataFrame, deliveries: Sequence[Delivery], source: Source) -> DataFrame:
    facts = [
        (
            one.scanned.file.uri,
            one.scanned.file.name,
            one.scanned.delivery_id,
            one.scanned.file.delivery_rank,
            one.scanned.file.landing_date,
        )
        for one in deliveries
    ]
    by_file = local_frame(spark, facts, "__path string, file string, delivery_id string, delivery_rank int, _file_date date")
    return (
        mapped.join(F.broadcast(by_file), on="__path", how="inner")
        .withColumnsRenamed({"__block": "block", "__ordinal": "ordinal"})
        .withColumns({"source": F.lit(source.name), "_pos": F.col("item_pos")})
    )


def _of_days(spark: SparkSession, mapped: DataFrame, deliveries: Sequence[Delivery], days: Days) -> DataFrame:
    """Give every row its landing day, and keep those of the run that were not taken before."""
    day = "event_date" if "event_date" in mapped.columns else "_file_date"
    counted = mapped.groupBy("__path").agg(F.count_if(F.col("_pos") <= 1).alias("records"), F.min(day).alias("earliest"))
    found = {row["__path"]: row for row in counted.collect()}
    for one in deliveries:
        mapped_count = found[one.scanned.file.uri].records if one.scanned.file.uri in found else 0
        if mapped_count != one.scanned.record_count:
            raise BadData(
                f"{one.scanned.file.name}: has {one.scanned.record_count} records, {mapped_count} came out of reading; nothing was written"
            )
    earliest = manifest.earliest_dates({uri: row.earliest for uri, row in found.items()}, deliveries, first=days.first)
    facts = [(one.scanned.file.uri, earliest[one.scanned.file.uri], sorted(one.known_dates)) for one in deliveries]
    by_file = local_frame(spark, facts, "__path string, _undated_date date, _known_dates array<date>")
    landing = F.coalesce("_file_date", F.col(day), "_undated_date")
    dated = mapped.join(F.broadcast(by_file), on="__path", how="inner").withColumn("landing_date", landing)
    in_days = F.col("landing_date").between(F.lit(days.first), F.lit(days.last))
    return dated.where(in_days & ~F.array_contains("_known_dates", F.col("landing_date")))
