"""A shop of eight users and eight items over three days, typed by hand, with every kind of dirt that a day brings."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from clickmill import config, execution, flow, river
from clickmill.contracts.days import Days
from clickmill.lake import Lake
from clickmill.ledger import Ledger

DAYS = Days(date(2024, 5, 16), date(2024, 5, 18))
# What makes tables of days out of events: no states of items and users land here.
BY_DAY = ("ingest_events", "find_bots", "find_value_ranges", "clean_events", "build_sessions", "link_identities", "build_interactions")
UPSTREAM = [one for one in river.flow("events_jsonl") if execution.name_of(one) in BY_DAY]
# A day is judged by what so few did on it, which differs from day to day.
CHANGES: dict[str, Any] = {"evaluation.test_days": 1, "evaluation.min_users": 8, "releases.model_floor": 0.0, "models.als.iterations": 3}
# Two groups of users with tastes of their own; everyone's items but one are seen by everyone of the group.
TASTES = {"tea": ["0108775015", "108775015", "t3", "t4"], "tools": ["21602730330000060100100000358582", "w2", "w3", "w4"]}
USERS = {"tea": ["1515915625519388267", "1515915625519388268", "u3", "u4"], "tools": ["v1", "v2", "v3", "v4"]}


def line(event_id: str, when: str, user: str | None, kind: str = "item_view", **more) -> str:
    return json.dumps({"event_id": event_id, "site_id": "shop", "event_type": kind, "event_at": when, "visitor_id": user} | more)


def landings() -> dict[str, list[str]]:
    """Lines of each day's file. On the 16th each user views three of the four items of the group and buys the first."""
    first, second, third = [], [], []
    for taste, users in USERS.items():
        for n, user in enumerate(users):
            seen = [item for place, item in enumerate(TASTES[taste]) if place == 0 or place != n or n == 0]
            seen = seen[:3] if n == 0 else seen
            first += [line(f"{user}-{k}", f"2024-05-16T1{n}:0{k}:00Z", user, item_id=item, price="9.90") for k, item in enumerate(seen)]
            items = [{"item_id": seen[0], "quantity": "1", "price": "9.90"}, {"item_id": seen[1], "price": "2.50"}]
            first.append(line(f"{user}-buy", f"2024-05-16T1{n}:30:00Z", user, "purchase", order_id=f"o-{user}", items=items))
    first.append(first[0])  # an exact copy
    first.append(line("night-1", "2024-05-16T23:50:00Z", "u3", item_id="t3"))
    second += [
        line("night-2", "2024-05-17T00:10:00Z", "u3", item_id="t4"),
        line("x1", "2024-05-17T09:00:00Z", "u4", "teleport", item_id="t3"),
    ]
    second += [line("x2", "2024-05-17T09:00:00Z", "u4", item_id="t3", price="cheap"), line("x3", "not-a-date", "u4", item_id="t3")]
    second += [
        line(
            "x4",
            "2024-05-17T09:05:00Z",
            "u4",
            "purchase",
            order_id="o9",
            items=[{"item_id": "t3", "price": "1"}, {"item_id": "t4", "price": "?"}],
        )
    ]
    second.append(line("x5", "", "u4", item_id="t3", price="9.90"))
    second.append('{"event_id": "cut", "site_id": "sh')
    second += [line(f"v{n}-more", f"2024-05-17T1{n}:00:00Z", f"v{n}", item_id=TASTES["tools"][n - 1]) for n in (1, 2, 3, 4)]
    third += [line("late", "2024-05-16T20:00:00Z", "v4", item_id="w4"), line("ok", "2024-05-18T08:00:00Z", "v4", item_id="w4")]
    # On the last day everyone looks at the item of the group that it had left out: what the models are judged by.
    for taste, users in USERS.items():
        third += [line(f"{user}-left-out", f"2024-05-18T1{n}:00:00Z", user, item_id=TASTES[taste][n or 3]) for n, user in enumerate(users)]
    third.append(
        line("refund", "2024-05-18T08:01:00Z", "v1", "refund", order_id="o-v1", items=[{"item_id": TASTES["tools"][0], "price": "9.90"}])
    )
    return {"2024-05-16": first, "2024-05-17": second, "2024-05-18": third}


@dataclass
class World:
    """A lake, and how to run jobs in it."""

    spark: SparkSession
    lake: Lake
    conf: config.Config

    def flow(self, days: Days, *, source: str | None = "events_jsonl") -> dict[str, execution.RunResult]:
        return {execution.name_of(one): execution.execute(one, self.conf, days, self.spark) for one in river.flow(source)}

    def brought(self, days: Days, jobs: Sequence = ()) -> list[tuple[str, Days]]:
        """Bring the days through the river as far as they are due, and name what ran over which days."""
        told: list[tuple[str, Days]] = []

        def shown(job, result: execution.RunResult | str) -> None:
            if not isinstance(result, str):
                told.append((execution.name_of(job), result.days))

        flow.bring(jobs or UPSTREAM, self.conf, days, self.spark, lambda _: None, shown)
        return told

    def hashes(self) -> dict[tuple[str, date], str]:
        return {key: one.content_hash for key, one in Ledger(self.lake).days.items() if not key[0].startswith(("models", "publish"))}

    def rows(self, table, where: str = "true") -> list:
        return self.lake.read(table).where(where).orderBy(*table.key).collect()


def world(spark: SparkSession, folder: Path, files: dict[str, list[str]]) -> World:
    """A new lake for these files, none of them read yet."""
    landing = folder / "landing"
    landing.mkdir(parents=True)
    for day, lines in files.items():
        (landing / f"events-{day}.jsonl").write_text("\n".join(lines) + "\n")
    return opened(spark, folder)


def opened(spark: SparkSession, folder: Path) -> World:
    """The lake and the landing files of a folder."""
    landing = folder / "landing"
    changes = {"lake.root": str(folder / "lake"), "landing.source": "events_jsonl", "landing.path": str(landing)}
    return World(spark, Lake(spark, str(folder / "lake")), config.load("test", changes | CHANGES))
