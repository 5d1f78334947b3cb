"""A record that is several events: each is a row with an id of its own, and the record is counted once."""

from clickmill.ingest import check
from clickmill.ingest.source import parse
from ingest.shop import EVENTS_CSV, HEADER, sums

BOTH = EVENTS_CSV.replace("buy: purchase", "buy: [click, purchase]")
RECORDS = "1,10,view,1709254800,5\n1,10,buy,1709254800,5\n2,10,buy,soon,5\n2,10,wave,1709254800,5\n"


def test_each_event_is_a_row_at_the_same_instant_and_records_are_counted_once(run, land):
    got = run(BOTH, land({"2024-03-01.csv": HEADER + RECORDS}))
    assert [(row.item_pos, row.event_type, row.problems) for row in got.rows] == [
        (0, "item_view", []),
        (1, "click", []),
        (2, "purchase", []),
        (1, "click", ["bad_event_at"]),
        (2, "purchase", ["bad_event_at"]),
        (0, None, ["unknown_event_type"]),
    ]
    assert got.rows[1].event_at == got.rows[2].event_at
    assert got.column("record_text")[1:4] == ["1,10,buy,1709254800,5", None, "2,10,buy,soon,5"]
    assert sums(got) == (4, 2, 2)
    assert got.counts["rows"] == 6


def test_ids_differ_by_type_whatever_the_order_and_those_of_other_records_stay(run, land):
    folder = land({"2024-03-01.csv": HEADER + RECORDS})
    ids = {(row.ordinal, row.event_type): row.event_id for row in run(BOTH, folder).rows}
    assert len(set(ids.values())) == 6
    turned = run(EVENTS_CSV.replace("buy: purchase", "buy: [purchase, click]"), folder)
    assert {(row.ordinal, row.event_type): row.event_id for row in turned.rows} == ids
    alone = {row.ordinal: row.event_id for row in run(EVENTS_CSV, folder).rows}
    assert (alone[1], alone[4]) == (ids[1, "item_view"], ids[4, None])


def test_what_nobody_mapped_is_counted_once_a_record(run, land):
    content = HEADER.replace("\n", ",shelf\n") + "1,10,buy,1709254800,5,x\n"
    got = run(BOTH, land({"2024-03-01.csv": content}))
    assert (got.column("unmapped"), got.files[0].unmapped_fields) == (['{"shelf":"x"}', None], {"shelf": 1})


def test_a_report_says_that_a_record_may_be_several_rows(spark, land):
    report = check.check(spark, parse(BOTH, "shop.yaml"), land({"2024-03-01.csv": HEADER + RECORDS}), zone="UTC")
    assert report.lines()[:2] == [
        "shop -> raw.events: 4 records of 1 files sampled, 6 rows, 3 map, landing days 2024-03-01 to 2024-03-01",
        "explodes nothing: each record is a row, or one for each of its event types",
    ]
