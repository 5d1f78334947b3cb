"""Snowplow: what enriched lines become, and what is turned away."""

import json
from typing import Any

from clickmill.ingest import check
from clickmill.ingest.source import parse
from ingest.shop import Read, sums, values, yaml


def enriched(count: int = 131, **fields: str) -> str:
    """A line by the places of its fields, counted from 1 in the public list."""
    places = {"app_id": 1, "collector_tstamp": 4, "event": 6, "event_id": 7, "user_id": 13, "domain_userid": 16, "network_userid": 18}
    places |= {"page_url": 30, "contexts": 53, "unstruct_event": 59, "ti_orderid": 68, "ti_sku": 69, "ti_price": 72, "ti_quantity": 73}
    places |= {"ti_currency": 113, "domain_sessionid": 124, "derived_tstamp": 125, "event_name": 127, "true_tstamp": 131}
    defaults = {
        "app_id": "shop",
        "collector_tstamp": "2024-05-06 07:08:09.010",
        "event": "page_view",
        "event_id": "e",
        "domain_userid": "d",
    }
    line = [""] * count
    for name, value in (defaults | fields).items():
        line[places[name] - 1] = value
    return "\t".join(line)


def test_an_enriched_line_has_131_fields_or_is_turned_away_and_nothing_is_shifted(read: Read, spark, land) -> None:
    full = enriched(true_tstamp="2024-05-06 07:08:07.500", domain_sessionid="s1", event_id="e3")
    lines = [enriched(page_url="https://shop.example/"), enriched(129), full, enriched(130), enriched(132), enriched().rstrip("\t")]
    got = read("snowplow", *lines)
    assert lines[0].endswith("\t" * 20)
    assert got.problems() == [
        [],
        ["wrong_field_count: 129 fields, 131 expected"],
        [],
        ["wrong_field_count: 130 fields, 131 expected"],
        ["wrong_field_count: 132 fields, 131 expected"],
        ["wrong_field_count: 16 fields, 131 expected"],
    ]
    assert (
        values(got, "event_at", "visitor_id", "page_url", "source_session_id")
        == [
            ("2024-05-06 07:08:09.010000", "d", "https://shop.example/", None),
            ("None", None, None, None),
            ("2024-05-06 07:08:07.500000", "d", None, "s1"),
        ]
        + [("None", None, None, None)] * 3
    )
    assert [(row.file, row.ordinal) for row in got.rows] == [("landed", n) for n in range(6)]
    assert sums(got) == (6, 2, 4)
    assert got.counts["reason wrong_field_count"] == 4
    report = check.check(spark, parse(yaml("snowplow"), "snowplow.yaml"), land({}), zone="UTC")
    assert "problem wrong_field_count: 4 rows, first at landed line 2: 129 fields, 131 expected" in report.lines()
    assert "explodes contexts: each element is a row" in report.lines()


def test_snowplow_products_stand_in_contexts_or_in_transaction_items(read: Read) -> None:
    start = "iglu:com.snowplowanalytics.snowplow"

    def contexts(*entities: tuple[str, Any]) -> str:
        return json.dumps({"schema": "x", "data": [{"schema": f"{start}{name}/jsonschema/1-0-0", "data": data} for name, data in entities]})

    def action(kind: str) -> dict[str, str]:
        data = {"schema": f"{start}.ecommerce/snowplow_ecommerce_action/jsonschema/1-0-2", "data": {"type": kind}}
        return {"event": "unstruct", "event_name": "snowplow_ecommerce_action", "unstruct_event": json.dumps({"schema": "x", "data": data})}

    product = (".ecommerce/product", {"id": "A1", "price": 2.5, "currency": "EUR", "quantity": 3})
    got = read(
        "snowplow",
        enriched(
            **action("transaction"),
            contexts=contexts(("/web_page", {"id": "p"}), product, product, (".ecommerce/transaction", {"transaction_id": "o1"})),
        ),
        enriched(**action("product_view"), contexts=contexts(("/web_page", {"id": "p"}))),
        enriched(**action("add_to_cart"), contexts='{"data": [{"sch'),
        enriched(
            event="transaction_item",
            event_name="transaction_item",
            ti_orderid="o2",
            ti_sku="B2",
            ti_price="7",
            ti_quantity="1",
            ti_currency="GBP",
        ),
        enriched(event="struct", event_name="event", domain_userid="", network_userid="n", user_id="u"),
        enriched(event="unstruct", event_name="own_event", domain_userid=""),
    )
    assert values(got, "event_type", "item_id", "price", "quantity", "currency", "order_id", "item_pos", "user_id") == [
        ("purchase", "A1", "2.5000", "3.000", "EUR", "o1", 1, "d"),
        ("purchase", "A1", "2.5000", "3.000", "EUR", "o1", 2, "d"),
        ("item_view", None, "None", "None", None, None, 0, "d"),
        ("add_to_cart", None, "None", "None", None, None, 1, "d"),
        ("purchase", "B2", "7.0000", "1.000", "GBP", "o2", 0, "d"),
        ("engagement", None, "None", "None", None, None, 0, "u"),
        (None, None, "None", "None", None, None, 0, None),
    ]
    assert got.problems() == [[], [], [], ["bad_item"], [], [], ["unknown_event_type"]]


def test_snowplow_visitors_who_ask_to_stay_anonymous_are_nobody_and_not_one_visitor(read: Read) -> None:
    zeros = "00000000-0000-0000-0000-000000000000"
    hidden = {"event": "page_view", "event_name": "page_view", "domain_userid": "", "network_userid": zeros, "domain_sessionid": zeros}
    lines = [enriched(**hidden, event_id="e1"), enriched(**hidden | {"domain_userid": zeros}, event_id="e2"), enriched(event_id="e3")]
    got = read("snowplow", *lines)
    assert values(got, "visitor_id", "user_id", "source_session_id")[:2] == [(None, None, None)] * 2
    assert got.rows[2].visitor_id == "d" and len(set(got.column("event_id"))) == 3


def test_a_snowplow_position_is_that_in_the_list_that_was_shown_or_clicked(read: Read) -> None:
    product = {"schema": "iglu:com.snowplowanalytics.snowplow.ecommerce/product/jsonschema/1-0-0", "data": {"id": "A1", "position": 2}}
    contexts = json.dumps({"data": [product]})
    told = [
        enriched(
            event_id=kind,
            event_name="snowplow_ecommerce_action",
            contexts=contexts,
            unstruct_event=json.dumps({"data": {"data": {"type": kind}}}),
        )
        for kind in ("list_view", "add_to_cart", "list_click")
    ]
    got = read("snowplow", *told)
    assert got.column("position") == [2, None, 2] and got.problems() == [[]] * 3
