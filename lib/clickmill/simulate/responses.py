"""How likely people are to answer what they are shown: known functions of features and of their crosses.

Click     = examination of the position x relevance of the item to the user at that hour (taste x evening)
Cart      = relevance to the user, more on a page that an ad led to; a campaign adds to the log-odds of those who have seen it
Purchase  = of what lies in the cart: price against the user's purse (price x purse); a coupon adds to the log-odds
"""

import numpy as np

from clickmill.simulate.draws import Flags, Floats, Ints, normal, uniform
from clickmill.simulate.world import World

SHOWN = 3  # ads of one request
EXAMINATION = np.array([0.9, 0.6, 0.4])  # of positions 1, 2, 3
AUDIENCE = 0.8  # of users, for each campaign; the others see its ads without its name, and are not moved
_USUAL_PRICE = 12


def taste(world: World, users: Ints, items: Ints) -> Floats:
    """Agreement of a user's taste with an item. Shapes (n,)"""
    return np.asarray((world.user_vectors(users) * world.vectors[items]).sum(axis=1))


def purse(world: World, users: Ints) -> Floats:
    """How little a user minds a price. Shapes (n,)"""
    return normal(world.seed, "purse of user", users)


def click_probability(world: World, users: Ints, items: Ints, position: Ints, hour: Ints) -> Floats:
    """Probability that an ad is clicked: features are taste, price and hour; their cross is taste by evening. Shapes (n,)"""
    fit, is_evening = taste(world, users, items), (hour >= 18) | (hour < 1)
    score = -2.6 + 1.1 * fit - 0.25 * _price(world, items) + 0.9 * fit * is_evening + 0.3 * is_evening
    return np.asarray(EXAMINATION[position - 1] * _logistic(score))


def cart_probability(world: World, users: Ints, items: Ints, from_ad: Flags, moved: Flags) -> Floats:
    """Probability that an item just viewed goes into the cart, with its campaign at work on the user or not. Shapes (n,)"""
    score = -4.4 + 0.9 * taste(world, users, items) + 0.8 * from_ad
    return _logistic(score + campaign_uplift(world, users, world.campaigns[items]) * moved)


def campaign_uplift(world: World, users: Ints, campaign: Ints) -> Floats:
    """What a campaign adds to the log-odds of a cart: half of the users are not moved at all; 0 without a campaign. Shapes (n,)"""
    return np.where(campaign >= 0, np.maximum(0.0, 0.8 * normal(world.seed, "moved by campaign", users, campaign)), 0.0)


def in_audience(world: World, users: Ints, campaign: Ints) -> Flags:
    """Whom a campaign reaches, by lot; nobody where there is none. Shapes (n,)"""
    return np.asarray((campaign >= 0) & (uniform(world.seed, "audience of campaign", users, campaign) < AUDIENCE))


def purchase_probability(world: World, users: Ints, items: Ints, treated: Flags) -> Floats:
    """Probability that what lies in the cart is bought, now or later, with a coupon or without. Shapes (n,)"""
    price, full = _price(world, items), purse(world, users)
    score = 0.2 + 0.6 * full - 0.6 * price + 0.3 * price * full
    return _logistic(score + coupon_uplift(world, users) * treated)


def coupon_uplift(world: World, users: Ints) -> Floats:
    """What a coupon adds to the log-odds of a purchase: half of the users are not moved at all. Shapes (users,)"""
    return np.maximum(0.0, 1.2 * normal(world.seed, "moved by coupons", users))


def treated(world: World, users: Ints) -> Flags:
    """Who gets the coupon of the experiment: every second user, by lot. Shapes (users,)"""
    return np.asarray(uniform(world.seed, "gets the coupon", users) < 0.5)


def _price(world: World, items: Ints) -> Floats:
    return np.asarray(np.log(world.prices[items] / _USUAL_PRICE))


def _logistic(score: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-score)))
