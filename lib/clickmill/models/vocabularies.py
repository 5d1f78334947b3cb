"""Numbers for the values of categorical fields: stable and growing. 0 is what has none: unknown, or too rare to learn anything of."""

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from clickmill.contracts.conform import conform
from clickmill.contracts.days import Days
from clickmill.contracts.tables import VOCABULARIES
from clickmill.models.ctr_fields import FIELDS
from clickmill.models.numbers import numbered

WINDOW_DAYS = 28
"""Days over which the rows of a value are counted."""

_NAME = ("vocabulary", "site_id", "value")


def new_values(rows: DataFrame, known: DataFrame, days: Days, *, min_rows: int) -> DataFrame:
    """Number the values that have been in `min_rows` rows of the last 28 days, on the first day of the run on which they have.

    A row in which several fields of a vocabulary have the value counts once for each. Numbers of a vocabulary go on after the
    largest known one, without holes, by (first day, site, value): a range of days gives the numbers of its days one by one.

    Grain   one row per (vocabulary, site_id, value) that is not in `known`
    Needs   rows: features.ctr_rows of the days, and of the 27 before the first; known: every row of models.vocabularies
    Ties    none: the order is total
    Raises  a Spark error that names models.vocabularies when a vocabulary has more than 2,147,483,647 values
    """
    values = [F.struct(F.lit(one.vocabulary).alias("vocabulary"), F.expr(one.value).alias("value")) for one in FIELDS]
    each = rows.select("site_id", "known_date", F.explode(F.array(*values)).alias("_of")).select("*", "_of.*").where("value IS NOT NULL")
    by_day = each.groupBy(*_NAME, "known_date").agg(F.count("*").alias("_rows"))
    lately = Window.partitionBy(*_NAME).orderBy(F.unix_date("known_date")).rangeBetween(1 - WINDOW_DAYS, 0)
    # Only a day on which a value is seen can be the first on which it has been seen often enough.
    often = by_day.withColumn("_lately", F.sum("_rows").over(lately)).where(F.col("_lately") >= min_rows)
    of_run = often.where(F.col("known_date").between(F.lit(days.first), F.lit(days.last)))
    first = of_run.groupBy(*_NAME).agg(F.min("known_date").alias("first_date"))
    fresh = first.join(known.select(*_NAME), on=list(_NAME), how="left_anti")
    told = numbered(fresh, known, kind="vocabulary", order=("first_date", "site_id", "value"), table=VOCABULARIES.name)
    return conform(told, VOCABULARIES)
