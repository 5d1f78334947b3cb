"""Rows counted by their probability: area, average precision and calibration from a state of fixed size, with what it cannot tell.

Bins are cut from the bits of doubles, by exponent and the first bits of the fraction: of p up to one half, and of 1 - p above. So
they are of about equal width in the logit, fine where probabilities of clicks are, and no logarithm decides on an edge. With b bits
of the fraction a bin is as wide as 2^-b of the p (or 1 - p) at its narrow end, down to 2^-20, below which is one bin.

What is said of the scores within a bin is what is true for any order of them: the bounds hold always, not most of the time.

Shapes  K bins, P groups of bins
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from clickmill.metrics.auc import area, average_precision, down_to
from clickmill.metrics.ctr import Floats, Interval, Ints, Rows, Sums, on_grid, ratio, sums_at

_FRACTION_BITS = 52
_OCTAVES = 19  # from 2^-20 to one half
_BITS = 8
_WIDTHS = 16  # a power of two, so that its edges are edges of bins
_DECILES = 10


def bin_count(bits: int) -> int:
    return 2 * (_OCTAVES << bits) + 3


def bin_of(probability: Floats, bits: int) -> Ints:
    """The bin of each probability, ascending with it. One half has a bin of its own, in the middle.

    Shapes  any
    """
    half = bin_count(bits) // 2
    nearer = np.minimum(probability, 1 - probability)
    steps = (nearer.view(np.int64) >> (_FRACTION_BITS - bits)) - _first_step(bits)
    from_end = np.maximum(steps + 1, 0)
    return np.where(probability <= 0.5, from_end, 2 * half - from_end)


def _first_step(bits: int) -> int:
    return int(np.float64(2.0 ** -(_OCTAVES + 1)).view(np.int64)) >> (_FRACTION_BITS - bits)


@dataclass(frozen=True)
class Calibration:
    """What was predicted and observed of groups of rows: their weight, their mean probability, their rate of answers.

    Shapes  weight, predicted, observed (P,), by ascending probability; nan for a group without rows
    """

    weight: Floats
    predicted: Floats
    observed: Floats

    def error(self) -> float | None:
        """Expected calibration error: the mean over rows of |predicted - observed| of their group; None without rows.

        Naeini, Cooper and Hauskrecht, Obtaining Well Calibrated Probabilities Using Bayesian Binning, AAAI 2015 (ECE).
        """
        off = np.nan_to_num(np.abs(self.predicted - self.observed))
        return float((self.weight * off).sum() / self.weight.sum()) if self.weight.sum() > 0 else None


class Histogram(Sums):
    """By bin: the weight of the answered rows, that of the unanswered, and the predicted answers. Shapes (3, K)"""

    SHAPE = (3, bin_count(_BITS))

    @classmethod
    def of(cls, rows: Rows) -> Self:
        place = bin_of(rows.probability, _BITS)
        of_rows = (rows.weight * rows.answered, rows.weight * ~rows.answered, on_grid(rows.weight * rows.probability))
        return cls(np.stack([sums_at(place, each, cls.SHAPE[1]) for each in of_rows]))

    def auc(self) -> Interval | None:
        """The area when rows of a bin tie; that of the probabilities themselves is no further off than the bounds.

        Each pair of the same bin counts half and may count 0 or 1: half the share of such pairs to each side.

        Returns None without rows of both kinds
        """
        answered, unanswered, _ = self.values
        value = float(area(answered, unanswered))
        if np.isnan(value):
            return None
        off = float((answered * unanswered).sum() / (2 * answered.sum() * unanswered.sum()))
        return Interval(value, value - off, value + off)

    def average_precision(self) -> Interval | None:
        """The average precision when rows of a bin tie, and the bounds of that of the probabilities themselves.

        With A answered and N unanswered above a bin of a and n, the answered one behind which x of these a lie has a precision of
        at least (A + x) / (A + x + N + n), all unanswered of the bin before it, and at most (A + a) / (A + a + N), none
        before it. The first, over x from 0 to a, comes to a - (N + n) ln(1 + a / (A + N + n)). It stays below the value
        where all of a bin are answered, as nothing says that these tie.

        Returns None without rows of both kinds
        """
        answered, unanswered, _ = self.values
        value = float(average_precision(answered, unanswered))
        if np.isnan(value):
            return None
        reached, passed = down_to(answered), down_to(unanswered)
        least = answered - passed * np.log1p(np.nan_to_num(ratio(answered, reached - answered + passed)))
        most = answered * np.nan_to_num(ratio(reached, reached + passed - unanswered))
        return Interval(value, *(float(np.where(answered > 0, of, 0).sum() / answered.sum()) for of in (least, most)))

    def by_width(self) -> Calibration:
        """Calibration in 16 groups of equal width: from k / 16 to (k + 1) / 16. Exact.

        Rates of clicks may well lie in the first of these together: by_decile() tells more of them then.

        Ties    a probability on an edge is in the group nearer to one half; one half itself in the lower
        """
        half = self.SHAPE[1] // 2
        bits = np.arange(half, dtype=np.int64) + _first_step(_BITS)
        edge = np.concatenate([[0.0], (bits << (_FRACTION_BITS - _BITS)).view(np.float64)])  # the lower one of each bin up to one half
        lower = np.minimum((edge * _WIDTHS).astype(np.int64), _WIDTHS // 2 - 1)
        return self._calibration(np.concatenate([lower, _WIDTHS - 1 - lower[-2::-1]]), _WIDTHS)

    def by_decile(self) -> Calibration:
        """Calibration in ten groups of about equal weight, by ascending probability.

        A bin lies as a whole in the decile of its middle, so a group may have more or less than a tenth, or nothing.
        """
        weight = self.values[:2].sum(axis=0)
        middle = np.cumsum(weight) - weight / 2
        decile = np.nan_to_num(ratio(middle * _DECILES, np.full_like(middle, weight.sum()))).astype(np.int64)
        return self._calibration(np.minimum(decile, _DECILES - 1), _DECILES)

    def _calibration(self, group: Ints, groups: int) -> Calibration:
        answered, unanswered, predicted = (sums_at(group, of, groups) for of in self.values)
        weight = answered + unanswered
        return Calibration(weight, ratio(predicted, weight), ratio(answered, weight))
