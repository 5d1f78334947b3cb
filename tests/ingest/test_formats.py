"""The formats that people have, each by its own source file: what their records become, and what is turned away."""

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from clickmill.contracts import resources
from clickmill.ingest import check
from clickmill.ingest.manifest import WAITING
from clickmill.ingest.source import parse
from ingest.shop import Ingested

LANDING = Path(__file__).resolve().parents[1] / "fixtures" / "landing"
Read = Callable[..., Ingested]


def yaml(name: str) -> str:
    return resources.text(f"conf/sources/{name}.yaml")


@pytest.fixture
def read(run, land) -> Read:
    """Ingest lines, or whole files by name, by a shipped source; the days run from 2016 to 2024."""

    def ingested(
        name: str, *lines: Any, text: str | None = None, files: dict[str, bytes | str] | None = None, zone: str = "UTC"
    ) -> Ingested:
        told = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        folder = land(files or {"landed": "".join(f"{line}\n" for line in told)})
        return run(text or yaml(name), folder, first=date(2016, 1, 1), last=date(2024, 12, 31), name=name, zone=zone)

    return ingested


def sums(got: Ingested) -> tuple[int, int, int]:
    """Records, and how many of them were mapped and rejected."""
    return got.counts["records"], got.counts["mapped"], got.counts["rejected"]


def values(got: Ingested, *names: str) -> list[tuple[Any, ...]]:
    """Columns of the rows; amounts as text, so that one sees their places."""
    return [
        tuple(str(row[name]) if name in ("price", "quantity", "event_at", "event_date") else row[name] for name in names)
        for row in got.rows
    ]


# --- GA4


def ga4(name: str = "page_view", params: Any = (), **more: Any) -> dict[str, Any]:
    """An event of the export at 2024-02-20T23:30:00Z."""
    listed = [{"key": key, "value": value} for key, value in params]
    return {"event_date": "20240221", "event_timestamp": "1708471800000000", "event_name": name, "user_pseudo_id": "11.22"} | (
        {"event_params": listed} | more
    )


C01 = [
    '{"event_date":"20240221","event_timestamp":"1708471800000000","event_name":"purchase","user_pseudo_id":"11.22",'
    '"event_params":[{"key":"ga_session_id","value":{"int_value":"1708471700"}}],'
    '"items":[{"item_id":"A1","quantity":"2","price":29.95},{"item_id":"B2","quantity":"1","price":5}]}',
    '{"event_date":"20240221","event_timestamp":"1708471800000000","event_name":"user_engagement","user_pseudo_id":"11.22",'
    '"event_params":[]}',
]


def test_a_ga4_purchase_is_a_row_an_item_and_an_event_without_parameters_is_kept(read: Read) -> None:
    got = read("ga4", *C01)
    assert got.problems() == [[], [], []]
    assert values(got, "event_type", "item_id", "price", "quantity", "event_at", "item_pos") == [
        ("purchase", "A1", "29.9500", "2.000", "2024-02-20 23:30:00", 1),
        ("purchase", "B2", "5.0000", "1.000", "2024-02-20 23:30:00", 2),
        ("engagement", None, "None", "None", "2024-02-20 23:30:00", 0),
    ]
    assert got.rows[0].event_id == got.rows[1].event_id != got.rows[2].event_id
    assert got.column("source_session_id") == ["11.22.1708471700", "11.22.1708471700", None]
    assert sums(got) == (2, 2, 0)


@pytest.mark.parametrize(
    ("shop", "declared", "day"),
    [
        ("UTC", None, "2024-02-20"),
        ("Europe/Berlin", None, "2024-02-21"),
        ("UTC", "Europe/Berlin", "2024-02-21"),
        ("Europe/Berlin", "America/New_York", "2024-02-20"),
    ],
)
def test_the_day_of_an_event_is_that_of_the_declared_zone_and_not_the_one_in_the_record(read: Read, shop: str, declared, day: str) -> None:
    text = yaml("ga4") + (f"zone: {declared}\n" if declared else "")
    assert {str(row.event_date) for row in read("ga4", *C01, text=text, zone=shop).rows} == {day}


