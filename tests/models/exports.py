"""Training exports of a few rows, written without Spark: rows are numbered, so that each is known again."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from clickmill.models.manifest import Group, Manifest

FIELDS = ({"name": "item", "vocabulary": "item"}, {"name": "user", "vocabulary": "user"})
DENSE = ({"name": "price"}, {"name": "clicks"}, {"name": "views"})


def table(first: int, rows: int) -> pa.Table:
    """Rows `first` and so on: item = row, user = 2 x row, price = row / 10; every third is answered."""
    row = np.arange(first, first + rows)
    numbers = {"item": row.astype(np.int32), "user": (2 * row).astype(np.int32), "price": (row / 10).astype(np.float32)}
    of_label = {"answered": (row % 3 == 0).astype(np.float32), "sampling_rate": np.full(rows, 0.5, np.float32)}
    dense = {"clicks": (row + 0.5).astype(np.float32), "views": (-row).astype(np.float32)}
    return pa.table({"row_id": row, **numbers, **dense, **of_label})


def export(folder: Path, groups: Sequence[int]) -> Manifest:
    """An export of one split whose groups have so many rows."""
    files, first = [], 0
    for place, rows in enumerate(groups):
        name = f"split=train/group={place}/part-0.parquet"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table(first, rows), folder / name)
        files.append(Group(name, rows))
        first += rows
    return manifest(tuple(files))


def manifest(files: tuple[Group, ...]) -> Manifest:
    return Manifest(
        export_id="0123456789abcdef",
        table="features.ctr_rows",
        table_version=1,
        vocabulary_version=1,
        days={"train": ("2024-05-01", "2024-05-02")},
        label_wait_days=1,
        seed=1,
        counts={"train": sum(one.rows for one in files)},
        vocabularies={"item": 10_000, "user": 20_000},
        fields=FIELDS,
        dense=DENSE,
        schema_hash="a",
        vocabulary_hash="b",
        groups={"train": files},
    )
