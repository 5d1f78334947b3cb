"""JSON lines: an exact verdict, declared fields, names exact in case, items one by one."""

import json
import tarfile

import pytest
from pyspark.sql import functions as F

from clickmill.contracts import resources
from clickmill.contracts.errors import UsageError
from clickmill.contracts.local import local_frame
from clickmill.ingest.json_text import with_exact_numbers

SOURCE = """
name: shop
site_id: {constant: shop}
read:
  format: json
  fields: >-
    id STRING, user STRING, at STRING, itemId STRING, ItemID STRING, coupon STRUCT<code: STRING>,
    properties STRUCT<order: STRING, products: ARRAY<STRUCT<sku: STRING, price: STRING, n: STRING>>>
landing_date: {name: '(\\d{4}-\\d{2}-\\d{2})'}
explode: properties.products
columns:
  visitor_id: user
  event_at: {value: at, unit: milliseconds}
  item_id: coalesce(item.sku, itemId, ItemID)
  price: item.price
  quantity: item.n
  order_id: properties.order
event_types: {constant: purchase}
ids: {key: [id]}
"""
AT = '"at":1709254800000'
"""What `$AT` in a line stands for."""
EVENTS = resources.text("conf/sources/events_jsonl.yaml")


def lines(*texts: str) -> dict[str, str]:
    return {"2024-03-01.jsonl": "".join(text.replace("$AT", AT) + "\n" for text in texts)}


def test_an_item_is_a_row_and_a_bad_one_rejects_that_row_only(run, land):
    items = '{"sku":"A1","price":29.95,"n":2},{"sku":"B2","price":"cheap"},7,null,{"sku":"C3","price":{"eur":1}}'
    order = '{"id":"e1","user":"a",$AT,"properties":{"order":"o1","products":[ITEMS]}}'
    got = run(SOURCE, land(lines(order.replace("ITEMS", items))))
    assert got.column("item_pos") == [1, 2, 3, 4, 5]
    assert got.problems() == [[], ["bad_price"], ["bad_item"], ["bad_item"], ["bad_item", "bad_price"]]
    assert [(row.item_id, str(row.price), str(row.quantity)) for row in got.rows[:2]] == [
        ("A1", "29.9500", "2.000"),
        ("B2", "None", "None"),
    ]
    assert len(set(got.column("event_id"))) == 1
    assert [text is None for text in got.column("record_text")] == [False, True, True, True, True]
    assert {key: got.counts[key] for key in ("records", "mapped", "rejected", "rows")} == {
        "records": 1,
        "mapped": 1,
        "rejected": 0,
        "rows": 5,
    }


def test_an_empty_a_null_and_a_missing_list_are_one_row_each(run, land):
    no_lists = ['{"products":[]}', '{"products":null}', "null", "{}"]
    got = run(SOURCE, land(lines(*(f'{{"id":"{n}",$AT,"properties":{text}}}' for n, text in enumerate(no_lists)))))
    assert [(row.item_pos, row.problems, row.item_id) for row in got.rows] == [(0, [], None)] * 4


def test_keys_that_differ_by_case_are_read_where_declared_and_two_values_for_a_column_are_told(run, land):
    ids = ['"itemId":"1"', '"ItemID":"2"', '"itemId":"3","ItemID":"4"', '"itemId":"5","itemId":"5"']
    got = run(SOURCE, land(lines(*(f'{{"id":"1",$AT,{text}}}' for text in ids))))
    assert got.problems() == [[], [], ["two_values_for_item_id"], ["two_values_for_item_id"]]
    assert got.column("item_id")[:2] == ["1", "2"]
    one_case = SOURCE.replace(" ItemID STRING,", "").replace("itemId, ItemID", "itemId")
    got = run(one_case, land({}))
    assert got.problems() == [[], [], ["two_values_for_item_id"], ["two_values_for_item_id"]]
    assert got.column("item_id")[:2] == ["1", None]
    assert got.column("unmapped")[1] == '{"ItemID":"2"}'
    assert got.files[0].unmapped_fields == {"ItemID": 2}


def test_a_line_feed_in_a_key_hides_no_key_that_is_there_twice_and_makes_up_none(run, land):
    ids = [r'"itemId":"1","ItemID":"2","a\nb":"c"', r'"itemId":"3","a\nb":"c","A":"d"']
    got = run(SOURCE, land(lines(*(f'{{"id":"1",$AT,{text}}}' for text in ids))))
    assert got.problems() == [["two_values_for_item_id"], []]
    assert got.column("unmapped")[1] == r'{"A":"d","a\nb":"c"}'