def test_ga4_parameters_of_another_kind_missing_ones_and_items_without_amounts_fail_nothing(read: Read) -> None:
    got = read(
        "ga4",
        ga4("purchase", [("transaction_id", {"int_value": "77"}), ("currency", {"string_value": "EUR"})], items=[{"item_id": "A1"}]),
        ga4("view_item", [("ga_session_id", {"string_value": "9"}), ("value", {"double_value": 1.5})], items=[]),
        ga4(
            "add_to_cart",
            [("page_location", {"int_value": "1"})],
            items=[{"item_id": "(not set)", "item_name": "Cup", "item_category": "(not set)"}],
        ),
        ga4("purchase", [("ga_session_id", {"double_value": 9.0})], ecommerce={"transaction_id": "(not set)"}, items=None),
        {
            "event_timestamp": 1708471800000001,
            "event_name": "view_item_list",
            "user_pseudo_id": "11.22",
            "items": [{"item_id": 5, "price": "?"}],
        },
        ga4("page_view", [("page_location", {"string_value": "https://shop.example/?a=1&b=<2>"})], user_pseudo_id=None, user_id=None),
        ga4("my_event"),
    )
    assert values(
        got, "event_type", "item_id", "price", "quantity", "order_id", "currency", "page_url", "source_session_id", "user_id"
    ) == [
        ("purchase", "A1", "None", "None", "77", "EUR", None, None, "11.22"),
        ("item_view", None, "None", "None", None, None, None, "11.22.9", "11.22"),
        ("add_to_cart", "Cup", "None", "None", None, None, None, None, "11.22"),
        ("purchase", None, "None", "None", None, None, None, "11.22.9.0", "11.22"),
        ("impression", "5", "None", "None", None, None, None, None, "11.22"),
        ("page_view", None, "None", "None", None, None, "https://shop.example/?a=1&b=<2>", None, None),
        (None, None, "None", "None", None, None, None, None, "11.22"),
    ]
    assert got.problems() == [[], [], [], [], ["bad_price"], [], ["unknown_event_type"]]
    assert got.rows[2].category is None


def test_ga4_events_without_consent_stay_apart_and_name_nobody(read: Read) -> None:
    page = [("page_location", {"string_value": "https://shop.example/a"})]
    other = [("page_location", {"string_value": "https://shop.example/b"})]
    denied = {"user_pseudo_id": None, "privacy_info": {"analytics_storage": "No"}}
    got = read("ga4", ga4(params=page, **denied), ga4(params=other, **denied), ga4(params=page, **denied))
    first, second, third = got.column("event_id")
    assert first == third != second
    assert {(row.visitor_id, row.user_id, row.person_hash) for row in got.rows} == {(None, None, None)}
    assert got.files[0].unmapped_fields == {"event_date": 3, "privacy_info": 3}


def test_ga4_exports_without_the_place_in_a_batch_keep_events_of_one_microsecond_apart(read: Read) -> None:
    views = [ga4("view_item", [("page_location", {"string_value": page})], items=[{"item_id": item}]) for page, item in ("aA", "bB")]
    got = read("ga4", *views, views[0])
    first, second, again = got.column("event_id")
    assert first == again != second


def test_ga4_orders_events_of_one_batch_and_prefers_the_table_of_the_day(read: Read) -> None:
    batch = [ga4(batch_page_id="1708471700123", batch_ordering_id=str(n), batch_event_index="2") for n in (2, 10)]
    files = {"events_intraday_20240221.json": json.dumps(batch[0]), "events_20240221.json": "\n".join(map(json.dumps, batch))}
    got = read("ga4", files=files)
    assert [(row.file, row.source_order, row.delivery_rank) for row in got.rows] == [
        ("events_20240221.json", 1708471700123002002, 0),
        ("events_20240221.json", 1708471700123010002, 0),
        ("events_intraday_20240221.json", 1708471700123002002, 1),
    ]
    assert got.rows[0].event_id == got.rows[2].event_id


