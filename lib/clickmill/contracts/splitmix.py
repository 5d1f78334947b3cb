"""Mixes bits: SplitMix64 (Steele, Lea, Flood, Fast Splittable Pseudorandom Number Generators, 2014, figure 16).

Shapes  any
"""

import numpy as np
from numpy.typing import NDArray

Bits = NDArray[np.uint64]

GOLDEN, _FIRST, _SECOND = (np.uint64(number) for number in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
"""What the state of one draw is ahead of that of the draw before."""


def mixed(state: Bits | np.uint64) -> Bits:
    """The bits of a draw, of its state. Whole numbers wrap: call it where numpy is told not to mind."""
    found = np.asarray(state)
    found = (found ^ (found >> np.uint64(30))) * _FIRST
    found = (found ^ (found >> np.uint64(27))) * _SECOND
    return np.asarray(found ^ (found >> np.uint64(31)))
