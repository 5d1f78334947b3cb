"""A first YAML from an unknown file: what is guessed, what is asked, and that no value of a person gets into it."""

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from clickmill import config
from clickmill.contracts.errors import BadData, UsageError
from clickmill.ingest import check, files, guess_text
from clickmill.ingest.source import parse
from ingest.drafts import columns, source
from ingest.shop import LANDING


def test_a_csv_file_of_a_shop_maps_at_once_and_asks_the_rest(draft, spark) -> None:
    lines = ["user_id;product;action;when;price;qty;shelf"]
    lines += [f"u{n};p{n};{kind};{n + 9}.05.2024 10:00:00;9,5;1;x" for n, kind in enumerate(["view", "buy", "wave", "view", "view"], 1)]
    made = draft("\n".join(lines), "2024-05-16.csv")
    found = source(made)
    assert (found.read.format, found.read.sep, found.read.header) == ("csv", ";", True)
    assert columns(found) == {
        "visitor_id": "user_id",
        "account_id": "user_id",
        "event_at": "when",
        "item_id": "product",
        "quantity": "qty",
        "price": "replace(price, ',', '.')",
    }
    assert found.columns["event_at"].format == "d.M.yyyy H:mm:ss"
    assert found.event_types is not None and (found.event_types.from_, found.event_types.map) == (
        "action",
        {"buy": ("purchase",), "view": ("item_view",)},
    )
    assert found.ids is not None and found.ids.key == ["when", "action", "product"]
    assert set(made.questions) == {"site_id", "landing_date", "zone", "columns.visitor_id", "columns", "event_types.map", "ids.key"}
    assert "# ? event_types.map: wave" in made.text and "not mapped yet: shelf" in made.text
    assert not any(f"u{n}" in made.text.split() for n in range(1, 6))


def test_a_file_without_a_header_asks_for_names_and_tells_time_and_types_by_their_values(draft) -> None:
    rows = [f"10000{n}\t20{n}\t{kind}\t{1511539200 + n}" for n, kind in enumerate(["pv", "cart", "buy", "fav"] * 3)]
    made = draft("\n".join(rows), "clicks.tsv")
    found = source(made)
    assert (found.read.sep, found.read.header, found.read.fields) == ("\t", False, ["column_1", "column_2", "column_3", "column_4"])
    assert (found.columns["event_at"].value, found.columns["event_at"].unit) == ("column_4", "seconds")
    assert found.event_types is not None
    assert (found.event_types.from_, found.event_types.map) == (
        "column_3",
        {"buy": ("purchase",), "cart": ("add_to_cart",), "fav": ("favourite",), "pv": ("item_view",)},
    )
    assert {"read.fields", "columns.visitor_id", "columns.item_id"} <= set(made.questions)


def test_names_of_people_are_not_taken_for_a_header(draft) -> None:
    made = draft("alice,tea,bought\nbob,cups,looked\nalice,cups,looked\n")
    assert not any(word in made.text for word in ("alice", "bob", "tea", "cups"))
    assert "read.header" in made.questions
    assert made.problem is not None and "columns.event_at: missing" in made.problem and "columns.event_at" in made.questions


@pytest.mark.parametrize(
    ("times", "unit", "pattern", "is_asked"),
    [
        (["1715853600", "1715853601"], "seconds", None, False),
        (["1715853600.25", "1715853601"], "seconds", None, False),
        (["1715853600123", "1715853601123"], "milliseconds", None, False),
        (["1715853600123456", "1715853601123456"], "microseconds", None, False),
        (["2024-05-16T10:00:00Z", "2024-05-16 10:00+02:00"], None, None, False),
        (["05/16/2024 9:05", "05/07/2024 10:00"], None, "M/d/yyyy H:mm", False),
        (["05/06/2024 9:05", "05/07/2024 10:00"], None, "d/M/yyyy H:mm", True),
        (["16/May/2024:10:00:00 +0200"] * 2, None, "dd/MMM/yyyy:HH:mm:ss Z", False),
    ],
)
def test_times_are_told_by_their_values(draft, times, unit, pattern, is_asked) -> None:
    made = draft("user|item|time\n" + "".join(f"a|b|{text}\n" for text in times))
    declared = source(made).columns["event_at"]
    assert (declared.unit, declared.format) == (unit, pattern)
    assert ("columns.event_at.format" in made.questions) == is_asked


