"""How people answer what they are shown: probabilities that are known functions of features and of their crosses.

Click     = examination of the position x relevance of the item to the user at that hour
Cart      = relevance to the user, raised by the campaign of the item for those in its audience whom it moves
Purchase  = of what lies in the cart: price against the user's purse, raised by a coupon for those it moves; none while sold out
"""

import numpy as np

from clickmill.simulate.block import Block, Columns, event
from clickmill.simulate.draws import Flags, Floats, Ints, normal, uniform
from clickmill.simulate.visits import DAY_S
from clickmill.simulate.world import World

SHOWN = 3  # ads of one request
EXAMINATION = np.array([0.9, 0.6, 0.4])  # of positions 1, 2, 3
AUDIENCE = 0.8  # of users, for each campaign; the others see its ads without its name, and are not moved
EXPLORED = 0.3  # share of ads that are drawn evenly; the others by popularity
_LATER = np.array([0.75, 0.2, 0.05])  # in which visit what was carted is bought: this one, the next, the one after
_REVIEWED, _SENT_BACK = 0.12, 0.04


def taste(world: World, users: Ints, items: Ints) -> Floats:
    """Agreement of a user's taste with an item. Shapes (n,)"""
    return np.asarray((world.user_vectors(users) * world.vectors[items]).sum(axis=1))


def click_probability(world: World, users: Ints, items: Ints, position: Ints, hour: Ints) -> Floats:
    """Probability that an ad is clicked: features are taste, price and hour; their cross is taste by evening. Shapes (n,)"""
    fit, is_evening = taste(world, users, items), (hour >= 18) | (hour < 1)
    score = -2.6 + 1.1 * fit - 0.25 * np.log(world.prices[items] / 12) + 0.9 * fit * is_evening + 0.3 * is_evening
    return np.asarray(EXAMINATION[position - 1] * _logistic(score))


def cart_probability(world: World, users: Ints, items: Ints) -> Floats:
    """Probability that an item just viewed goes into the cart. Shapes (n,)"""
    campaign = world.campaigns[items]
    raised = 1 + campaign_uplift(world, users, campaign) * in_audience(world, users, campaign)
    return np.asarray(np.minimum(_logistic(-4.4 + 0.9 * taste(world, users, items)) * raised, 0.98))


def campaign_uplift(world: World, users: Ints, campaign: Ints) -> Floats:
    """By which share a campaign raises the probability of a cart: half of the users are not moved at all. Shapes (n,)"""
    return np.maximum(0.0, 0.6 * normal(world.seed, "moved by campaign", users, campaign))


def in_audience(world: World, users: Ints, campaign: Ints) -> Flags:
    """Whom a campaign reaches, by lot; nobody where there is none. Shapes (n,)"""
    return np.asarray((campaign >= 0) & (uniform(world.seed, "audience of campaign", users, campaign) < AUDIENCE))


def purchase_probability(world: World, users: Ints, items: Ints, treated: Flags) -> Floats:
    """Probability that what lies in the cart is bought, now or later. Shapes (n,)"""
    purse = normal(world.seed, "purse of user", users)
    score = 0.2 - 0.6 * (np.log(world.prices[items] / 12) - purse)
    return np.asarray(np.minimum(_logistic(score) * (1 + coupon_uplift(world, users) * treated), 0.98))


def coupon_uplift(world: World, users: Ints) -> Floats:
    """By which share a coupon raises the probability of purchase: half of the users are not moved at all. Shapes (users,)"""
    return np.maximum(0.0, 0.8 * normal(world.seed, "moved by coupons", users))


def treated(world: World, users: Ints) -> Flags:
    """Who gets the coupon of the experiment: every second user, by lot. Shapes (users,)"""
    return np.asarray(uniform(world.seed, "gets the coupon", users) < 0.5)