def test_ga4_as_parquet_gives_the_rows_of_its_json_lines(run) -> None:
    day = date(2024, 5, 16)
    of_lines, of_rows = (run(yaml("ga4"), str(LANDING / folder), first=day, name="ga4") for folder in ("ga4", "ga4_parquet"))
    names = [name for name in of_lines.raw.columns if name not in ("file", "record_text", "delivery_id")]
    assert [[row[name] for name in names] for row in of_rows.rows] == [[row[name] for name in names] for row in of_lines.rows]
    assert of_rows.counts == of_lines.counts == {"records": 7, "mapped": 7, "rejected": 0, "rows": 9, WAITING: 0}
    assert of_rows.files[0].unmapped_fields == of_lines.files[0].unmapped_fields
    assert (
        of_rows.rows[0].unmapped == '{"device.language":"de","event_date":"20240516","privacy_info":"{\\"analytics_storage\\":\\"Yes\\"}"}'
    )


# --- Segment and RudderStack


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


# --- Snowplow


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


# --- The position in a list, counted from one


def test_a_position_is_that_in_the_list_that_was_shown_or_clicked(read: Read) -> None:
    indexed = [{"item_id": "A1", "item_list_index": "0"}, {"item_id": "B2", "item_list_index": "(not set)"}]
    got = read("ga4", *(ga4(name, items=indexed) for name in ("view_item_list", "purchase")))
    assert got.column("position") == [1, None, None, None] and got.problems() == [[]] * 4
    assert read("ga4", ga4("select_item", items=[{"item_id": "A1", "item_list_index": "top"}])).problems() == [["bad_position"]]
    call = {"type": "track", "anonymousId": "v1", "timestamp": "2024-05-16T10:00:00Z"}
    products = {"products": [{"product_id": "A1", "position": 3}, {"product_id": "B2"}]}
    got = read(
        "segment",
        call | {"messageId": "m1", "event": "Product List Viewed", "properties": products},
        call | {"messageId": "m2", "event": "Order Completed", "properties": products},
        call | {"messageId": "m3", "event": "product_clicked", "properties": {"product_id": "A1", "position": 3}},
    )
    assert got.column("position") == [3, None, None, None, 3] and got.problems() == [[]] * 5
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


# --- Matomo

VISIT = (
    '{"idVisit":7,"visitorId":"v1","actionDetails":[{"type":"action","timestamp":1462800060,"url":"/a"},'
    '{"type":"ecommerceOrder","timestamp":1462800120,"orderId":"o9","revenue":10}]}'
)
EARLIER = '{"idVisit":6,"visitorId":"v1","actionDetails":[{"type":"action","timestamp":1462790000,"url":"/b"}]}'


def test_a_matomo_action_is_an_event_of_its_own_in_any_order_of_lines(read: Read, spark, land) -> None:
    got = read("matomo", VISIT, EARLIER)
    expected = [
        ("7", "page_view", "2016-05-09 13:21:00", "/a", None),
        ("7", "purchase", "2016-05-09 13:22:00", None, "o9"),
        ("6", "page_view", "2016-05-09 10:33:20", "/b", None),
    ]
    names = ("source_session_id", "event_type", "event_at", "page_url", "order_id")
    assert values(got, *names) == expected
    assert got.problems() == [[], [], []]
    assert len(set(got.column("event_id"))) == 3
    shuffled = read("matomo", EARLIER, VISIT)
    assert sorted(zip(shuffled.column("event_id"), values(shuffled, *names), strict=True)) == sorted(
        zip(got.column("event_id"), expected, strict=True)
    )
    # What nobody mapped is kept with its visit, also inside the actions.
    assert got.rows[0].unmapped == '{"actionDetails[].revenue":"[\\"10\\"]"}'
    assert [row.unmapped_fields for row in got.files] == [{"actionDetails[].revenue": 1}]
    report = check.check(spark, parse(yaml("matomo"), "matomo.yaml"), land({}), zone="UTC")
    assert "explodes actionDetails: each element is a row" in report.lines()