def test_doubled_keys_deeper_down_are_told_by_their_path(run, land):
    got = run(SOURCE, land(lines('{"id":"1",$AT,"properties":{"order":"a","Order":"b","products":[{"sku":"A"},{"sku":"B","sku":"C"}]}}')))
    assert got.problems() == [["two_values_for_properties.order"], ["two_values_for_properties.order", "two_values_for_item.sku"]]


def test_a_field_that_is_null_one_day_and_an_object_the_next_is_read_as_declared(run, land):
    mapped = SOURCE.replace("order_id: properties.order", "order_id: properties.order\n  campaign_id: coupon.code")
    folder = land(lines('{"id":"1",$AT,"coupon":null}', '{"id":"2",$AT,"coupon":{"code":"X","pct":10}}', '{"id":"3",$AT,"coupon":"X"}'))
    got = run(mapped, folder)
    assert got.column("campaign_id") == [None, "X", None]
    assert got.problems() == [[], [], ["bad_coupon"]]
    assert got.column("unmapped") == [None, '{"coupon.pct":"10"}', None]
    got = run(SOURCE.replace(" coupon STRUCT<code: STRING>,", ""), folder)
    assert got.column("unmapped") == ['{"coupon":null}', '{"coupon":"{\\"code\\":\\"X\\",\\"pct\\":10}"}', '{"coupon":"X"}']
    assert got.problems() == [[], [], []]


def test_what_an_item_holds_beside_declared_fields_is_kept_with_its_row(run, land):
    got = run(SOURCE, land(lines('{"id":"1",$AT,"ship":5,"properties":{"tax":1,"products":[{"sku":"A","size":"L"},{"sku":"B"}]}}')))
    assert got.column("unmapped") == ['{"item.size":"L","properties.tax":"1","ship":"5"}', None]
    assert got.files[0].unmapped_fields == {"item.size": 1, "properties.tax": 1, "ship": 1}


def test_ids_come_out_as_written(run, land):
    ids = ["1515915625519388267", "1515915625519388268", '"17850.0"', '"0108775015"', '"108775015"', "21602730330000060100100000358582"]
    event = '"event_type":"item_view","event_at":"2024-03-01T10:00:00Z"'
    folder = land(lines(*(f'{{"event_id":"{n}",{event},"visitor_id":{text}}}' for n, text in enumerate(ids))))
    got = run(EVENTS, folder, name="events_jsonl")
    assert got.column("visitor_id") == [text.strip('"') for text in ids]
    assert got.problems() == [[]] * 6


def test_our_own_plain_form_takes_what_an_item_does_not_say_from_its_event(run, land):
    record = {
        "event_id": "e",
        "event_type": "purchase",
        "event_at": "2024-03-01T23:30:00-01:00",
        "account_id": "u",
        "visitor_id": "d",
        "currency": "EUR",
    }
    record |= {
        "source_order": 3,
        "items": [{"item_id": "A", "price": 2.5, "quantity": 1}, {"item_id": "B", "currency": "GBP", "propensity": "NaN"}],
    }
    got = run(EVENTS, land(lines(json.dumps(record), '{"event_id":"f","event_type":"wave"}', '{"event_id":"g"}')), name="events_jsonl")
    assert [(row.item_id, row.currency, str(row.price)) for row in got.rows[:2]] == [("A", "EUR", "2.5000"), ("B", "GBP", "None")]
    assert got.problems() == [[], ["bad_propensity"], ["unknown_event_type"], ["missing_event_type"]]
    first = got.rows[0]
    assert (first.user_id, first.user_id_kind, first.source_order, first.site_id, str(first.event_date)) == (
        "u",
        "account",
        3,
        "events_jsonl",
        "2024-03-02",
    )
    assert (str(first.event_at), first.winner_key) == ("2024-03-02 00:30:00", "2024-03-02T00:30:00.000000")


def test_events_without_any_part_of_their_key_do_not_melt_into_one(run, land):
    got = run(SOURCE, land(lines('{"user":"a",$AT,"itemId":"1"}', '{"user":"a",$AT,"itemId":"2"}', '{"user":"a",$AT,"itemId":"2"}')))
    assert len(set(got.column("event_id"))) == 2


def test_a_blank_id_is_no_id(run, land):
    got = run(SOURCE, land(lines('{"id":"","user":"a",$AT,"itemId":"1"}', '{"id":" ","user":"a",$AT,"itemId":"2"}')))
    assert len(set(got.column("event_id"))) == 2


def test_fields_must_be_text_so_that_what_does_not_fit_is_told(run, land):
    with pytest.raises(UsageError, match=r"shop.yaml: read.fields: properties.products\[\].price: expected STRING"):
        run(SOURCE.replace("price: STRING", "price: DOUBLE"), land(lines("{}")))


