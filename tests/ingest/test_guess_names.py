"""What fields are called: headers of all kinds, and names that say nothing without those of the objects they belong to."""

import json

import pytest

from clickmill.ingest import files
from ingest.drafts import columns, source


def test_the_id_of_a_customer_or_a_product_is_no_id_of_the_event(draft) -> None:
    record = {"product": {"id": "p0"}, "device": {"type": "phone"}, "type": "purchase"}
    records = [{"customer": {"id": f"c{n}"}} | record | {"created_at": f"2024-05-16T10:0{n}:00Z"} for n in range(4)]
    made = draft("".join(json.dumps(one) + "\n" for one in records), "x.jsonl")
    found = source(made)
    assert columns(found)["account_id"] == columns(found)["visitor_id"] == "customer.id"
    assert columns(found)["item_id"] == "product.id"
    assert found.event_types is not None and found.event_types.from_ == "type"
    assert found.ids is not None and found.ids.key == ["created_at", "type", "product.id"]
    assert "ids.key" in made.questions


@pytest.mark.parametrize(
    ("record", "key", "is_asked"),
    [
        ({"data": {"event": {"id": "e{n}"}}}, "data.event.id", False),
        ({"data": {"id": "e{n}"}}, "data.id", True),
        ({"id": "e{n}"}, "id", True),
        ({"payload": {"message_id": "e{n}"}}, "payload.message_id", False),
        ({"user": {"id": "u{n}"}, "id": "e{n}"}, "id", True),
    ],
)
def test_an_id_that_may_be_that_of_something_else_is_asked_about(draft, record, key, is_asked) -> None:
    told = [json.dumps(record | {"ts": "2024-05-16T10:0{n}:00Z"}).replace("{n}", str(n)) for n in range(3)]
    made = draft("\n".join(told) + "\n", "x.jsonl")
    found = source(made)
    assert found.ids is not None and found.ids.key == [key]
    assert ("ids.key" in made.questions) == is_asked


@pytest.mark.parametrize(
    ("header", "visitor", "is_asked"),
    [
        (",user_id,item_id,ts,price", "user_id", False),
        ("n,#user_id,item_id,ts,price ($)", "`#user_id`", True),
        ("n,user:id,item_id,ts,discount %", "`user:id`", True),
    ],
)
def test_an_odd_header_is_one_and_asked_about_where_it_has_other_signs(draft, header: str, visitor: str, is_asked: bool) -> None:
    made = draft(f"{header}\n" + "".join(f"{n},u{n},i{n},{1715853600 + n},9.5\n" for n in range(3)))
    assert source(made).read.header is True and ("read.header" in made.questions) == is_asked
    found = columns(source(made))
    assert (found["visitor_id"], found["item_id"], found["event_at"]) == (visitor, "item_id", "ts")


@pytest.mark.parametrize("first", ["ann@shop.example,item,event,id", "n,event,view,1715853600", "ann: x,b c%,view,2"])
def test_a_record_is_not_taken_for_an_odd_header(draft, first: str) -> None:
    made = draft(f"{first}\n" + "".join(f"u{n},i{n},view,{1715853600 + n}\n" for n in range(20)))
    assert source(made).read.header is False and "ann" not in made.text


def test_a_long_field_and_a_carriage_return_inside_one_are_looked_at_like_others(draft) -> None:
    rows = [f'u{n},"{"x" * 200_000 if n == 0 else "a" + chr(13) + "b"}",{1715853600 + n}' for n in range(3)]
    assert columns(source(draft("user,page,time\n" + "\n".join(rows) + "\n")))["page_url"] == "page"


def test_files_are_called_as_the_one_that_was_looked_at(draft, spark, tmp_path) -> None:
    found = source(draft("user,item,time\na,b,1715853600\n", "EXPORT.CSV"))
    assert [file.name for file in files.listed(spark, found, str(tmp_path))] == ["EXPORT.CSV"]


def test_literals_without_an_event_type_are_answered_where_they_are_asked(draft) -> None:
    made = draft("user,item,action,ts\na,b,ansehen,1715853600\na,c,kaufen,1715853601\n")
    assert made.problem is not None and "event_types: map: expected at least one literal" in made.problem
    text = made.text.replace("# ? event_types.map: ansehen", "  ansehen: item_view").replace(
        "# ? event_types.map: kaufen", "  kaufen: purchase"
    )
    found = source(type(made)(text, (), None))
    assert found.event_types is not None and found.event_types.map == {"ansehen": ("item_view",), "kaufen": ("purchase",)}
