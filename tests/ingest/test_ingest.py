"""A run of ingestion as a whole: places, landing days, repeats, deliveries, and files that cannot be read."""

import gzip
from datetime import date

import pytest

from clickmill.contracts.errors import BadData, UsageError
from ingest.shop import EVENTS_CSV, HEADER

HISTORY = EVENTS_CSV.replace("{name: '(\\d{4}-\\d{2}-\\d{2})'}", "{history: event_day}")
DAY_1, DAY_2 = 1709254800, 1709341200
LAST = date(2024, 3, 2)


def line(user: object, at: object = DAY_1) -> str:
    return f"{user},10,view,{at},5\n"


def test_places_are_right_for_several_files_and_for_blocks_of_a_bigger_one(run, land, spark):
    spark.conf.set("spark.sql.files.maxPartitionBytes", "1000")
    spark.conf.set("spark.sql.files.openCostInBytes", "1000")
    numbers = {"big-2024-03-01.csv": 200, "one-2024-03-01.csv": 1, "two-2024-03-01.csv": 2}
    folder = land({name: HEADER + "".join(line(f"{n:03}") for n in range(count)) for name, count in numbers.items()})
    got = run(EVENTS_CSV, folder)
    big = [row for row in got.rows if row.file.startswith("big")]
    assert [row.visitor_id for row in big] == [f"{n:03}" for n in range(200)]
    assert len({row.block for row in big}) > 3
    assert [row.ordinal for row in big if row.block == 0] == list(range(1, 1 + sum(row.block == 0 for row in big)))
    assert [(row.file, row.block, row.ordinal, row.visitor_id) for row in got.rows[200:]] == [
        ("one-2024-03-01.csv", 0, 1, "000"),
        ("two-2024-03-01.csv", 0, 1, "000"),
        ("two-2024-03-01.csv", 0, 2, "001"),
    ]


def test_the_same_file_again_changes_nothing_and_another_delivery_of_the_day_is_added(run, land):
    first = run(EVENTS_CSV, land({"2024-03-01.csv": HEADER + line(1)}))
    again = run(EVENTS_CSV, land({"renamed-2024-03-01.csv.gz": gzip.compress((HEADER + line(1)).encode())}), known=first.manifest)
    assert (again.rows, again.files, again.counts["records"]) == ([], [], 0)
    second = run(EVENTS_CSV, land({"2024-03-01.csv": HEADER + line(1) + line(2)}), known=first.manifest)
    assert second.column("visitor_id") == ["1", "2"]
    assert [(row.file, row.record_count, row.mapped_count, row.rejected_count, row.row_count) for row in second.files] == [
        ("2024-03-01.csv", 2, 2, 0, 2)
    ]
    assert second.rows[0].event_id == first.rows[0].event_id
    assert second.rows[0].delivery_id != first.rows[0].delivery_id


def test_a_history_is_taken_day_by_day_with_nothing_lost_or_doubled(run, land):
    folder = land({"all.csv": HEADER + line("b", DAY_2) + line("?", "never") + line("a", DAY_1)})
    whole = run(HISTORY, folder, last=LAST)
    assert [(str(row.landing_date), row.visitor_id, row.problems) for row in whole.rows] == [
        ("2024-03-02", "b", []),
        ("2024-03-01", "?", ["bad_event_at"]),
        ("2024-03-01", "a", []),
    ]
    assert whole.counts["records_waiting_for_their_days"] == 0
    second_day = run(HISTORY, folder, first=LAST)
    assert second_day.column("visitor_id") == ["b"]
    assert second_day.counts["records_waiting_for_their_days"] == 2
    rest = run(HISTORY, folder, last=LAST, known=second_day.manifest)
    assert rest.column("visitor_id") == ["?", "a"]
    assert rest.counts == {
        "records": 2,
        "mapped": 1,
        "rejected": 1,
        "rows": 2,
        "records_waiting_for_their_days": 0,
        "reason bad_event_at": 1,
    }
    assert run(HISTORY, folder, last=LAST, known=second_day.manifest.union(rest.manifest)).rows == []
    other = run(EVENTS_CSV, land({"other/2024-03-02.csv": HEADER + line("c")}) + "/other", first=LAST, known=second_day.manifest)
    assert other.counts["records_waiting_for_their_days"] == 2, "those of the first file wait on"


def test_a_file_without_a_single_time_lands_on_the_first_day_of_the_run_and_only_once(run, land):
    folder = land({"all.csv": HEADER + line(1, "") + line(2, "not-a-date")})
    got = run(HISTORY, folder, last=LAST)
    assert [(str(row.landing_date), row.event_date, row.problems) for row in got.rows] == [
        ("2024-03-01", None, []),
        ("2024-03-01", None, ["bad_event_at"]),
    ]
    assert run(HISTORY, folder, first=LAST, known=got.manifest).rows == []


