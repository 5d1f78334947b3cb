"""CSV, TSV and their kin: bound by the header of each file, counted on the line as it came."""

import gzip
from datetime import date

import pytest

from clickmill.contracts.errors import BadData, UsageError
from ingest.shop import EVENTS_CSV, HEADER


def test_files_with_the_same_columns_in_another_order_bind_by_name(run, land):
    folder = land(
        {
            "2024-03-01.csv": "user,item,type,at,price\n1,10,view,1709254800,5\n",
            "2024-03-02.csv": "item,user,type,price,at\n20,2,view,6,1709341200\n",
        }
    )
    got = run(EVENTS_CSV, folder, last=date(2024, 3, 2))
    assert [(row.visitor_id, row.item_id, str(row.price), row.problems) for row in got.rows] == [
        ("1", "10", "5.0000", []),
        ("2", "20", "6.0000", []),
    ]


def test_a_file_that_lacks_a_mapped_column_stops_the_run_and_is_named_with_the_column(run, land):
    folder = land(
        {"a-2024-03-01.csv": HEADER + "1,10,view,1709254800,5\n", "b-2024-03-01.csv": "user,item,type,at\n3,30,view,1709254800\n"}
    )
    with pytest.raises(
        BadData, match=r"b-2024-03-01.csv: column price is missing, which columns.price of shop reads; there are user, item, type, at"
    ):
        run(EVENTS_CSV, folder)


def test_a_column_that_nobody_mapped_is_kept_as_text_and_counted(run, land):
    got = run(
        EVENTS_CSV,
        land({"2024-03-01.csv": "user,item,type,at,price,coupon,a\n1,10,view,1709254800,5,SPRING,\n2,10,view,1709254801,5,,z\n"}),
    )
    assert got.column("unmapped") == ['{"a":"","coupon":"SPRING"}', '{"a":"z","coupon":""}']
    assert got.files[0].unmapped_fields == {"a": 2, "coupon": 2}


def test_a_byte_order_mark_and_carriage_returns_are_invisible(run, land):
    got = run(EVENTS_CSV, land({"2024-03-01.csv": b"\xef\xbb\xbfuser,item,type,at,price\r\nu\xc3\xa9,10,view,1709254800,5\r\n"}))
    assert [(row.visitor_id, str(row.price), row.record_text) for row in got.rows] == [("ué", "5.0000", "ué,10,view,1709254800,5")]


def test_a_doubled_header_name_stops_the_run_and_both_positions_are_named(run, land):
    with pytest.raises(BadData, match=r"2024-03-01.csv: the header has price twice, at positions 1 and 3"):
        run(EVENTS_CSV, land({"2024-03-01.csv": "price,qty,price,user,item,type,at\n"}))


def test_all_members_of_a_concatenated_gzip_are_read_and_the_inner_header_is_no_record_of_a_user(run, land):
    member = gzip.compress(HEADER.encode() + b"1,10,view,1709254800,5\n")
    got = run(EVENTS_CSV, land({"2024-03-01.csv.gz": member + gzip.compress(HEADER.encode() + b"2,20,buy,1709254801,6\n")}))
    assert got.problems() == [[], ["header_line"], []]
    assert got.column("visitor_id") == ["1", None, "2"]
    assert got.counts["records"] == 3
    assert got.counts["mapped"] == 2


def test_fields_are_counted_on_the_line_and_nothing_is_shifted(run, land):
    lines = ["1,10,view,1709254800,5", "2,view,1709254800,5", "3,10,view,1709254800,5,", "", "4,10,view,1709254800,"]
    got = run(EVENTS_CSV, land({"2024-03-01.csv": HEADER + "\n".join(lines)}))
    assert got.problems() == [
        [],
        ["wrong_field_count: 4 fields, 5 expected"],
        ["wrong_field_count: 6 fields, 5 expected"],
        ["empty_line"],
        [],
    ]
    assert got.counts["reason wrong_field_count"] == 2
    assert got.column("visitor_id") == ["1", None, None, None, "4"]
    assert got.column("record_text") == lines
    assert [row.event_id is None for row in got.rows] == [False, True, True, True, False]
    assert got.column("ordinal") == [1, 2, 3, 4, 5]


