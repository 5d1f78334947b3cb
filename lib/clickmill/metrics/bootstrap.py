"""Intervals by user of the measures of probabilities, from states that add up: the Poisson bootstrap.

Rows of one user are alike, so users are drawn, with all their rows. In each replicate a user is there as often as a Poisson number
of mean 1 says (Hanley and MacGibbon, Creating non-parametric bootstrap samples using Poisson frequencies, Computer Methods and
Programs in Biomedicine 2006; over streams: Chamandy et al., Estimating Uncertainty for Massive Data Streams, 2012). That number is
a hash of user, replicate and seed: the same on every rank and day, and for two models, whose replicates differ only as they do.

Shapes  R rows of a block, U users, B replicates, the first of which is the sample itself
"""

import math
from collections.abc import Mapping
from typing import Self

import numpy as np

from clickmill.contracts.splitmix import GOLDEN, mixed
from clickmill.metrics.auc import area, grouped
from clickmill.metrics.ctr import Floats, Interval, Ints, Losses, Rows, Sums, addends, loss_measures, ratio, sums_at
from clickmill.metrics.histogram import bin_count, bin_of

_BITS = 5
"""A bin is 3 % wide: a replicate takes 20 kB, and what its area is off by, it is off by in all replicates alike."""
_CELLS = 2 * bin_count(_BITS)
_LOSSES, _GROUPED = slice(0, *Losses.SHAPE), slice(*Losses.SHAPE, Losses.SHAPE[0] + 2)

_DRAW_BITS = 53
_LARGEST = 18  # no draw of 53 bits is above it
_UP_TO = np.cumsum([math.exp(-1) / math.factorial(count) for count in range(_LARGEST)])
_THRESHOLDS = np.rint(_UP_TO * 2.0**_DRAW_BITS).astype(np.uint64)


class Replicates(Sums):
    """Losses, sums of GroupedAuc and a histogram of B replicates, for measures with intervals.

    Shapes  (B, 7 + 2 K), K bins
    """

    SHAPE = (-1, _GROUPED.stop + _CELLS)

    @classmethod
    def of(cls, rows: Rows, user: Ints, *, draws: int, seed: int) -> Self:
        """Draw the users of a block so many times; replicate 0 is the block as it is.

        Shapes  user (R,): hashes
        Needs   for `gauc`: all rows of a user in one block; the same draws and seed for what is to add up or be compared
        """
        users, code = np.unique(np.asarray(user, np.int64), return_inverse=True)
        sums = [sums_at(code, of, len(users)) for of in addends(rows)]
        by_user = np.concatenate([sums, grouped(rows, code)]).T
        cell = 2 * bin_of(rows.probability, _BITS) + rows.answered
        values = np.empty((1 + draws, cls.SHAPE[1]))
        for replicate, of_replicate in enumerate(values):
            times = frequency(users, replicate, seed)
            of_replicate[: _GROUPED.stop] = times @ by_user
            of_replicate[_GROUPED.stop :] = sums_at(cell, times[code] * rows.weight, _CELLS)
        return cls(values)

    def measures(self) -> dict[str, Floats]:
        """loss_measures(), `auc` and `gauc` of each replicate; nan where there is none. Shapes (B,)"""
        won, impressions = self.values[:, _GROUPED].T
        unanswered, answered = self.values[:, _GROUPED.stop :].reshape(len(self.values), -1, 2).transpose(2, 0, 1)
        return {**loss_measures(self.values[:, _LOSSES]), "auc": area(answered, unanswered), "gauc": ratio(won, impressions)}


def frequency(user: Ints, replicate: int, seed: int) -> Floats:
    """How often each user is there in a replicate: always once in the first, then a Poisson number of mean 1, by inversion.

    Shapes  (U,)
    """
    if replicate == 0:
        return np.ones(len(user))
    with np.errstate(over="ignore"):
        own = mixed(user.astype(np.uint64) + mixed(np.array([seed], np.int64).astype(np.uint64) + GOLDEN))
        draw = mixed(own + GOLDEN * np.uint64(replicate)) >> np.uint64(64 - _DRAW_BITS)
    return np.searchsorted(_THRESHOLDS, draw, side="right").astype(np.float64)


def differences(first: Replicates, second: Replicates) -> dict[str, Floats]:
    """The measures of the second of two models minus those of the first, replicate by replicate. Shapes (B,)

    Raises  ValueError when they are not of the same rows, draws and seed
    """
    # Rows, weight and weight of the answered do not depend on the model.
    if not np.array_equal(first.values[:, :3], second.values[:, :3]):
        raise ValueError("replicates of other rows, draws or seeds have no paired difference")
    theirs = first.measures()
    return {name: mine - theirs[name] for name, mine in second.measures().items()}


def intervals(measures: Mapping[str, Floats], *, level: float = 0.95) -> dict[str, Interval | None]:
    """The value of the sample, and what a share of `level` of the replicates lies within (percentile interval).

    Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3, with the ends at the places (1 - level) / 2 x (n + 1)
    from below and above of n replicates (section 12.5). Replicates without a value are left out.

    Shapes  measures (B,), as of Replicates.measures() or differences()
    Returns None where the sample, or every replicate of it, has no value
    """
    told: dict[str, Interval | None] = {}
    for name, (value, *drawn) in measures.items():
        there = np.array(drawn)[~np.isnan(drawn)]
        has_value = len(there) > 0 and not np.isnan(value)
        ends = np.quantile(there, [(1 - level) / 2, (1 + level) / 2], method="weibull") if has_value else []
        told[name] = Interval(float(value), *map(float, ends)) if has_value else None
    return told
