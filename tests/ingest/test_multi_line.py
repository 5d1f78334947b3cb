"""Quoted fields that go on in the next line: a record is what RFC 4180 says, and a stray quote costs one line."""

import csv
import io
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickmill.ingest import multi_line
from clickmill.ingest.parts import Read
from ingest.shop import EVENTS_CSV

REVIEWS_CSV = EVENTS_CSV.replace("{format: csv}", "{format: csv, multi_line: true}").replace("price: price", "review_text: note")
HEADER = "user,item,type,at,note\n"


def records_of(text: str, read: Read, path: str = "a") -> list[str]:
    lines = [{"__path": path, "__line": line, "__hash": 1, "__is_text": True} for line in text.removesuffix("\n").split("\n")]
    return [record["__line"] for record in multi_line.records(lines, multi_line.ending(read))]


def one_row(record: str) -> list[str]:
    (row,) = csv.reader(io.StringIO(record, newline=""))
    return row


@given(
    st.lists(st.lists(st.text(alphabet='a,"\n\r;', max_size=6), min_size=2, max_size=3), min_size=1, max_size=5),
    st.sampled_from([",", ";", "||"]),
)
def test_records_are_those_of_a_csv_reader(rows: list[list[str]], sep: str) -> None:
    quoted = [sep.join('"' + field.replace('"', '""') + '"' for field in row) for row in rows]
    assert records_of("\n".join(quoted) + "\n", Read(format="csv", sep=sep, multi_line=True)) == quoted


@given(st.lists(st.lists(st.text(alphabet="a,\n'", max_size=6), min_size=2, max_size=3), min_size=1, max_size=5))
def test_fields_that_need_no_quotes_stand_among_those_that_do(rows: list[list[str]]) -> None:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    found = records_of(out.getvalue(), Read(format="csv", multi_line=True))
    assert [one_row(record) for record in found] == list(csv.reader(io.StringIO(out.getvalue(), newline="")))


def test_a_backslash_before_a_quote_or_a_line_feed_leaves_the_field_open() -> None:
    read = Read(format="csv", escape="\\", multi_line=True)
    assert records_of('"a\\"\nb",1\n"c\\\nd",2\n', read) == ['"a\\"\nb",1', '"c\\\nd",2']


@pytest.mark.parametrize("stray", ['2,"never closed', '2,"closed" and more'])
def test_a_stray_quote_costs_its_own_line_only(stray: str) -> None:
    read = Read(format="csv", multi_line=True)
    assert records_of(f"1,a\n{stray}\n3,c\n4,d\n", read) == ["1,a", stray, "3,c", "4,d"]


def test_a_field_is_looked_for_as_far_as_the_horizon_and_no_line_further(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multi_line, "MAX_LINES", 3)
    read = Read(format="csv", multi_line=True)
    assert records_of('"1\n2\n3"\n', read) == ['"1\n2\n3"']
    assert records_of('"1\n2\n3\n4"\n', read) == ['"1', "2", "3", '4"']


def test_an_open_field_ends_with_its_file() -> None:
    read = Read(format="csv", multi_line=True)
    lines = [{"__path": path, "__line": line, "__hash": 1, "__is_text": True} for path, line in (("a", '1,"x'), ("b", 'y",2'))]
    assert [line["__line"] for line in multi_line.records(lines, multi_line.ending(read))] == ['1,"x', 'y",2']


def test_a_review_of_several_lines_is_one_row_at_the_place_of_its_first_line(run, land) -> None:
    text = (
        HEADER + '1,10,view,1709254800,"Nice.\r\n\r\nSaid ""I"", wearing it"\r\n2,20,view,1709254801,"stray\n3,30,view,1709254802,short\r\n'
    )
    got = run(REVIEWS_CSV, land({"2024-03-01.csv": text}))
    assert [(row.ordinal, row.visitor_id, row.review_text, row.problems) for row in got.rows] == [
        (1, "1", 'Nice.\r\n\r\nSaid "I", wearing it', []),
        (4, None, None, ["bad_quoting"]),
        (5, "3", "short", []),
    ]
    assert (got.counts["records"], got.counts["mapped"], got.counts["rejected"]) == (3, 2, 1)
    assert got.rows[0].record_text == '1,10,view,1709254800,"Nice.\r\n\r\nSaid ""I"", wearing it"'


def test_files_of_several_lines_are_the_same_delivery_however_they_are_named(run, land) -> None:
    text = HEADER + '1,10,view,1709254800,"a\nb"\n'
    got = run(REVIEWS_CSV, land({"a-2024-03-01.csv": text, "b-2024-03-01.csv": text, "c-2024-03-01.csv": text.replace("a\nb", "b\na")}))
    assert [(row.file, row.review_text) for row in got.rows] == [("a-2024-03-01.csv", "a\nb"), ("c-2024-03-01.csv", "b\na")]


def test_real_reviews_are_the_records_that_a_csv_reader_finds(shared: Path) -> None:
    archive = shared / "clothing_reviews" / "Women.zip"
    if not archive.exists():
        pytest.skip(f"{archive} is not there: 23,486 real reviews in quoted CSV of several lines are not tried")
    with zipfile.ZipFile(archive) as files:
        text = files.read(files.namelist()[0]).decode()
    found = records_of(text, Read(format="csv", multi_line=True))
    assert [one_row(record) for record in found] == list(csv.reader(io.StringIO(text, newline="")))
