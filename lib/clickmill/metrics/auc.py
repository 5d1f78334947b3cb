"""How well scores tell the answered from the others: area under the ROC curve, average precision, and the area within users.

Rows of the same score are one threshold. What there is of it lies in two weights, of its answered and of its unanswered rows, and
both measures follow from these in order of score.

Shapes  R rows of a block, S different scores, U users
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from clickmill.metrics.ctr import Floats, Ints, Rows, Sums, numbers, on_grid, ratio, sums_at

_AUC, _IMPRESSIONS = range(2)


def area(answered: Floats, unanswered: Floats) -> Floats:
    """The area under the ROC curve: how often an answered row has a higher score than an unanswered one, a tie counting half.

    Fawcett, An introduction to ROC analysis, Pattern Recognition Letters 2006, section 7.

    Shapes  answered, unanswered (..., S): weights by ascending score; the result (...), nan without rows of both kinds
    """
    below = np.cumsum(unanswered, axis=-1) - unanswered
    won = (answered * (below + unanswered / 2)).sum(axis=-1)
    return ratio(won, answered.sum(axis=-1) * unanswered.sum(axis=-1))


def average_precision(answered: Floats, unanswered: Floats) -> Floats:
    """The mean over answered rows of the share of answered ones among those with at least their score.

    The sum of (R_n - R_n-1) P_n over thresholds, with recall R and precision P, and nothing between (Davis and Goadrich, The
    relationship between precision-recall and ROC curves, ICML 2006, section 4, on why not).

    Shapes  answered, unanswered (..., S): weights by ascending score; the result (...), nan without rows of both kinds
    """
    reached, passed = down_to(answered), down_to(unanswered)
    precision = np.nan_to_num(ratio(reached, reached + passed))
    mean = ratio((answered * precision).sum(axis=-1), answered.sum(axis=-1))
    return np.where(unanswered.sum(axis=-1) > 0, mean, np.nan)


def down_to(weights: Floats) -> Floats:
    """The sum of all weights of at least each score. Shapes (..., S)"""
    return np.asarray(np.cumsum(weights[..., ::-1], axis=-1)[..., ::-1])


@dataclass(frozen=True, eq=False)
class Scores:
    """The different scores, ascending, with the weights of their answered and unanswered rows.

    Exact, and adds up as other states do, but grows with the number of different scores: 24 bytes each. Arrays of two
    states are of different lengths, so ranks gather them; they cannot sum them.

    Shapes  score, answered, unanswered (S,)
    """

    score: Floats
    answered: Floats
    unanswered: Floats

    @classmethod
    def of(cls, rows: Rows) -> Self:
        return cls._merged(rows.probability, rows.weight * rows.answered, rows.weight * ~rows.answered)

    @classmethod
    def _merged(cls, score: Floats, answered: Floats, unanswered: Floats) -> Self:
        scores, place = np.unique(score, return_inverse=True)
        return cls(scores, *(sums_at(place, weights, len(scores)) for weights in (answered, unanswered)))

    def __add__(self, other: Self) -> Self:
        return self._merged(*np.concatenate([self.to_array().reshape(3, -1), other.to_array().reshape(3, -1)], axis=1))

    def to_array(self) -> Floats:
        return np.concatenate([self.score, self.answered, self.unanswered])

    @classmethod
    def from_array(cls, array: ArrayLike) -> Self:
        return cls(*np.asarray(array, np.float64).reshape(3, -1))

    def measures(self) -> dict[str, float | None]:
        """`auc` and `average_precision`; None without rows of both kinds."""
        weights = self.answered, self.unanswered
        return numbers({"auc": area(*weights), "average_precision": average_precision(*weights)})


class GroupedAuc(Sums):
    """The mean of the users' own areas, by their impressions.

    sum over users of (impressions x AUC) / sum over users of impressions: Zhou et al., Deep Interest Network, KDD 2018, section
    6.3, formula 10. A user all or none of whose rows are answered has no area: it is left out, and counted.

    Shapes  (4,): impressions x AUC, impressions, users with an area, users left out
    """

    SHAPE = (4,)

    @classmethod
    def of(cls, rows: Rows, user: Ints) -> Self:
        """Needs   all rows of a user in one block, in any order. Shapes  user (R,): any whole numbers"""
        sums = grouped(rows, np.unique(user, return_inverse=True)[1])
        has_area = np.count_nonzero(sums[_IMPRESSIONS])
        return cls(np.array([*sums.sum(axis=1), has_area, sums.shape[1] - has_area], np.float64))

    @property
    def users(self) -> int:
        return int(self.values[2])

    @property
    def users_left_out(self) -> int:
        return int(self.values[3])

    def measures(self) -> dict[str, float | None]:
        """`gauc`; None when all users were left out."""
        return numbers({"gauc": ratio(self.values[_AUC], self.values[_IMPRESSIONS])})


def grouped(rows: Rows, code: Ints) -> Floats:
    """Impressions x AUC, and impressions, of each user; 0 of both where there is no area.

    Shapes  code (R,): that of the row's user, each of 0 to U - 1 there; the result (2, U)
    """
    order = np.lexsort((rows.probability, code))
    user, score = code[order], rows.probability[order]
    starts_user = np.diff(user, prepend=-1) != 0
    starts = np.flatnonzero(starts_user | (np.diff(score, prepend=-1.0) != 0))
    place = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(user)))
    weight, is_answered = rows.weight[order], rows.answered[order]
    answered = sums_at(place, weight * is_answered, len(starts))
    unanswered = sums_at(place, weight * ~is_answered, len(starts))
    # On the grid, what lies before a user can be taken off without a trace.
    before, owner, users = np.cumsum(unanswered) - unanswered, user[starts], np.count_nonzero(starts_user)
    below = before - before[np.flatnonzero(starts_user[starts])][owner]
    won, each, others = (sums_at(owner, of, users) for of in (answered * (below + unanswered / 2), answered, unanswered))
    impressions: Floats = np.where(each * others > 0, each + others, 0.0)
    return np.stack([on_grid(impressions * np.nan_to_num(ratio(won, each * others))), impressions])
