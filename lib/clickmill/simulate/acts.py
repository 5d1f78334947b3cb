"""What comes of looking: ads and clicks, the pages that clicks lead to, carts, orders, refunds and reviews.

Each act whose probability is known says it twice, without and with the treatment that applies to it, and which of the two held.
"""

import numpy as np

from clickmill.simulate import responses
from clickmill.simulate.block import Block, Columns, event, where
from clickmill.simulate.draws import Flags, Floats, normal
from clickmill.simulate.responses import SHOWN
from clickmill.simulate.visits import DAY_S

TAIL_S = 120.0
"""Seconds after the last step of a session in which all is over: orders, then refunds, then reviews."""
_ORDER_S, _REFUND_S, _REVIEW_S, _PAUSE_S = 60.0, 80.0, 100.0, 15.0
_EXPLORED = 0.3  # share of ads that are drawn evenly; the others by popularity
_LATER = np.array([0.75, 0.2, 0.05])  # in which visit what was carted is bought: this one, the next, the one after
_REVIEWED, _SENT_BACK = 0.12, 0.04
_STEPS = 2**20  # more than a session has
_PLACES = SHOWN + 1  # draws of a step: its own, and those of the ads it shows


def ads(block: Block, steps: Columns) -> tuple[Columns, Columns]:
    """Impressions of each request, with the propensity of the item at its position, and the clicks on them."""
    world, asked = block.world, np.flatnonzero(steps["kind"] == "request")
    shown = np.repeat(asked, SHOWN)
    position = np.tile(np.arange(1, SHOWN + 1), len(asked))
    session, step = steps["session"][shown], steps["step"][shown]
    place, request = step * _PLACES + position, block.number[session] * _STEPS + step
    by_popularity = np.cumsum(world.popularity) / world.popularity.sum()
    popular = np.minimum(np.searchsorted(by_popularity, block.draw("ad by popularity", session, place)), world.items - 1)
    even = (block.draw("ad by lot", session, place) * world.items).astype(np.int64)
    item = np.where(block.draw("explores", session, place) < _EXPLORED, even, popular)
    propensity = _EXPLORED / world.items + (1 - _EXPLORED) * world.popularity[item] / world.popularity.sum()
    at_s = steps["at_s"][shown]
    hour = ((at_s // 3600) % 24).astype(np.int64)
    chance = responses.click_probability(world, block.user_number(session), item, position, hour)
    about = {
        "session": session,
        "at_s": at_s,
        "step": step,
        "item": item,
        "position": position,
        "request": request,
        "propensity": propensity,
    }
    impressions = event(about, kind="impression", order=position, chance_without=chance, chance_with=chance)
    clicked = block.draw("clicks", session, place) < chance
    silence_s = steps["silence_s"][shown][clicked]
    clicks = event(where(about, clicked), kind="click", order=SHOWN + position[clicked])
    clicks["at_s"] = clicks["at_s"] + silence_s * (0.2 + 0.15 * clicks["position"])
    return impressions, clicks | {"silence_s": silence_s}


def views(block: Block, steps: Columns, impressions: Columns, clicks: Columns) -> Columns:
    """All pages of items: those that people went to, and those that ads led to; with the silence after each."""
    own = where(steps, steps["kind"] == "item_view")
    silence_s = np.concatenate([own["silence_s"], clicks["silence_s"]])
    landed = event(clicks, kind="item_view", order=2 * SHOWN + clicks["position"])
    landed["at_s"] = landed["at_s"] + 0.05 * clicks["silence_s"]
    gone_to = event(own, kind="item_view")
    made = {name: np.concatenate([gone_to[name], landed[name]]) for name in landed}
    made["is_treated"] = _moved(block, made, impressions)
    about = (block.world, block.user_number(made["session"]), made["item"], made["position"] > 0)
    for name, flag in (("chance_without", False), ("chance_with", True)):
        made[name] = responses.cart_probability(*about, np.full(len(silence_s), flag))
    return made | {"silence_s": silence_s}


def _moved(block: Block, views: Columns, impressions: Columns) -> Flags:
    """Views of an item after its user, one of the campaign's audience, was first shown an ad of the campaign."""
    world, campaigns = block.world, block.world.campaigns
    first_s = np.full((len(block.users), campaigns.max() + 1), np.inf)
    named = responses.in_audience(world, block.user_number(impressions["session"]), campaigns[impressions["item"]])
    shown = where(impressions, named)
    np.minimum.at(first_s, (block.user[shown["session"]], campaigns[shown["item"]]), shown["at_s"])
    campaign = campaigns[views["item"]]
    return np.asarray((campaign >= 0) & (views["at_s"] > first_s[block.user[views["session"]], campaign]))


def purchases(block: Block, views: Columns, ends_s: Floats) -> list[Columns]:
    """Carts, and what comes of them: orders in this visit or a later one, refunds and reviews after that.

    What is bought in one visit is one order, and holds an item once. The chance of a cart is that of its lot. What lots say
    and nobody can do is told apart by the outcome: there is no visit to buy in before the stream ends, the item is sold out
    at that hour, or the order holds it already.
    """
    world = block.world
    place = views["step"] * _PLACES + views["position"]
    put = block.draw("carts", views["session"], place) < np.where(views["is_treated"], views["chance_with"], views["chance_without"])
    carts = event(where(views, put), kind="add_to_cart", order=20)
    carts["at_s"] = carts["at_s"] + views["silence_s"][put] * np.where(carts["position"] > 0, 0.1, 0.4)
    buyer, place = block.user_number(carts["session"]), place[put]
    carts["is_treated"] = responses.treated(world, buyer)
    for name, flag in (("chance_without", False), ("chance_with", True)):
        carts[name] = responses.purchase_probability(world, buyer, carts["item"], np.full(len(place), flag))
    chance = np.where(carts["is_treated"], carts["chance_with"], carts["chance_without"])
    buys = block.draw("buys", carts["session"], place) < chance
    bought = _later(block, carts | {"step": place}, buys, "visit of purchase", ends_s)
    bought["bought_in"] = block.number[bought["session"]]
    pause_s = _PAUSE_S * block.draw("pause of order", bought["session"], 0)
    bought["at_s"] = np.round(ends_s[bought["session"]] + _ORDER_S + pause_s, 3)
    bought = where(bought, bought["at_s"] < world.days * DAY_S)
    outcome = np.where(buys, "no_visit", "not_bought").astype("U16")
    outcome[bought["of"]] = "sold_out"
    bought = where(bought, world.in_stock(bought["item"], (bought["at_s"] // DAY_S).astype(np.int64)))
    outcome[bought["of"]] = "in_order_already"
    bought = _once(bought)
    outcome[bought["of"]] = "bought"
    carts["outcome"] = outcome
    return [carts, event(bought, kind="purchase", order=21), *_afterwards(block, bought, ends_s)]


def _afterwards(block: Block, bought: Columns, ends_s: Floats) -> list[Columns]:
    """Refunds of some of what was bought, and reviews of some of what was kept."""
    sent_back = block.draw("sends back", bought["session"], bought["step"]) < _SENT_BACK
    told = block.draw("reviews", bought["session"], bought["step"]) < _REVIEWED
    back = _later(block, bought, sent_back, "visit of refund", ends_s)
    said = _later(block, bought, told & ~sent_back, "visit of review", ends_s)
    for what, after_s, purpose in ((back, _REFUND_S, "pause of refund"), (said, _REVIEW_S, "pause of review")):
        what["at_s"] = ends_s[what["session"]] + after_s + _PAUSE_S * block.draw(purpose, what["session"], what["step"])
    reviewer = block.user_number(said["session"])
    noise = normal(block.world.seed, "rating", reviewer, block.number[said["session"]], said["step"])
    mood = 3.4 + 0.9 * responses.taste(block.world, reviewer, said["item"]) + 0.6 * noise
    rating = np.clip(np.rint(mood), 1, 5).astype(np.int64)
    return [event(back, kind="refund", order=22), event(said, kind="review", order=23, rating=rating)]


def _later(block: Block, what: Columns, happens: Flags, purpose: str, ends_s: Floats) -> Columns:
    """Those that happen, in the same visit of the user or in one of the next two; none where there is no such visit.

    `of` is the place in `what` of that which each comes of.
    """
    chosen = where(what, happens)
    session, step = chosen["session"], chosen["step"]
    visit = np.searchsorted(np.cumsum(_LATER)[:-1], block.draw(purpose, session, step))
    then = np.minimum(session + visit, len(ends_s) - 1)
    there = (block.user[then] == block.user[session]) & (session + visit < len(ends_s))
    # What comes from two visits at the same step stays apart where it meets in a third.
    moved = chosen | {"session": then, "step": step * len(_LATER) + visit}
    nothing = {"chance_without": np.nan, "chance_with": np.nan, "is_treated": False}
    return where(event(moved, **nothing) | {"of": np.flatnonzero(happens)}, there)


def _once(bought: Columns) -> Columns:
    """Each item once an order: the one that was carted first."""
    by = np.lexsort((bought["step"], bought["item"], bought["session"]))
    session, item = bought["session"][by], bought["item"][by]
    is_first = np.r_[True, (session[1:] != session[:-1]) | (item[1:] != item[:-1])][: len(by)]
    return where(bought, np.sort(by[is_first]))
