"""All jobs over three hand-written days: what lands, what is turned away, what is recommended, and that nothing moves by itself."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from clickmill import config, execution, flow, river, staleness
from clickmill.contracts.days import Days
from clickmill.contracts.tables import BY_NAME, EVENTS, OPEN_SESSIONS, RECOMMENDATIONS, REJECTS, RUNS, SESSIONS
from clickmill.lake import Lake
from clickmill.ledger import Ledger

DAYS = Days(date(2024, 5, 16), date(2024, 5, 18))
# What makes tables of days out of events: no states of items and users land here.
BY_DAY = ("ingest_events", "find_bots", "find_value_ranges", "clean_events", "build_sessions", "link_identities", "build_interactions")
UPSTREAM = [one for one in river.flow("events_jsonl") if execution.name_of(one) in BY_DAY]
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

        def shown(job, result: execution.RunResult | None) -> None:
            if result is not None:
                told.append((execution.name_of(job), result.days))

        flow.bring(jobs or UPSTREAM, self.conf, days, self.spark, lambda _: None, shown)
        return told

    def hashes(self) -> dict[tuple[str, date], str]:
        return {key: one.content_hash for key, one in Ledger(self.lake).days.items() if not key[0].startswith(("models", "publish"))}

    def rows(self, table, where: str = "true") -> list:
        return self.lake.read(table).where(where).orderBy(*table.key).collect()


def world(spark: SparkSession, folder: Path, files: dict[str, list[str]]) -> World:
    landing = folder / "landing"
    landing.mkdir(parents=True)
    for day, lines in files.items():
        (landing / f"events-{day}.jsonl").write_text("\n".join(lines) + "\n")
    changes = {"lake.root": str(folder / "lake"), "landing.source": "events_jsonl", "landing.path": str(landing)}
    changes |= {"evaluation.test_days": 1, "evaluation.min_users": 8}
    return World(spark, Lake(spark, str(folder / "lake")), config.load("test", changes))


@pytest.fixture(scope="module")
def ran(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> tuple[World, dict[str, execution.RunResult]]:
    made = world(spark, tmp_path_factory.mktemp("river"), landings())
    return made, made.flow(DAYS)


def test_records_and_rows_add_up_and_every_reason_is_named(ran) -> None:
    _, results = ran
    lines = sum(len(lines) for lines in landings().values())
    ingested = results["ingest_events"].counts
    assert (ingested["records"], ingested["mapped"] + ingested["rejected"]) == (lines, lines)
    cleaned = results["clean_events"].counts
    assert cleaned["rows"] == cleaned["clean"] + cleaned["rejects"] + cleaned["copies"] == ingested["rows"]
    reasons = {key.removeprefix("reason "): count for key, count in cleaned.items() if key.startswith("reason ")}
    assert reasons["exact_copy"] == 1 and reasons["unknown_event_type"] == 1 and reasons["bad_price"] == 2
    assert reasons["bad_event_at"] == 1 and reasons["bad_json"] == 1
    # Only the empty time is missing: the others were there, and bad.
    assert {name: count for name, count in reasons.items() if name.endswith("_missing")} == {"event_at_missing": 1}


def test_one_bad_item_turns_away_its_own_row_only(ran) -> None:
    made, _ = ran
    assert [row.item_id for row in made.rows(EVENTS, "order_id = 'o9'")] == ["t3"]


def test_undated_and_unreadable_rows_lie_under_their_landing_day(ran) -> None:
    made, _ = ran
    rows = made.rows(REJECTS, "exists(reasons, reason -> reason in ('bad_event_at', 'event_at_missing', 'bad_json'))")
    assert [str(row.event_date) for row in rows] == ["2024-05-17"] * 3
    assert made.rows(EVENTS, "event_date is null") == []


def test_a_late_event_is_taken_into_its_own_day(ran) -> None:
    made, _ = ran
    assert [str(row.event_date) for row in made.rows(EVENTS, "landing_date > event_date")] == ["2024-05-16"]


def test_a_session_goes_on_over_midnight(ran) -> None:
    made, _ = ran
    night = made.rows(EVENTS, "event_at between '2024-05-16 23:50:00' and '2024-05-17 00:10:00'")
    assert len(night) == 2 and len({row.session_id for row in night}) == 1
    closed = made.rows(SESSIONS, f"session_id = '{night[0].session_id}'")
    assert [(str(row.event_date), row.event_count) for row in closed] == [("2024-05-17", 2)]


def test_lists_hold_ids_as_written_stay_within_the_taste_and_have_no_holes(ran) -> None:
    made, _ = ran
    lists: dict[str, list] = {}
    for row in made.rows(RECOMMENDATIONS):
        lists.setdefault(row.user_id, []).append(row)
    assert set(lists) >= {"*", *USERS["tea"], *USERS["tools"]}
    for taste, users in USERS.items():
        for user in users:
            assert [row["rank"] for row in lists[user]] == list(range(1, len(lists[user]) + 1))
            assert lists[user][0].source in ("als", "item_neighbours") and lists[user][0].item_id in TASTES[taste]
    bought = {(row.user_id, row.item_id) for row in made.rows(EVENTS, "event_type = 'purchase'")}
    refunded = {(row.user_id, row.item_id) for row in made.rows(EVENTS, "event_type = 'refund'")}
    listed = {(row.user_id, row.item_id) for row in made.rows(RECOMMENDATIONS)}
    assert listed.isdisjoint(bought - refunded) and refunded <= bought
    assert {item for _, item in listed} <= {item for items in TASTES.values() for item in items}


def test_the_same_files_again_change_nothing(ran) -> None:
    made, _ = ran
    before = made.hashes()
    again = made.brought(DAYS, river.flow("events_jsonl"))
    assert again == [("ingest_events", DAYS)], "it looks at the files, and nothing else has anything to do"
    assert made.hashes() == before
    assert [one for one in staleness.stale(river.jobs(), made.conf, Ledger(made.lake)) if not one.frozen] == []


def test_day_after_day_with_late_events_gives_the_tables_of_one_run(ran, spark: SparkSession, tmp_path: Path) -> None:
    made, _ = ran
    other = world(spark, tmp_path, landings())
    other.brought(Days(DAYS.first, date(2024, 5, 17)))
    last = other.brought(Days(DAYS.last, DAYS.last))
    assert ("clean_events", DAYS) in last, "the late event makes its own day stale, and that one the days after it"
    assert {name for name, _ in other.hashes()} >= {EVENTS.name, REJECTS.name, OPEN_SESSIONS.name, SESSIONS.name}
    assert other.hashes() == {key: value for key, value in made.hashes().items() if key in other.hashes()}


def test_a_session_over_midnight_keeps_its_id_when_the_second_day_lands_first(spark: SparkSession, tmp_path: Path) -> None:
    first = [line("n1", "2024-05-16T23:50:00Z", "u1", item_id="i1", campaign_id="x")]
    second = [
        line("n2", "2024-05-17T00:05:00Z", "u1", item_id="i2"),
        line("n3", "2024-05-17T00:20:00Z", "u1", item_id="i3", campaign_id="y"),
    ]
    made = world(spark, tmp_path, {"2024-05-16": first, "2024-05-17": second})
    chosen = [river.job(name) for name in ("ingest_events", "find_bots", "clean_events")]
    early, late = Days(DAYS.first, DAYS.first), Days(date(2024, 5, 17), date(2024, 5, 17))
    made.brought(late, chosen)
    assert len({row.session_id for row in made.rows(EVENTS)}) == 1
    assert ("clean_events", Days(early.first, late.last)) in made.brought(Days(early.first, late.last), chosen)
    assert len({row.session_id for row in made.rows(EVENTS)}) == 1 and len(made.rows(EVENTS)) == 3


def test_every_table_of_the_river_has_rows_days_and_a_run(ran) -> None:
    made, results = ran
    written = {one.table.name for result in results.values() for one in result.tables}
    optional = {"raw.items", "raw.users", "raw.item_files", "raw.user_files"}
    assert written | optional | {"ops.runs", "ops.days", "ops.releases"} == set(BY_NAME)
    assert {row.status for row in made.rows(RUNS)} == {"done"}
