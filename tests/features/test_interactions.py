"""Events of a user with an item on a day become one signed weight."""

from decimal import Decimal
from typing import Any

from pyspark.sql import Row, SparkSession

from builders import DAY, NEXT_DAY, at, frame
from clickmill.contracts.events import EVENT_TYPES
from clickmill.contracts.tables import EVENTS, INTERACTIONS
from clickmill.features.interactions import counts, interactions

WEIGHTS = dict.fromkeys(EVENT_TYPES, 0) | {"item_view": 1, "add_to_cart": 4, "remove_from_cart": -4, "purchase": 8, "refund": -8}


def event(event_type: str, when: str = "10:00", *, user: str | None = "u1", item: str | None = "i1", **changes: Any) -> dict[str, Any]:
    event_at = at(when)
    row = {
        "event_id": "e",
        "item_pos": 0,
        "event_date": event_at.date(),
        "landing_date": event_at.date(),
        "event_at": event_at,
        "source": "log",
    }
    row |= {"site_id": "shop", "visitor_bucket": 0, "user_id": user, "user_id_kind": "account", "item_id": item, "event_type": event_type}
    return row | {"is_bot": False, "is_day_only": False} | changes


def made(spark: SparkSession, *rows: dict[str, Any], weights: dict[str, int] = WEIGHTS, partitions: int = 1) -> list[Row]:
    events = frame(spark, EVENTS, rows).repartition(partitions)
    return interactions(events, weights=weights).orderBy(*INTERACTIONS.key).collect()


def test_the_weights_of_a_day_add_up_and_a_refund_takes_away(spark: SparkSession) -> None:
    [row] = made(spark, event("item_view"), event("purchase", "11:00"), event("purchase", "12:30"), event("refund", "12:00"))
    assert (row.weight, row.event_count, row.purchased_quantity, row.refunded_quantity) == (9.0, 4, 2, 1)
    assert row.last_event_at == at("12:30")


def test_a_refund_alone_weighs_against_the_item(spark: SparkSession) -> None:
    [row] = made(spark, event("refund"))
    assert (row.weight, row.purchased_quantity, row.refunded_quantity) == (-8.0, 0, 1)


def test_pieces_are_counted_and_a_missing_quantity_is_one(spark: SparkSession) -> None:
    [row] = made(spark, event("purchase", quantity=Decimal(6)), event("purchase", quantity=None), event("refund", quantity=Decimal("2.5")))
    assert (row.purchased_quantity, row.refunded_quantity) == (7, Decimal("2.5"))


def test_machines_and_events_without_a_user_or_an_item_are_left_out(spark: SparkSession) -> None:
    rows = made(
        spark, event("purchase", is_bot=True), event("purchase", user=None), event("search", item=None), event("item_view", item="i2")
    )
    assert [(row.user_id, row.item_id) for row in rows] == [("u1", "i2")]


def test_a_refund_of_a_whole_order_weighs_against_no_item_and_is_counted(spark: SparkSession) -> None:
    whole = [event("refund", item=None, order_id="o1"), event("refund", item=None, is_bot=True), event("page_view", item=None)]
    events = frame(spark, EVENTS, [event("purchase", order_id="o1"), event("refund"), *whole])
    assert counts(events) == {"refunds that name no item, and weigh against none": 1}


def test_a_type_that_weighs_nothing_is_left_out_unless_it_rates_or_counts(spark: SparkSession) -> None:
    rows = made(
        spark,
        event("impression", item="shown"),
        event("review", item="rated", rating=4.0),
        event("purchase", item="bought"),
        event("refund", item="returned"),
        weights=dict.fromkeys(EVENT_TYPES, 0),
    )
    assert [(row.item_id, row.weight) for row in rows] == [("bought", 0.0), ("rated", 0.0), ("returned", 0.0)]


def test_days_sites_and_kinds_of_user_are_kept_apart(spark: SparkSession) -> None:
    rows = made(
        spark,
        event("item_view"),
        event("item_view", "2024-05-17 00:00"),
        event("item_view", site_id="other"),
        event("item_view", user_id_kind="visitor"),
    )
    assert [(row.event_date, row.site_id, row.user_id_kind) for row in rows] == [
        (DAY, "other", "account"),
        (DAY, "shop", "account"),
        (DAY, "shop", "visitor"),
        (NEXT_DAY, "shop", "account"),
    ]


def test_the_mean_rating_is_the_same_in_any_order_and_partitioning(spark: SparkSession) -> None:
    # As doubles, 0.1 + 0.2 + 0.3 and 0.3 + 0.2 + 0.1 differ in their last bit.
    ratings = [event("review", rating=value) for value in (0.1, 0.2, 0.3)]
    [forward] = made(spark, *ratings)
    [backward] = made(spark, *reversed(ratings), partitions=3)
    assert forward.rating == backward.rating == 0.6 / 3
    [unrated] = made(spark, event("item_view"))
    assert unrated.rating is None


def test_a_range_of_days_gives_the_rows_of_its_days(spark: SparkSession) -> None:
    first = [event("item_view"), event("purchase", user="u2")]
    second = [event("item_view", "2024-05-17 00:00:01"), event("refund", "2024-05-17 09:00", user="u2")]
    assert made(spark, *first, *second) == made(spark, *first) + made(spark, *second)


def test_no_event_is_no_interaction(spark: SparkSession) -> None:
    assert interactions(frame(spark, EVENTS, []), weights=WEIGHTS).count() == 0
