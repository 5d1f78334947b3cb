"""Copies: which record of an event is kept, and which is turned away as what."""

from collections import Counter
from datetime import date
from decimal import Decimal

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from builders import DAY, NEXT_DAY, raw_event
from clean.pipeline import WINDOWS, clean, of_visitors, states
from clickmill.clean import sessions
from clickmill.contracts.days import Days
from clickmill.contracts.tables import OPEN_SESSIONS

ONE_DAY = Days(DAY, DAY)


def kept_times(cleaned) -> list[str]:
    return sorted(row.event_at.isoformat(timespec="milliseconds") for row in cleaned.events.collect())


def reasons(cleaned) -> list[str]:
    return sorted(row.reasons[0] for row in cleaned.copies.collect())


@pytest.mark.parametrize("partitions", [1, 7])
def test_the_earliest_record_of_an_id_is_kept_whatever_the_order_of_files(spark: SparkSession, partitions) -> None:
    rows = [
        row
        for visitor, one, other in (("a", "f1", "f2"), ("b", "f2", "f1"))
        for row in (
            raw_event("10:00:00.200", visitor=visitor, event_id=f"e{visitor}", item_id="p", file=one, ordinal=0),
            raw_event("10:00:00.100", visitor=visitor, event_id=f"e{visitor}", item_id="q", file=one, ordinal=1),
            raw_event("10:00:00.100", visitor=visitor, event_id=f"e{visitor}", item_id="q", file=other, ordinal=0),
        )
    ]
    cleaned = clean(spark, rows, ONE_DAY, partitions=partitions)
    kept = sorted((row.event_id, row.item_id, row.event_at.microsecond) for row in cleaned.events.collect())
    assert kept == [("ea", "q", 100_000), ("eb", "q", 100_000)]
    turned_away = sorted((row.event_id, *row.reasons) for row in cleaned.copies.collect())
    assert turned_away == [("ea", "conflicting_copy"), ("ea", "exact_copy"), ("eb", "conflicting_copy"), ("eb", "exact_copy")]


def test_the_delivery_that_supersedes_wins_over_an_earlier_record(spark: SparkSession) -> None:
    rows = [
        raw_event("10:00:00", event_id="e1", item_id="intraday", delivery_rank=1),
        raw_event("10:00:05", event_id="e1", item_id="daily", delivery_rank=0),
    ]
    cleaned = clean(spark, rows, ONE_DAY)
    assert [row.item_id for row in cleaned.events.collect()] == ["daily"]


def test_all_items_of_an_event_come_from_one_record(spark: SparkSession) -> None:
    rows = [raw_event("10:00:01", event_id="e1", item_pos=pos, item_id=f"late{pos}", ordinal=1) for pos in (1, 2, 3)]
    rows += [raw_event("10:00:00", event_id="e1", item_pos=pos, item_id=f"first{pos}", ordinal=0) for pos in (1, 2)]
    cleaned = clean(spark, rows, ONE_DAY)
    assert sorted(row.item_id for row in cleaned.events.collect()) == ["first1", "first2"]
    assert reasons(cleaned) == ["conflicting_copy"] * 3


def test_a_retry_that_arrives_later_is_an_exact_copy_also_of_a_list(spark: SparkSession) -> None:
    def record(ordinal: int, received: str) -> list[dict]:
        return [
            raw_event("10:00", event_id="e1", item_pos=pos, item_id=f"i{pos}", ordinal=ordinal, received_at=raw_event(received)["event_at"])
            for pos in (1, 2)
        ]

    cleaned = clean(spark, record(0, "10:00:01") + record(1, "10:05"), ONE_DAY)
    assert len(cleaned.events.collect()) == 2
    assert reasons(cleaned) == ["exact_copy", "exact_copy"]


def test_a_reloaded_confirmation_page_is_one_purchase(spark: SparkSession) -> None:
    def bought(when: str, order: str, price: str, **changes) -> dict:
        return raw_event(when, event_type="purchase", order_id=order, price=price, **changes)

    rows = [
        bought("09:31:35", "o1", "175"),
        bought("09:31:36", "o1", "175.0000", position=1),
        bought("09:45", "o1", "175"),
        bought("09:46", "o2", "175"),
    ]
    cleaned = clean(spark, rows, ONE_DAY)
    assert sorted((row.order_id, row.event_at.strftime("%H:%M:%S")) for row in cleaned.events.collect()) == [
        ("o1", "09:31:35"),
        ("o2", "09:46:00"),
    ]
    assert reasons(cleaned) == ["near_copy", "near_copy"]
    first = next(row.event_id for row in cleaned.events.collect() if row.order_id == "o1")
    assert {row.kept_event_id for row in cleaned.copies.collect()} == {first}