def test_quoted_fields_hold_separators_and_doubled_quotes_and_a_broken_quote_is_told(run, land):
    lines = [
        '"1,a","say ""hi"" ",view,1709254800,5',
        '2,12" pipe,view,1709254800,5',
        '3,"open,view,1709254800,5',
        '"4"x,10,view,1709254800,5',
    ]
    got = run(EVENTS_CSV, land({"2024-03-01.csv": HEADER + "\n".join(lines)}))
    assert got.problems() == [[], [], ["bad_quoting"], ["bad_quoting"]]
    assert [(row.visitor_id, row.item_id) for row in got.rows[:2]] == [("1,a", 'say "hi" '), ("2", '12" pipe')]


def test_a_backslash_escapes_a_quote_where_the_source_says_so(run, land):
    source = EVENTS_CSV.replace("{format: csv}", "{format: csv, quote: \"'\", escape: '\\'}")
    got = run(source, land({"2024-03-01.csv": HEADER + "'a\\'b,c',10,view,1709254800,5\n"}))
    assert got.column("visitor_id") == ["a'b,c"]


def test_tabs_come_without_quoting_and_longer_separators_are_separators(run, land):
    tabs = EVENTS_CSV.replace("{format: csv}", '{format: csv, sep: "\\t"}')
    got = run(tabs, land({"2024-03-01.csv": '"\t10\tview\t1709254800\t5\n'.join(["user\titem\ttype\tat\tprice\n", ""])}))
    assert got.column("visitor_id") == ['"']
    bars = EVENTS_CSV.replace("{format: csv}", '{format: csv, sep: "||", header: false, fields: [user, item, type, at, price]}')
    got = run(bars, land({"2024-03-01.csv": "1|2||10||view||1709254800||5\n"}))
    assert [(row.visitor_id, row.item_id, row.ordinal) for row in got.rows] == [("1|2", "10", 0)]


@pytest.mark.parametrize(("encoding", "codec"), [("windows-1252", "cp1252"), ("UTF-16LE", "utf-16"), ("UTF-16BE", "utf-16-be")])
def test_other_encodings_are_read_as_declared(run, land, encoding, codec):
    source = EVENTS_CSV.replace("{format: csv}", f"{{format: csv, encoding: {encoding}}}")
    got = run(
        source,
        land({"2024-03-01.csv": (HEADER.replace("\n", "\r\n") + "Zoë€,10,view,1709254800,5\r\nü,11,view,1709254800,5").encode(codec)}),
    )
    assert got.column("visitor_id") == ["Zoë€", "ü"]
    assert got.problems() == [[], []]


def test_bytes_that_are_no_text_are_told_and_the_lines_beside_them_are_read(run, land):
    got = run(EVENTS_CSV, land({"2024-03-01.csv": HEADER.encode() + b"\xff\xfe,10,view,1709254800,5\n2,10,view,1709254800,5\n"}))
    assert got.problems() == [["bad_encoding"], []]


def test_a_name_that_a_headerless_source_does_not_declare_is_an_error_of_its_key(run, land):
    source = EVENTS_CSV.replace("{format: csv}", "{format: csv, header: false, fields: [user, item, type, at]}")
    with pytest.raises(UsageError, match=r"shop.yaml: columns.price: reads price, which is no field; expected one of user, item, type, at"):
        run(source, land({"2024-03-01.csv": "1,10,view,1709254800\n"}))


@pytest.mark.parametrize(("encoding", "broken"), [("gbk", b"\xd6"), ("windows-1252", b"\x81"), ("latin-1", None), ("utf-8-sig", b"\xff")])
def test_a_byte_that_is_no_text_in_the_declared_encoding_is_told_of_its_line_only(run, land, encoding, broken):
    source = EVENTS_CSV.replace("{format: csv}", f"{{format: csv, encoding: {encoding}}}")
    last = b"1,20,view,1709254801,5" + (broken or b"")
    got = run(source, land({"2024-03-01.csv": HEADER.encode() + b"1,10,view,1709254800,5\n" + last}))
    assert got.problems() == [[], ["bad_encoding"] if broken else []]


