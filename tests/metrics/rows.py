"""Rows that a model said something of, drawn at random, and dealt to shards."""

import numpy as np

from clickmill.metrics.ctr import Flags, Floats, Ints, Rows


def drawn(seed: int, count: int = 400) -> tuple[Floats, Flags, Floats]:
    """Probability, answer and weight: of clicks mostly, some far out, some tied, some weights that are no whole numbers."""
    draw = np.random.default_rng(seed)
    probability = 1 / (1 + np.exp(-(-2 + 2 * draw.standard_normal(count))))
    probability[draw.random(count) < 0.3] = 0.125
    probability[:4] = 0.0, 1.0, 0.5, 1e-9
    answered = draw.random(count) < probability
    answered[:2] = True, False
    return probability, answered, draw.choice([1.0, 10.0, 1 / 0.3, 0.0], count)


def drawn_rows(seed: int, count: int = 400) -> Rows:
    return Rows.of(*drawn(seed, count))


def part(rows: Rows, places: Ints | Flags) -> Rows:
    return Rows(rows.probability[places], rows.answered[places], rows.weight[places])


def shards(rows: Rows, seed: int) -> list[Rows]:
    """The rows, dealt to parts of any size, one of which is empty, in any order."""
    owner = np.random.default_rng(seed).choice(4, len(rows.weight), p=[0.7, 0.25, 0.04, 0.01])
    return [part(rows, np.flatnonzero(owner == one)[::-1]) for one in (3, 1, 4, 0, 2)]
