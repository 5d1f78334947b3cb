"""What people do in a session: look, search, see ads; and all that comes of it.

Events of a block of users are columns of one length. `session` counts the
sessions of the block; `step` is the place in the session by which every draw is
made, so that no draw depends on the block.
"""

from dataclasses import replace

import numpy as np

from clickmill.simulate import acts, responses
from clickmill.simulate.block import NEVER, Block, Columns, event, where
from clickmill.simulate.draws import Flags, Floats, Ints, chosen_by_row, uniform
from clickmill.simulate.visits import apart, silences, visits
from clickmill.simulate.world import World

_REQUEST_SHARE = 0.15  # of the events of a session that are impressions
_HABIT_SHARE = 0.35  # of views that follow a habit of the item before
_LAST_SILENCE_S = 60.0  # what comes of the last step follows soon


def events(world: World, users: Ints) -> Columns:
    """All events of people, in no order.

    Shapes  every column (n,): those of block.event(), user (a place in `users`), session and number (within the user)
    """
    planned = visits(world, users)
    lot = uniform(world.seed, "requests", users[planned["user"]], planned["number"])
    requests = np.floor(planned["size"] * _REQUEST_SHARE / responses.SHOWN + lot).astype(np.int64)
    slots = np.maximum(planned["size"] - responses.SHOWN * requests, 1) + requests
    block = Block(world, users, planned["user"], planned["number"], planned["start_s"], slots, requests)
    steps = _steps(block)
    length_s = steps["after_s"][np.cumsum(slots) - 1] + acts.TAIL_S
    # When all sessions have their place, every act knows its hour.
    block = replace(block, start_s=apart(world, users, planned, length_s))
    steps["at_s"] = block.start_s[steps["session"]] + steps.pop("after_s")
    impressions, clicks = acts.ads(block, steps)
    views = acts.views(block, steps, impressions, clicks)
    found = [impressions, clicks, views, *acts.purchases(block, views, block.start_s + length_s - acts.TAIL_S)]
    others = event(where(steps, np.isin(steps["kind"], ("search", "page_view"))))
    joined = {name: np.concatenate([part[name] for part in (others, *found)]) for name in others}
    joined["at_s"] = np.round(joined["at_s"], 3)
    return joined | {"user": block.user[joined["session"]], "number": block.number[joined["session"]]}


def _steps(block: Block) -> Columns:
    """The slots of each session in order: which are requests for ads, which are looks at something, and at what."""
    session = np.repeat(np.arange(len(block.slots)), block.slots)
    step = np.arange(len(session)) - np.repeat(np.cumsum(block.slots) - block.slots, block.slots)
    is_request = _requested(block, session, step)
    draw = block.draw("kind of step", session, step)
    kind = np.where(is_request, "request", np.where(draw < 0.06, "search", np.where(draw < 0.14, "page_view", "item_view")))
    silence_s = silences(block.world, block.user_number(session), block.number[session], step)
    last = np.cumsum(block.slots) - 1
    silence_s[last] = np.minimum(silence_s[last], _LAST_SILENCE_S)
    after_s = np.cumsum(silence_s) - silence_s
    after_s -= np.repeat(after_s[last - block.slots + 1], block.slots)
    item = _items(block, session, step, kind == "item_view")
    return {"session": session, "step": step, "after_s": after_s, "silence_s": silence_s, "kind": kind, "item": item}


def _requested(block: Block, session: Ints, step: Ints) -> Flags:
    """As many slots of each session as it has requests, by lot."""
    lot = np.lexsort((block.draw("lot of request", session, step), session))
    place = np.empty(len(session), dtype=np.int64)
    place[lot] = np.arange(len(session)) - np.repeat(np.cumsum(block.slots) - block.slots, block.slots)
    return np.asarray(place < block.requests[session])


def _items(block: Block, session: Ints, step: Ints, is_view: Flags) -> Ints:
    """The item of each view: a habit of the one viewed before, or what the user's taste draws."""
    views = np.flatnonzero(is_view)
    item = np.full(len(session), NEVER)
    item[views] = _by_taste(block, block.user[session[views]], block.draw("item of step", session[views], step[views]))
    wants_habit = block.draw("follows a habit", session[views], step[views]) < _HABIT_SHARE
    which = (block.draw("which habit", session[views], step[views]) ** 2 * block.world.followers.shape[1]).astype(np.int64)
    place = np.arange(len(views)) - np.searchsorted(session[views], session[views])
    for turn in range(1, int(place.max(initial=0)) + 1):  # the second view of every session, then the third, ...
        here = np.flatnonzero((place == turn) & wants_habit)
        item[views[here]] = block.world.followers[item[views[here - 1]], which[here]]
    return item


def _by_taste(block: Block, rows: Ints, draws: Floats) -> Ints:
    return chosen_by_row(block.world.odds(block.users), rows, draws)