def test_pieces_of_an_order_that_go_back_one_after_the_other_are_refunds_of_their_own(spark: SparkSession) -> None:
    rows = [
        raw_event(when, event_id=name, event_type="refund", order_id="o1", item_id="i1")
        for name, when in (("r1", "10:00"), ("r2", "15:00"))
    ]
    assert reasons(clean(spark, rows, ONE_DAY)) == []


def test_a_copy_of_a_near_copy_names_the_event_that_was_kept_also_on_the_day_after(spark: SparkSession) -> None:
    rows = [raw_event("23:50:00", event_id="e1"), raw_event("23:50:01", event_id="e2")]
    rows += [raw_event("23:50:01", event_id="e2"), raw_event("2024-05-17 00:10", event_id="e2")]
    together = clean(spark, rows, Days(DAY, NEXT_DAY))
    one = clean(spark, rows, ONE_DAY)
    two = clean(spark, rows, Days(NEXT_DAY, NEXT_DAY), one.open_sessions)
    expected = [("conflicting_copy", "e1"), ("exact_copy", "e1"), ("near_copy", "e1")]
    assert sorted((*row.reasons, row.kept_event_id) for row in together.copies.collect()) == expected
    assert sorted((*row.reasons, row.kept_event_id) for part in (one, two) for row in part.copies.collect()) == expected


def test_equal_acts_are_near_copies_up_to_exactly_the_window(spark: SparkSession) -> None:
    rows = [raw_event("10:00:00", visitor="a"), raw_event("10:00:01", visitor="a", event_id="within")]
    rows += [raw_event("10:00:00", visitor="b"), raw_event("10:00:01.000001", visitor="b", event_id="after")]
    copies = clean(spark, rows, ONE_DAY).copies.collect()
    assert [(row.event_id, *row.reasons) for row in copies] == [("within", "near_copy")]


TEXT_OF_ACTS = ("item_id", "currency", "order_id", "review_text", "query", "page_url", "campaign_id", "impression_id")
TEXT_BESIDE = ("account_id", "category", "device", "country", "request_id", "placement", "experiment", "variant", "unmapped")
DONE = dict.fromkeys(TEXT_OF_ACTS, "x") | {"event_type": "add_to_cart", "quantity": Decimal(2), "price": Decimal(3), "rating": 4.0}
SAID_BESIDE = dict.fromkeys(TEXT_BESIDE, "x") | {"position": 1, "propensity": 0.5}


def test_acts_are_two_where_one_thing_done_differs_and_records_of_an_id_conflict_where_anything_does(spark: SparkSession) -> None:
    rows = []
    for name, value in (DONE | SAID_BESIDE).items():
        acts = {"visitor": f"acts, {name}"}
        rows += [raw_event(**acts, event_id=f"first, {name}"), raw_event(**acts, event_id=f"second, {name}", **{name: value})]
        record = {"visitor": f"records, {name}", "event_id": f"record, {name}"}
        rows += [raw_event(**record, ordinal=0), raw_event(**record, ordinal=1, **{name: value})]
    copies = {row.event_id: row.reasons[0] for row in clean(spark, rows, ONE_DAY).copies.collect()}
    repeated = {f"second, {name}": "near_copy" for name in SAID_BESIDE}
    assert copies == repeated | {f"record, {name}": "conflicting_copy" for name in DONE | SAID_BESIDE}


def test_equal_items_of_one_event_are_no_copies_of_each_other(spark: SparkSession) -> None:
    rows = [raw_event("10:00", event_id="e1", event_type="purchase", order_id="o1", item_pos=pos, ordinal=0) for pos in (1, 2)]
    assert len(clean(spark, rows, ONE_DAY).events.collect()) == 2


def test_a_source_without_near_copies_keeps_equal_acts_and_any_source_its_engagement(spark: SparkSession) -> None:
    rows = [raw_event("10:00", visitor="a", has_near_copies=False) for _ in range(3)]
    # A first visit: the session starts, the visitor is new and the page is there, all at once; then the visitor signs in.
    begun = {"visitor": "b", "item_id": None, "page_url": "/"}
    rows += [raw_event("10:00", **begun, event_type=kind) for kind in ("engagement", "engagement", "page_view", "page_view")]
    rows += [raw_event("10:00:00.200", **begun, event_type="engagement", account_id="signed in")]
    cleaned = clean(spark, rows, ONE_DAY)
    kept = Counter((row.visitor_id, row.event_type, row.account_id) for row in cleaned.events.collect())
    assert kept == {
        ("a", "item_view", None): 3,
        ("b", "engagement", None): 2,
        ("b", "engagement", "signed in"): 1,
        ("b", "page_view", None): 1,
    }


