"""What the parts of the simulator hand to each other: the sessions of a block of users, and events as columns of one length."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clickmill.simulate.draws import Flags, Floats, Ints, uniform
from clickmill.simulate.world import World

Columns = dict[str, NDArray[Any]]

NEVER = -1


@dataclass(frozen=True)
class Block:
    """Sessions of some users. Shapes: users (u,); the others (s,), by user and time."""

    world: World
    users: Ints
    user: Ints
    number: Ints
    start_s: Floats
    slots: Ints
    requests: Ints

    def user_number(self, session: Ints) -> Ints:
        """Whose each session is. Shapes (n,)"""
        return np.asarray(self.users[self.user[session]])

    def draw(self, purpose: str, session: Ints, step: Ints | int) -> Floats:
        """One number in (0, 1) for each step of a session."""
        return uniform(self.world.seed, purpose, self.user_number(session), self.number[session], step)


def event(known: Columns, **more: NDArray[Any] | int | float | str | bool) -> Columns:
    """Columns of events in their one form; what is not known is absent (-1, or not a number)."""
    count = len(known["session"])
    defaults: dict[str, NDArray[Any] | int | float | str | bool] = {
        "step": 0,
        "order": 0,
        "kind": "",
        "item": NEVER,
        "request": NEVER,
        "position": 0,
        "propensity": np.nan,
        "rating": 0,
        "bought_in": NEVER,
        "chance_without": np.nan,
        "chance_with": np.nan,
        "is_treated": False,
        "outcome": "",
    }
    columns: Columns = {"session": known["session"], "at_s": known["at_s"]}
    for name, default in defaults.items():
        given = more.get(name, known.get(name, default))
        columns[name] = np.broadcast_to(np.asarray(given), (count,)).copy()
    return columns


def where(columns: Columns, chosen: Flags | Ints) -> Columns:
    """Some of the events, by a flag for each or by their places."""
    return {name: values[chosen] for name, values in columns.items()}
