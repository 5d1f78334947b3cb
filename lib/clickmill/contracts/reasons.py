"""Reasons why a row was turned away: a name, and where it helps, behind a colon, what was found and what was expected."""

from collections.abc import Mapping

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F


def name(reason: Column) -> Column:
    """The name alone, which reasons are counted by."""
    return F.substring_index(reason, ":", 1)


def named(conditions: Mapping[str, Column]) -> Column:
    """array<string> of the names whose condition holds."""
    flags = [F.when(condition, F.lit(name)) for name, condition in conditions.items()]
    # To filter by a function of the elements, as array_compact does, would take the whole step out of the code that Spark compiles.
    return F.array_except(F.array(*flags), F.array(F.lit(None).cast("string"))) if flags else F.array().cast("array<string>")


def counted(rows: DataFrame, reasons: str, *by: str) -> DataFrame:
    """How many of the rows have each reason; a row of two counts under both.

    Grain   one row per (`by`, reason), with its count
    Needs   the column `reasons`, array<string>, and those of `by`
    """
    each = rows.select(*by, F.explode(reasons).alias("_reason"))
    return each.groupBy(*by, name(F.col("_reason")).alias("reason")).count()
