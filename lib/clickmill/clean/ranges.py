"""Robust ranges of price and quantity, and the bounds that earlier days set for a day."""

from functools import reduce

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from clickmill.contracts.conform import conform
from clickmill.contracts.days import Days
from clickmill.contracts.tables import VALUE_RANGES

_MEASURES = ("price", "quantity")
_KEYS = ("site_id", "event_date", "event_type", "currency")


def value_ranges(rows: DataFrame, *, factor: float) -> DataFrame:
    """Fences around the prices and quantities of a day, by event type and currency.

    Values are rounded to two significant digits and counted, so the quartiles
    are exact on a small histogram, do not depend on how rows were spread over
    partitions, and do not move for one row more. The fences are Tukey's (1977,
    ch. 2) on the logarithm, since prices are spread by factors: quartile -/+
    `factor` x the distance between the quartiles, that distance at least log(2).

    Grain   one row per (site_id, event_date, event_type, currency, measure) with a positive value
    Needs   site_id, event_date, event_type, currency, price, quantity
    """
    return conform(reduce(DataFrame.unionByName, (_ranges(rows, measure, factor) for measure in _MEASURES)), VALUE_RANGES)


def _ranges(rows: DataFrame, measure: str, factor: float) -> DataFrame:
    value = F.col(measure).cast("double")
    positive = rows.where(value > 0).withColumn("_value", _two_digits(value))
    histogram = positive.groupBy(*_KEYS, "_value").agg(F.count("*").alias("_rows"))
    by_value = Window.partitionBy(*_KEYS).orderBy("_value")
    counted = histogram.withColumns({"_so_far": F.sum("_rows").over(by_value), "_all": F.sum("_rows").over(Window.partitionBy(*_KEYS))})
    quartiles = counted.groupBy(*_KEYS).agg(
        F.max("_all").alias("row_count"),
        F.min(F.when(F.col("_so_far") * 4 >= F.col("_all"), F.log("_value"))).alias("_lower"),
        F.min(F.when(F.col("_so_far") * 4 >= F.col("_all") * 3, F.log("_value"))).alias("_upper"),
    )
    reach = F.greatest(F.col("_upper") - F.col("_lower"), F.log(F.lit(2.0))) * factor
    return quartiles.withColumns(
        {
            "measure": F.lit(measure),
            "low": _two_digits(F.exp(F.col("_lower") - reach)),
            "high": _two_digits(F.exp(F.col("_upper") + reach)),
        }
    )


def _two_digits(value: Column) -> Column:
    """Rounded to two significant digits."""
    unit = F.pow(F.lit(10.0), F.floor(F.log10(value)) - 1)
    return F.round(F.round(value / unit) * unit, 12)


def bounds(ranges: DataFrame, days: Days, *, range_days: int, min_rows: int) -> DataFrame:
    """What the `range_days` days before a day allow on it: the median of their fences.

    A day never bounds itself, and one odd day among the earlier ones does not
    move the median.

    Grain   one row per (site_id, event_date, event_type, currency); small: broadcast it
    """
    counts = ranges.where(F.col("row_count") >= min_rows)
    serves = F.sequence(F.date_add("event_date", 1), F.date_add("event_date", range_days))
    served = counts.withColumn("event_date", F.explode(serves)).where(F.col("event_date").between(F.lit(days.first), F.lit(days.last)))
    sides = [(measure, side) for measure in _MEASURES for side in ("low", "high")]
    return served.groupBy(*_KEYS).agg(
        *(F.median(F.when(F.col("measure") == measure, F.col(side))).alias(f"_{measure}_{side}") for measure, side in sides)
    )


def with_outliers(rows: DataFrame, bounds: DataFrame) -> DataFrame:
    """Add `_price_outlier` and `_quantity_outlier`: true where a value lies outside the bounds of its day.

    Nothing is one where no earlier day sets bounds, nor is a null or zero value.

    Grain   as in `rows`
    """
    keys = bounds.withColumnsRenamed({name: f"_b_{name}" for name in _KEYS})
    same = reduce(Column.__and__, (F.col(name).eqNullSafe(F.col(f"_b_{name}")) for name in _KEYS))
    joined = rows.join(F.broadcast(keys), on=same, how="left")
    found = {f"_{measure}_outlier": F.coalesce(_outside(measure), F.lit(False)) for measure in _MEASURES}
    return joined.withColumns(found).select(*rows.columns, *found)


def _outside(measure: str) -> Column:
    value = F.col(measure).cast("double")
    return (value > 0) & ((value < F.col(f"_{measure}_low")) | (value > F.col(f"_{measure}_high")))
