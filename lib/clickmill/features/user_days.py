"""What is known of a user at the end of a day: counts, rates, silences, habits and the items seen last."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
from pyspark.sql import DataFrame

from clickmill.contracts.conform import conform
from clickmill.contracts.days import Days
from clickmill.contracts.events import USER
from clickmill.contracts.tables import USER_DAYS
from clickmill.features import known_user
from clickmill.features.acts import acts
from clickmill.features.blocks import by_key
from clickmill.features.histories import Ints, Questions
from clickmill.features.known_user import SECOND, Acts

ORDER = ("known_us", "event_date", "event_id", "item_pos")
_QUESTIONS_AT_ONCE = 200_000


def user_days(events: DataFrame, days: Days, *, zone: str) -> DataFrame:
    """Say what is known of a user at the end of each day on which something became known of it.

    Most visitors never come again: a row for each of the 90 days on which something of them still counts would be most of the table.

    Grain   one row per (known_date, site_id, user_id_kind, user_id)
    Needs   clean.known_events of the days, and of the 90 days before the first
    Ties    acts of the same instant by event day, event id and place in its list
    """
    wanted = list(days)
    rows = by_key(acts(events, USER, zone=zone), USER, ORDER, lambda table, key: _of_days(Acts(table, key), wanted), USER_DAYS.schema)
    return conform(rows, USER_DAYS)


def _of_days(of_users: Acts, days: Sequence[date]) -> Iterator[pa.Table]:
    starts = np.flatnonzero(np.diff(of_users.key, prepend=-1))  # (users,)
    zones = of_users.table["zone"].take(starts).to_pylist()
    begins, ends = (ends_us(zones, [day - timedelta(days=back) for day in days]) for back in (1, 0))  # (users, days)
    at_once = max(1, _QUESTIONS_AT_ONCE // len(starts))
    for first in range(0, len(days), at_once):
        some = slice(first, first + at_once)
        user, day = (part.ravel() for part in np.indices(ends[:, some].shape))
        asked = Questions(user, ends[:, some].ravel())
        acted = of_users.histories.asked(asked).end > of_users.histories.asked(Questions(user, begins[:, some].ravel())).end
        if acted.any():
            told = known_user.known(of_users, Questions(asked.key[acted], asked.at[acted]))
            names = of_users.table.select(USER).take(starts[user[acted]])
            dates = pa.array(np.array(days[some], "datetime64[D]")[day[acted]])
            yield pa.table({"known_date": dates, **{name: names[name] for name in USER}, **told})


def ends_us(zones: Sequence[str], days: Sequence[date]) -> Ints:
    """The instants at which days end, in microseconds. Shapes (zones, days)"""
    known = {name: [_end_us(day, name) for day in days] for name in set(zones)}
    return np.array([known[name] for name in zones], np.int64).reshape(len(zones), len(days))


def _end_us(day: date, zone: str) -> int:
    midnight = datetime.combine(day + timedelta(days=1), datetime.min.time(), ZoneInfo(zone))
    return round(midnight.timestamp()) * SECOND
