"""What is told of the days of a table: how many rows, and a hash of what they say."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F
from pyspark.sql.types import MapType

from clickmill.contracts.hashing import hash_of
from clickmill.contracts.table import Table

_FAR_DAYS = 60
"""Days before its landing beyond which it is not told apart to which day a row belongs: that may be any day there is."""


@dataclass(frozen=True)
class DayFacts:
    """One day of a table, as read back from its files.

    parts  of a table of landing days: the content hash of the rows of each day that they belong to; under "" of all the others
    """

    day: date
    content_hash: str
    row_count: int
    parts: Mapping[str, str] = field(default_factory=dict)


def facts_by_day(rows: DataFrame, table: Table) -> list[DayFacts]:
    """Row count and content hash of each day of `rows`; the list grows with the days of a run, not with its rows."""
    assert table.day is not None
    hashed = hash_of(_hashable(rows, name) for name in table.columns).cast("decimal(20,0)")
    counted = rows.groupBy(table.day, _part(table).alias("part")).agg(
        F.sum(hashed).cast("string").alias("hash"), F.count("*").alias("row_count")
    )
    by_day: dict[date, list[Row]] = {}
    # Sorted here: to sort a few rows Spark would shuffle them once more, and look at a sample of them before.
    for row in sorted(counted.collect(), key=lambda row: (row[0], row.part)):
        by_day.setdefault(row[0], []).append(row)
    return [
        DayFacts(
            day,
            str(sum(int(row.hash) for row in found)),
            sum(row.row_count for row in found),
            {row.part: row.hash for row in found} if table.belongs else {},
        )
        for day, found in by_day.items()
    ]


def _part(table: Table) -> Column:
    """The day that a row belongs to where that is told and lies near its landing, else nothing."""
    if not table.belongs:
        return F.lit("")
    landing, own = F.col(str(table.day)), F.col(table.belongs).cast("date")
    is_near = own.between(F.date_sub(landing, _FAR_DAYS), F.date_add(landing, 1))
    return F.when(is_near, own.cast("string")).otherwise("")


def _hashable(rows: DataFrame, name: str) -> Column:
    is_map = isinstance(rows.schema[name].dataType, MapType)
    return F.array_sort(F.map_entries(name)) if is_map else F.col(name)
