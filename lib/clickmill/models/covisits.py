"""Counts of pairs of items over baskets, by sparse products, and the nearest of each item.

Shapes  B baskets of a batch, I items of the site, J of them in the block
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
from numpy.typing import NDArray
from scipy import sparse  # type: ignore[import-untyped]

Ints = NDArray[np.int64]

FOUND_DDL = "site_id string, _number int, _other int, neighbour_rank int, similarity double, user_count long"
_FOUND = pa.schema(
    {"site_id": pa.string(), "_number": pa.int32(), "_other": pa.int32(), "neighbour_rank": pa.int32()}
    | {"similarity": pa.float64(), "user_count": pa.int64()}
)
_ROWS_A_BATCH = 200_000


@dataclass(frozen=True)
class Totals:
    """The items of a site in ascending order of their numbers, each with the weight of all its users."""

    numbers: Ints
    weights: Ints


@dataclass
class Block:
    """The items of one site whose number leaves `number` when divided by `blocks`, and what their pairs come to so far."""

    number: int
    blocks: int
    site: str
    totals: Totals
    _weights: Any = field(init=False)  # (J, I) sparse: weight of the users who took to both
    _users: Any = field(init=False)  # (J, I) sparse: how many they are

    def __post_init__(self) -> None:
        self._mine = np.flatnonzero(self.totals.numbers % self.blocks == self.number)  # (J,)
        shape = (len(self._mine), len(self.totals.numbers))
        self._weights, self._users = (sparse.csr_matrix(shape, dtype=np.int64) for _ in range(2))

    def add(self, baskets: pa.ListArray, weights: Ints) -> None:
        """Count the pairs of some baskets, lists of item numbers without repeats, each with the weight of its user."""
        lengths = np.diff(baskets.offsets.to_numpy())
        places = np.searchsorted(self.totals.numbers, baskets.flatten().to_numpy())
        starts, shape = np.concatenate([[0], np.cumsum(lengths)]), (len(lengths), len(self.totals.numbers))
        ones = sparse.csr_matrix((np.ones(len(places), dtype=np.int64), places, starts), shape=shape)  # (B, I)
        weighted = sparse.csr_matrix((np.repeat(weights, lengths), places, starts), shape=shape)  # (B, I)
        mine = ones[:, self._mine].T.tocsr()  # (J, B)
        self._weights, self._users = self._weights + mine @ weighted, self._users + mine @ ones

    def nearest(self, count: int) -> Iterator[pa.RecordBatch]:
        """The `count` most similar items of each item, itself excluded; ties by number."""
        for part in (self._weights, self._users):
            part.sort_indices()  # both have the same places: every weight is above zero
        counts, totals = self._weights, self.totals.weights.astype(np.float64)
        found: list[tuple[Ints, ...]] = []
        rows = 0
        for row, item in enumerate(self._mine):
            span = slice(counts.indptr[row], counts.indptr[row + 1])
            others = counts.indices[span]
            similar = counts.data[span] / np.sqrt(totals[item] * totals[others])
            similar[others == item] = -1.0
            best = _best(similar, count)
            best = best[similar[best] > 0]
            found.append((np.full(len(best), item), others[best], np.arange(1, len(best) + 1), similar[best], self._users.data[span][best]))
            rows += len(best)
            if rows >= _ROWS_A_BATCH:
                yield self._told(found)
                found, rows = [], 0
        if found:
            yield self._told(found)

    def _told(self, found: list[tuple[Ints, ...]]) -> pa.RecordBatch:
        item, other, rank, similar, users = (np.concatenate(column) for column in zip(*found, strict=True))
        numbers = self.totals.numbers.astype(np.int32)
        columns = [pa.array([self.site] * len(item)), *(pa.array(numbers[places]) for places in (item, other))]
        columns += [pa.array(rank.astype(np.int32)), pa.array(similar), pa.array(users)]
        return pa.RecordBatch.from_arrays(columns, schema=_FOUND)


def _best(values: NDArray[np.float64], count: int) -> Ints:
    """Places of the largest values, largest first, ties by place."""
    candidates = np.arange(len(values))
    if len(values) > count:
        candidates = np.flatnonzero(values >= np.partition(values, -count)[-count])
    order = np.lexsort((candidates, -values[candidates]))
    return np.asarray(candidates[order][:count])
