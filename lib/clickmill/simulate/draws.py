"""Random numbers that are functions of what they are drawn for: the same for any partitioning, order and size of a run.

A draw is a hash (SplitMix64, contracts/splitmix.py) of the seed, the purpose and
the ids of the thing. So user 7 does the same among ten users and among ten million.
"""

from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from clickmill.contracts.splitmix import GOLDEN, mixed

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


def bits(seed: int, purpose: str, *ids: Ints | int) -> NDArray[np.uint64]:
    """64 random bits for each combination of ids.

    Shapes  ids broadcast against each other; the result has their common shape
    """
    with np.errstate(over="ignore"):
        state = mixed(np.uint64(seed) * GOLDEN + np.uint64(crc32(purpose.encode())))
        for part in ids:
            state = mixed(state + GOLDEN * (np.asarray(part, dtype=np.int64).astype(np.uint64) + np.uint64(1)))
    return np.asarray(state)


def uniform(seed: int, purpose: str, *ids: Ints | int) -> Floats:
    """Numbers in (0, 1), both ends excluded."""
    return (np.asarray(bits(seed, purpose, *ids) >> np.uint64(11), dtype=np.float64) + 0.5) / 2.0**53


def normal(seed: int, purpose: str, *ids: Ints | int) -> Floats:
    """Standard normal numbers (Box and Muller)."""
    radius = np.sqrt(-2.0 * np.log(uniform(seed, f"{purpose} radius", *ids)))
    return np.asarray(radius * np.cos(2.0 * np.pi * uniform(seed, f"{purpose} angle", *ids)))


def chosen(weights: Floats, draws: Floats) -> Ints:
    """The place in one list of weights that each draw in (0, 1) falls on.

    Shapes  weights (k,); draws any; the result as draws
    """
    cumulated = np.cumsum(weights)
    return np.minimum(np.searchsorted(cumulated / cumulated[-1], draws, side="right"), len(weights) - 1).astype(np.int64)


def chosen_by_row(weights: Floats, rows: Ints, draws: Floats) -> Ints:
    """As `chosen`, where each draw has a row of weights of its own.

    Shapes  weights (r, k); rows and draws (n,), rows below r; the result (n,)
    """
    cumulated = np.cumsum(weights, axis=1)
    # Rows are laid end to end, each from its number to the next, so that one search serves all.
    steps = (cumulated / cumulated[:, -1:] + np.arange(len(weights))[:, None]).ravel()
    found = np.searchsorted(steps, draws + rows, side="right") - rows * weights.shape[1]
    return np.clip(found, 0, weights.shape[1] - 1).astype(np.int64)
