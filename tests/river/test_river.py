"""All jobs over three hand-written days: what lands, what is turned away, what is recommended, and that nothing moves by itself."""

import re
from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from clickmill import quality, river, staleness
from clickmill.contracts.days import Days
from clickmill.contracts.tables import BY_NAME, EVENTS, OPEN_SESSIONS, RECOMMENDATIONS, REJECTS, RUNS, SESSIONS
from clickmill.ledger import Ledger
from river.small_shop import DAYS, TASTES, USERS, landings, line, world
from ungated import passes


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


def test_the_bucket_of_a_visitor_is_what_the_dictionary_says(ran) -> None:
    made, _ = ran
    comment = EVENTS.schema["visitor_bucket"].metadata["comment"]
    formula = re.search(r"shiftright\(.*\) \+ 128", comment)[0]
    rows = made.lake.read(EVENTS).select("visitor_bucket", F.expr(formula).cast("int").alias("told")).collect()
    assert len({row.told for row in rows}) > 5 and all(row.visitor_bucket == row.told for row in rows)


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


def test_day_after_day_with_late_events_gives_the_tables_of_one_run(
    ran, spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quality, "gate", passes)  # these rows went through it in `ran`
    made, _ = ran
    other = world(spark, tmp_path, landings())
    other.brought(Days(DAYS.first, date(2024, 5, 17)))
    last = other.brought(Days(DAYS.last, DAYS.last))
    cleaned = [days for name, days in last if name == "clean_events"]
    assert cleaned == [Days(DAYS.first, DAYS.first), Days(DAYS.last, DAYS.last)], "the late event makes its own day stale, and no other"
    assert {name for name, _ in other.hashes()} >= {EVENTS.name, REJECTS.name, OPEN_SESSIONS.name, SESSIONS.name}
    assert other.hashes() == {key: value for key, value in made.hashes().items() if key in other.hashes()}


def test_a_session_over_midnight_keeps_its_id_when_the_second_day_lands_first(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quality, "gate", passes)  # what is tried is the order of days, not the rules
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
    cleaned = [days for name, days in made.brought(Days(early.first, late.last), chosen) if name == "clean_events"]
    assert cleaned == [early, late], "the second day is made again of what the first left open"
    assert len({row.session_id for row in made.rows(EVENTS)}) == 1 and len(made.rows(EVENTS)) == 3


def test_every_table_of_the_river_has_rows_days_and_a_run(ran) -> None:
    made, results = ran
    written = {one.table.name for result in results.values() for one in result.tables}
    optional = {"raw.items", "raw.users", "raw.item_files", "raw.user_files"}
    assert written | optional | {"ops.runs", "ops.days", "ops.releases"} == set(BY_NAME)
    assert {row.status for row in made.rows(RUNS)} == {"done"}
