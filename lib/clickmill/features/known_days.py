"""What is known of items, and of users with items, at the end of a day, from counts of whole days.

An item may have a large part of all events, so no kernel sees its events: they are counted by day first, wherever they lie.

Shapes  F facts of the block (a key on a day), Q questions (a key at the end of a day)
Units   instants and windows in days
"""

from collections.abc import Iterator, Sequence
from datetime import date

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from clickmill.contracts.conform import conform
from clickmill.contracts.days import HORIZON_DAYS, Days
from clickmill.contracts.events import USER
from clickmill.contracts.table import Table
from clickmill.contracts.tables import ITEM_DAYS, USER_ITEM_DAYS
from clickmill.features.acts import ACTS, MONEY, PLURALS, acts
from clickmill.features.blocks import by_key
from clickmill.features.histories import Answers, Histories, Ints, Questions
from clickmill.features.known_user import Columns, divided

_ITEM = ("site_id", "item_id")
_COUNTED = ("impression", "click", "item_view", "add_to_cart", "purchase")
_WINDOWS = {"1d": 1, "7d": 7, "28d": 28, "90d": HORIZON_DAYS}
_HALF_LIFE_DAYS = 7
_QUESTIONS_AT_ONCE = 200_000


def item_days(events: DataFrame, days: Days, *, zone: str) -> DataFrame:
    """Say at the end of each day what is known of every item of which anything became known in the 90 days before.

    Grain   one row per (known_date, site_id, item_id)
    Needs   clean.known_events of the days, and of the 89 days before the first
    """
    return _known(events, ITEM_DAYS, _ITEM, days, zone=zone, is_sparse=False)


def user_item_days(events: DataFrame, days: Days, *, zone: str) -> DataFrame:
    """Say what is known of a user with an item at the end of each day on which something became known of them.

    Grain   one row per (known_date, site_id, user_id_kind, user_id, item_id)
    Needs   clean.known_events of the days, and of the 89 days before the first
    """
    return _known(events, USER_ITEM_DAYS, (*USER, "item_id"), days, zone=zone, is_sparse=True)


def _known(events: DataFrame, table: Table, key: Sequence[str], days: Days, *, zone: str, is_sparse: bool) -> DataFrame:
    wanted = [(day - date(1970, 1, 1)).days for day in days]
    facts = _facts(acts(events, key, zone=zone), key)
    answer = _of_own_days if is_sparse else _of_all_days
    rows = by_key(facts, key, ("day",), lambda rows, code: answer(rows, code, key, wanted), table.schema)
    return conform(rows, table)


def _facts(told: DataFrame, key: Sequence[str]) -> DataFrame:
    """What happened with a key on a day: how many acts of each type, what was paid, and the prices that were seen.

    Grain   one row per key and day
    """
    counts = [F.count_if(F.col("act") == place).alias(PLURALS[name]) for place, name in enumerate(ACTS) if name in _COUNTED]
    prices = [F.sum("price").alias("price"), F.count_if(F.col("price") > 0).alias("priced")]
    day = F.unix_date("known_date").cast("long").alias("day")
    return told.groupBy(*key, day).agg(*counts, F.sum("value").alias("value"), *prices)


def _of_all_days(facts: pa.Table, code: Ints, key: Sequence[str], days: Sequence[int]) -> Iterator[pa.Table]:
    starts = np.flatnonzero(np.diff(code, prepend=-1))
    at_once = max(1, _QUESTIONS_AT_ONCE // len(starts))
    for first in range(0, len(days), at_once):
        some = np.array(days[first : first + at_once], np.int64)
        who, day = (part.ravel() for part in np.indices((len(starts), len(some))))
        yield _told(facts, code, key, starts, who, some[day])


def _of_own_days(facts: pa.Table, code: Ints, key: Sequence[str], days: Sequence[int]) -> Iterator[pa.Table]:
    day = facts["day"].to_numpy()
    mine = np.flatnonzero((day >= days[0]) & (day <= days[-1]))
    yield _told(facts, code, key, np.flatnonzero(np.diff(code, prepend=-1)), code[mine], day[mine])


def _told(facts: pa.Table, code: Ints, key: Sequence[str], starts: Ints, who: Ints, day: Ints) -> pa.Table:
    """Answers at the ends of days, of those keys of which anything is known. Shapes  who, day (Q,)"""
    histories = Histories(code, facts["day"].to_numpy())
    # A day is over when the next one begins.
    told = histories.asked(Questions(who, day + 1))
    there = told.sums(np.ones(len(code), bool), HORIZON_DAYS)[0] > 0
    told = histories.asked(Questions(who[there], day[there] + 1))
    names = facts.select(key).take(starts[who[there]])
    dates = pa.array(day[there].astype("datetime64[D]"))
    return pa.table({"known_date": dates, **{name: names[name] for name in key}, **_columns(facts, told)})


def _columns(facts: pa.Table, told: Answers) -> Columns:
    numbers = {name: facts[name].to_numpy() for name in (*(PLURALS[kind] for kind in _COUNTED), "value", "price", "priced")}
    sums = {
        f"{name}_sum_{label}": total
        for name in numbers
        for label, total in zip(_WINDOWS, told.sums(numbers[name], *_WINDOWS.values()), strict=True)
    }
    counts = {name: pa.array(total) for name, total in sums.items() if name.split("_sum_")[0] in PLURALS.values()}
    values = {f"purchase_value_sum_{label}": pa.array(sums[f"value_sum_{label}"] / MONEY) for label in _WINDOWS}
    rates = {
        f"{name}_28d": divided(sums[f"{part}_sum_28d"], sums[f"{whole}_sum_28d"])
        for name, part, whole in (
            ("click_rate", "clicks", "impressions"),
            ("cart_rate", "add_to_carts", "item_views"),
            ("purchase_rate", "purchases", "item_views"),
        )
    }
    rates["item_views_trend"] = divided(4 * sums["item_views_sum_7d"], sums["item_views_sum_28d"])
    rates["price_mean_28d"] = divided(sums["price_sum_28d"] / MONEY, sums["priced_sum_28d"])
    return counts | values | rates | _in_time(numbers, told)


def _in_time(numbers: dict[str, Ints], told: Answers) -> Columns:
    """What fades, and how long ago the latest of each was."""
    columns = {}
    for name in ("clicks", "item_views", "purchases"):
        columns[f"{name}_faded_7d"] = pa.array(told.fading(numbers[name], _HALF_LIFE_DAYS, HORIZON_DAYS))
        last = told.last_at(numbers[name] > 0, HORIZON_DAYS)
        columns[f"days_since_{name}"] = pa.array(np.where(last < 0, 0, told.questions.at - 1 - last), mask=last < 0)
    return columns