def test_files_of_other_days_are_not_even_read_and_one_without_a_date_is_named(run, land):
    folder = land({"2024-03-01.csv": HEADER + line(1), "2024-03-09.csv.gz": gzip.compress(HEADER.encode())[:9]})
    assert run(EVENTS_CSV, folder).column("visitor_id") == ["1"]
    with pytest.raises(BadData, match=r"undated.csv: no date in its name or folder"):
        run(EVENTS_CSV, land({"undated.csv": HEADER}))


def test_a_day_may_stand_in_the_folder_and_an_empty_file_is_in_the_manifest(run, land):
    got = run(EVENTS_CSV, land({"2024-03-01/a b+c%.csv": HEADER + line(1), "2024-03-01/none.csv": "", "2024-03-01/head.csv": HEADER}))
    assert got.column("file") == ["2024-03-01/a b+c%.csv"]
    assert [(row.file, row.record_count) for row in got.files] == [
        ("2024-03-01/a b+c%.csv", 1),
        ("2024-03-01/head.csv", 0),
        ("2024-03-01/none.csv", 0),
    ]


def test_a_truncated_gzip_stops_the_run_and_is_named(run, land):
    whole = gzip.compress((HEADER + "".join(line(n) for n in range(5000))).encode())
    folder = land({"a-2024-03-01.csv": HEADER + line(1), "b-2024-03-01.csv.gz": whole[: len(whole) // 2]})
    with pytest.raises(BadData, match=r"^b-2024-03-01.csv.gz: cannot be read to its end") as raised:
        run(EVENTS_CSV, folder)
    assert "\n" not in str(raised.value)


def test_an_archive_is_to_be_unpacked(run, land):
    with pytest.raises(UsageError, match=r"by-day.tar.gz: is an archive; unpack it and give the folder"):
        run(EVENTS_CSV, land({"by-day.tar.gz": b"x"}))


def test_a_path_where_nothing_lies_is_told(run, tmp_path):
    with pytest.raises(UsageError, match="nowhere: there is no such file or folder"):
        run(EVENTS_CSV, str(tmp_path / "nowhere"))


def test_rows_do_not_depend_on_partitions_or_on_the_order_of_files(run, land, spark):
    folder = land({f"{n}-2024-03-01.csv": HEADER + line(n) + line(n, "x") for n in (3, 1, 2)})
    spark.conf.set("spark.sql.shuffle.partitions", "1")
    one = run(EVENTS_CSV, folder).rows
    spark.conf.set("spark.sql.shuffle.partitions", "7")
    spark.conf.set("spark.sql.files.openCostInBytes", "1000000000")
    assert run(EVENTS_CSV, folder + "/[321]-*.csv").rows == one


def test_an_expression_that_raises_on_an_incomplete_record_is_told_before_anything_is_read_by_it(run, land):
    source = EVENTS_CSV.replace("item_id: item", "item_id: \"split(coalesce(item, ''), ',')[3]\"")
    with pytest.raises(
        UsageError, match=r"shop.yaml: columns.item_id: raises INVALID_ARRAY_INDEX on a record without its fields; expected try_cast"
    ):
        run(source, land({"2024-03-01.csv": HEADER + line(1)}))


def test_an_expression_that_raises_on_a_value_is_told_without_the_value(run, land):
    with pytest.raises(BadData, match="source shop: an expression raised CAST_INVALID_INPUT on a record") as raised:
        run(
            EVENTS_CSV.replace("price: price", "price: cast(price as int)"),
            land({"2024-03-01.csv": HEADER + "1,10,view,1709254800,secret\n"}),
        )
    assert "secret" not in str(raised.value)


def test_an_account_that_no_device_is_told_for_is_a_visitor_of_its_own(run, land):
    source = EVENTS_CSV.replace("visitor_id: user", "visitor_id: user, account_id: item").replace("item_id: item, ", "")
    got = run(
        source,
        land({"2024-03-01.csv": HEADER + "1,7,view,1709254800,5\n,7,view,1709254801,5\n7,,view,1709254802,5\n,,view,1709254803,5\n"}),
    )
    assert [(row.visitor_id, row.user_id, row.user_id_kind) for row in got.rows] == [
        ("1", "7", "account"),
        ("account:7", "7", "account"),
        ("7", "7", "visitor"),
        (None, None, None),
    ]
    assert [row.person_hash is None for row in got.rows] == [False, False, False, True]


def test_a_tie_break_that_is_a_number_in_text_sorts_as_a_number(run, land):
    source = EVENTS_CSV.replace("key: [item, type, at]", "key: [item, type, at], tie_break: price")
    texts = ("-1", "9", "10", "10.5", "2024-05-16T10:00:00Z", "b")
    got = run(source, land({"2024-03-01.csv": HEADER + "".join(f"1,10,view,1709254800,{text}\n" for text in texts)}))
    keys = got.column("winner_key")
    assert keys == sorted(keys) and len(set(keys)) == len(texts)
