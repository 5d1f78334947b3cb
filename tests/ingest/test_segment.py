"""Segment and RudderStack: what calls become, and what is turned away."""

from typing import Any

from ingest.shop import Read, sums, values


def call(kind: str = "track", event: str | None = "Product Viewed", **more: Any) -> dict[str, Any]:
    return {"type": kind, "event": event, "messageId": "m", "anonymousId": "a", "timestamp": "2024-05-06T07:08:09.010Z"} | more


C02 = {
    "type": "track",
    "event": "Order Completed",
    "messageId": "m1",
    "anonymousId": "a",
    "userId": None,
    "timestamp": "2024-05-06T07:08:09.010Z",
    "properties": {
        "order_id": "o1",
        "revenue": 64.90,
        "shipping": 5,
        "currency": "EUR",
        "products": [{"product_id": "A1", "price": 29.95, "quantity": 2}, {"product_id": "B2", "price": 5.00}],
    },
}


def test_a_segment_order_is_a_row_a_product_and_a_retry_is_the_same_event(read: Read) -> None:
    got = read("segment", C02 | {"sentAt": "2024-05-06T07:08:10Z"}, C02 | {"sentAt": "2024-05-06T07:09:10Z"})
    assert (
        values(got, "item_id", "price", "quantity", "currency", "order_id", "user_id", "user_id_kind", "event_at")
        == [
            ("A1", "29.9500", "2.000", "EUR", "o1", "a", "visitor", "2024-05-06 07:08:09.010000"),
            ("B2", "5.0000", "None", "EUR", "o1", "a", "visitor", "2024-05-06 07:08:09.010000"),
        ]
        * 2
    )
    assert len(set(got.column("event_id"))) == 1
    assert got.rows[0].winner_key < got.rows[2].winner_key
    assert got.rows[0].unmapped == '{"properties.revenue":"64.9","properties.shipping":"5"}'
    assert got.files[0].unmapped_fields == {"properties.revenue": 2, "properties.shipping": 2}
    assert sums(got) == (2, 2, 0)


def test_segment_calls_of_every_kind_are_told_apart(read: Read) -> None:
    got = read(
        "segment",
        call("page", None, name="Home", properties={"url": "https://shop.example/", "title": "Home"}),
        call("screen", None, name="Home"),
        call("identify", None, userId="u", traits={"email": "a@shop.example"}),
        call("track", "order_completed", properties={"products": None, "orderId": "o2"}),
        call("track", "Completed Order", properties={"products": []}),
        call("Track", "Product Added", properties={"sku": "S", "price": "9.5"}),
        call("track", "Product Reviewed", userId="", properties={"product_id": "P", "rating": 4, "review_body": "good"}),
        call("track", "Newsletter Joined"),
        call("track", None),
        call(
            "page",
            None,
            timestamp=None,
            originalTimestamp="2024-05-06T09:08:09+02:00",
            context={"sessionId": 17, "campaign": {"name": "x"}},
        ),
        call("track", "Order Completed", properties={"products": {"product_id": "A"}}),
    )
    assert values(got, "event_type", "item_id", "order_id", "user_id", "user_id_kind") == [
        ("page_view", None, None, "a", "visitor"),
        ("page_view", None, None, "a", "visitor"),
        ("engagement", None, None, "u", "account"),
        ("purchase", None, "o2", "a", "visitor"),
        ("purchase", None, None, "a", "visitor"),
        ("add_to_cart", "S", None, "a", "visitor"),
        ("review", "P", None, "a", "visitor"),
        (None, None, None, "a", "visitor"),
        (None, None, None, "a", "visitor"),
        ("page_view", None, None, "a", "visitor"),
        ("purchase", None, None, "a", "visitor"),
    ]
    assert got.problems() == [[]] * 7 + [["unknown_event_type"], ["missing_event_type"], [], ["bad_properties"]]
    assert (got.rows[0].page_url, got.rows[6].rating, got.rows[6].review_text) == ("https://shop.example/", 4.0, "good")
    assert (str(got.rows[9].event_at), got.rows[9].source_session_id, got.rows[9].campaign_id) == ("2024-05-06 07:08:09", "a.17", "x")


def test_a_segment_position_is_that_in_the_list_that_was_shown_or_clicked(read: Read) -> None:
    sent = {"type": "track", "anonymousId": "v1", "timestamp": "2024-05-16T10:00:00Z"}
    products = {"products": [{"product_id": "A1", "position": 3}, {"product_id": "B2"}]}
    got = read(
        "segment",
        sent | {"messageId": "m1", "event": "Product List Viewed", "properties": products},
        sent | {"messageId": "m2", "event": "Order Completed", "properties": products},
        sent | {"messageId": "m3", "event": "product_clicked", "properties": {"product_id": "A1", "position": 3}},
    )
    assert got.column("position") == [3, None, None, None, 3] and got.problems() == [[]] * 5