def test_an_encoding_that_java_does_not_know_is_an_error_of_its_key(run, land):
    with pytest.raises(UsageError, match=r"shop.yaml: read.encoding: Java knows no punycode"):
        run(EVENTS_CSV.replace("{format: csv}", "{format: csv, encoding: punycode}"), land({"2024-03-01.csv": HEADER}))


@pytest.mark.parametrize(
    "content", ["alice@example.com,10,view,1709254800,5\n", HEADER + "\r", "user,alice@example.com,alice@example.com\n"], ids=str
)
def test_no_value_of_a_record_is_told_where_a_header_was_expected(run, land, content):
    with pytest.raises(BadData) as raised:
        run(EVENTS_CSV, land({"2024-03-01.csv": content.replace("\n\r", "\ralice@example.com,10\r")}))
    assert str(raised.value).startswith("2024-03-01.csv: ") and "alice" not in str(raised.value)


def test_names_with_the_characters_of_a_glob_are_plain_names(run, land):
    names = ["e[1]-2024-03-01.csv", "e{2}-2024-03-01.csv"]
    got = run(EVENTS_CSV, land({name: HEADER + f"{n},10,view,1709254800,5\n" for n, name in enumerate(names)}))
    assert got.column("file") == names


def test_a_name_with_a_colon_is_named(run, land):
    with pytest.raises(BadData, match=r"e-2024-03-01T10:00:00.csv: Hadoop reads no name with a colon; rename it"):
        run(EVENTS_CSV, land({"e-2024-03-01T10:00:00.csv": HEADER}))


def test_a_file_that_spark_would_leave_out_is_named(run, land):
    with pytest.raises(BadData, match=r"_e-2024-03-01.csv: Spark reads no file or folder whose name begins with _; rename it"):
        run(EVENTS_CSV, land({"a-2024-03-01.csv": HEADER, "_e-2024-03-01.csv": HEADER, "_SUCCESS": ""}))


@pytest.mark.parametrize("folder", ["", "shop/", "a [b]/"])
def test_a_hidden_file_and_a_copy_that_was_broken_off_are_named(run, land, folder):
    lone = folder.strip("/") or "top"
    with pytest.raises(BadData, match=r"\.e-2024-03-01.csv: Spark reads no file whose name begins with a dot; rename it"):
        run(EVENTS_CSV, land({f"{lone}-dot/a-2024-03-01.csv": HEADER, f"{lone}-dot/{folder}.e-2024-03-01.csv": HEADER}) + f"/{lone}-dot")
    with pytest.raises(BadData, match=r"x-2024-03-01.csv._COPYING_: Spark reads no file .*; deliver it again"):
        run(EVENTS_CSV, land({f"{lone}/a-2024-03-01.csv": HEADER, f"{lone}/{folder}x-2024-03-01.csv._COPYING_": HEADER}) + f"/{lone}")


def test_hidden_files_and_folders_that_hold_no_records_stop_nothing(run, land):
    others = [
        ".DS_Store",
        "._a-2024-03-01.csv",
        ".a-2024-03-01.csv.crc",
        ".gitkeep",
        ".staging/b-2024-03-01.csv",
        ".staging/.c-2024-03-01.csv",
    ]
    got = run(EVENTS_CSV, land({"a-2024-03-01.csv": HEADER + "1,10,view,1709254800,5\n"} | dict.fromkeys(others, HEADER)))
    assert got.column("file") == ["a-2024-03-01.csv"]


def test_a_gzip_file_of_no_bytes_is_cut_off(run, land):
    with pytest.raises(BadData, match=r"2024-03-01.csv.gz: cannot be read to its end"):
        run(EVENTS_CSV, land({"2024-03-01.csv.gz": b""}))


def test_a_file_without_the_header_that_was_promised_tells_no_value_of_its_first_line(run, land):
    first = "jane.doe@example.org,10,type,at,+49 170 1234567\n"
    with pytest.raises(BadData) as raised:
        run(EVENTS_CSV, land({"2024-03-01.csv": first + "2,20,view,1709254800,5\n"}))
    assert "2024-03-01.csv: column user is missing" in str(raised.value)
    assert "there are type, at, 3 that it does not read" in str(raised.value) and "jane" not in str(raised.value)
