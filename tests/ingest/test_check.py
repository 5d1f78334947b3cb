"""The look at a source before anything is written."""

from clickmill.ingest import check
from clickmill.ingest.source import parse
from ingest.shop import EVENTS_CSV, HEADER


def test_a_report_says_what_maps_what_does_not_and_where(spark, land):
    content = HEADER.replace("\n", ",shelf\n") + "1,10,view,1709254800,5,x\n2,10,wave,1709254801,,x\n3,10,buy,soon,dear,x\n4,10\n"
    report = check.check(spark, parse(EVENTS_CSV, "shop.yaml"), land({"2024-03-01.csv": content}), zone="UTC")
    assert report.lines() == [
        "shop -> raw.events: 4 records of 1 files sampled, 4 rows, 1 map, landing days 2024-03-01 to 2024-03-01",
        "explodes nothing: each record is a row",
        "column visitor_id: 3 of 4 rows have a value",
        "column event_at: 2 of 4 rows have a value",
        "column item_id: 3 of 4 rows have a value",
        "column price: 1 of 4 rows have a value",
        "event type item_view: 1 rows",
        "event type purchase: 1 rows",
        "problem bad_event_at: 1 rows, first at 2024-03-01.csv line 4",
        "problem bad_price: 1 rows, first at 2024-03-01.csv line 4",
        "problem unknown_event_type: 1 rows, first at 2024-03-01.csv line 3",
        "problem wrong_field_count: 1 rows, first at 2024-03-01.csv line 5: 2 fields, 6 expected",
        "not mapped: shelf, in 3 rows",
    ]


def test_only_the_sample_is_mapped(spark, land):
    content = HEADER + "".join(f"{n},10,view,1709254800,5\n" for n in range(50))
    report = check.check(spark, parse(EVENTS_CSV, "shop.yaml"), land({"2024-03-01.csv": content}), zone="UTC", sample_rows=7)
    assert (report.record_count, report.mapped_count) == (7, 7)


def test_a_field_that_is_called_after_somebody_is_counted_and_not_named(spark, land):
    source = parse(
        EVENTS_CSV.replace("{format: csv}", "{format: json, fields: 'user STRING, item STRING, type STRING, at STRING, price STRING'}"),
        "shop.yaml",
    )
    line = '{"user":"1","item":"10","type":"view","at":"1709254800","shelf":"x","jane@example.org":1}\n'
    report = check.check(spark, source, land({"2024-03-01.jsonl": line}), zone="UTC")
    assert report.lines()[-2:] == [
        "not mapped: shelf, in 1 rows",
        "not mapped: 1 fields whose names are no names of fields, such as addresses or numbers",
    ]