def test_every_text_of_the_json_test_suite_is_accepted_or_rejected_with_a_reason(run, land, shared):
    archive = shared / "json_test_suite" / "JSONTestSuite.tar.gz"
    if not archive.is_file():
        pytest.skip(f"the verdict on each text of the JSON test suite is not tested: {archive} is missing (set CLICKMILL_SHARED)")
    with tarfile.open(archive) as tar:
        texts = {
            member.name.rsplit("/", 1)[-1]: tar.extractfile(member).read()
            for member in tar
            if "test_parsing/" in member.name and member.isfile()
        }
    # A text is fed as a line: a line feed of its own is a tab there: as much of a blank, and as wrong in a string.
    names = sorted(texts)
    got = run(SOURCE, land({"2024-03-01.jsonl": b"\n".join(texts[name].replace(b"\n", b"\t") for name in names) + b"\n"}))
    assert got.counts["records"] == got.counts["mapped"] + got.counts["rejected"] == len(names) == 318
    verdicts = {names[row.ordinal]: set(row.problems) for row in got.rows if row.item_pos <= 1}
    for name, problems in verdicts.items():
        if name[0] == "y":
            assert not problems & {"bad_json", "bad_encoding"}, name
        if name[0] == "n":
            assert problems & {"bad_json", "empty_line"}, name


def test_numbers_are_ids_as_they_are_written_and_lists_and_objects_are_none(run, land):
    got = run(
        SOURCE,
        land(
            lines(
                '{"id":1.0,"user":1515915625519388267.0,"itemId":1.10,$AT}',
                '{"id":1.00,"user":1515915625519388268.0,"itemId":1.1,$AT}',
                '{"deep":{"user":7.5},"user":17850.00,"itemId":1e3,$AT}',
                '{"user":"1.50","itemId":"[c]",$AT}',
                '{"user":"u","properties":{"products":[{"sku":2.50},{"sku":["C"]},{"sku":"{C}"}]},$AT}',
                '{"user":{"email":"x"},"itemId":"i",$AT}',
                '{"user":"u","itemId":["c","d"],$AT}',
            )
        ),
    )
    assert [(row.visitor_id, row.item_id) for row in got.rows[:5]] == [
        ("1515915625519388267.0", "1.10"),
        ("1515915625519388268.0", "1.1"),
        ("17850.00", "1e3"),
        ("1.50", "[c]"),
        ("u", "2.50"),
    ]
    assert got.problems() == [[], [], [], [], [], ["bad_item"], [], ["bad_user"], ["bad_itemId"]]
    assert got.rows[6].item_id == "{C}" and len({row.event_id for row in got.rows[:2]}) == 2


def test_only_numbers_that_are_not_whole_are_put_into_quotes(spark):
    texts = {
        r'{"a":1.50,"b":[-0.1e+5,7,"x 1.5 \" 2.5",{"c":1E2}],"d":10}': r'{"a":"1.50","b":["-0.1e+5",7,"x 1.5 \" 2.5",{"c":"1E2"}],"d":10}',
        '{"1.5":"\\\\","b":2.5}': '{"1.5":"\\\\","b":"2.5"}',
        "01.5": "01.5",
        "[1.5.5]": "[1.5.5]",
        '{"a":-}': '{"a":-}',
        "[" + '"s",' * 20_000 + "1.5]": "[" + '"s",' * 20_000 + '"1.5"]',
    }
    frame = local_frame(spark, [(text,) for text in texts], "text string").select(with_exact_numbers(F.col("text")))
    assert [row[0] for row in frame.collect()] == list(texts.values())


DEEP = SOURCE.replace("coupon STRUCT<code: STRING>", "coupon STRUCT<code: STRING>, tags ARRAY<STRUCT<k: STRING>>, ways ARRAY<STRING>")


@pytest.mark.parametrize(
    ("part", "problems"),
    [
        ('"coupon":{"code":{"x":"jane"}}', ["bad_coupon"]),
        ('"tags":[{"k":"a"},{"k":["b"]}]', ["bad_tags"]),
        ('"ways":["a",{"b":1}]', ["bad_ways"]),
        ('"properties":{"order":["o1"],"products":[]}', ["bad_properties"]),
        ('"coupon":{"code":"{[no list]}"},"tags":[{"k":"[a]"}],"ways":["[","{"]', []),
    ],
)
def test_a_list_or_an_object_where_text_is_declared_is_told_however_deep(run, land, part, problems):
    assert run(DEEP, land(lines('{"id":"e1","user":"a",$AT,' + part + "}"))).problems() == [problems]
