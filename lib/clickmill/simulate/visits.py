"""When people come and for how long: sessions of each user, apart by more than any gap, with habits of hour and weekday."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from clickmill.simulate.draws import Flags, Floats, Ints, chosen, normal, uniform
from clickmill.simulate.world import World

DAY_S = 86_400
LONGEST_SILENCE_S = 1_790.0  # within a session; a session ends after 1,800 s
SHORTEST_ABSENCE_S = 1_810.0  # between two sessions of one user
# Silences near the gap are rare by themselves: some people are called away for nearly as long, some come back soon after.
_CALLED_AWAY_SHARE, _SHORTEST_CALL_S = 0.002, 1_300.0  # of steps
_BACK_SOON_SHARE, _LONGEST_SOON_S = 0.05, 2_700.0  # of sessions
# OTTO: median 6 events a session, 95 % below 68, at most 500. Clicks, their pages, carts and orders come on top of what is drawn here.
_MEDIAN_EVENTS, _SPREAD, _MOST_EVENTS = 5.5, 1.43, 290
_MEDIAN_SILENCE_S, _SILENCE_SPREAD = 25.0, 1.1
_VISITS_A_WEEK = 1.6
_MOST_VISITS = 60
_PEAKS_H = np.array([8.0, 13.0, 20.5])
_PEAK_WEIGHTS = np.array([0.2, 0.3, 0.5])


def visits(world: World, users: Ints) -> dict[str, NDArray[Any]]:
    """The sessions of people, by user and time.

    Grain   one entry per session: user (the user's place in `users`), number within the user, start_s (seconds since the
            first midnight), size (events that it shall have)
    """
    seed = world.seed
    rate = _VISITS_A_WEEK * world.days / 7 * np.exp(0.7 * normal(seed, "visits of user", users) - 0.245)
    count = np.minimum(np.floor(rate + uniform(seed, "one visit more", users)), _MOST_VISITS).astype(np.int64)
    place = np.repeat(np.arange(len(users)), count)
    number = np.arange(len(place)) - np.repeat(np.cumsum(count) - count, count)
    start_s = _day(world, users, place, number) * DAY_S + _second(world, users, place, number)
    order = np.lexsort((start_s, place))
    # Numbers go by time, so that the third session of a user is the third.
    size = np.exp(np.log(_MEDIAN_EVENTS) + _SPREAD * normal(seed, "events of session", users[place], number))
    return {"user": place, "number": number, "start_s": start_s[order], "size": np.clip(np.rint(size), 1, _MOST_EVENTS).astype(np.int64)}


def _day(world: World, users: Ints, place: Ints, number: Ints) -> Ints:
    weekdays = (np.arange(world.days) + world.first_day.weekday()) % 7
    at_weekend = chosen(np.where(weekdays >= 5, 3.0, 1.0), uniform(world.seed, "day, at weekends", users[place], number))
    in_week = chosen(np.where(weekdays >= 5, 0.3, 1.0), uniform(world.seed, "day, in the week", users[place], number))
    return np.where(keeps_weekends(world, users)[place], at_weekend, in_week)


def keeps_weekends(world: World, users: Ints) -> Flags:
    """Who comes at weekends above all; the others come in the week. Shapes (users,)"""
    return np.asarray(uniform(world.seed, "keeps weekends", users) < 0.5)


def _second(world: World, users: Ints, place: Ints, number: Ints) -> Floats:
    peak = peak_hour(world, users)[place]
    hour = (peak + 1.8 * normal(world.seed, "hour of visit", users[place], number)) % 24
    return np.asarray(np.floor(hour * 3_600_000) / 1_000)


def peak_hour(world: World, users: Ints) -> Floats:
    """The hour of day around which a user comes. Shapes (users,)"""
    peak = _PEAKS_H[chosen(_PEAK_WEIGHTS, uniform(world.seed, "peak of user", users))]
    return np.asarray(peak + normal(world.seed, "peak of user, about", users))


def silences(world: World, users: Ints, numbers: Ints, steps: Ints) -> Floats:
    """Seconds from each event of a session to the next, to the millisecond. Shapes (n,)"""
    drawn = np.log(_MEDIAN_SILENCE_S) + _SILENCE_SPREAD * normal(world.seed, "silence", users, numbers, steps)
    usual = np.exp(drawn).clip(0.5, LONGEST_SILENCE_S)
    is_away = uniform(world.seed, "called away", users, numbers, steps) < _CALLED_AWAY_SHARE
    lot = uniform(world.seed, "called away for", users, numbers, steps)
    return np.round(np.where(is_away, _SHORTEST_CALL_S + lot * (LONGEST_SILENCE_S - _SHORTEST_CALL_S), usual), 3)


def apart(world: World, users: Ints, planned: dict[str, NDArray[Any]], length_s: Floats) -> Floats:
    """Starts of sessions, moved so that each begins SHORTEST_ABSENCE_S or more after the one before it has ended.

    Some begin soon after it, wherever they were planned.

    Needs   `planned` as visits() gives it, by user and start. Shapes (sessions,)
    """
    user, moved = planned["user"], planned["start_s"].copy()
    of = (users[user], planned["number"])
    is_soon = uniform(world.seed, "back soon", *of) < _BACK_SOON_SHARE
    soon_s = SHORTEST_ABSENCE_S + uniform(world.seed, "back after", *of) * (_LONGEST_SOON_S - SHORTEST_ABSENCE_S)
    first = np.flatnonzero(np.r_[True, user[1:] != user[:-1]])
    last = np.r_[first[1:], len(user)] - 1
    here = first[first < last] + 1
    ends = last[first < last]
    while len(here):  # the second session of every user, then the third, ...
        end_s = moved[here - 1] + length_s[here - 1]
        moved[here] = np.where(is_soon[here], end_s + soon_s[here], np.maximum(moved[here], end_s + SHORTEST_ABSENCE_S))
        here, ends = here[here < ends] + 1, ends[here < ends]
    return np.round(moved, 3)