def test_matomo_orders_have_a_row_an_item_and_visits_without_actions_are_turned_away(read: Read) -> None:
    lines = (LANDING / "matomo" / "visits-2024-05-16.jsonl").read_text().splitlines()
    visit = {"idVisit": 9, "visitorId": "v3", "idSite": 2}
    got = read(
        "matomo",
        *lines,
        visit | {"actionDetails": []},
        visit | {"actionDetails": None},
        visit | {"actionDetails": [{"type": "action", "timestamp": 1715853600, "url": "/"}, 7]},
        visit | {"actionDetails": [{"type": "teleport", "timestamp": "soon"}]},
    )
    assert values(got, "event_type", "item_id", "price", "quantity", "order_id", "query", "source_order", "item_pos") == [
        ("search", None, "None", "None", None, "red tea", 0, 1),
        ("page_view", None, "None", "None", None, None, 1, 2),
        ("item_view", "A1", "29.9500", "None", None, None, 0, 1),
        ("purchase", "A1", "29.9500", "2.000", "o1", None, 1, 2),
        ("purchase", "B2", "5.0000", "1.000", "o1", None, 1, 3),
        (None, None, "None", "None", None, None, None, 0),
        (None, None, "None", "None", None, None, None, 0),
        (None, None, "None", "None", None, None, None, 0),
        (None, None, "None", "None", None, None, 0, 1),
    ]
    assert got.problems()[5:] == [
        ["missing_event_type"],
        ["missing_event_type"],
        ["bad_actionDetails", "missing_event_type"],
        ["bad_event_at", "unknown_event_type"],
    ]
    assert got.rows[3].event_id == got.rows[4].event_id
    assert len(set(got.column("event_id")[:4])) == 4
    assert {(row.user_id, row.user_id_kind, row.site_id) for row in got.rows[2:5]} == {("u1", "account", "2")}


def test_a_visit_over_midnight_is_one_record_of_its_first_day_with_rows_on_both(run, land) -> None:
    visit = {"idVisit": 1, "visitorId": "v1", "idSite": 2}
    # 23:58 of the 16th of May 2024 and 00:03 of the 17th, UTC.
    visit["actionDetails"] = [{"type": "action", "timestamp": at, "url": "/"} for at in (1715903880, 1715904180)]
    folder = land({"visits.jsonl": json.dumps(visit) + "\n"})
    first, second = date(2024, 5, 16), date(2024, 5, 17)
    whole = run(yaml("matomo"), folder, first=first, last=second, name="matomo")
    assert sums(whole) == (1, 1, 0) and whole.counts["rows"] == 2 and whole.counts[WAITING] == 0
    assert [(row.landing_date, row.record_count, row.row_count) for row in whole.files] == [(first, 1, 1), (second, 0, 1)]
    alone = run(yaml("matomo"), folder, first=first, name="matomo")
    then = run(yaml("matomo"), folder, first=second, name="matomo", known=alone.manifest)
    assert [one.counts["rows"] for one in (alone, then)] == [1, 1] and [sums(one) for one in (alone, then)] == [(1, 1, 0), (0, 0, 0)]


# --- access logs


