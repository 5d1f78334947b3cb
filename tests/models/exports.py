"""Training exports of a few rows, written without Spark: rows are numbered, so that each is known again."""

import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from clickmill.models.manifest import Group, Manifest

FIELDS = tuple({"name": name, "vocabulary": name, "is_training_only": False} for name in ("item", "user"))
DENSE = tuple({"name": name, "is_training_only": False} for name in ("price", "clicks", "views"))


def table(first: int, rows: int) -> pa.Table:
    """Rows `first` and so on: item = row, user = 2 x row, price = row / 10; every third is answered."""
    row = np.arange(first, first + rows)
    numbers = {"item": row.astype(np.int32), "user": (2 * row).astype(np.int32), "price": (row / 10).astype(np.float32)}
    of_label = {"answered": (row % 3 == 0).astype(np.float32), "sampling_rate": np.full(rows, 0.5, np.float32)}
    dense = {"clicks": (row + 0.5).astype(np.float32), "views": (-row).astype(np.float32)}
    return pa.table({"row_id": row, **numbers, **dense, **of_label})


def group(folder: Path, name: str, rows: int) -> Group:
    """A group that lies in a file."""
    return Group(name, rows, zlib.crc32((folder / name).read_bytes()))


def sealed(folder: Path, told: Manifest) -> Manifest:
    """A manifest of the files as they are now."""
    groups = {split: tuple(group(folder, one.file, one.rows) for one in of) for split, of in told.groups.items()}
    return replace(told, groups=groups)


def export(folder: Path, groups: Sequence[int]) -> Manifest:
    """An export of one split whose groups have so many rows."""
    files, first = [], 0
    for place, rows in enumerate(groups):
        name = f"split=train/group={place}/part-0.parquet"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table(first, rows), folder / name)
        files.append(group(folder, name, rows))
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
        answer_rate=0.5,
        counts={"train": sum(one.rows for one in files)},
        vocabularies={"item": 10_000, "user": 20_000},
        fields=FIELDS,
        dense=DENSE,
        schema_hash="a",
        vocabulary_hash="b",
        groups={"train": files},
    )


def clicks(folder: Path, *, train: Sequence[int] = (256,) * 8, judge: Sequence[int] = (200,) * 4, seed: int = 5) -> Manifest:
    """An export of three splits, of which something can be learnt: odd items are answered nine times of ten, even ones once."""
    files, first, draw = {}, 0, np.random.default_rng(seed)
    for split, groups in {"train": train, "valid": judge, "test": judge}.items():
        files[split] = []
        for place, rows in enumerate(groups):
            told = table(first, rows)
            item, user = draw.integers(1, 21, rows), draw.integers(1, 31, rows)
            answered = draw.random(rows) < np.where(item % 2 == 1, 0.9, 0.1)
            columns = {"item": item.astype(np.int32), "user": user.astype(np.int32), "answered": answered.astype(np.float32)}
            columns |= {name: draw.normal(size=rows).astype(np.float32) for name in ("price", "clicks", "views")}
            for name, values in columns.items():
                told = told.set_column(told.column_names.index(name), name, pa.array(values))
            path = f"split={split}/group={place}/part-0.parquet"
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(told, folder / path)
            files[split].append(group(folder, path, rows))
            first += rows
    groups_of = {split: tuple(of) for split, of in files.items()}
    return replace(manifest(groups_of["train"]), groups=groups_of, vocabularies={"item": 20, "user": 30})
