"""A first YAML from an unknown file: what is guessed, what is asked, and that no value of a person gets into it."""

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clickmill import config
from clickmill.contracts.errors import BadData, UsageError
from clickmill.ingest import check, guess_text
from clickmill.ingest.source import Source, parse

LANDING = Path(__file__).resolve().parents[1] / "fixtures" / "landing"

KINDS = ("view", "cart", "order")


@pytest.fixture
def draft(tmp_path: Path):
    """The draft of a file of this content, as a source called `mine`."""

    def made(content: bytes | str, name: str = "file.csv") -> guess_text.Draft:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return guess_text.draft(path, "mine", {})

    return made


def source(made: guess_text.Draft) -> Source:
    assert made.problem is None, made.problem
    return parse(made.text, "mine.yaml")


def columns(found: Source) -> dict[str, str | None]:
    return {name: column.value for name, column in found.columns.items()}


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
        {"buy": "purchase", "view": "item_view"},
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
        {"buy": "purchase", "cart": "add_to_cart", "fav": "favourite", "pv": "item_view"},
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


def test_an_order_is_a_purchase_and_the_time_of_an_event_goes_before_that_of_a_record(draft) -> None:
    lines = [
        f'{{"u":"a","ts":"2024-05-16T10:0{n}:00Z","created_at":"2019-01-01T00:00:00Z","event":"{kind}"}}' for n, kind in enumerate(KINDS)
    ]
    found = source(draft("\n".join(lines).encode(), "log.jsonl"))
    assert found.columns["event_at"].value == "ts"
    assert found.event_types.map == {"view": "item_view", "cart": "add_to_cart", "order": "purchase"}


@pytest.mark.parametrize(
    ("name", "pattern"),
    [("visits-2024-05-16.jsonl", True), ("visits-20240501-20240531.jsonl", False), ("visits.jsonl", False)],
)
def test_one_date_in_a_name_may_be_the_day_of_delivery_and_is_asked_for(draft, name: str, pattern: bool) -> None:
    made = draft(b'{"u":"a","ts":"2024-05-16T10:00:00Z","event":"view"}\n', name)
    assert (source(made).landing_date.name is not None) is pattern and "landing_date" in made.questions


@pytest.mark.parametrize("name", ["access_log", "events_jsonl", "ga4", "matomo", "segment", "snowplow"])
def test_a_known_format_is_named(name: str) -> None:
    known = {one: config.source(one) for one in config.source_names()}
    for folder in {"events_jsonl": ["plain"], "ga4": ["ga4", "ga4_parquet"]}.get(name, [name]):
        (file,) = (LANDING / folder).iterdir()
        made = guess_text.draft(file, "mine", known)
        assert made.problem is None
        assert f"are those of the source `{name}`" in made.text


def test_what_was_guessed_of_a_sample_can_be_read(spark, tmp_path: Path) -> None:
    file = LANDING / "plain" / "events-2024-05-16.jsonl"
    report = check.check(spark, parse(guess_text.draft(file, "mine", {}).text, "mine.yaml"), str(file), zone="UTC")
    assert (report.record_count, report.row_count, report.mapped_count, report.problems) == (7, 9, 9, ())


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (b"", BadData, "file.csv: has no record to look at"),
        (b"\n \n", BadData, "file.csv: has no record to look at"),
        (gzip.compress(b"a,b\n1,2\n")[:12], BadData, "file.csv: cannot be unpacked: truncated or corrupt"),
        (b"PAR1 but no more", BadData, "file.csv: cannot be read: truncated or corrupt"),
        (b"PK\x03\x04", UsageError, "file.csv: is an archive; unpack it"),
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


@pytest.mark.parametrize(
    ("prices", "expression", "asked"),
    [
        (["9.50", "12"], "price", False),
        (["9,50", "12"], "replace(price, ',', '.')", False),
        (["1,299.00", "9.50"], "replace(price, ',', '')", False),
        (["1.299,00", "9,50"], "replace(replace(price, '.', ''), ',', '.')", False),
        (["1,299", "45,299"], "replace(price, ',', '')", True),
    ],
)
def test_what_comma_and_point_mean_is_told_by_the_numbers_or_asked(draft, prices: list[str], expression: str, asked: bool) -> None:
    lines = [json.dumps({"u": "a", "ts": f"2024-05-16T10:0{n}:00Z", "event": "view", "price": price}) for n, price in enumerate(prices)]
    made = draft("\n".join(lines), "log.jsonl")
    assert columns(source(made))["price"] == expression and ("columns.price" in made.questions) is asked


def test_a_time_that_is_the_same_in_every_record_is_not_that_of_the_event_and_fields_of_items_are_told(draft) -> None:
    lines = [
        json.dumps(
            {"timestamp": "2019-01-01T00:00:00Z", "at": f"2024-05-16T10:0{n}:00Z", "event": "view", "items": [{"sku": "a", "size": "m"}]}
        )
        for n in range(2)
    ]
    made = draft("\n".join(lines), "log.jsonl")
    assert source(made).columns["event_at"].value == "at"
    assert "columns.event_at: other fields are times too: timestamp" in made.text
    assert "not mapped yet: item.size, timestamp" in made.text
