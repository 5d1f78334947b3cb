"""Groups of rows of equal size, in a seeded random order: what a training feed reads at once, and mixes."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf  # type: ignore[attr-defined]
from pyspark.sql.types import IntegerType

from clickmill.contracts.local import local_frame

GROUPS_A_RANK = 4
"""With fewer, what a rank mixes is hardly mixed."""

# Rows are counted by the upper bits of their place, so that no window spans all of them.
_BUCKET_BITS = 12


@dataclass(frozen=True)
class Groups:
    """The groups of each split: the row_id that each begins with, and how many rows it has."""

    firsts: Mapping[str, tuple[int, ...]]
    rows: Mapping[str, tuple[int, ...]]

    @property
    def count(self) -> int:
        return sum(map(len, self.firsts.values()))


def group_count(rows: int, *, group_rows: int, ranks: int) -> int:
    """How many groups: of at most `group_rows` rows, at least four a rank, and the same number for each rank."""
    return -(-max(-(-rows // group_rows), GROUPS_A_RANK * ranks) // ranks) * ranks


def equal_groups(rows: DataFrame, *, group_rows: int, ranks: int) -> Groups:
    """Cut the rows of each split, in the order of row_id, into groups whose sizes differ by one row at most.

    Group g of M over N rows holds the places p with p x M // N = g. What comes back grows with the groups, not with the rows.

    Needs   split, row_id; a split has at least as many rows as it gets groups
    Ties    rows of one row_id stay together
    """
    bucketed = rows.select("split", "row_id", F.shiftright("row_id", 64 - _BUCKET_BITS).alias("_bucket"))
    sizes = sorted(tuple(row) for row in bucketed.groupBy("split", "_bucket").count().collect())
    totals: dict[str, int] = {}
    offsets = []
    for split, bucket, size in sizes:
        offsets.append((split, bucket, totals.get(split, 0)))
        totals[split] = totals.get(split, 0) + size
    counts = {split: group_count(total, group_rows=group_rows, ranks=ranks) for split, total in totals.items()}
    before = local_frame(rows.sparkSession, offsets, "split string, _bucket long, _before long")
    in_bucket = Window.partitionBy("split", "_bucket").orderBy("row_id")
    places = bucketed.withColumn("_nth", F.row_number().over(in_bucket)).join(F.broadcast(before), on=["split", "_bucket"], how="inner")
    split_groups = F.coalesce(*(F.when(F.col("split") == split, F.lit(count).cast("long")) for split, count in counts.items()))
    split_rows = F.coalesce(*(F.when(F.col("split") == split, F.lit(total).cast("long")) for split, total in totals.items()))
    named = places.withColumns({"_place": F.col("_before") + F.col("_nth") - 1, "_groups": split_groups, "_rows": split_rows})
    group, before_it = (F.expr(f"({place}) * _groups div _rows") for place in ("_place", "_place - 1"))
    begins = named.where((F.col("_place") == 0) | (group > before_it)).select("split", group.alias("group"), "row_id")
    found = sorted(tuple(row) for row in begins.collect())
    firsts = {split: tuple(first for of, _, first in found if of == split) for split in counts}
    return Groups(firsts, {split: _sizes(totals[split], count) for split, count in counts.items()})


def _sizes(rows: int, groups: int) -> tuple[int, ...]:
    begins = [-(-group * rows // groups) for group in range(groups + 1)]
    return tuple(after - begin for begin, after in pairwise(begins))


def with_group(rows: DataFrame, groups: Groups) -> DataFrame:
    """Add the group of each row.

    Needs   split, row_id: the rows that equal_groups() has cut
    """
    firsts = {split: np.array(begins, np.int64) for split, begins in groups.firsts.items()}

    def of_rows(split: pd.Series, row_id: pd.Series) -> pd.Series:
        places = np.empty(len(row_id), np.int32)
        for name, begins in firsts.items():
            of_split = (split == name).to_numpy()
            places[of_split] = np.searchsorted(begins, row_id.to_numpy()[of_split], side="right") - 1
        return pd.Series(places)

    return rows.withColumn("group", pandas_udf(of_rows, IntegerType())("split", "row_id"))
