"""Reasons why a row was turned away: a name, and where it helps, behind a colon, what was found and what was expected."""

from pyspark.sql import Column
from pyspark.sql import functions as F


def name(reason: Column) -> Column:
    """The name alone, which reasons are counted by."""
    return F.substring_index(reason, ":", 1)
