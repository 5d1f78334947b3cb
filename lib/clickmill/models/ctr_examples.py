"""Training examples of click networks: rows of features.ctr_rows as 32-bit numbers without nulls, in groups of equal size."""

from collections.abc import Mapping, Sequence
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from clickmill.contracts.hashing import hash_of
from clickmill.contracts.tables import CTR_ROWS
from clickmill.models.ctr_cuts import Cuts
from clickmill.models.ctr_fields import DENSE, FIELDS, Field
from clickmill.models.ctr_scales import Scale, scaled

SPARK_CONF = {"spark.sql.requireAllClusterKeysForCoPartition": "false"}
"""Rows that lie by group are joined where they lie: each is moved once."""

LEFT_OUT = ("label_open", "between_splits", "not_drawn")
"""Why a row is in no split: its label is not final; it was known while labels of the split before became final; it was not drawn."""

ROW = ("split", "group", "row_id")
_LARGE = ("user", "item")  # vocabularies that grow with the shop; the others fit into the memory of every worker
_VALUE = ["vocabulary", "site_id", "value"]
_SHARES = 2**30


def with_fate(rows: DataFrame, cuts: Cuts, *, seed: int, unanswered_share: float) -> DataFrame:
    """Say of every row what becomes of it: its split, or why it is in none, and its place in a seeded random order.

    Of the unanswered rows that are learnt from `unanswered_share` is kept, by the same seed.

    Grain   as in `rows`, with split (one of SPLITS or LEFT_OUT), row_id (whole number of 64 bits: the place) and sampling_rate:
            the rate at which such rows are kept
    Needs   features.ctr_rows of the days of `cuts`, and of those after them
    """
    named = rows.withColumns({"row_id": row_id(seed), "_split": cuts.split()})
    rate = F.when((F.col("_split") == "train") & ~F.col("answered"), F.lit(unanswered_share)).otherwise(F.lit(1.0))
    is_drawn = F.pmod(F.xxhash64(F.lit("drawn"), "row_id"), F.lit(_SHARES)) < rate * _SHARES
    is_late = (F.col("known_date") > F.lit(cuts.test.last)) | (F.col("_split").isNotNull() & F.col("answered").isNull())
    of_none = F.when(is_late, "label_open").when(F.col("_split").isNull(), "between_splits").when(~is_drawn, "not_drawn")
    return named.withColumns({"split": F.coalesce(of_none, "_split"), "sampling_rate": rate.cast("float")})


def row_id(seed: int) -> Column:
    """The place of a row of features.ctr_rows in an order drawn by a seed: two rows have the same with a chance of 2^-64."""
    return hash_of([F.lit(seed), *(F.col(name) for name in CTR_ROWS.key)])


def numbers(rows: DataFrame, vocabularies: DataFrame, *, hash_buckets: Mapping[str, int]) -> DataFrame:
    """The numbers of the values of the fields of every row.

    Fields of large vocabularies are joined as narrow rows, one a field, so that no wide row moves for them.

    Grain   one row per row of `rows` of which any value has a number, by ROW alone, with a column a field; null where one has none
    Needs   rows: those of the splits, with group; vocabularies: models.vocabularies; hash_buckets: of vocabularies that
            are hashed, not numbered, how many numbers they have
    """
    numbered = [one for one in FIELDS if one.vocabulary not in hash_buckets]
    parts = []
    for is_large in (True, False):
        fields = [one for one in numbered if (one.vocabulary in _LARGE) == is_large]
        known = vocabularies.where(F.col("vocabulary").isin([one.vocabulary for one in fields])).select(*_VALUE, "number")
        parts += [_values(rows, fields).join(known if is_large else F.broadcast(known), on=_VALUE, how="inner")] if fields else []
    for one in (one for one in FIELDS if one.vocabulary in hash_buckets):
        place = F.pmod(hash_of(F.col(name) for name in _VALUE), F.lit(hash_buckets[one.vocabulary]))
        parts.append(_values(rows, [one]).withColumn("number", (place + 1).cast("int")))
    every = reduce(DataFrame.unionByName, parts)
    return every.groupBy(*ROW).agg(*(F.max(F.when(F.col("field") == one.name, F.col("number"))).alias(one.name) for one in FIELDS))


def _values(rows: DataFrame, fields: Sequence[Field]) -> DataFrame:
    pairs = [
        F.struct(F.lit(one.name).alias("field"), F.lit(one.vocabulary).alias("vocabulary"), F.expr(one.value).alias("value"))
        for one in fields
    ]
    each = rows.select(*ROW, "site_id", F.explode(F.array(*pairs)).alias("_of")).select(*ROW, "site_id", "_of.*")
    return each.where("value IS NOT NULL")


def examples(rows: DataFrame, numbers: DataFrame, scales: Sequence[Scale], groups: int) -> DataFrame:
    """The examples: numbers of 32 bits without nulls, each group in one partition, in the order of row_id.

    Grain   as in `rows`: ROW, answered (0 or 1), sampling_rate, a column a field, a column of DENSE
    Needs   rows: those of the splits, with group; numbers: those of numbers() of these rows; groups: how many there are in all
    """
    dense = [scaled(of, scale).alias(of.name) for of, scale in zip(DENSE, scales, strict=True)]
    mine = rows.select(*ROW, F.col("answered").cast("float").alias("answered"), "sampling_rate", *dense)
    both = (one.repartition(groups, "split", "group") for one in (mine, numbers))
    joined = next(both).join(next(both), on=list(ROW), how="left").sortWithinPartitions(*ROW)
    return joined.withColumns({one.name: F.coalesce(one.name, F.lit(0)) for one in FIELDS})