def test_json_lines_with_a_list_are_declared_whole_and_its_elements_become_rows(draft) -> None:
    record = {
        "messageId": "m1",
        "anonymousId": "a",
        "event": "Order Completed",
        "timestamp": "2024-05-16T10:00:00Z",
        "n b": 1,
        "none": None,
    }
    record["properties"] = {"order_id": "o1", "price": 1, "products": [{"sku": "A", "price": 1.5, "tags": ["x"]}], "notes": []}
    found = source(draft(gzip.compress((json.dumps(record) + "\n").encode()), "calls.json.gz"))
    assert found.read.files == "*.json*"
    assert found.read.fields == (
        "messageId STRING, anonymousId STRING, event STRING, timestamp STRING, `n b` STRING, properties STRUCT<order_id: STRING,"
        " price: STRING, products: ARRAY<STRUCT<sku: STRING, price: STRING, tags: ARRAY<STRING>>>, notes: ARRAY<STRING>>"
    )
    assert found.explode == "properties.products"
    told = columns(found)
    assert (told["visitor_id"], told["item_id"], told["price"], told["order_id"]) == (
        "anonymousId",
        "item.sku",
        "item.price",
        "properties.order_id",
    )


def test_parquet_files_keep_their_own_names_and_types(draft, tmp_path: Path) -> None:
    table = {"customer_id": [1, 2], "event_time": [datetime(2024, 5, 16, 10, tzinfo=UTC)] * 2, "sku": ["a", "b"], "price": [1.5, 2.0]}
    pq.write_table(pa.table(table), tmp_path / "x")
    found = source(draft((tmp_path / "x").read_bytes(), "part-0.parquet"))
    assert found.read.format == "parquet"
    assert columns(found) == {
        "visitor_id": "customer_id",
        "account_id": "customer_id",
        "event_at": "event_time",
        "item_id": "sku",
        "price": "price",
    }


@pytest.mark.parametrize(
    ("literals", "kinds", "asked"),
    [
        (["view", "cart", "order"], {"view": "item_view", "cart": "add_to_cart", "order": "purchase"}, []),
        (["cart", "Order", "checkout"], {"cart": "add_to_cart", "checkout": "checkout", "Order": "purchase"}, []),
        (["view", "order", "pay"], {"view": "item_view", "pay": "purchase"}, ["order"]),
    ],
)
def test_an_order_is_a_purchase_and_beside_another_one_it_is_asked(draft, literals, kinds, asked) -> None:
    made = draft("user,action,time\n" + "".join(f"a,{text},{1715853600 + n}\n" for n, text in enumerate(literals)))
    found = source(made)
    assert found.event_types is not None and found.event_types.map == {literal: (kind,) for literal, kind in kinds.items()}
    assert [text for text in literals if f"# ? event_types.map: {text}\n" in made.text] == asked


@pytest.mark.parametrize(
    ("prices", "expression", "numbers", "asked"),
    [
        (["9.50", "1299"], "price", ["9.5000", "1299.0000"], []),
        (["9,50", "9.50"], "replace(price, ',', '.')", ["9.5000", "9.5000"], []),
        (["1,299.00", "999.00"], "replace(price, ',', '')", ["1299.0000", "999.0000"], []),
        (["1,299", "9.50"], "replace(price, ',', '')", ["1299.0000", "9.5000"], []),
        (["1,299,000", "1,299"], "replace(price, ',', '')", ["1299000.0000", "1299.0000"], []),
        (["1.299,00", "999,00"], "replace(replace(price, '.', ''), ',', '.')", ["1299.0000", "999.0000"], []),
        (["1.299", "9,5"], "replace(replace(price, '.', ''), ',', '.')", ["1299.0000", "9.5000"], []),
        (["0,125", "1,250"], "replace(price, ',', '.')", ["0.1250", "1.2500"], []),
        (["1299,500", "1,250"], "replace(price, ',', '.')", ["1299.5000", "1.2500"], []),
        (["1,299", "45,299"], "replace(price, ',', '')", ["1299.0000", "45299.0000"], ["comma"]),
        (["1.299", "45.299"], "price", ["1.2990", "45.2990"], ["point"]),
        (["1,299.00", "9,50"], "replace(price, ',', '.')", [None, "9.5000"], ["comma"]),
    ],
)
def test_what_comma_and_point_mean_in_a_price_is_told_by_all_of_them_or_asked(
    draft, spark: SparkSession, prices, expression, numbers, asked
) -> None:
    made = draft("user;item;price;time\n" + "".join(f"a;b;{price};{1715853600 + n}\n" for n, price in enumerate(prices)))
    assert source(made).columns["price"].value == expression
    rows = ", ".join(f"('{price}')" for price in prices)
    read = spark.sql(f"select cast(try_cast({expression} as decimal(12, 4)) as string) as read from values {rows} as rows(price)")
    assert [row.read for row in read.collect()] == numbers
    assert [mark for mark in ("comma", "point") if f"# ? columns.price: is the {mark} the decimal mark" in made.text] == asked


