"""What is true of a shop: its items, its users and their tastes. Everything follows from the seed and a number."""

from dataclasses import dataclass
from datetime import date
from functools import cached_property

import numpy as np

from clickmill.simulate.draws import Flags, Floats, Ints, chosen, normal, uniform

TASTES = 8  # length of the vectors of taste: the truth has this rank
CATEGORIES = 40
HABITS = 3  # items that often follow an item
CAMPAIGNS = 3  # each advertises a quarter of the categories; a quarter is never advertised
_TASTE_STRENGTH = 1.6  # how far taste moves the odds of an item against its popularity
_ZIPF_SHIFT = 10  # popularity is 1 / (rank + shift)
_SOLD_OUT_SHARE = 0.08  # of items, once in the stream
_BOT_SHARE = 0.02
_OTHER_BOT_SHARE = 0.002  # the second family, which no rule was tuned for


@dataclass(frozen=True)
class World:
    """One shop. Users are numbered from 0; user n is the same however many there are.

    seed       of everything
    first_day  of the stream, days are of UTC
    days       length of the stream
    items      size of the catalogue
    """

    seed: int
    first_day: date = date(2024, 3, 1)
    days: int = 14
    items: int = 5_000

    @cached_property
    def categories(self) -> Ints:
        """Category of each item; few are large. Shapes (items,)"""
        sizes = 1.0 / np.arange(3, CATEGORIES + 3)
        return chosen(sizes, uniform(self.seed, "category of item", np.arange(self.items)))

    @cached_property
    def popularity(self) -> Floats:
        """Weight of each item for someone without a taste: Zipf's law over a hidden order. Shapes (items,)"""
        order = np.argsort(uniform(self.seed, "rank of item", np.arange(self.items)))
        weights = np.empty(self.items)
        weights[order] = 1.0 / (np.arange(self.items) + _ZIPF_SHIFT)
        return weights

    @cached_property
    def vectors(self) -> Floats:
        """Taste vector of each item: that of its category, and something of its own. Shapes (items, TASTES)"""
        of_category = normal(self.seed, "vector of category", np.arange(CATEGORIES)[:, None], np.arange(TASTES))
        own = normal(self.seed, "vector of item", np.arange(self.items)[:, None], np.arange(TASTES))
        return np.asarray(0.8 * of_category[self.categories] + 0.6 * own)

    @cached_property
    def prices(self) -> Floats:
        """Price of each item, in cents that are whole. Shapes (items,)"""
        level = 2.5 + 0.6 * normal(self.seed, "price level of category", self.categories)
        return np.asarray(np.round(np.exp(level + 0.4 * normal(self.seed, "price of item", np.arange(self.items))), 2).clip(0.5, 2_000))

    @cached_property
    def followers(self) -> Ints:
        """Items that often come right after each item: of its category, popular ones first. Shapes (items, HABITS)"""
        order = np.lexsort((-self.popularity, self.categories))
        sizes = np.bincount(self.categories, minlength=CATEGORIES)
        starts = np.cumsum(sizes) - sizes
        place = uniform(self.seed, "follower of item", np.arange(self.items)[:, None], np.arange(HABITS)) ** 2
        return np.asarray(order[starts[self.categories][:, None] + (place * sizes[self.categories][:, None]).astype(np.int64)])

    @cached_property
    def campaigns(self) -> Ints:
        """Campaign that advertises each item, by its category; -1 where none does. Shapes (items,)"""
        quarter = self.categories % (CAMPAIGNS + 1)
        return np.where(quarter < CAMPAIGNS, quarter, -1)

    @cached_property
    def sold_out(self) -> tuple[Ints, Ints]:
        """The day from which each item is sold out, and the day from which it is not any more; two equal days where it never is.

        Shapes  twice (items,), days from 0
        """
        items = np.arange(self.items)
        happens = uniform(self.seed, "sells out", items) < _SOLD_OUT_SHARE
        first = 1 + (uniform(self.seed, "sells out on", items) * self.days).astype(np.int64)
        return first, np.where(happens, first + 2 + (uniform(self.seed, "is sold out for", items) * 8).astype(np.int64), first)

    def in_stock(self, items: Ints, day: Ints) -> Flags:
        """Whether an item can be bought on a day. Shapes (n,)"""
        first, end = self.sold_out
        return np.asarray((day < first[items]) | (day >= end[items]))

    def user_vectors(self, users: Ints) -> Floats:
        """Taste of each user. Shapes (users, TASTES)"""
        return np.asarray(normal(self.seed, "vector of user", users[:, None], np.arange(TASTES)) / np.sqrt(TASTES))

    def odds(self, users: Ints) -> Floats:
        """How much each user is drawn to each item, before any habit: the oracle of recommendations. Shapes (users, items)"""
        return np.asarray(self.popularity * np.exp(_TASTE_STRENGTH * self.user_vectors(users) @ self.vectors.T))

    def bot_family(self, users: Ints) -> Ints:
        """0 for people, 1 for machines on a timer, 2 for the other family. Shapes (users,)"""
        draw = uniform(self.seed, "bot", users)
        return np.where(draw < _BOT_SHARE, 1, np.where(draw < _BOT_SHARE + _OTHER_BOT_SHARE, 2, 0)).astype(np.int64)
