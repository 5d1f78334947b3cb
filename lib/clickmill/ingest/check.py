"""A look at a source before anything is written: what maps, what does not, and why, on a sample."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import reduce

from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from clickmill.contracts import reasons
from clickmill.ingest import failures, files, reading
from clickmill.ingest.binding import tried
from clickmill.ingest.files import LandingFile, Scanned
from clickmill.ingest.mapping import exploded, rows
from clickmill.ingest.source import COLUMNS, Source

_SAMPLE_FILES = 10

_FIELD_NAME = re.compile(r"[^\W\d][\w.$:-]*")


@dataclass(frozen=True)
class Problem:
    """One reason, how many rows have it, where the first of them stands, and what the reason says of it beside its name."""

    name: str
    row_count: int
    first_file: str
    first_line: int
    detail: str

    def line(self) -> str:
        return f"problem {self.name}: {self.row_count} rows, first at {self.first_file} line {self.first_line}{self.detail}"


@dataclass(frozen=True)
class Report:
    """What a sample of a source came to. It holds counts and names, never values of records."""

    source: str
    table: str
    file_count: int
    record_count: int
    row_count: int
    mapped_count: int
    columns: Mapping[str, int]
    event_types: Mapping[str, int]
    problems: tuple[Problem, ...]
    unmapped: Mapping[str, int]
    explode: str | None
    is_several_events: bool
    landing_dates: tuple[date, date] | None

    def lines(self) -> list[str]:
        """The report as text, a line a fact."""
        days = f", landing days {self.landing_dates[0]} to {self.landing_dates[1]}" if self.landing_dates else ""
        counts = f"{self.record_count} records of {self.file_count} files sampled, {self.row_count} rows, {self.mapped_count} map"
        told = [f"{self.source} -> raw.{self.table}: {counts}{days}"]
        by_type = ", or one for each of its event types" if self.is_several_events else ""
        whole = f"explodes nothing: each record is a row{by_type}"
        told.append(f"explodes {self.explode}: each element is a row" if self.explode else whole)
        told += [f"column {name}: {count} of {self.row_count} rows have a value" for name, count in self.columns.items()]
        told += [f"event type {name}: {count} rows" for name, count in self.event_types.items()]
        told += [one.line() for one in self.problems]
        names = {name: count for name, count in self.unmapped.items() if _FIELD_NAME.fullmatch(name)}
        told += [f"not mapped: {name}, in {count} rows" for name, count in names.items()]
        others = len(self.unmapped) - len(names)
        # A field may be called after somebody, where an object is used as a list.
        told += [f"not mapped: {others} fields whose names are no names of fields, such as addresses or numbers"] if others else []
        return told


def check(spark: SparkSession, source: Source, path: str, *, zone: str, sample_rows: int = 1000) -> Report:
    """Map the first `sample_rows` records of the files below `path`, at most ten files, and count what comes of them.

    Each expression is also tried on a record without its fields.

    Needs   SPARK_CONF of `ingest.py`
    Raises  UsageError naming the key of the source that is wrong, BadData naming the file that cannot be read
    """
    with failures.told(source.name):
        found = files.listed(spark, source, path)
        sample = [_headed(spark, source, file) for file in found[:_SAMPLE_FILES]]
        groups = reading.groups(spark, source, sample)
        if not groups:
            return Report(source.name, source.table, len(found), 0, 0, 0, {}, {}, (), {}, source.explode, _is_several(source), None)
        per_group = max(sample_rows // len(groups), 1)
        wanted = [*source.columns, "problems", "item_pos", "_unmapped_names", "__path", "__block", "__ordinal"]
        wanted += ["event_type", "event_date"] if source.table == "events" else []
        frames = [rows(replace(group, frame=group.frame.limit(per_group)), source, zone=zone).select(*wanted) for group in groups]
        tried(spark, exploded(groups[0], source), source)
        mapped = reduce(DataFrame.unionByName, frames).persist()
        try:
            return _report(mapped, source, found, groups[0].fields)
        finally:
            mapped.unpersist()


def _headed(spark: SparkSession, source: Source, file: LandingFile) -> Scanned:
    head = [] if reading.is_parquet(source.read, file) else reading.text(spark, source, [file.path]).select("__line").take(2)
    return Scanned(file, 0, len(head), "", head[0]["__line"] if head else None)


def _report(mapped: DataFrame, source: Source, found: list[LandingFile], fields: Sequence[str]) -> Report:
    is_mapped = F.size("problems") == 0
    counted = mapped.agg(
        F.count("*").alias("rows"),
        F.count_if(F.col("item_pos") <= 1).alias("records"),
        F.count_if(is_mapped).alias("mapped"),
        *(F.count(name).alias(f"n_{name}") for name in source.columns),
    ).first()
    assert counted is not None
    types = (
        mapped.where("event_type is not null").groupBy("event_type").count().orderBy("event_type").collect() if source.event_types else []
    )
    names = mapped.select(F.explode("_unmapped_names").alias("name")).groupBy("name").count().orderBy("name").collect()
    dates = sorted({file.landing_date for file in found if file.landing_date})
    if source.table == "events" and not dates:
        ends = mapped.agg(F.min("event_date"), F.max("event_date")).first()
        dates = [day for day in ends or () if day is not None]
    order = [name for name in COLUMNS[source.table] if name in source.columns]
    return Report(
        source=source.name,
        table=source.table,
        file_count=len(found),
        record_count=counted.records,
        row_count=counted.rows,
        mapped_count=counted.mapped,
        columns={name: counted[f"n_{name}"] for name in order},
        event_types={row.event_type: row["count"] for row in types},
        problems=_problems(mapped, {file.uri: file.name for file in found}),
        unmapped={row.name: row["count"] for row in names},
        explode=_exploded(source, fields),
        is_several_events=_is_several(source),
        landing_dates=(dates[0], dates[-1]) if dates else None,
    )


def _is_several(source: Source) -> bool:
    return source.event_types is not None and source.event_types.has_several


def _exploded(source: Source, fields: Sequence[str]) -> str | None:
    """The path of the array, or the fields that it is made of."""
    if source.explode is None or re.fullmatch(r"[\w.]+", source.explode):
        return source.explode
    return ", ".join(source.fields_of_columns(list(fields))["explode"])


def _problems(mapped: DataFrame, names: Mapping[str, str]) -> tuple[Problem, ...]:
    place = F.struct("__path", "__block", "__ordinal")
    found = mapped.select(F.explode("problems").alias("problem"), place.alias("place"))
    first = F.min(F.struct("place", "problem")).alias("first")
    by_name = found.groupBy(reasons.name(F.col("problem")).alias("name")).agg(F.count("*").alias("rows"), first).orderBy("name")
    return tuple(_problem(row, names) for row in by_name.collect())


def _problem(row: Row, names: Mapping[str, str]) -> Problem:
    place, text = row["first"]["place"], row["first"]["problem"]
    return Problem(row.name, row.rows, names[place["__path"]], place["__ordinal"] + 1, text.removeprefix(row.name))
