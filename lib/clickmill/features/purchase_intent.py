"""Who buys within some days, at all and in a category: what was known of a user at the end of a day, and what came of it.

A row stands under the day at whose end its label is final, so it is there once and for all, and none is there before.

Shapes  Q questions: a user, and a day on which the user did something
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
from numpy.typing import NDArray
from pyspark.sql import DataFrame

from clickmill.contracts.conform import conform
from clickmill.contracts.days import Days
from clickmill.contracts.events import USER
from clickmill.contracts.tables import PURCHASE_INTENT_ROWS
from clickmill.features import known_pairs, known_user
from clickmill.features.acts import acts
from clickmill.features.blocks import by_key
from clickmill.features.histories import Answers, Flags, Ints, Questions, before_each
from clickmill.features.known_user import HORIZON, WINDOWS, Acts, Columns
from clickmill.features.user_days import ORDER, ends_us

ANY = "*"
"""The category of the rows that ask for a purchase of anything."""

_TOUCHES = ("click", "item_view", "add_to_cart", "purchase")
_QUESTIONS_AT_ONCE = 100_000


def purchase_intent_rows(events: DataFrame, days: Days, *, within_days: int, zone: str) -> DataFrame:
    """Say of every user who did anything on a day whether a purchase became known in the `within_days` days after it.

    A user has a row for any category, and one for each category clicked, viewed, put in the cart or bought in the last 28
    days. Those of whom nothing became known on the day are not asked about.

    Grain   one row per (label_date, site_id, user_id_kind, user_id, category); as_of_date is `within_days` days before label_date
    Needs   clean.known_events of the days, and of the `within_days` + 90 days before the first
    Ties    acts of the same instant by event day, event id and place in its list
    """
    wanted, told = list(days), acts(events, USER, zone=zone)
    rows = by_key(told, USER, ORDER, lambda table, key: _of_days(Acts(table, key), wanted, within_days), PURCHASE_INTENT_ROWS.schema)
    return conform(rows, PURCHASE_INTENT_ROWS)


@dataclass(frozen=True)
class _Asked:
    """Shapes (Q,): user; at, label_at: the ends of the day asked about and of the one by which the label is final; that one's date."""

    user: Ints
    at: Ints
    label_at: Ints
    label_date: NDArray[np.datetime64]

    def where(self, chosen: Flags | Ints) -> "_Asked":
        return _Asked(self.user[chosen], self.at[chosen], self.label_at[chosen], self.label_date[chosen])


def _of_days(of_users: Acts, days: Sequence[date], within_days: int) -> Iterator[pa.Table]:
    starts = np.flatnonzero(np.diff(of_users.key, prepend=-1))
    zones = of_users.table["zone"].take(starts).to_pylist()
    at_once = max(1, _QUESTIONS_AT_ONCE // len(starts))
    for first in range(0, len(days), at_once):
        some = days[first : first + at_once]
        ends, as_of, before = (ends_us(zones, [day - timedelta(days=back) for day in some]) for back in (0, within_days, within_days + 1))
        user, day = (part.ravel() for part in np.indices(ends.shape))
        asked = _Asked(user, as_of.ravel(), ends.ravel(), np.array(some, "datetime64[D]")[day])
        until = [of_users.histories.asked(Questions(user, at.ravel())).end for at in (before, as_of)]
        asked = asked.where(until[1] > until[0])
        if len(asked.user):
            yield from _told(of_users, starts, asked, within_days)


def _told(of_users: Acts, starts: Ints, asked: _Asked, within_days: int) -> Iterator[pa.Table]:
    """The rows of any category, then those of each."""
    of_user = pa.table({f"user_{name}": values for name, values in known_user.known(of_users, Questions(asked.user, asked.at)).items()})
    names = of_users.table.select(USER).take(starts[asked.user])
    told = of_users.histories.asked(Questions(asked.user, asked.at))
    views = told.sums(of_users.of("item_view"), HORIZON)[0]
    later = of_users.histories.asked(Questions(asked.user, asked.label_at))
    columns = known_pairs.with_category(told, lambda name: of_users.of(name), views) | _bought(told, later, of_users.of("purchase"))
    yield _rows(names, of_user, asked, within_days, pa.array([ANY] * len(asked.user)), columns)
    place, category = _pairs(of_users, asked.user)
    of_pair = asked.where(place)
    told, of = known_pairs.part(of_users, Questions(of_pair.user, of_pair.at), of_users.category, category)
    touched = np.any([told.sums(of(name), WINDOWS["28d"])[0] > 0 for name in _TOUCHES], axis=0)
    place, category, of_pair, pair = place[touched], category[touched], of_pair.where(touched), told.questions.key[touched]
    told, later = (told.histories.asked(Questions(pair, at)) for at in (of_pair.at, of_pair.label_at))
    columns = known_pairs.with_category(told, of, views[place]) | _bought(told, later, of("purchase"))
    dictionary = of_users.table["category"].combine_chunks().dictionary_encode().dictionary
    yield _rows(names.take(place), of_user.take(place), of_pair, within_days, dictionary.take(pa.array(category)), columns)


def _pairs(of_users: Acts, user: Ints) -> tuple[Ints, Ints]:
    """Every question with every category of its user: places of questions, and codes of categories. Shapes (P,) each"""
    has_category = of_users.category >= 0
    pairs = np.unique(np.stack([of_users.key[has_category], of_users.category[has_category]]), axis=1)
    first, behind = np.searchsorted(pairs[0], user), np.searchsorted(pairs[0], user, side="right")
    count = behind - first
    place = np.repeat(np.arange(len(user)), count)
    within_user = np.arange(len(place)) - np.repeat(np.cumsum(count) - count, count)
    return place, pairs[1][first[place] + within_user]


def _bought(told: Answers, later: Answers, purchases: Flags) -> Columns:
    """Whether a purchase became known after the one instant and before the other. Shapes (Q,)"""
    before = before_each(purchases)
    return {"bought": pa.array(before[later.end] > before[told.end])}


def _rows(names: pa.Table, of_user: pa.Table, asked: _Asked, within_days: int, category: pa.Array, columns: Columns) -> pa.Table:
    dates = {"label_date": pa.array(asked.label_date), "as_of_date": pa.array(asked.label_date - np.timedelta64(within_days, "D"))}
    parts = {**{name: names[name] for name in USER}, **{name: of_user[name] for name in of_user.column_names}}
    return pa.table({**dates, **parts, "category": category, **columns})
