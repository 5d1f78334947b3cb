"""Rows of whole keys, block by block and in order of time: what a kernel needs that looks at all that is known of a key at once.

Spark brings the rows of a key together, by a hash alone: one long sorts by radix, where names and times are compared row by row
and take five times as long. The order of the rows of a key is made in the block, where they are columns.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import StructType

from clickmill.features.histories import Flags, Ints

ROWS_A_BLOCK = 200_000
"""Rows that a block has at least, unless the partition ends: some ten MB. A key is never cut, however many rows it has."""
KEYS_A_BLOCK = 2**16

Answer = Callable[[pa.Table, Ints], Iterable[pa.Table]]
"""What a kernel makes of a block: of its rows, by key and time, and of the code of the key of each; in one part or in several."""

_HASH = "_key_hash"


def by_key(rows: DataFrame, key: Sequence[str], order: Sequence[str], answer: Answer, schema: StructType) -> DataFrame:
    """Run a kernel over the rows of each key, in one shuffle and one sort.

    Grain   that of the kernel, with the columns of `schema`
    Needs   key and order: columns of `rows`, none of them null, together a total order; the first of order a whole number
    """
    columns = to_arrow_schema(schema)
    together = rows.withColumn(_HASH, F.xxhash64(*key)).repartition(*key).sortWithinPartitions(_HASH)

    def made(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for block in blocks(batches, key, order):
            for told in answer(*block):
                yield from told.select(columns.names).cast(columns).to_batches()

    return together.mapInArrow(made, schema)


def blocks(batches: Iterable[pa.RecordBatch], key: Sequence[str], order: Sequence[str]) -> Iterator[tuple[pa.Table, Ints]]:
    """Cut batches that are in the order of the hash of a key where that changes, into blocks of many rows, each in its order."""
    waiting: list[pa.RecordBatch] = []
    rows, enough = 0, ROWS_A_BLOCK
    for batch in batches:
        waiting.append(batch)
        rows += batch.num_rows
        if rows >= enough:
            table = pa.Table.from_batches(waiting)
            starts = np.flatnonzero(_changes(table, _HASH))
            done, left = table.slice(0, starts[-1]), table.slice(starts[-1])
            waiting, rows = left.to_batches(), left.num_rows
            enough = max(ROWS_A_BLOCK, 2 * rows)  # of a key without end what is there is not looked through again and again
            yield from _of_few_keys(done, starts[:-1], key, order)
    if rows:
        table = pa.Table.from_batches(waiting)
        yield from _of_few_keys(table, np.flatnonzero(_changes(table, _HASH)), key, order)


def _changes(table: pa.Table, name: str) -> Flags:
    """Where a column differs from the row before; the first row does."""
    column = table[name].combine_chunks()
    differs = pc.not_equal(column.slice(1), column.slice(0, max(len(column) - 1, 0)))
    return np.concatenate([np.ones(min(len(column), 1), bool), differs.to_numpy(zero_copy_only=False)])


def _of_few_keys(table: pa.Table, starts: Ints, key: Sequence[str], order: Sequence[str]) -> Iterator[tuple[pa.Table, Ints]]:
    ends = np.append(starts, table.num_rows)
    for first in range(0, len(starts), KEYS_A_BLOCK):
        bounds = ends[first : first + KEYS_A_BLOCK + 1]
        rows = table.slice(bounds[0], bounds[-1] - bounds[0]).combine_chunks()
        code = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
        yield _in_order(rows.drop_columns([_HASH]), _told_apart(rows, code, key), order)


def _told_apart(rows: pa.Table, code: Ints, key: Sequence[str]) -> Ints:
    """The code of each key, also where two keys have the same hash."""
    is_other = np.logical_or.reduce([_changes(rows, name) for name in key])
    if not np.any(is_other[1:] & (code[1:] == code[:-1])):
        return code
    return np.asarray(rows.select(key).to_pandas().groupby(list(key), sort=False).ngroup().to_numpy(), np.int64)


def _in_order(rows: pa.Table, code: Ints, order: Sequence[str]) -> tuple[pa.Table, Ints]:
    at = rows[order[0]].to_numpy()
    places = np.lexsort((at, code))
    # Names decide among equals only, of which there are few.
    same = (at[places][1:] == at[places][:-1]) & (code[places][1:] == code[places][:-1])
    tied = np.flatnonzero(np.concatenate([same, [False]]) | np.concatenate([[False], same])) if len(order) > 1 else same[:0]
    if len(tied):
        some = rows.select(order).take(pa.array(places[tied])).append_column("_code", pa.array(code[places[tied]]))
        by = [(name, "ascending") for name in ("_code", *order)]
        places[tied] = places[tied][pc.sort_indices(some, sort_keys=by).to_numpy()]
    return rows.take(pa.array(places)), code[places]