def test_the_marks_of_an_item_and_of_its_event_are_told_together(draft) -> None:
    record = {"user": "a", "at": "2024-05-16T10:00:00Z", "qty": "1,000", "items": [{"sku": "A", "qty": "1,000"}]}
    made = draft("\n".join(json.dumps(one) for one in (record, record | {"qty": "1,000.5"})), "calls.json")
    assert source(made).columns["quantity"].value == "replace(coalesce(item.qty, qty), ',', '')"
    assert "columns.quantity" not in made.questions and "not mapped yet" not in made.text


@pytest.mark.parametrize(
    ("fields", "event_at", "others"),
    [
        ({"created_at": "2019-01-01T00:00:00Z", "ts": "2024-05-16T10:0{n}:00Z"}, "ts", "created_at"),
        ({"created_at": "2024-05-16T09:0{n}:00Z", "ts": "2024-05-16T10:0{n}:00Z"}, "ts", "created_at"),
        ({"ts": "2019-01-01T00:00:00Z", "created_at": "2024-05-16T10:0{n}:00Z"}, "created_at", "ts"),
        ({"time": "2019-01-01T00:00:00Z", "happened": "2024-05-16T10:0{n}:00Z"}, "happened", "time"),
        ({"ts": "2024-05-16T10:0{n}:00Z", "received_at": "2024-05-16T11:0{n}:00Z"}, "ts", None),
    ],
)
def test_of_several_times_one_that_varies_and_is_called_as_of_events_is_taken_and_the_others_are_named(
    draft, fields, event_at, others
) -> None:
    records = [{"user": "a"} | {name: text.format(n=n) for name, text in fields.items()} for n in range(3)]
    made = draft("\n".join(map(json.dumps, records)), "log.jsonl")
    assert source(made).columns["event_at"].value == event_at
    assert ("columns.event_at" in made.questions) == (others is not None)
    assert others is None or f"# ? columns.event_at: other fields are times too: {others}\n" in made.text


def test_fields_inside_arrays_that_nothing_reads_are_named(draft) -> None:
    record = {"userId": "a", "event": "Order Completed", "timestamp": "2024-05-16T10:00:00Z"}
    record["properties"] = {
        "variant": "x",
        "products": [{"sku": "A", "price": 1, "variant": "red", "tags": [{"name": "new"}]}],
        "coupons": [{"code": "SPRING"}],
    }
    made = draft(json.dumps(record) + "\n", "calls.json")
    assert source(made).explode == "properties.products"
    assert "# ? columns: not mapped yet: item.tags[].name, item.variant, properties.coupons[].code, properties.variant\n" in made.text


def test_of_very_many_fields_that_nothing_reads_the_rest_is_counted(draft) -> None:
    record = {"user": "a", "time": "2024-05-16T10:00:00Z"} | {f"x{n:02}": n for n in range(62)}
    assert ", x58, x59 and 2 more\n" in draft(json.dumps(record) + "\n", "calls.json").text


@pytest.mark.parametrize(
    ("name", "has_pattern", "question"),
    [
        ("access_log-20240512", True, "is the date in the name the day of delivery? Records more than `clean.lateness_days` days older"),
        ("visits-20240501-20240531.jsonl", False, "is the last date in the name the day of delivery, and are no records days older?"),
        ("visits.jsonl", False, "a pattern of the day of delivery, where names of files or folders hold it"),
    ],
)
def test_a_date_in_a_name_may_be_the_day_of_delivery_and_is_asked(draft, name: str, has_pattern: bool, question: str) -> None:
    made = draft('{"user":"a","ts":"2024-05-16T10:00:00Z","event":"view"}\n', name)
    declared = source(made).landing_date
    assert (declared.name is not None, declared.history) == (has_pattern, "event_day")
    assert f"\n# ? landing_date: {question}" in made.text


