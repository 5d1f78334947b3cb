"""Scores of a split, as files that Spark reads: one a rank, of row_id and probability."""

from collections.abc import Iterable

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
from pyarrow import fs as filesystems
from torch import Tensor

_SCHEMA = pa.schema([pa.field("row_id", pa.int64(), nullable=False), pa.field("probability", pa.float32(), nullable=False)])


def write_scores(url: str, split: str, rank: int, scored: Iterable[tuple[Tensor, ...]]) -> None:
    """Write what a rank scored, in place of what it wrote before. Shapes  of each batch row_id and probability (B,), first of all"""
    files, folder = filesystems.FileSystem.from_uri(f"{url}/split={split}")
    files.create_dir(folder, recursive=True)
    with files.open_output_stream(f"{folder}/rank-{rank}.parquet") as target, pq.ParquetWriter(target, _SCHEMA) as writer:
        for row_id, probability, *_ in scored:
            columns = [pa.array(row_id.numpy()), pa.array(probability.float().numpy())]
            writer.write_table(pa.table(columns, schema=_SCHEMA))
