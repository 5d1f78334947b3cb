"""Packs tables of columns into rows of numbers, which a network takes.

Shapes  R rows of a block, B rows of a step, F fields, D dense columns
"""

from dataclasses import dataclass, fields

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import torch
from torch import Tensor

from clickmill.contracts.errors import BadData

_TILE_ROWS = 4096  # rows that are turned from columns to rows at once: they stay in the cache


@dataclass(frozen=True)
class Batch:
    """The rows of a step; `weight` is the inverse of the rate at which a row was sampled.

    Shapes  fields (B, F) int32; dense (B, D), answered, weight (B,) float32; row_id (B,) int64
    """

    fields: Tensor
    dense: Tensor
    answered: Tensor
    weight: Tensor
    row_id: Tensor

    def to(self, device: torch.device) -> "Batch":
        """The rows where they are computed with; the copy goes on while the processor does."""
        return Batch(*(getattr(self, of.name).to(device, non_blocking=True) for of in fields(self)))


@dataclass(frozen=True)
class Columns:
    """The columns of a row, by the tensor of a block that they are packed into."""

    fields: tuple[str, ...]
    dense: tuple[str, ...]

    def by_tensor(self) -> list[tuple[tuple[str, ...], str]]:
        return [(self.fields, "int32"), (self.dense, "float"), (("row_id",), "int64")]


class Block:
    """Rows of the groups that are mixed, packed. Shapes  fields (R, F); dense (R, D + 2), with answer and sampling rate; row_id (R, 1)"""

    def __init__(self, size: int, columns: Columns) -> None:
        self.rows = 0
        self._tensors = (
            torch.empty((size, len(columns.fields)), dtype=torch.int32),
            torch.empty((size, len(columns.dense)), dtype=torch.float32),
            torch.empty((size, 1), dtype=torch.int64),
        )

    def tensors(self) -> tuple[Tensor, ...]:
        return self._tensors

    def append(self, table: pa.Table, columns: Columns, path: str) -> None:
        """Add the rows of a table.

        Raises  BadData when a column is missing, has nulls, is of another type, or holds what is no number; when an answer is
                neither 0 nor 1, or a rate not above 0 and at most 1
        """
        first, self.rows = self.rows, self.rows + table.num_rows
        for (names, type_), target in zip(columns.by_tensor(), self._tensors, strict=True):
            for name in names:
                if name not in table.column_names or str(table[name].type) != type_ or table[name].null_count:
                    raise BadData(f"{path}: {name} is not a column of {type_} without nulls")
            values, rows = [table[name].to_numpy() for name in names], target[first : self.rows].numpy()
            for start in range(0, table.num_rows, _TILE_ROWS):
                tile = slice(start, start + _TILE_ROWS)
                np.stack([column[tile] for column in values], axis=1, out=rows[tile])  # (rows of the tile, columns)
        dense = self._tensors[1][first : self.rows]
        # A sum is quick, and may be infinite of values that are not.
        if not torch.isfinite(dense.sum()) and len(bad := (~torch.isfinite(dense)).any(0).nonzero()):
            raise BadData(f"{path}: {columns.dense[int(bad[0])]} holds a value that is not finite")
        answered, rate = dense[:, -2], dense[:, -1]
        if not torch.all((answered == 0) | (answered == 1)):
            raise BadData(f"{path}: {columns.dense[-2]} holds what is neither 0 nor 1")
        if not torch.all((rate > 0) & (rate <= 1)):
            raise BadData(f"{path}: {columns.dense[-1]} holds what is no share of rows")
