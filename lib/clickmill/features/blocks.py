"""Rows of whole keys, block by block: what a kernel needs that looks at all that is known of a key at once."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import StructType

from clickmill.features.histories import Ints

ROWS_A_BLOCK = 200_000
"""Rows that a block has at least, unless the partition ends: some ten MB. A key is never cut, however many rows it has."""
KEYS_A_BLOCK = 2**16

Answer = Callable[[pa.Table, Ints], Iterable[pa.Table]]
"""What a kernel makes of a block: of its rows, by key and time, and of the code of the key of each; in one part or in several."""


def by_key(rows: DataFrame, key: Sequence[str], order: Sequence[str], answer: Answer, schema: StructType) -> DataFrame:
    """Run a kernel over the rows of each key, in one shuffle and one sort.

    Grain   that of the kernel, with the columns of `schema`
    Needs   key and order: columns of `rows`, none of the key null; together they are a total order
    """
    columns = to_arrow_schema(schema)
    sorted_rows = rows.repartition(*key).sortWithinPartitions(*key, *order)

    def made(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for block in blocks(batches, key):
            for told in answer(*block):
                yield from told.select(columns.names).cast(columns).to_batches()

    return sorted_rows.mapInArrow(made, schema)


def blocks(batches: Iterable[pa.RecordBatch], key: Sequence[str]) -> Iterator[tuple[pa.Table, Ints]]:
    """Cut batches that are in the order of a key where the key changes, into blocks of many rows."""
    waiting: list[pa.RecordBatch] = []
    rows, enough = 0, ROWS_A_BLOCK
    for batch in batches:
        waiting.append(batch)
        rows += batch.num_rows
        if rows >= enough:
            table = pa.Table.from_batches(waiting)
            starts = _starts(table, key)
            done, left = table.slice(0, starts[-1]), table.slice(starts[-1])
            waiting, rows = left.to_batches(), left.num_rows
            enough = max(ROWS_A_BLOCK, 2 * rows)  # of a key without end what is there is not looked through again and again
            yield from _of_few_keys(done, starts[:-1])
    if waiting:
        table = pa.Table.from_batches(waiting)
        yield from _of_few_keys(table, _starts(table, key))


def _starts(table: pa.Table, key: Sequence[str]) -> NDArray[np.int64]:
    """Places at which another key begins."""
    changes = np.zeros(max(table.num_rows - 1, 0), bool)
    for name in key:
        column = table[name].combine_chunks()
        changes |= pc.not_equal(column.slice(1), column.slice(0, max(len(column) - 1, 0))).to_numpy(zero_copy_only=False)
    return np.concatenate([np.zeros(min(table.num_rows, 1), np.int64), np.flatnonzero(changes) + 1])


def _of_few_keys(table: pa.Table, starts: NDArray[np.int64]) -> Iterator[tuple[pa.Table, Ints]]:
    ends = np.append(starts, table.num_rows)
    for first in range(0, len(starts), KEYS_A_BLOCK):
        bounds = ends[first : first + KEYS_A_BLOCK + 1]
        rows = table.slice(bounds[0], bounds[-1] - bounds[0]).combine_chunks()
        yield rows, np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
