"""Users with their histories, batch by batch -> ranked items, by whatever ranks the items of a site.

Shapes  B users of a block, I items of a site, K length of the factors
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
from scipy import sparse  # type: ignore[import-untyped]

from clickmill.models import topitems
from clickmill.models.topitems import Doubles, Floats, Items, Places

FOUND_DDL = (
    "site_id string, user_id string, user_id_kind string, model_run_id string, "
    "item_id string, score double, candidate_rank int, because_item_id string"
)
_FOUND = pa.schema(
    {name: pa.string() for name in ("site_id", "user_id", "user_id_kind", "model_run_id", "item_id")}
    | {"score": pa.float64(), "candidate_rank": pa.int32(), "because_item_id": pa.string()}
)
OverArrow = Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]
"""What mapInArrow runs on each partition."""


class Ranker(Protocol):
    """The items of one site, in order of their ids, and a way to rank them for users."""

    @property
    def ids(self) -> Sequence[str]: ...

    def ranked(self, users: pa.Table, recent: list[Places], wanted: list[int]) -> list[tuple[Places, Doubles]]:
        """Places of the best items of each user, as many as are wanted or there are, and their scores; ties by id."""

    def nearest(self, candidates: Places, history: Places) -> Places:
        """For each candidate the place of the item of the history that speaks most for it; -1 where none does."""


@dataclass(frozen=True)
class Factors:
    """Items of one site by their factors; users bring a list `factors` each."""

    items: Items

    @property
    def ids(self) -> Sequence[str]:
        return self.items.ids

    def ranked(self, users: pa.Table, recent: list[Places], wanted: list[int]) -> list[tuple[Places, Doubles]]:
        return topitems.best(matrix(users["factors"], self.items.vectors.shape[1]), self.items, wanted)

    def nearest(self, candidates: Places, history: Places) -> Places:
        return topitems.nearest(self.items, candidates, history)


@dataclass(frozen=True)
class Neighbours:
    """Items of one site in order of their ids, each with its neighbours.

    ids  I ids;  similar  (I, I) sparse, row: the item, column: its neighbour
    """

    ids: Sequence[str]
    similar: sparse.csr_matrix
    model_run_id: str

    def ranked(self, users: pa.Table, recent: list[Places], wanted: list[int]) -> list[tuple[Places, Doubles]]:
        starts = np.concatenate([[0], np.cumsum([len(places) for places in recent])])
        history = sparse.csr_matrix((np.ones(starts[-1]), np.concatenate(recent), starts), shape=(len(recent), len(self.ids)))
        scores = history @ self.similar  # (B, I)
        found = []
        for user, count in enumerate(wanted):
            row = slice(scores.indptr[user], scores.indptr[user + 1])
            # Rounded, so that the order in which similarities are added decides nothing.
            places, values = scores.indices[row].astype(np.int64), np.round(scores.data[row], 12)
            order = np.lexsort((places, -values))[:count]
            found.append((places[order], values[order]))
        return found

    def nearest(self, candidates: Places, history: Places) -> Places:
        history = np.sort(history)
        if not len(history) or not len(candidates):
            return np.full(len(candidates), -1)
        similar = self.similar[history][:, candidates].toarray()  # (history, candidates)
        return np.where(similar.max(axis=0) > 0, history[similar.argmax(axis=0)], -1)


def scorer(rankers: Mapping[str, Ranker], per_user: int) -> OverArrow:
    """Users with `_recent`, `_kept` and `model_run_id` in, FOUND_DDL out."""

    def score(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for site, users in by_site(pa.Table.from_batches([batch])):
                for block in topitems.blocks(users.num_rows, len(rankers[site].ids)):
                    yield _found(users.slice(block.start, block.stop - block.start), rankers[site], per_user)

    return score


def _found(users: pa.Table, items: Ranker, per_user: int) -> pa.RecordBatch:
    known = pa.array(items.ids, pa.string())
    recent, kept = _places(users["_recent"], known), _places(users["_kept"], known)
    ranked = items.ranked(users, recent, [per_user + len(bought) for bought in kept])
    owners, places, scores, ranks, because = [], [], [], [], []
    for user, (found, score) in enumerate(ranked):
        is_new = ~np.isin(found, kept[user])
        length = int(np.searchsorted(np.cumsum(is_new), per_user)) + 1  # up to the last new one that is wanted
        found, score = found[:length], score[:length]
        owners.append(np.full(len(found), user))
        places.append(found)
        scores.append(score)
        ranks.append(np.arange(1, len(found) + 1, dtype=np.int32))
        because.append(items.nearest(found, recent[user]))
    owner, reasons = pa.array(np.concatenate(owners)), np.concatenate(because)
    columns = [users[name].combine_chunks().take(owner) for name in ("site_id", "user_id", "user_id_kind", "model_run_id")]
    columns += [known.take(pa.array(np.concatenate(places))), pa.array(np.concatenate(scores)), pa.array(np.concatenate(ranks))]
    columns.append(known.take(pa.array(reasons, mask=reasons < 0)))
    return pa.RecordBatch.from_arrays(columns, schema=_FOUND)


def by_site(table: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """The rows of each site."""
    for site in sorted(pc.unique(table["site_id"]).to_pylist()):
        yield site, table.filter(pc.equal(table["site_id"], site))


def matrix(column: pa.ChunkedArray, rank: int) -> Floats:
    """Lists of one length as the rows of a matrix."""
    flat: Floats = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return flat.reshape(len(column), rank)


def _places(column: pa.ChunkedArray, known: pa.Array) -> list[topitems.Places]:
    """Places of the ids of each row's list among the items; ids without factors are left out."""
    lists = column.combine_chunks()
    found = pc.index_in(lists.flatten(), value_set=known)
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    places = pc.fill_null(found, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    return [part[part >= 0] for part in np.split(places, np.cumsum(lengths)[:-1])]
