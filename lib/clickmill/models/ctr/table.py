"""One embedding table for all fields, of which a step reads and changes only the rows of its batch.

The gathered rows are a leaf of their own, so their gradients come out of the backward pass as they are: nothing of the size of
the table is ever made. Gradients of a row that stands in a batch more than once are added up before they go anywhere.

A row has parts, which learn at rates of their own: (1, E) are a linear weight and a vector, (E,) a vector alone.

Shapes  B rows of a batch, F fields, R rows of the table, C columns of a row, P parts of a row, N gathered rows, U different rows
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from clickmill.models.ctr.inputs import InputSpec

INITIAL_DEVIATION = 0.01
"""Standard deviation of what a row holds before it has learned anything; the rows of unknown values are no exception."""

_DRAWN_ROWS = 2**20  # rows that are drawn at once: of a table that fills a GPU its machine need not hold all
_SMALLEST_ROOT = 1e-8  # a row whose gradients have all been zero is not divided by zero


class FusedTable:
    """The rows of all vocabularies, and what row-wise Adagrad remembers of each.

    Shapes  weights (R, C); squares (R, P): the sum over all steps of the mean squared gradient of each part
    """

    def __init__(self, spec: InputSpec, parts: Sequence[int], *, seed: int, device: str = "cpu") -> None:
        self.spec, self.parts = spec, list(parts)
        draw, columns = torch.Generator().manual_seed(seed), sum(parts)
        self.weights = torch.empty(spec.row_count, columns, device=device)  # [R, C]
        for some in torch.split(self.weights, _DRAWN_ROWS):  # drawn on the processor, by a generator that is the same everywhere
            some.copy_(torch.empty(len(some), columns).normal_(0, INITIAL_DEVIATION, generator=draw))
        self.squares = torch.zeros(spec.row_count, len(parts), device=device)  # [R, P]
        self._sizes = torch.tensor(spec.sizes, dtype=torch.int32, device=device)  # [F]
        self._offsets = torch.tensor(spec.row_offsets, dtype=torch.int32, device=device)  # [F]

    def row_ids(self, fields: Tensor) -> Tensor:
        """The row of each value. Shapes  fields (B, F) int32, the answer alike

        Raises  ValueError when a number is not in the vocabulary of its field: it would be a row of another one
        """
        is_outside = (fields < 0) | (fields > self._sizes)  # [B, F]
        if is_outside.any():
            place = int(is_outside.any(0).nonzero()[0])
            found, size = fields[is_outside[:, place], place][0], self.spec.sizes[place]
            raise ValueError(f"{self.spec.fields[place].name}: the number {found} is not in its vocabulary of {size} values")
        return fields + self._offsets  # [B, F]

    def gathered(self, ids: Tensor) -> Tensor:
        """Rows as a leaf of the graph, whose gradient can be asked for. Shapes  ids (B, F), the answer (B, F, C)"""
        return F.embedding(ids, self.weights).requires_grad_()  # [B, F, C]

    def update(self, rows: Tensor, gradients: Tensor, learning_rate: float) -> None:
        """Take one step of row-wise Adagrad with some rows; all others keep every bit.

        Adagrad (Duchi, Hazan and Singer, Adaptive subgradient methods, JMLR 2011) divides by the root of the sum of squared
        gradients. Row-wise, the sum is of their mean over a row, which takes one number in place of C (Mudigere et al.,
        Software-hardware co-design for fast and scalable training of deep learning recommendation models, ISCA 2022). Here there
        is one for each part of a row, as a linear weight has larger gradients than the entries of a vector.

        Shapes  rows (U,) int64, each once; gradients (U, C)
        """
        squared = [part.square().mean(1) for part in torch.split(gradients, self.parts, dim=1)]  # [U] each
        squares = self.squares.index_select(0, rows) + torch.stack(squared, 1)  # [U, P]
        self.squares.index_copy_(0, rows, squares)
        rates = learning_rate / (squares.sqrt() + _SMALLEST_ROOT)  # [U, P]
        # Each row comes once: to take it out and put it back is three times as fast as to add to it in its place.
        weights = self.weights.index_select(0, rows)  # [U, C]
        for place, (part, gradient) in enumerate(zip(*(torch.split(one, self.parts, 1) for one in (weights, gradients)), strict=True)):
            part.addcmul_(gradient, rates[:, place, None], value=-1)  # [U, columns of the part]
        self.weights.index_copy_(0, rows, weights)


def rows_and_gradients(ids: Tensor, gradients: Tensor) -> tuple[Tensor, Tensor]:
    """Each different row once, with the sum of its gradients, which are added in the order in which they are given.

    Shapes  ids (N,), gradients (N, C); the answers (U,) int64 ascending, and (U, C)
    """
    ordered, order = torch.sort(ids, stable=True)  # [N]
    is_first = torch.ones_like(ordered, dtype=torch.bool)  # [N]
    is_first[1:] = ordered[1:] != ordered[:-1]
    starts = is_first.nonzero().flatten()  # [U]
    # Sums of runs of gathered rows are what a bag of embeddings is: five times as fast as adding row by row, and as exact.
    return ordered[starts].long(), F.embedding_bag(order, gradients, starts, mode="sum")  # [U], [U, C]
