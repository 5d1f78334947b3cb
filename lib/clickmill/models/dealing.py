"""Deals the groups of an export to ranks, anew in each epoch: who reads what, in how many steps of how many rows. Needs no torch."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clickmill.models.manifest import Group


@dataclass(frozen=True)
class Deal:
    """What one rank gets in an epoch: its groups in the order in which it reads them, and the steps, as many as all other ranks take."""

    groups: tuple[Group, ...]
    steps: int

    @property
    def rows(self) -> int:
        return sum(one.rows for one in self.groups)

    def first_row(self, step: int) -> int:
        """How many rows the steps before one have: the rows of a rank divide over its steps as evenly as they can."""
        return self.rows * step // self.steps


def deal(groups: Sequence[Group], *, batch_rows: int, seed: int, epoch: int, rank: int, ranks: int) -> Deal:
    """Deal groups to ranks like cards, in an order drawn by seed and epoch. No step of any rank has more than `batch_rows` rows."""
    order = [groups[place] for place in np.random.default_rng([seed, epoch]).permutation(len(groups))]
    hands = [order[first::ranks] for first in range(ranks)]
    most = max(sum(one.rows for one in hand) for hand in hands)
    return Deal(tuple(hands[rank]), max(1, -(-most // batch_rows)))
