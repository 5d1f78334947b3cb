"""Rows that share their key, counted by hashes."""

from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from clickmill.contracts.hashing import hash_of
from clickmill.contracts.properties import set_for


def repeated_rows(frame: DataFrame, columns: Sequence[str]) -> int:
    """How many rows have a key that another row has; nulls are equal to each other.

    Exact: rows of one key have one hash, and rows of one hash are counted again by their keys.
    """
    with set_for(frame.sparkSession, {"spark.sql.adaptive.enabled": "true"}):
        return _repeated(frame, columns)


def _repeated(frame: DataFrame, columns: Sequence[str]) -> int:
    hashed = frame.select(*columns, hash_of(map(F.col, columns)).alias("_hash"))
    # Shuffled first: to count within each partition before would hold every hash and find next to none twice.
    counts = hashed.select("_hash").repartition("_hash").groupBy("_hash").agg(F.count("*").alias("_rows"))
    shared = counts.where(F.col("_rows") > 1).select("_hash")
    if shared.isEmpty():
        return 0
    keys = hashed.join(shared, on="_hash", how="left_semi").groupBy(*columns).agg(F.count("*").alias("_rows"))
    found = keys.where(F.col("_rows") > 1).agg(F.coalesce(F.sum("_rows"), F.lit(0))).first()
    assert found is not None
    return int(found[0])