def test_a_log_line_matches_whole_or_is_turned_away(read: Read) -> None:
    start = "198.51.100.7 - - [03/Oct/2022:21:59:42 +0200] "
    lines = [
        start + r'"GET /p?id=1 HTTP/1.1" 200 12 "-" "UA \"x\" 1"',
        start + r'"GET /p" 200 12 "-" "UA \"x\" 1"',
        start + '"" 400 12 "-" "UA"',
        start + r'"\x16\x03\x01\x00" 400 12 "-" "UA"',
        start + '"GET /p?id=',
    ]
    got = read("access_log", *lines)
    assert got.problems() == [[], [], ["no_match"], ["no_match"], ["no_match"]]
    assert values(got, "visitor_id", "event_type", "event_at", "page_url")[:2] == [
        ('198.51.100.7 UA "x" 1', "page_view", "2022-10-03 19:59:42", "/p?id=1"),
        ('198.51.100.7 UA "x" 1', "page_view", "2022-10-03 19:59:42", "/p"),
    ]
    assert [(row.ordinal, row.record_text) for row in got.rows] == list(enumerate(lines))
    assert sums(got) == (5, 2, 3)
    assert got.rows[0].event_id != got.rows[1].event_id


def test_a_log_line_may_be_as_long_as_servers_take_it(read: Read) -> None:
    start, end = '198.51.100.7 - - [03/Oct/2022:21:59:42 +0200] "GET /p?q=', ' HTTP/1.1" 200 12 "-" "UA"'
    got = read("access_log", start + "a" * 100_000 + end, start + "b" * 100_000, start + r"\x" * 1_000 + end)
    assert got.problems() == [[], ["no_match"], []] and len(got.rows[0].query) == 100_000


def test_log_lines_of_every_kind_that_servers_write(read: Read) -> None:
    at = "[29/Feb/2024:00:30:00 +0100]"
    got = read(
        "access_log",
        files={
            "access.log": "\n".join(
                [
                    f'2001:db8::17 - alice {at} "POST /buy HTTP/2.0" 302 - "https://shop.example/\\"a\\"" "-"',
                    f'host.example - - {at} "GET /a.css?v=1 HTTP/1.1" 200 7 "-" "UA"',
                    f'198.51.100.7 - - {at} "GET /find?q=red+tea&utm_campaign=x%20y HTTP/1.0" 304 - "-" ""',
                    f'198.51.100.7 - - {at} "GET /gone HTTP/1.1" 404 7 "-" "UA"\r',
                    f'198.51.100.7 - - {at} "GET / HTTP/1.1" 200 7',
                    f'198.51.100.7 - - {at} "GET / HTTP/1.1" 200 7 "-" "UA" 0.003',
                    f'shop.example 198.51.100.7 - - {at} "GET / HTTP/1.1" 200 7 "-" "UA"',
                    f'198.51.100.7 - - {at} "-" 408 - "-" "-"',
                    '198.51.100.7 - - [29/Feb/2024:00:30] "GET / HTTP/1.1" 200 7 "-" "UA"',
                    '198.51.100.7 - - [30/Feb/2024:00:30:00 +0100] "GET / HTTP/1.1" 200 7 "-" "UA"',
                    f'198.51.100.7 - - {at} "GET / HTTP/1.1" 200 7 "-" "UA',
                    "",
                    "\x00\x01 garbage",
                ]
            )
        },
    )
    assert got.problems() == [[]] * 4 + [["no_match"]] * 5 + [["bad_event_at"], ["no_match"], ["empty_line"], ["no_match"]]
    assert values(got, "event_type", "visitor_id", "user_id", "user_id_kind", "event_at", "query", "campaign_id")[:4] == [
        ("engagement", "2001:db8::17 -", "alice", "account", "2024-02-28 23:30:00", None, None),
        ("engagement", "host.example UA", "host.example UA", "visitor", "2024-02-28 23:30:00", None, None),
        ("page_view", "198.51.100.7 ", "198.51.100.7 ", "visitor", "2024-02-28 23:30:00", "red tea", "x y"),
        ("engagement", "198.51.100.7 UA", "198.51.100.7 UA", "visitor", "2024-02-28 23:30:00", None, None),
    ]
    assert sums(got) == (13, 4, 9)