def test_an_id_goes_on_over_midnight_within_the_horizon_in_one_run_and_in_two(spark: SparkSession) -> None:
    rows = [raw_event("23:50", event_id="within"), raw_event("2024-05-17 00:49", event_id="within", item_id="q")]
    rows += [raw_event("23:50", visitor="b", event_id="after"), raw_event("2024-05-17 00:51", visitor="b", event_id="after", item_id="q")]
    together = clean(spark, rows, Days(DAY, NEXT_DAY))
    one = clean(spark, rows, ONE_DAY)
    two = clean(spark, rows, Days(NEXT_DAY, NEXT_DAY), carried=one.open_sessions)
    assert sorted(row.event_id for row in together.events.collect()) == ["after", "after", "within"]
    assert kept_times(together) == sorted(kept_times(one) + kept_times(two))


def test_an_id_that_comes_back_after_the_horizon_is_another_event_with_a_session_of_its_own(spark: SparkSession) -> None:
    rows = [raw_event("10:00", event_id="e1"), raw_event("2024-05-17 15:00", event_id="e1", item_id="q")]
    together = clean(spark, rows, Days(DAY, NEXT_DAY)).events.collect()
    assert sorted((str(row.event_date), row.session_id) for row in together) == [
        ("2024-05-16", "e1-20240516"),
        ("2024-05-17", "e1-20240517"),
    ]


def test_a_purchase_reloaded_under_its_own_id_is_still_looked_for_on_the_day_after(spark: SparkSession) -> None:
    rows = [
        raw_event("12:00", event_id="e1", event_type="purchase", order_id="o1"),
        raw_event("2024-05-17 08:00", event_id="e1", event_type="purchase", order_id="o1"),
        raw_event("2024-05-18 06:00", event_id="e2", event_type="purchase", order_id="o1"),
    ]
    carried = None
    for day in (DAY, NEXT_DAY, date(2024, 5, 18)):
        cleaned = clean(spark, rows, Days(day, day), carried)
        carried = cleaned.open_sessions
    assert [(*row.reasons, row.kept_event_id) for row in cleaned.copies.collect()] == [("near_copy", "e1")]


def purchase_of_two(event_id: str, when: str, ordinal: int, *items: str) -> list[dict]:
    return [
        raw_event(when, event_id=event_id, event_type="purchase", order_id="o1", item_pos=pos, item_id=item, ordinal=ordinal)
        for pos, item in enumerate(items, 1)
    ]


def test_a_conflicting_list_that_shares_an_item_does_not_hide_the_one_that_was_kept_from_the_day_after(spark: SparkSession) -> None:
    rows = [*purchase_of_two("e1", "23:50", 0, "a", "b"), *purchase_of_two("e1", "23:50", 1, "a", "x")]
    rows += [raw_event("23:55", event_id="e2"), *purchase_of_two("e3", "2024-05-17 00:05", 2, "a", "b")]
    one = clean(spark, rows, ONE_DAY)
    assert reasons(one) == ["conflicting_copy", "conflicting_copy"]
    two = clean(spark, rows, Days(NEXT_DAY, NEXT_DAY), one.open_sessions)
    assert (kept_times(two), reasons(two)) == ([], ["near_copy", "near_copy"])


def test_content_that_two_records_of_an_id_share_is_handed_on_once_also_where_it_is_the_last_of_a_session(spark: SparkSession) -> None:
    rows = [*purchase_of_two("e1", "23:50", 0, "a", "b"), *purchase_of_two("e1", "23:50", 1, "x", "b")]
    handed_on = clean(spark, rows, ONE_DAY).open_sessions.collect()
    assert len(handed_on) == 3 and len({tuple(row[name] for name in OPEN_SESSIONS.key) for row in handed_on}) == 3


def test_copies_of_rows_without_a_visitor_are_found_by_their_id(spark: SparkSession) -> None:
    rows = [raw_event("10:00", visitor=None, event_id="e1"), raw_event("10:00", visitor=None, event_id="e1")]
    cleaned = clean(spark, rows, ONE_DAY)
    assert len(cleaned.events.collect()) == 1 and reasons(cleaned) == ["exact_copy"]
    assert cleaned.events.first().session_id is None


def test_the_same_text_in_another_column_is_other_content(spark: SparkSession) -> None:
    said = {"event_id": "e1", "event_type": "page_view", "item_id": None}
    rows = [raw_event("10:00", **said, query="shoes", ordinal=0), raw_event("10:00", **said, page_url="shoes", ordinal=1)]
    assert reasons(clean(spark, rows, ONE_DAY)) == ["conflicting_copy"]


def test_a_row_is_taken_out_by_its_place_and_not_for_its_id_alone(spark: SparkSession) -> None:
    rows = [raw_event("10:00", event_id="e1", ordinal=1), raw_event("10:05", event_id="e2", ordinal=2)]
    moved = of_visitors(spark, rows, ONE_DAY, states(spark, ONE_DAY, None))
    first = moved.where("event_id = 'e1'").select("*", "_record.*")
    for ordinal, left in ((7, ["e1", "e2"]), (1, ["e2"])):
        copy = first.withColumn("ordinal", F.lit(ordinal).cast("long"))
        assert sorted(row.event_id for row in sessions.events(moved, copy, WINDOWS).collect()) == left
