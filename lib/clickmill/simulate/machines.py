"""What machines do: a family that reads the catalogue by a timer, and another that comes in bursts and was tuned for by nobody."""

import numpy as np

from clickmill.simulate.block import Columns, event
from clickmill.simulate.draws import Floats, Ints, uniform
from clickmill.simulate.visits import DAY_S
from clickmill.simulate.world import World

_ACTIVE_DAYS = 0.8
_TIMER_EVENTS = (60, 140)  # a day
_TIMER_S = (20.0, 240.0)
_JITTER = 0.03  # of the timer
_BURSTS, _BURST_EVENTS, _BURST_MEAN_S = 4, (20, 60), 0.8


def events(world: World, users: Ints, family: Ints) -> Columns:
    """All events of the machines among some users; `session` counts the runs of a family, `number` those of one machine.

    Shapes  users (u,); family (u,), as World.bot_family; every column (n,), as in people.events
    """
    parts = [_timers(world, users, np.flatnonzero(family == 1)), _bursts(world, users, np.flatnonzero(family == 2))]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _timers(world: World, users: Ints, mine: Ints) -> Columns:
    """One run on each active day, item after item, at steady intervals."""
    user, day = (part.ravel() for part in np.meshgrid(mine, np.arange(world.days), indexing="ij"))
    active = uniform(world.seed, "machine works", users[user], day) < _ACTIVE_DAYS
    user, day = user[active], day[active]
    low, high = _TIMER_EVENTS
    size = (low + uniform(world.seed, "size of run", users[user], day) * (high - low)).astype(np.int64)
    every_s = _TIMER_S[0] + uniform(world.seed, "timer", users[user]) * (_TIMER_S[1] - _TIMER_S[0])
    latest_s = DAY_S - 60.0 - size * every_s * (1 + _JITTER)
    start_s = day * DAY_S + 60.0 + uniform(world.seed, "start of run", users[user], day) * (latest_s - 60.0)
    run, step = _flat(size)
    wobble = 1 + _JITTER * (2 * uniform(world.seed, "jitter", users[user[run]], day[run], step) - 1)
    first_item = (uniform(world.seed, "where a run begins", users[user], day) * world.items).astype(np.int64)
    at_s = start_s[run] + (step + wobble - 1) * every_s[run]
    return _views(run, step, user, day, at_s, (first_item[run] + step) % world.items)


def _bursts(world: World, users: Ints, mine: Ints) -> Columns:
    """A few bursts on each active day, at no steady pace, on popular items."""
    user, day, burst = (part.ravel() for part in np.meshgrid(mine, np.arange(world.days), np.arange(_BURSTS), indexing="ij"))
    active = uniform(world.seed, "machine works", users[user], day) < _ACTIVE_DAYS
    user, number = user[active], (day * _BURSTS + burst)[active]
    low, high = _BURST_EVENTS
    size = (low + uniform(world.seed, "size of run", users[user], number) * (high - low)).astype(np.int64)
    # A quarter of a day for each burst, which is over after minutes: runs of one machine are hours apart.
    start_s = (number + 0.1 + 0.5 * uniform(world.seed, "start of run", users[user], number)) * DAY_S / _BURSTS
    run, step = _flat(size)
    pause = -_BURST_MEAN_S * np.log(uniform(world.seed, "pause", users[user[run]], number[run], step))
    after = np.cumsum(pause) - pause
    after -= np.repeat(after[np.searchsorted(run, np.arange(len(size)))], size)
    place = uniform(world.seed, "item of burst", users[user[run]], number[run], step) ** 2 * world.items
    return _views(run, step, user, number, start_s[run] + after, np.argsort(-world.popularity)[place.astype(np.int64)])


def _flat(size: Ints) -> tuple[Ints, Ints]:
    run = np.repeat(np.arange(len(size)), size)
    return run, np.arange(len(run)) - np.repeat(np.cumsum(size) - size, size)


def _views(run: Ints, step: Ints, user: Ints, number: Ints, at_s: Floats, item: Ints) -> Columns:
    made = event({"session": run, "at_s": np.round(at_s, 3), "step": step, "item": item}, kind="item_view")
    return made | {"user": user[run], "number": number[run]}