def ads(block: Block, steps: Columns) -> list[Columns]:
    """Impressions of each request, with the propensity of the item at its position, and the clicks on them."""
    world, asked = block.world, np.flatnonzero(steps["kind"] == "request")
    shown = np.repeat(asked, SHOWN)
    position = np.tile(np.arange(1, SHOWN + 1), len(asked))
    session, step = steps["session"][shown], steps["step"][shown]
    by_popularity = np.cumsum(world.popularity) / world.popularity.sum()
    popular = np.minimum(np.searchsorted(by_popularity, block.draw("ad by popularity", session, step * 8 + position)), world.items - 1)
    even = (block.draw("ad by lot", session, step * 8 + position) * world.items).astype(np.int64)
    item = np.where(block.draw("explores", session, step * 8 + position) < EXPLORED, even, popular)
    propensity = EXPLORED / world.items + (1 - EXPLORED) * world.popularity[item] / world.popularity.sum()
    about = {"session": session, "after_s": steps["after_s"][shown], "step": step, "item": item, "position": position}
    about |= {"request": step, "propensity": propensity}
    hour = ((block.start_s[session] // 3600) % 24).astype(np.int64)
    chance = click_probability(world, block.users[block.user[session]], item, position, hour)
    clicked = block.draw("clicks", session, step * 8 + position) < chance
    clicks = {name: values[clicked] for name, values in about.items()}
    clicks["after_s"] = clicks["after_s"] + steps["silence_s"][shown][clicked] * (0.2 + 0.15 * clicks["position"])
    return [event(about, kind="impression", order=position), event(clicks, kind="click", order=SHOWN + clicks["position"])]


def purchases(block: Block, steps: Columns) -> list[Columns]:
    """Carts, and what comes of them: orders in this visit or a later one, refunds and reviews after that."""
    world = block.world
    views = np.flatnonzero(steps["kind"] == "item_view")
    user = block.users[block.user[steps["session"][views]]]
    put = block.draw("carts", steps["session"][views], steps["step"][views]) < cart_probability(world, user, steps["item"][views])
    carted = {name: steps[name][views[put]] for name in ("session", "step", "after_s", "silence_s", "item")}
    carts = event(carted | {"after_s": carted["after_s"] + 0.4 * carted["silence_s"]}, kind="add_to_cart", order=1)
    buyer = block.users[block.user[carted["session"]]]
    chance = purchase_probability(world, buyer, carted["item"], treated(world, buyer))
    buys = block.draw("buys", carted["session"], carted["step"]) < chance
    ends_s = _ends(block, steps)
    bought = _later(block, carted, buys, "visit of purchase", ends_s, 20.0)
    can_be = world.in_stock(bought["item"], (block.start_s[bought["session"]] // DAY_S).astype(np.int64))
    bought = {name: values[can_be] for name, values in bought.items()}
    orders = event(bought, kind="purchase", order=2)
    is_back = block.draw("sends back", carted["session"], carted["step"]) < _SENT_BACK
    told = block.draw("reviews", carted["session"], carted["step"]) < _REVIEWED
    kept = bought["row"]
    back = _later(block, bought, is_back[kept], "visit of refund", ends_s, 40.0)
    said = _later(block, bought, told[kept] & ~is_back[kept], "visit of review", ends_s, 60.0)
    reviewer = block.users[block.user[said["session"]]]
    mood = 3.4 + 0.9 * taste(world, reviewer, said["item"]) + 0.6 * normal(world.seed, "rating", reviewer, said["step"])
    rating = np.clip(np.rint(mood), 1, 5).astype(np.int64)
    return [carts, orders, event(back, kind="refund", order=3), event(said, kind="review", order=4, rating=rating)]


def _ends(block: Block, steps: Columns) -> Floats:
    """Seconds from the start of each session to its last step. Shapes (sessions,)"""
    last = np.cumsum(block.slots) - 1
    return np.asarray(steps["after_s"][last])


def _later(block: Block, what: Columns, happens: Flags, purpose: str, ends_s: Floats, after_s: float) -> Columns:
    """Those acts that happen, at the end of the same visit of the user or of one of the next two; none where there is no such visit."""
    row = np.flatnonzero(happens)
    session, step = what["session"][row], what["step"][row]
    visit = np.searchsorted(np.cumsum(_LATER), block.draw(purpose, session, step))
    then = np.minimum(session + visit, len(block.slots) - 1)
    there = (block.user[then] == block.user[session]) & (session + visit < len(block.slots))
    # What comes from two visits at the same step stays apart where it meets in a third.
    row, then, step = row[there], then[there], (step * len(_LATER) + visit)[there]
    pause = after_s + 15.0 * uniform(block.world.seed, f"{purpose}, pause", block.users[block.user[then]], block.number[then], step)
    return {"session": then, "step": step, "after_s": ends_s[then] + pause, "item": what["item"][row], "row": row}


def _logistic(score: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-score)))
