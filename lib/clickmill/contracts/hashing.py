"""Hashes of rows that tell apart which column holds a value."""

from collections.abc import Iterable

from pyspark.sql import Column
from pyspark.sql import functions as F


def hash_of(columns: Iterable[Column]) -> Column:
    """A 64-bit hash of some columns of a row.

    Spark's own leaves nulls out, so ('a', null) and (null, 'a') would be one row:
    whether a value is there is hashed beside each.

    Needs   no maps, and no null within an array or a struct: those are left out there
    """
    return F.xxhash64(*(part for column in columns for part in (column, column.isNull())))
