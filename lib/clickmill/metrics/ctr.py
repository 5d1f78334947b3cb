"""How well probabilities of an answer fit what came: log loss, normalised entropy, predicted to observed.

A block of rows becomes a state of fixed size. States add up, in any order and grouping, to that of all rows, and become ratios
only at the end. What a row adds is rounded to a multiple of 2^-28 first, off by less than 2e-9, so that sums have no rounding of
their own: the same rows give the same bits, however they were dealt to blocks, ranks and days. That holds for sums below 2^25, and
below 2^53 for those of whole numbers, such as counts; beyond, they are right within the rounding of doubles.

Shapes  R rows of a block
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

CLOSEST = 2.0**-24
"""How near to 0 and 1 a probability may come within the logarithm: the last step of a float32 below 1. No loss is above 16.64."""

_GRID = 2.0**28
_ROWS, _WEIGHT, _ANSWERED, _PREDICTED, _LOSS = range(5)


class Interval(NamedTuple):
    """A value and the bounds that it lies between."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Rows:
    """A block of rows: what a model said of each, what came, and how many rows it stands for.

    Shapes  probability, answered, weight (R,)
    """

    probability: Floats
    answered: Flags
    weight: Floats

    @classmethod
    def of(cls, probability: ArrayLike, answered: ArrayLike, weight: ArrayLike | None = None) -> Self:
        """Look through a block of rows.

        Shapes  probability, answered, weight (R,): `answered` of 0 and 1 in any type; `weight` the inverse of the rate at which
                the row was sampled, rounded to a multiple of 2^-28, or nothing where each stands for itself
        Raises  ValueError naming how many rows have a probability that is not finite or lies outside 0 to 1, an answer beside 0 and
                1, or a weight that is negative or not finite; or when the shapes differ
        """
        said, came = np.asarray(probability, np.float64), np.asarray(answered)
        stands_for = np.ones(said.shape) if weight is None else np.asarray(weight, np.float64)
        if said.ndim != 1 or not said.shape == came.shape == stands_for.shape:
            raise ValueError(f"probability, answered and weight have shapes {said.shape}, {came.shape} and {stands_for.shape}")
        _refuse(~np.isfinite(said), "probabilities are not finite")
        _refuse((said < 0) | (said > 1), "probabilities lie outside 0 to 1")
        _refuse((came != 0) & (came != 1), "answers are neither 0 nor 1")
        _refuse(~(np.isfinite(stands_for) & (stands_for >= 0)), "weights are negative or not finite")
        return cls(said, came.astype(bool), on_grid(stands_for))


def _refuse(is_bad: Flags, what: str) -> None:
    if is_bad.any():
        raise ValueError(f"{np.count_nonzero(is_bad)} of {len(is_bad)} {what}")


@dataclass(frozen=True, eq=False)
class Sums:
    """Sums over rows; two of the same kind add up to that of the rows of both.

    Shapes  values: SHAPE of the kind
    """

    values: Floats
    SHAPE: ClassVar[tuple[int, ...]]

    def __add__(self, other: Self) -> Self:
        """Raises  ValueError when the shapes differ"""
        if self.values.shape != other.values.shape:
            raise ValueError(f"sums of shapes {self.values.shape} and {other.values.shape} do not add up")
        return type(self)(self.values + other.values)

    def to_array(self) -> Floats:
        """A flat copy of the sums. The sum of such arrays is the array of the sum."""
        return self.values.flatten()

    @classmethod
    def from_array(cls, array: ArrayLike) -> Self:
        return cls(np.asarray(array, np.float64).reshape(cls.SHAPE))


class Losses(Sums):
    """What losses and the rate of answers are made of: rows, weight, weight of the answered, predicted answers, loss. Shapes (5,)"""

    SHAPE = (5,)

    @classmethod
    def of(cls, rows: Rows) -> Self:
        return cls(addends(rows).sum(axis=1))

    def measures(self) -> dict[str, float | None]:
        """As loss_measures(); None where a measure has no value."""
        return numbers(loss_measures(self.values))


def addends(rows: Rows) -> Floats:
    """What each row adds to Losses. Shapes (5, R)"""
    clipped = np.clip(rows.probability, CLOSEST, 1 - CLOSEST)
    loss = -np.log(np.where(rows.answered, clipped, 1 - clipped))
    weighted = on_grid(rows.weight * np.stack([rows.probability, loss]))
    return np.stack([np.ones(len(loss)), rows.weight, rows.weight * rows.answered, *weighted])


def loss_measures(losses: Floats) -> dict[str, Floats]:
    """The ratios of sums as those of Losses; nan where there is none.

    log_loss                mean of -ln p over the answered and of -ln(1 - p) over the others, of a clipped p; none without rows
    base_log_loss           that of a model that knows the rate of answers of these very rows and nothing else; none without rows
    normalised_entropy      log_loss / base_log_loss: He et al., Practical Lessons from Predicting Clicks on Ads at Facebook, 2014,
                            section 2, formula 1, with the rate of these rows for that of the training; none when all or
                            none are answered
    predicted_to_observed   sum of p / number of the answered (calibration: same section); none when none is answered

    Shapes  losses (..., 5); the results (...)
    """
    weight, answered = losses[..., _WEIGHT], losses[..., _ANSWERED]
    log_loss, base_log_loss = ratio(losses[..., _LOSS], weight), _entropy(ratio(answered, weight))
    return {
        "log_loss": log_loss,
        "base_log_loss": base_log_loss,
        "normalised_entropy": ratio(log_loss, base_log_loss),
        "predicted_to_observed": ratio(losses[..., _PREDICTED], answered),
    }


def gap_closed(base: float | None, model: float | None, true: float | None) -> float | None:
    """The share of what could be learned that was: (base - model) / (base - true), of three log losses of the same rows.

    1 is a model that knows the true probabilities, 0 one that knows the rate alone; below 0 it is worse than that. By chance of
    the answers a model may come out above 1.

    Needs   base: base_log_loss; true: the log loss of the probabilities by which a simulation drew the answers
    Returns None when a loss is None, or when the true probabilities are no better than the rate: then there was nothing to learn
    """
    if base is None or model is None or true is None or base <= true:
        return None
    return (base - model) / (base - true)


def on_grid(values: Floats) -> Floats:
    """The nearest multiples of 2^-28, which add up without rounding. Shapes any"""
    return np.asarray(np.rint(values * _GRID) / _GRID)


def sums_at(place: Ints, values: Floats | Flags, count: int) -> Floats:
    """The sum of the values of each place of `count`. Shapes  place, values (R,); the result (count,)"""
    return np.asarray(np.bincount(place, values, count), np.float64)


def ratio(part: Floats, whole: Floats) -> Floats:
    """part / whole; nan where the whole is not above zero. Shapes any, the same"""
    return np.asarray(np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=np.greater(whole, 0)))


def numbers(measures: Mapping[str, Floats]) -> dict[str, float | None]:
    """Measures of one state, None for nan. Shapes ()"""
    return {name: None if np.isnan(value) else float(value) for name, value in measures.items()}


def _entropy(rate: Floats) -> Floats:
    """-r ln r - (1 - r) ln(1 - r), which is 0 at 0 and 1; nan for nan. Shapes any"""
    is_inner = (rate > 0) & (rate < 1)
    inner = np.where(is_inner, rate, 0.5)
    entropy = -inner * np.log(inner) - (1 - inner) * np.log1p(-inner)
    return np.where(is_inner, entropy, rate * 0)
