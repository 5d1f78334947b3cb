"""Whole numbers for names: given once, in a total order, without holes, and never changed. No hash, so no two names meet."""

from collections.abc import Sequence

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

LARGEST = 2**31 - 1
"""Factorisation and embeddings take 32-bit numbers."""

# Numbers are places within small groups plus the size of the groups before: no window ever spans all names.
# The start of a name goes along with the order of names, so groups by it can be put in order.
_START_LENGTH = 3


def numbered(fresh: DataFrame, known: DataFrame, *, kind: str, order: Sequence[str], table: str) -> DataFrame:
    """Number new names of each kind, on from the largest known number, in their order.

    Grain   as in `fresh`, with `number`
    Needs   fresh: names that have no number yet, with the columns `kind` and `order`, the last of which is the name itself; known:
            `kind` and number of all that have one
    Ties    none: kind and order name a row
    Raises  a Spark error that names `table` when a kind has more than 2,147,483,647 names
    """
    *parts, name = order
    group = [kind, *parts, "_start"]
    rows = fresh.withColumn("_start", F.substring(name, 1, _START_LENGTH))
    before = Window.partitionBy(kind).orderBy(*group[1:]).rowsBetween(Window.unboundedPreceding, -1)
    groups = rows.groupBy(*group).agg(F.count("*").alias("_size"))
    offsets = groups.select(*group, F.coalesce(F.sum("_size").over(before), F.lit(0)).alias("_offset"))
    largest = known.groupBy(kind).agg(F.max("number").alias("_largest"))
    place = F.row_number().over(Window.partitionBy(*group).orderBy(name))
    number = F.coalesce(F.col("_largest").cast("long"), F.lit(0)) + F.col("_offset") + place
    full = F.raise_error(F.concat(F.lit(f"{table}: no number is left for another "), kind, F.lit(f"; the largest is {LARGEST}")))
    told = rows.join(offsets, on=group, how="inner").join(F.broadcast(largest), on=kind, how="left").withColumn("_number", number)
    checked = F.when(F.col("_number") > LARGEST, full).otherwise(F.col("_number")).cast("int")
    return told.withColumn("number", checked).drop("_start", "_offset", "_largest", "_number")