def test_the_last_date_of_a_name_is_the_day_of_delivery(draft, spark: SparkSession, tmp_path: Path) -> None:
    found = source(draft('{"user":"a","ts":"2024-05-16T10:00:00Z"}\n', "visits-20240516.jsonl"))
    for name in ("visits-20240501-20240531.jsonl", "visits-2024-05-01_2024-05-07.jsonl"):
        (tmp_path / name).touch()
    assert [(file.name, str(file.landing_date)) for file in files.listed(spark, found, str(tmp_path))] == [
        ("visits-2024-05-01_2024-05-07.jsonl", "2024-05-07"),
        ("visits-20240501-20240531.jsonl", "2024-05-31"),
        ("visits-20240516.jsonl", "2024-05-16"),
    ]


@pytest.mark.parametrize("name", ["access_log", "events_jsonl", "ga4", "matomo", "segment", "snowplow"])
def test_a_known_format_is_named(name: str) -> None:
    known = {one: config.source(one) for one in config.source_names()}
    for folder in {"events_jsonl": ["plain"], "ga4": ["ga4", "ga4_parquet"]}.get(name, [name]):
        (file,) = (LANDING / folder).iterdir()
        made = guess_text.draft(file, "mine", known)
        assert made.problem is None
        assert f"are those of the source `{name}`" in made.text


def test_a_known_source_may_have_a_field_that_is_called_item(tmp_path: Path) -> None:
    path = tmp_path / "views.json"
    path.write_text('{"user":"a","item":"b","time":"2024-05-16T10:00:00Z"}\n')
    made = guess_text.draft(path, "mine", {})
    known = parse(made.text.replace("key: [time, item]", "key: [item]").replace("name: mine", "name: shop", 1), "shop.yaml")
    assert "are those of the source `shop`" in guess_text.draft(path, "mine", {"shop": known}).text


def test_what_was_guessed_of_a_sample_can_be_read(spark, tmp_path: Path) -> None:
    file = LANDING / "plain" / "events-2024-05-16.jsonl"
    report = check.check(spark, parse(guess_text.draft(file, "mine", {}).text, "mine.yaml"), str(file), zone="UTC")
    assert (report.record_count, report.row_count, report.mapped_count, report.problems) == (7, 9, 9, ())


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (b"", BadData, "file.csv: has no record to look at"),
        (b"\n \n", BadData, "file.csv: has no record to look at"),
        (gzip.compress(b"a,b\n1,2\n", mtime=0)[:12], BadData, "file.csv: cannot be unpacked: truncated or corrupt"),
        (b"PAR1 but no more", BadData, "file.csv: cannot be read: truncated or corrupt"),
        (b"PK\x03\x04", UsageError, "file.csv: is an archive; unpack it"),
        (bytes(range(256)) * 9, BadData, "file.csv: is no text, and neither gzip nor Parquet"),
        (b"user,item\ra,b\rc,d\r", BadData, "file.csv: has lines that end in a carriage return alone"),
        (b'[\n{"a": 1},\n{"a": 2}\n]', BadData, "file.csv: is one JSON text over several lines; expected one object a line"),
    ],
)
def test_a_file_that_cannot_be_looked_at_is_told_in_one_line(draft, content, error, message) -> None:
    with pytest.raises(error) as raised:
        draft(content)
    assert message in str(raised.value) and "\n" not in str(raised.value)


def test_other_encodings_and_odd_separators_are_told(draft) -> None:
    made = draft("user^item^time\nJos\xe9^b^1715853600\nx^c^1715853601\n".encode("windows-1252"))
    assert (source(made).read.encoding, source(made).read.sep) == ("windows-1252", "^")
    assert "read.encoding" in made.questions and "Jos" not in made.text
    assert source(draft("\ufeffuser,item,time\na,b,1715853600\n")).columns["visitor_id"].value == "user"
    for encoding in ("UTF-16LE", "UTF-16BE"):
        assert source(draft("user,item,time\na,b,1715853600\n".encode(encoding))).read.encoding == encoding
