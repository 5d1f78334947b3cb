"""Matomo: what the actions of a visit become, and what is turned away."""

import json
from datetime import date

from clickmill.ingest import check
from clickmill.ingest.manifest import WAITING
from clickmill.ingest.source import parse
from ingest.shop import LANDING, Read, sums, values, yaml

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
