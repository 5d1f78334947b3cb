"""The items with the highest scores for each of a block of users, exactly, by one matrix product.

Shapes  B users of a block, I items, K length of the factors, G maxima of an item group
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Places = NDArray[np.int64]

_GROUP = 32
_BLOCK_BYTES = 2**26


@dataclass(frozen=True)
class Items:
    """Factors of the items of one site, in order of their ids: a smaller place is a smaller id.

    ids  I ids;  vectors  (I, K);  units  (I, K), each row of length one, or zero where the vector is zero
    longest  length of the longest vector
    """

    ids: Sequence[str]
    vectors: Floats
    units: Doubles
    longest: float


def items_of(ids: Sequence[str], vectors: Floats) -> Items:
    """Put items in the order of their ids.

    Raises  ValueError when a factor is not finite
    """
    if not np.isfinite(vectors).all():
        raise ValueError("an item factor is not finite")
    order = sorted(range(len(ids)), key=lambda place: ids[place].encode())
    sorted_vectors = np.ascontiguousarray(vectors[order])
    doubles = sorted_vectors.astype(np.float64)
    lengths = np.sqrt((doubles * doubles).sum(axis=1, keepdims=True))  # (I, 1)
    units = np.divide(doubles, lengths, out=np.zeros_like(doubles), where=lengths > 0)
    return Items([ids[place] for place in order], sorted_vectors, units, float(lengths.max(initial=0.0)))


def blocks(users: int, items: int) -> list[slice]:
    """Cut users into blocks whose score matrix stays within a fixed size."""
    size = max(1, _BLOCK_BYTES // (4 * max(1, items)))
    return [slice(start, min(start + size, users)) for start in range(0, users, size)]


def best(users: Floats, items: Items, wanted: Sequence[int]) -> list[tuple[Places, Doubles]]:
    """Find the `wanted` best items of each user: places in order of rank, and their scores.

    The 32-bit product only narrows the choice, with room for its rounding; what
    is left is scored in 64 bits, user by user. So the answer is that of sorting
    all scores, and does not depend on which users share a block.

    Shapes  users (B, K), wanted B numbers, at least 1
    Ties    by id, the smaller first
    Raises  ValueError when a factor is not finite
    """
    if not np.isfinite(users).all():
        raise ValueError("a user factor is not finite")
    scores = users @ items.vectors.T  # (B, I)
    maxima = _group_maxima(scores)  # (B, G)
    lengths = np.linalg.norm(users.astype(np.float64), axis=1)  # (B,)
    rounding = 2 * users.shape[1] * np.finfo(np.float32).eps * lengths * items.longest  # (B,)
    return [_best_of(users[b], scores[b], maxima[b], rounding[b], items, wanted[b]) for b in range(len(users))]


def nearest(items: Items, candidates: Places, history: Places) -> Places:
    """For each candidate the place of the item of the history with the largest cosine to it; -1 where there is none.

    A candidate does not speak for itself.

    Ties    by id, the smaller first
    """
    history = np.sort(history)
    cosines = np.round(items.units[candidates] @ items.units[history].T, 9)  # (candidates, history)
    is_other = candidates[:, None] != history[None, :]
    if not len(history):
        return np.full(len(candidates), -1)
    masked = np.where(is_other, cosines, -2.0)  # below any cosine
    return np.where(is_other.any(axis=1), history[masked.argmax(axis=1)], -1)


def _group_maxima(scores: Floats) -> Floats:
    # Items far apart share a group: the maximum over axis 1 then runs along memory.
    whole = scores.shape[1] // _GROUP  # groups of _GROUP items; the rest stand alone
    grouped = scores[:, : whole * _GROUP].reshape(len(scores), _GROUP, whole).max(axis=1, initial=-np.inf)
    return np.concatenate([grouped, scores[:, whole * _GROUP :]], axis=1)


def _best_of(user: Floats, scores: Floats, maxima: Floats, rounding: float, items: Items, wanted: int) -> tuple[Places, Doubles]:
    # The wanted-th largest maximum is reached by at least `wanted` items, so no better item lies below it.
    cut = np.partition(maxima, -wanted)[-wanted] - rounding if wanted <= len(maxima) else -np.inf
    found = np.flatnonzero(scores >= cut)
    exact = (items.vectors[found].astype(np.float64) * user.astype(np.float64)).sum(axis=1)  # (found,)
    order = np.lexsort((found, -exact))[:wanted]
    return found[order], exact[order]
