"""What is known of users at some instants, from their acts before: one definition, for tables of days and for impressions.

Shapes  E acts of the block, Q questions
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]

from clickmill.contracts.days import HORIZON_DAYS
from clickmill.features.acts import ACTS, MONEY, PLURALS
from clickmill.features.histories import NEVER, Answers, Flags, Floats, Histories, Ints, Questions, before_each

SECOND = 1_000_000
DAY = 86_400 * SECOND
WINDOWS = {"1d": DAY, "7d": 7 * DAY, "28d": 28 * DAY, "90d": 90 * DAY}
HORIZON = HORIZON_DAYS * DAY
FADING = {"1d": (DAY, 24 * DAY), "7d": (7 * DAY, HORIZON)}
"""Half-lives, each with the window that it needs."""
LAST_ITEMS, LAST_CATEGORIES = 5, 3

_PARTS = [f"{days}_{part}" for days in ("weekday", "weekend") for part in ("night", "morning", "afternoon", "evening")]

Columns = dict[str, pa.Array]


@dataclass(frozen=True)
class Acts:
    """The acts of a block, by key and time. Shapes (E,)

    act is a place in ACTS or -1, item and category are codes or -1, price and value whole hundredths
    """

    table: pa.Table
    key: Ints

    def column(self, name: str) -> Ints:
        return np.asarray(self.table[name].to_numpy()).astype(np.int64)

    @cached_property
    def act(self) -> Ints:
        return self.column("act")

    def of(self, *names: str) -> Flags:
        """Which are of one of these types."""
        return np.isin(self.act, [ACTS.index(name) for name in names])

    @cached_property
    def item(self) -> Ints:
        return codes(self.table["item_id"])

    @cached_property
    def category(self) -> Ints:
        return codes(self.table["category"])

    @cached_property
    def histories(self) -> Histories:
        return Histories(self.key, self.column("known_us"))


def codes(names: pa.ChunkedArray) -> Ints:
    """A number for each name of a block, the same for equal names; -1 for none. Shapes (E,)"""
    return np.asarray(names.combine_chunks().dictionary_encode().indices.fill_null(-1).to_numpy()).astype(np.int64)


def known(acts: Acts, questions: Questions) -> Columns:
    """Every column that says what is known of a user.

    Counts are 0 where nothing happened; rates, means and silences are null where there is nothing to tell them from.
    """
    told = acts.histories.asked(questions)
    counts = _counts(acts, told)
    shares = _rates(counts) | _prices(acts, told) | _gaps(acts, told) | _habits(acts, told)
    fading = _fading(acts, told) | _silences(acts, told)
    return {**{name: pa.array(values) for name, values in counts.items()}, **shares, **fading, **_last_seen(acts, told)}


def _counts(acts: Acts, told: Answers) -> dict[str, Ints]:
    measures = {plural: acts.of(name) for name, plural in PLURALS.items()}
    counts = {
        f"{name}_sum_{label}": total
        for name, values in measures.items()
        for label, total in zip(WINDOWS, told.sums(values, *WINDOWS.values()), strict=True)
    }
    for name, code in (("items", acts.item), ("categories", acts.category)):
        found = told.distinct(code, *WINDOWS.values())
        counts |= {f"{name}_distinct_{label}": total for label, total in zip(WINDOWS, found, strict=True)}
    return counts


def _rates(counts: dict[str, Ints]) -> Columns:
    pairs = {
        "click_rate": ("clicks", "impressions"),
        "cart_rate": ("add_to_carts", "item_views"),
        "purchase_rate": ("purchases", "item_views"),
    }
    rates = {
        f"{name}_{label}": divided(counts[f"{part}_sum_{label}"], counts[f"{whole}_sum_{label}"])
        for name, (part, whole) in pairs.items()
        for label in ("28d", "90d")
    }
    # 1 is a week like the four before it, itself among them.
    return rates | {"item_views_trend": divided(4 * counts["item_views_sum_7d"], counts["item_views_sum_28d"])}


def _prices(acts: Acts, told: Answers) -> Columns:
    price, value = acts.column("price"), acts.column("value")
    has_price = price > 0
    viewed, bought = acts.of("item_view", "click") & has_price, acts.of("purchase") & has_price
    spent = told.sums(value, *WINDOWS.values())
    columns = {f"purchase_value_sum_{label}": pa.array(total / MONEY) for label, total in zip(WINDOWS, spent, strict=True)}
    for name, chosen in (("viewed_price_mean_28d", viewed), ("bought_price_mean_90d", bought)):
        window = WINDOWS[name[-3:]]
        columns[name] = divided(told.sums(price * chosen, window)[0] / MONEY, told.sums(chosen, window)[0])
    return columns


def _gaps(acts: Acts, told: Answers) -> Columns:
    """Between the purchases of the last 90 days: how long it takes from one to the next, and how regular that is."""
    at, key = acts.histories.at, acts.key
    bought = np.flatnonzero(acts.of("purchase"))
    # Several rows of one instant are one purchase.
    is_new = np.ones(len(bought), bool)
    is_new[1:] = (at[bought[1:]] != at[bought[:-1]]) | (key[bought[1:]] != key[bought[:-1]])
    bought = bought[is_new]
    chosen = np.zeros(len(at), bool)
    chosen[bought] = True
    rank = before_each(chosen)
    first, end = rank[told.begin(HORIZON)], rank[told.end]
    # In whole minutes, so that squares of them add up exactly.
    minutes = np.diff(at[bought], prepend=at[bought[:1]]) // (60 * SECOND)
    count = np.maximum(end - first - 1, 0)
    inside = np.minimum(first + 1, end)
    total, squares = (_between(values, inside, end) for values in (minutes, minutes * minutes))
    mean = total / np.maximum(count, 1)
    spread = np.sqrt(np.maximum(squares / np.maximum(count, 1) - mean * mean, 0))
    return {
        "purchase_gap_mean_d": pa.array(mean / (24 * 60), mask=count < 1),
        "purchase_gap_variation": pa.array(spread / np.where(mean > 0, mean, 1), mask=(count < 2) | (mean == 0)),
    }


def _between(values: Ints, begin: Ints, end: Ints) -> Ints:
    before = before_each(values)
    return before[end] - before[begin]


def _habits(acts: Acts, told: Answers) -> Columns:
    """Of the acts of the last 90 days the share that fell into each part of the week."""
    hour = acts.column("hour_of_week")
    part = (hour >= 5 * 24) * 4 + hour % 24 // 6
    everything = told.sums(np.ones(len(hour), bool), HORIZON)[0]
    return {f"{name}_share_90d": divided(told.sums(part == place, HORIZON)[0], everything) for place, name in enumerate(_PARTS)}


def _fading(acts: Acts, told: Answers) -> Columns:
    return {
        f"{PLURALS[name]}_faded_{label}": pa.array(told.fading(acts.of(name).astype(np.int64), half_life, window))
        for name in ("click", "item_view", "add_to_cart", "purchase")
        for label, (half_life, window) in FADING.items()
    }


def _silences(acts: Acts, told: Answers) -> Columns:
    chosen = {f"since_{name}_s": acts.of(name) for name in PLURALS} | {"since_any_s": np.ones(len(acts.key), bool)}
    return {name: since(told, flags) for name, flags in chosen.items()}


def since(told: Answers, chosen: Flags) -> pa.Array:
    """Seconds since the latest chosen act; null where there was none in the last 90 days. Shapes (Q,)"""
    last = told.last_at(chosen, HORIZON)
    return pa.array((told.questions.at - np.where(last == NEVER, told.questions.at, last)) / SECOND, mask=last == NEVER)


def _last_seen(acts: Acts, told: Answers) -> Columns:
    """The items and categories seen last, latest first; one that is seen several times in a row stands once."""
    seen = acts.of("item_view", "click")
    wanted = {"last_items": ("item_id", acts.item, LAST_ITEMS), "last_categories": ("category", acts.category, LAST_CATEGORIES)}
    lists = {}
    for name, (column, code, count) in wanted.items():
        lists[name] = _lists(acts.table[column], *_last(acts, told, seen & (code >= 0), code, count))
    return lists


def _last(acts: Acts, told: Answers, seen: Flags, code: Ints, count: int) -> tuple[Ints, Flags]:
    """Places of the last acts that differ from the one seen before them. Shapes (Q, count) each: places, and which there are"""
    places = np.flatnonzero(seen)
    differs = np.ones(len(places), bool)
    differs[1:] = (code[places[1:]] != code[places[:-1]]) | (acts.key[places[1:]] != acts.key[places[:-1]])
    chosen = np.zeros(len(seen), bool)
    chosen[places[differs]] = True
    # What was seen before the 90 days does not count: the first act in them differs from nothing.
    rank = before_each(seen)
    first = np.minimum(rank[told.begin(HORIZON)], max(len(places) - 1, 0))
    oldest = places[first] if len(places) else np.zeros(len(told.end), np.int64)
    has_oldest = rank[told.end] > rank[told.begin(HORIZON)]
    is_extra = has_oldest & ~chosen[oldest] if len(places) else has_oldest
    chosen_count = told.sums(chosen, HORIZON)[0]
    found = np.stack([told.last(chosen, HORIZON, nth) for nth in range(1, count + 1)], axis=1)
    takes_extra = is_extra[:, None] & (chosen_count[:, None] == np.arange(count))
    found = np.where(takes_extra, oldest[:, None], found)
    return found, found >= 0


def _lists(names: pa.ChunkedArray, places: Ints, there: Flags) -> pa.Array:
    flat = names.combine_chunks().take(pa.array(places[there]))
    return pa.ListArray.from_arrays(pa.array(np.concatenate([[0], np.cumsum(there.sum(axis=1))]).astype(np.int32)), flat)


def divided(part: Ints | Floats, whole: Ints) -> pa.Array:
    """Part by whole; null where the whole is 0. Shapes (Q,)"""
    return pa.array(part / np.maximum(whole, 1), mask=whole == 0)
