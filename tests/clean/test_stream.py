"""Cleaning of adversarial streams: what the definition says, however they are cut into runs, landed, ordered, spread or run again."""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import date

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyspark.sql import Row, SparkSession

from clean.behaviour import DAYS, FILES
from clean.definition import outcomes
from clean.pipeline import Tables
from clean.streams import RECEIVED_AT, Streams, adversarial_streams, visitor_of
from clickmill.contracts.days import Days
from clickmill.contracts.tables import EVENTS, REJECTS

FIRST, SECOND, THIRD = DAYS
WAYS_TO_RUN = (
    [Days(FIRST, FIRST), Days(SECOND, SECOND), Days(THIRD, THIRD)],
    [Days(FIRST, FIRST), Days(SECOND, THIRD)],
    [Days(FIRST, SECOND), Days(THIRD, THIRD)],
)
PARTITIONS = st.permutations(range(1, 8))
# None is of the last day: there is no day after it that could change.
LATE_FILES = st.sets(st.tuples(st.sampled_from([FIRST, SECOND]), st.sampled_from(FILES)), min_size=1, max_size=2)


def tried(examples: int) -> settings:
    """Few examples, for each runs Spark several times; the same ones every time, and as they are: to shrink them takes too long."""
    return settings(
        max_examples=examples, deadline=None, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )


@tried(2)
@given(streams=adversarial_streams())
def test_every_row_is_kept_or_a_copy_and_in_the_session_that_the_definition_says(spark: SparkSession, streams: Streams) -> None:
    assert_cleaned(streams, Tables(spark, streams.zone).run(streams.rows, DAYS))


@tried(1)
@given(streams=adversarial_streams(), order=st.randoms(use_true_random=True), partitions=PARTITIONS)
def test_any_order_of_rows_and_any_number_of_partitions_give_the_same_rows(
    spark: SparkSession, streams: Streams, order: random.Random, partitions: list[int]
) -> None:
    one = Tables(spark, streams.zone).run(streams.rows, DAYS, partitions[0])
    other = Tables(spark, streams.zone).run(order.sample(streams.rows, len(streams.rows)), DAYS, partitions[1])
    assert_equal(streams, rows_of(one), rows_of(other))


@tried(3)
@given(streams=adversarial_streams(), runs=st.sampled_from(WAYS_TO_RUN), partitions=PARTITIONS)
def test_days_run_piece_by_piece_have_the_rows_of_one_pass_and_a_second_pass_changes_nothing(
    spark: SparkSession, streams: Streams, runs: list[Days], partitions: list[int]
) -> None:
    tables = Tables(spark, streams.zone)
    for days, number in zip(runs, partitions, strict=False):
        tables.run(streams.rows, days, number)
    assert_cleaned(streams, tables)
    assert_one_pass_changes_nothing(streams, tables)


@tried(2)
@given(streams=adversarial_streams(), late_files=LATE_FILES)
def test_files_that_land_later_make_only_their_days_and_those_with_another_state_before_them_run_again(
    spark: SparkSession, streams: Streams, late_files: set[tuple[date, str]]
) -> None:
    landed = [row for row in streams.rows if (row["event_date"], row["file"]) not in late_files]
    tables = Tables(spark, streams.zone).run(landed, DAYS)
    made_from = {day: tables.carried_into(day) for day in DAYS}
    for day in DAYS:
        if day in {day for day, _ in late_files} or tables.carried_into(day) != made_from[day]:
            tables.run(streams.rows, Days(day, day))
    assert_cleaned(streams, tables)
    assert_one_pass_changes_nothing(streams, tables)


def assert_cleaned(streams: Streams, tables: Tables) -> None:
    """Cleaning did with every row what the definition says of it, and no row has the key of another."""
    ids = {row["ordinal"]: row["event_id"] for row in streams.rows}
    said = ((ids[ordinal], ordinal, item_pos, *outcome) for (ordinal, item_pos), outcome in outcomes(streams.rows).items())
    kept = ((row.event_id, (row.received_at - RECEIVED_AT).seconds, row.item_pos, "kept", row.session_id) for row in tables.rows[EVENTS])
    copies = ((row.event_id, row.ordinal, row.item_pos, *row.reasons, row.kept_event_id) for row in tables.rows[REJECTS])
    assert_equal(streams, by_visitor(said), by_visitor((*kept, *copies)))
    keys = Counter((id_of(row), table.name, *(row[name] for name in table.key)) for table, rows in tables.rows.items() for row in rows)
    assert_equal(streams, {}, by_visitor((*key, "stands twice") for key, count in keys.items() if count > 1))


def assert_one_pass_changes_nothing(streams: Streams, tables: Tables) -> None:
    """One run of all days, over tables that hold them already, leaves every column of every row as it is."""
    before = rows_of(tables)
    assert_equal(streams, rows_of(tables.run(streams.rows, DAYS)), before)


def rows_of(tables: Tables) -> dict[str, list[str]]:
    return by_visitor((id_of(row), table.name, row.asDict()) for table, rows in tables.rows.items() for row in rows)


def id_of(row: Row) -> str:
    return row["event_id"] if "event_id" in row else row["session_id"]


def by_visitor(facts: Iterable[tuple]) -> dict[str, list[str]]:
    """Facts that start with an event id or a session id, as lines, by the visitor whom they are about."""
    lines: dict[str, list[str]] = defaultdict(list)
    for fact in facts:
        lines[visitor_of(fact[0])].append(" ".join(str(part) for part in fact))
    return {visitor: sorted(lines[visitor]) for visitor in lines}


def assert_equal(streams: Streams, expected: dict[str, list[str]], found: dict[str, list[str]]) -> None:
    """Fail with the first visitor whose lines differ, and with the rows of that visitor."""
    differ = [visitor for visitor in sorted(expected.keys() | found.keys(), key=int) if expected.get(visitor) != found.get(visitor)]
    if differ:
        wanted, got = expected.get(differ[0], []), found.get(differ[0], [])
        told = {
            "rows": streams.of_visitor(differ[0]),
            "expected, not found": [line for line in wanted if line not in got],
            "found, not expected": [line for line in got if line not in wanted],
        }
        text = "\n".join(f"{title}:\n  " + "\n  ".join(lines) for title, lines in told.items())
        pytest.fail(f"{len(differ)} visitors differ. Visitor {differ[0]} of a shop in {streams.zone}:\n{text}", pytrace=False)
