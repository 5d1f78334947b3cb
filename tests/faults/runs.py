"""Small runs that are disturbed: a job that writes two tables of days and adds to a third, one that publishes two, a rollback, and the
acceptance of a release that was refused, each in a lake with a day already in it. The third table is one of an older contract."""

import itertools
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from pyspark.sql import SparkSession

from builders import DAY, NEXT_DAY, frame, narrower
from clickmill import config, execution, locks, quality, releases
from clickmill.contracts.days import Days
from clickmill.contracts.errors import GateRefused, UsageError
from clickmill.contracts.table import Table
from clickmill.contracts.tables import DAYS, IDENTITIES, RAW_USERS, RECOMMENDATIONS, SERVED, VALUE_RANGES
from clickmill.lake import Lake
from clickmill.releases import Releases
from released import publishes
from ungated import passes

WRITTEN = {"writes": (IDENTITIES, VALUE_RANGES, RAW_USERS), "publishes": SERVED, "rolls back": SERVED, "accepts": SERVED}
BY_HAND = ("rolls back", "accepts")
IN_THE_MIDDLE = "in the middle"  # of a write: its first file is there, its commit is not


def at_pass(number: int, act: Callable[[], None]) -> Callable[[], None]:
    """What a point is armed with so that something happens when it is passed for the n-th time, and at no other."""
    passes = itertools.count(1)
    return lambda: act() if next(passes) == number else None


def job(name: str, day: date) -> Any:
    """The job called `name`, with the rows that it makes of a day."""
    if name == "publishes":
        return publishes(2 if day == DAY else 3, without=1, day=day)

    def run(spark, conf, days, inputs):
        rows = made(day)
        known = {row.user_id for row in inputs[RAW_USERS].collect()}
        rows[RAW_USERS] = [row for row in rows[RAW_USERS] if row["user_id"] not in known]
        return {table: frame(spark, table, rows[table]) for table in WRITTEN["writes"]}

    return SimpleNamespace(__name__="writes", READS=(RAW_USERS.up_to(),), WRITES=WRITTEN["writes"], run=run, CONFIG=("shop",))


def made(day: date) -> dict[Table, list[dict[str, Any]]]:
    """The rows of a day that the job `writes` is to write."""
    seen = {"first_seen_at": datetime(2024, 5, 16, 10), "last_seen_at": datetime(2024, 5, 16, 11)}
    identity = {"site_id": "shop", "event_date": day, "visitor_id": f"v{day.day}", "account_id": "a1"} | seen
    bounds = {"site_id": "shop", "event_date": day, "event_type": "purchase", "measure": "price", "row_count": 9, "low": 1.0}
    place = {"source": "crm", "landing_date": day, "file": "users.csv", "delivery_id": "d1", "block": 0, "ordinal": 0, "state_pos": 0}
    user = {**place, "problems": [], "site_id": "shop", "user_id": f"u{day}"}
    added = {} if day == DAY else {"valid_from": datetime(2024, 5, 1)}
    return {IDENTITIES: [identity], VALUE_RANGES: [bounds | {"high": float(day.day)}], RAW_USERS: [user | added]}


def run(spark: SparkSession, root: str, name: str, day: date) -> None:
    if name in BY_HAND:
        _by_hand(Lake(spark, root), name)
        return
    _run(spark, root, job(name, day), day)


def _run(spark: SparkSession, root: str, one: Any, day: date) -> None:
    with mock.patch.object(quality, "gate", passes):  # what is tried is the order of steps, not the rules
        execution.execute(one, config.load("test", {"lake.root": root}), Days(day, day), spark)


def _by_hand(lake: Lake, name: str) -> None:
    """What a person asks for; asked again after it was done, it is refused in so many words, and that is no fault."""
    config.load("test")
    known = Releases(lake)
    first, second = known.rows[0].release_id, known.rows[2].release_id
    with locks.held(lake.locks(), [table.name for table in SERVED], "by hand") as hold:
        try:
            releases.rollback(known, hold, first) if name == "rolls back" else releases.accept(known, hold, second, "looked at")
        except UsageError as error:
            if "is served" not in str(error):
                raise


def prepared(spark: SparkSession, root: str, name: str) -> None:
    """A lake with one day in it, which it may have already, and with a write of another that a run left behind that was killed."""
    if not Path(root).exists():
        with mock.patch.dict(RAW_USERS.__dict__, schema=narrower(RAW_USERS, "valid_from").schema):
            run(spark, root, name if name == "writes" else "publishes", DAY)
    if name == "rolls back":
        run(spark, root, "publishes", NEXT_DAY)
    if name == "accepts":
        with pytest.raises(GateRefused):
            _run(spark, root, publishes(300, without=1, day=NEXT_DAY), NEXT_DAY)
    if name == "writes":
        later = date(2024, 5, 20)
        stray = frame(spark, VALUE_RANGES, made(later)[VALUE_RANGES])
        Lake(spark, root).write(stray, VALUE_RANGES, Days(later, later), {"run_id": "killed"})


def told(spark: SparkSession, root: str, name: str) -> dict[str, Any]:
    """All that may not depend on how often a run was begun: rows, admissions, and the release that is served."""
    lake = Lake(spark, root)
    of_run = ("release_id", "run_id")
    found: dict[str, Any] = {}
    for table in WRITTEN[name]:
        rows = lake.read(table).drop(*of_run).collect()
        found[table.name] = sorted(map(str, rows))
    newest = {}
    for row in lake.read(DAYS).orderBy("admitted_at").collect():
        newest[row.table, row.day] = (row.row_count, row.config_hash) + ((row.content_hash,) if name == "writes" else ())
    found["admitted"] = newest
    current = Releases(lake).current
    if current is not None:
        heads = {table.name: lake.head(table) for table in WRITTEN[name]}
        ids = {row.release_id for row in lake.read(RECOMMENDATIONS).where(f"as_of_date = date'{current.as_of_date}'").collect()}
        found["served"] = (current.as_of_date, current.versions == heads, ids == {current.release_id})
    return found
