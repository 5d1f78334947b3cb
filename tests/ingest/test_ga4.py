"""GA4: what events of the export become, as JSON lines and as Parquet, and what is turned away."""

import json
from datetime import date
from typing import Any

import pytest

from clickmill.ingest.manifest import WAITING
from ingest.shop import LANDING, Read, sums, values, yaml


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
    not_mapped = {"device.language": 7, "event_date": 7, "privacy_info": 7, "collected_traffic_source.manual_source": 1}
    not_mapped |= {"ecommerce.purchase_revenue": 2, "ecommerce.total_item_quantity": 2}
    counts = {"records": 7, "mapped": 7, "rejected": 0, "rows": 9, WAITING: 0}
    assert of_rows.counts == of_lines.counts == counts | {f"not mapped {name}": count for name, count in not_mapped.items()}
    assert of_rows.files[0].unmapped_fields == of_lines.files[0].unmapped_fields
    assert (
        of_rows.rows[0].unmapped == '{"device.language":"de","event_date":"20240516","privacy_info":"{\\"analytics_storage\\":\\"Yes\\"}"}'
    )


def test_a_ga4_position_is_that_in_the_list_that_was_shown_or_clicked_counted_from_one(read: Read) -> None:
    indexed = [{"item_id": "A1", "item_list_index": "0"}, {"item_id": "B2", "item_list_index": "(not set)"}]
    got = read("ga4", *(ga4(name, items=indexed) for name in ("view_item_list", "purchase")))
    assert got.column("position") == [1, None, None, None] and got.problems() == [[]] * 4
    assert read("ga4", ga4("select_item", items=[{"item_id": "A1", "item_list_index": "top"}])).problems() == [["bad_position"]]


def test_what_is_sold_and_refunded_inside_an_app_names_its_product_and_what_apps_send_by_themselves_is_engagement(read: Read) -> None:
    product = [("product_id", {"string_value": "coins"})]
    names = ("in_app_purchase", "app_store_refund", "ad_impression", "app_remove", "notification_open", "tutorial_begin")
    got = read("ga4", *(ga4(name, product) for name in names))
    assert got.problems() == [[]] * 6
    assert values(got, "event_type", "item_id") == [
        ("purchase", "coins"),
        ("refund", "coins"),
        ("impression", None),
        ("engagement", None),
        ("engagement", None),
        ("engagement", None),
    ]
