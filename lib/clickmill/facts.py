"""What is told of the days of a table: how many rows, and a hash of what they say."""

from dataclasses import dataclass
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import MapType

from clickmill.contracts.hashing import hash_of
from clickmill.contracts.table import Table


@dataclass(frozen=True)
class DayFacts:
    """One day of a table, as read back from its files."""

    day: date
    content_hash: str
    row_count: int


def facts_by_day(rows: DataFrame, table: Table) -> list[DayFacts]:
    """Row count and content hash of each day of `rows`; the list grows with the days of a run, not with its rows."""
    assert table.day is not None
    hashed = hash_of(_hashable(rows, name) for name in table.columns).cast("decimal(20,0)")
    counted = rows.groupBy(table.day).agg(F.sum(hashed).cast("string").alias("content_hash"), F.count("*").alias("row_count"))
    # Sorted here: to sort a few rows Spark would shuffle them once more, and look at a sample of them before.
    return sorted((DayFacts(row[0], row.content_hash, row.row_count) for row in counted.collect()), key=lambda fact: fact.day)


def _hashable(rows: DataFrame, name: str) -> Column:
    is_map = isinstance(rows.schema[name].dataType, MapType)
    return F.array_sort(F.map_entries(name)) if is_map else F.col(name)
