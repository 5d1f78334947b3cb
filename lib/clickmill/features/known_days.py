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


def item_days(events: DataFrame, days: Days, *, zone: str) -> DataFrame:
    """Say what is known of an item at the end of each day on which something became known of it.

    Grain   one row per (known_date, site_id, item_id)
    Needs   clean.known_events of the days, and of the 89 days before the first
    """
    return _of_own_days(events, ITEM_DAYS, _ITEM, days, zone=zone)


def user_item_days(events: DataFrame, days: Days, *, zone: str) -> DataFrame:
    """Say what is known of a user with an item at the end of each day on which something became known of them.

    Grain   one row per (known_date, site_id, user_id_kind, user_id, item_id)
    Needs   clean.known_events of the days, and of the 89 days before the first
    """
    return _of_own_days(events, USER_ITEM_DAYS, (*USER, "item_id"), days, zone=zone)


def items_before(item_days: DataFrame, asked: DataFrame) -> DataFrame:
    """Say what was known of items at the ends of the days before some others, whether anything became known of them then or not.

    Grain   one row per row of `asked`: (site_id, item_id, event_date), none of them twice; with the columns of an item
    Needs   features.item_days of the 90 days before each of these days
    """
    facts = item_days.select(
        *_ITEM,
        F.unix_date("known_date").cast("long").alias("day"),
        *(F.col(f"{PLURALS[name]}_sum_1d").alias(PLURALS[name]) for name in _COUNTED),
        *(
            F.rint(F.col(f"{name}_1d") * MONEY).cast("long").alias(of)
            for name, of in (("purchase_value_sum", "value"), ("price_sum", "price"))
        ),
        F.col("priced_sum_1d").alias("priced"),
        F.lit(False).alias("is_asked"),
    )
    day_before = (F.unix_date("event_date") - 1).cast("long").alias("day")
    wanted = asked.select(*_ITEM, day_before, F.lit(True).alias("is_asked"))
    rows = facts.unionByName(wanted, allowMissingColumns=True)
    answered = by_key(rows, _ITEM, ("day", "is_asked"), _at_asked, ITEM_DAYS.schema)
    return answered.withColumn("event_date", F.date_add("known_date", 1)).drop("known_date")


def _of_own_days(events: DataFrame, table: Table, key: Sequence[str], days: Days, *, zone: str) -> DataFrame:
    first, last = ((day - date(1970, 1, 1)).days for day in (days.first, days.last))

    def answer(facts: pa.Table, code: Ints) -> Iterator[pa.Table]:
        day = facts["day"].to_numpy()
        mine = np.flatnonzero((day >= first) & (day <= last))
        yield _told(facts, code, facts.select([*key, "day"]).take(mine), code[mine])

    return conform(by_key(_facts(acts(events, key, zone=zone), key), key, ("day",), answer, table.schema), table)


def _at_asked(rows: pa.Table, code: Ints) -> Iterator[pa.Table]:
    is_asked = rows["is_asked"].to_numpy()
    yield _told(rows.filter(pa.array(~is_asked)), code[~is_asked], rows.select([*_ITEM, "day"]).filter(pa.array(is_asked)), code[is_asked])


def _facts(told: DataFrame, key: Sequence[str]) -> DataFrame:
    """What happened with a key on a day: how many acts of each type, what was paid, and the prices that were seen.

    Grain   one row per key and day
    """
    counts = [F.count_if(F.col("act") == place).alias(PLURALS[name]) for place, name in enumerate(ACTS) if name in _COUNTED]
    prices = [F.sum("price").alias("price"), F.count_if(F.col("price") > 0).alias("priced")]
    day = F.unix_date("known_date").cast("long").alias("day")
    return told.groupBy(*key, day).agg(*counts, F.sum("value").alias("value"), *prices)


def _told(facts: pa.Table, code: Ints, asked: pa.Table, who: Ints) -> pa.Table:
    """What is known at the ends of some days. Shapes  code (F,); asked, who (Q,): a key and its day, and the code of the key"""
    day = asked["day"].to_numpy()
    # A day is over when the next one begins.
    told = Histories(code, facts["day"].to_numpy()).asked(Questions(who, day + 1))
    names = {name: asked[name] for name in asked.column_names if name != "day"}
    return pa.table({"known_date": pa.array(day.astype("datetime64[D]")), **names, **_columns(facts, told)})


def _columns(facts: pa.Table, told: Answers) -> Columns:
    numbers = {name: facts[name].to_numpy() for name in (*(PLURALS[kind] for kind in _COUNTED), "value", "price", "priced")}
    sums = {
        f"{name}_sum_{label}": total
        for name in numbers
        for label, total in zip(_WINDOWS, told.sums(numbers[name], *_WINDOWS.values()), strict=True)
    }
    counts = {name: pa.array(total) for name, total in sums.items() if name.split("_sum_")[0] in PLURALS.values()}
    # The prices of the day itself, so that those of any days can be told from those of each.
    counts |= {"price_sum_1d": pa.array(sums["price_sum_1d"] / MONEY), "priced_sum_1d": pa.array(sums["priced_sum_1d"])}
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
