"""What is known of a key strictly before an instant: sums over windows, distinct counts, recency, fading sums, the last few.

Events lie in one order, by key and time. A sum over a window is the difference of two prefix sums whatever the window's
length, so one sort serves all windows and a long one costs no more than a short one. All of it is whole-number arithmetic:
the same events give the same values to the last bit, whatever lies before or beside them.

An event at t is known at an instant T where t < T, and lies in a window of w where T - w <= t < T.

Shapes  E events, Q questions (a key and an instant)
Units   instants and windows in microseconds
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

NEVER = np.iinfo(np.int64).min
"""The instant of what has not happened."""

# Fading weights are whole numbers, relative to an instant on a grid of so many half-lives: exact, and differences of prefixes may wrap.
_GRID_HALF_LIVES, _FADING_BITS = 8, 28
_MOST_FADED = 24  # half-lives after which nothing is left


@dataclass(frozen=True)
class Questions:
    """What is asked about. Shapes  key, at (Q,): the code of the key, or one that no event has; the instant"""

    key: Ints
    at: Ints


@dataclass(frozen=True)
class Histories:
    """Events of many keys, by key and time. Shapes  key, at (E,)

    Raises  ValueError when they are not in this order, or when keys times span do not fit into 63 bits
    """

    key: Ints
    at: Ints

    @cached_property
    def _first(self) -> int:
        return int(self.at.min()) if len(self.at) else 0

    @cached_property
    def _span(self) -> int:
        return int(self.at.max()) - self._first + 2 if len(self.at) else 2

    @cached_property
    def _place(self) -> Ints:
        """One ascending number an event, of its key and instant."""
        if len(self.key) and (int(self.key.max()) + 2) * self._span >= 2**63:
            raise ValueError(f"{self.key.max() + 1} keys over {self._span} microseconds are too many for one block")
        place = self.key * self._span + (self.at - self._first)
        if np.any(place[1:] < place[:-1]):
            raise ValueError("events are not in the order of their keys and instants")
        return place

    def _at_or_after(self, asked: Questions, at: Ints) -> Ints:
        """For each question the place of the first event of its key, or behind it, that is not before `at`. Shapes (Q,)"""
        inside = np.clip(at - self._first, 0, self._span - 1)
        return np.searchsorted(self._place, asked.key * self._span + inside).astype(np.int64)

    def asked(self, questions: Questions) -> "Answers":
        """What can be said to the questions."""
        return Answers(self, questions, self._at_or_after(questions, questions.at))


@dataclass(frozen=True)
class Answers:
    """Answers to questions, from the events before them. Shapes  end (Q,): the place behind the last event before each instant"""

    histories: Histories
    questions: Questions
    end: Ints
    _begins: dict[int, Ints] = field(default_factory=dict)

    def begin(self, window: int) -> Ints:
        """The place of the first event of the window; `end` where it holds none. Shapes (Q,)"""
        if window not in self._begins:
            found = self.histories._at_or_after(self.questions, self.questions.at - window)
            self._begins[window] = np.minimum(found, self.end)
        return self._begins[window]

    def sums(self, values: Ints | Flags, *windows: int) -> list[Ints]:
        """The sum of `values` (E,) over each of the windows. Shapes (Q,) each"""
        before = before_each(values)
        return [before[self.end] - before[self.begin(window)] for window in windows]

    def distinct(self, codes: Ints, *windows: int) -> list[Ints]:
        """How many different `codes` (E,) each of the windows holds; a negative code is none. Shapes (Q,) each

        A code is there from its first event until the window after the last of a run of events no further apart than that. So
        those that are there are those that have begun, less those that have ended.
        """
        by_code = np.lexsort((np.arange(len(codes)), codes, self.histories.key))
        key, at, code = self.histories.key[by_code], self.histories.at[by_code], codes[by_code]
        is_same, silence = (key[1:] == key[:-1]) & (code[1:] == code[:-1]), at[1:] - at[:-1]
        found = []
        for window in windows:
            goes_on = is_same & (silence <= window)
            begins, ends = np.ones(len(codes), bool), np.ones(len(codes), bool)
            begins[1:], ends[:-1] = ~goes_on, ~goes_on
            counted = np.zeros((2, len(codes)), np.int64)
            counted[0, by_code], counted[1, by_code] = begins & (code >= 0), ends & (code >= 0)
            found.append(before_each(counted[0])[self.end] - before_each(counted[1])[self.begin(window)])
        return found

    def last(self, chosen: Flags, window: int, nth: int = 1) -> Ints:
        """The place of the latest chosen event of the window, or of the nth latest; -1 where there is none. Shapes (Q,)"""
        places = np.flatnonzero(chosen)
        if not len(places):
            return np.full(len(self.end), -1, np.int64)
        rank = before_each(chosen.astype(np.int64))[self.end] - nth
        found = np.where(rank >= 0, places[np.maximum(rank, 0)], -1)
        return np.where(found >= self.begin(window), found, -1)

    def last_at(self, chosen: Flags, window: int) -> Ints:
        """The instant of the latest chosen event of the window; NEVER where there is none. Shapes (Q,)"""
        place = self.last(chosen, window)
        return np.where(place >= 0, self.histories.at[place] if len(self.histories.at) else NEVER, NEVER)

    def fading(self, values: Ints, half_life: int, window: int) -> Floats:
        """The sum of `values` (E,) over the window, each halved for every `half_life` of its age. Shapes (Q,)

        Each unit of an event is off by no more than 2^-29, less as the instants of the grid lie back.
        Raises  ValueError when the window is longer than what a weight can hold
        """
        if window > _MOST_FADED * half_life:
            raise ValueError(f"of a window of {window / half_life:.0f} half-lives nothing is left at its end: at most {_MOST_FADED}")
        begin, grid = self.begin(window), _GRID_HALF_LIVES * half_life
        period, faded = self.questions.at // grid, np.zeros(len(self.end))
        for one in np.unique(period):
            here = period == one
            first, last = int(begin[here].min()), int(self.end[here].max())
            age = (self.histories.at[first:last] - one * grid) / half_life
            weight = np.where(age <= _GRID_HALF_LIVES, np.rint(np.exp2(np.minimum(age, _GRID_HALF_LIVES) + _FADING_BITS)), 0)
            before = before_each(values[first:last] * weight.astype(np.int64))
            total = before[self.end[here] - first] - before[begin[here] - first]
            faded[here] = total * np.exp2(-(self.questions.at[here] - one * grid) / half_life - _FADING_BITS)
        return faded


def within(key: Ints, at: Ints, part: Ints, asked: Questions, asked_part: Ints) -> tuple[Ints, Histories, Questions]:
    """The same events by key and part of it (an item of a user), and the questions about one part each.

    Shapes  part (E,), asked_part (Q,): codes, negative where there is none
    Returns the places of those events that have a part in their new order, their histories, and the questions
    """
    size = int(max(part.max(initial=-1), asked_part.max(initial=-1))) + 1
    has_part = np.flatnonzero(part >= 0)
    pair = key[has_part] * size + part[has_part]
    order = has_part[np.argsort(pair, kind="stable")]
    pairs, codes = np.unique(key[order] * size + part[order], return_inverse=True)
    wanted = asked.key * size + asked_part
    place = np.minimum(np.searchsorted(pairs, wanted), max(len(pairs) - 1, 0))
    is_there = (asked_part >= 0) & (pairs[place] == wanted if len(pairs) else np.zeros(len(wanted), bool))
    return order, Histories(codes.astype(np.int64), at[order]), Questions(np.where(is_there, place, len(pairs)), asked.at)


def before_each(values: Ints | Flags) -> Ints:
    """The sum of all values before each place, and of all behind the last. Shapes (E + 1,)"""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(values, dtype=np.int64)])
