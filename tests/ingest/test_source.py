"""Source files: a mistake is told with the file, the key's full path and what was expected."""

import pytest

from clickmill import config
from clickmill.contracts.errors import UsageError
from clickmill.ingest.expression import names, refusal
from clickmill.ingest.source import parse
from ingest.shop import EVENTS_CSV


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("price: price", "prise: price", "columns.prise: raw.events has no such column to map; expected one of visitor_id, account_id"),
        ("buy: purchase", "buy: purchases", "event_types: purchases is no event type; expected one of page_view, item_view"),
        ("unit: seconds", "unit: days", "columns.event_at.unit: Input should be 'seconds', 'milliseconds', 'microseconds' or"),
        ("unit: seconds", "units: seconds", "columns.event_at.units: no such key; expected one of value, constant, unit, format, zone"),
        ("name: shop", "name: shop\nsight: x", "sight: no such key; expected one of name, table, site_id, read"),
        ("name: shop", "name: store", "name: is store, expected shop, as the file is called"),
        ("name: shop", "name: shop\nname: shop", "line 3: the key name is there twice"),
        ("name: shop", "name: [", "expected YAML"),
        ("view: item_view", "01: item_view", "line 7: the key 01 is read as a number; put it in quotes"),
        ("view: item_view", "[a]: item_view", "line 7: a key is a list or an object"),
        ("{view: item_view, buy: purchase}", "{}", "event_types: map: expected at least one literal"),
        ("buy: purchase", "buy: []", "event_types.map: buy: expected an event type, or a list of some: [click, purchase]"),
        ("buy: purchase", "buy: [purchase, 1]", "event_types.map: buy: expected an event type, or a list of some"),
        ("buy: purchase", "buy: [click, sale]", "event_types: sale is no event type; expected one of page_view"),
        ("buy: purchase", "buy: [click, click]", "event_types.map: buy: an event type is there twice; expected each once"),
        (
            "buy: purchase}}",
            "buy: [click, purchase]}}\nexplode: items",
            "event_types.map: a list of event types, beside explode; expected one type for each element",
        ),
        ("price: price}", "price: price}\nsettings: {export: 7}", "settings.export: expected keys and values"),
        ("name: shop", "name: shop\x01", "holds a character that YAML does not allow; expected text in UTF-8"),
        ("{format: csv}", '{format: csv, sep: "\\n"}', "read: sep: expected a separator of fields that is neither the end of a line nor"),
        ("{format: csv}", "{format: csv, regex: x}", "read: regex has no meaning for csv; expected with log"),
        ("{format: csv}", "{format: json}", "read: fields: expected the Spark DDL"),
        ("{format: csv}", "{format: csv, encoding: latin9000}", "read.encoding: latin9000 is no encoding"),
        ("{format: csv}", "{format: log, regex: '(a'}", "read.regex: expected a regular expression"),
        (
            "visitor_id: user",
            "visitor_id: uuid()",
            "columns.visitor_id.value: uuid depends on chance; expected an expression over the fields",
        ),
        ("visitor_id: user", "visitor_id: (select 1)", "columns.visitor_id.value: select depends on other tables"),
        ("event_at: {value: at, unit: seconds}, ", "", "columns.event_at: missing; raw.events needs it"),
        ("ids: {key: [item, type, at]}", "", "ids: missing; raw.events needs it"),
        ("ids: {key: [item, type, at]}", "ids: {key: at}", "ids.key: expected a list"),
        ("visitor_id: user", "visitor_id: 5", "columns.visitor_id: expected a Spark SQL expression, in quotes where YAML reads it as"),
        ("visitor_id: user", "visitor_id:", "columns.visitor_id: expected a Spark SQL expression"),
        ("view: item_view", "no: item_view", "line 7: the key no is read as true or false; put it in quotes"),
        ("site_id: ", "siteid: ", "siteid: no such key; expected one of name, table, site_id"),
        ("ids: {key: [item, type, at]}", "ids: {key: []}", "ids.key: List should have at least 1 item"),
        ("(\\d{4}-\\d{2}-\\d{2})", "\\d{8}", "landing_date: name: expected a group around the date"),
        ("price: price}", "price: price}\nzone: Europe/Londres", "zone: Europe/Londres is no time zone"),
    ],
)
def test_a_mistake_names_the_file_the_key_and_what_was_expected(old, new, message):
    assert old in EVENTS_CSV
    with pytest.raises(UsageError) as raised:
        parse(EVENTS_CSV.replace(old, new), "conf/sources/shop.yaml")
    assert str(raised.value).startswith("conf/sources/shop.yaml: ")
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_every_source_that_is_shipped_can_be_read():
    shipped = {
        "taobao",
        "eshop_clothing",
        "online_retail",
        "expedia",
        "completejourney",
        "completejourney_items",
        "completejourney_users",
        "events_jsonl",
        "items_jsonl",
    }
    assert shipped <= {config.source(name).name for name in config.source_names()}


def test_names_are_those_of_fields_and_not_of_functions_parts_types_or_text():
    assert names("coalesce(a.b, `c d`, cast(e as date), 'f', date'2020-01-01', filter(g, x -> x.h > 1)[0])") == {
        "a",
        "c d",
        "e",
        "g",
        "x",
        "as",
    }


def test_words_that_only_sound_like_time_or_chance_are_fields():
    assert refusal("now + user + a.rand") is None
    assert refusal("date_add(CURRENT_DATE, 1)") is not None
    assert refusal("reflect('java.util.UUID', 'randomUUID')") is not None
    assert refusal("datediff(date 'today', day)") is not None and refusal("date'2024-05-16'") is None
