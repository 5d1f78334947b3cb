"""Parquet: bound by name, typed by the file, placed by row number; and states of items and users."""

from datetime import datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clickmill.contracts.errors import BadData

SOURCE = """
name: shop
site_id: {constant: shop}
read: {format: parquet, files: "*.parquet"}
landing_date: {name: '(\\d{4}-\\d{2}-\\d{2})'}
columns: {visitor_id: user, event_at: at, item_id: item, quantity: n, price: "try_divide(paid, n)", rating: stars, position: place}
event_types: {constant: purchase}
ids: {key: [item, n], tie_break: n, deliveries: ['final']}
"""
ROWS = {"user": [7, 8], "at": [datetime(2024, 3, 1, 11), datetime(2024, 3, 1, 12)], "item": ["a", "b"], "n": [3, 0]}
ROWS |= {"paid": [10.0, 1.0], "stars": [4.5, float("nan")], "place": [2.0, 2.5], "shelf": [None, "x"]}


@pytest.fixture
def folder(tmp_path):
    pq.write_table(pa.table(ROWS), tmp_path / "final-2024-03-01.parquet", use_deprecated_int96_timestamps=True)
    other_order = {name: values[:1] for name, values in reversed(ROWS.items())}
    pq.write_table(pa.table(other_order), tmp_path / "x-2024-03-01.parquet", coerce_timestamps="us")
    return tmp_path


def test_rows_are_bound_by_name_and_values_that_do_not_fit_are_told(run, folder):
    got = run(SOURCE, str(folder))
    assert [(row.file[0], row.block, row.ordinal, row.visitor_id, str(row.price), row.rating, row.position) for row in got.rows] == [
        ("f", 0, 0, "7", "3.3333", 4.5, 2),
        ("f", 0, 1, "8", "None", None, None),
        ("x", 0, 0, "7", "3.3333", 4.5, 2),
    ]
    assert got.problems() == [[], ["bad_rating", "bad_position"], []]
    assert [str(row.event_at) for row in got.rows] == ["2024-03-01 11:00:00", "2024-03-01 12:00:00", "2024-03-01 11:00:00"]
    assert got.column("unmapped") == ['{"shelf":null}', '{"shelf":"x"}', '{"shelf":null}']
    assert got.rows[0].record_text.startswith('{"at":"2024-03-01T11:00:00.000000Z","item":"a","n":3,"paid":10.0,')
    assert got.column("delivery_rank") == [0, 0, 1]
    assert got.rows[0].winner_key > got.rows[1].winner_key


def test_times_in_nanoseconds_as_pandas_writes_them_are_numbers_with_a_unit(run, folder):
    pq.write_table(pa.table(ROWS | {"at": pa.array(ROWS["at"], pa.timestamp("ns"))}), folder / "final-2024-03-01.parquet")
    (folder / "x-2024-03-01.parquet").unlink()
    told = r"final-2024-03-01.parquet: columns.event_at of shop is a number; expected unit: .* nanoseconds"
    with pytest.raises(BadData, match=told):
        run(SOURCE, str(folder))
    got = run(SOURCE.replace("event_at: at", "event_at: {value: at, unit: nanoseconds}"), str(folder))
    assert [str(row.event_at) for row in got.rows] == ["2024-03-01 11:00:00", "2024-03-01 12:00:00"]


def test_a_corrupt_file_stops_the_run_and_is_named(run, folder):
    whole = (folder / "x-2024-03-01.parquet").read_bytes()
    (folder / "x-2024-03-01.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadData, match=r"^x-2024-03-01.parquet: cannot be read to its end"):
        run(SOURCE, str(folder))


def test_a_missing_column_names_the_file(run, folder):
    pq.write_table(pa.table({name: values for name, values in ROWS.items() if name != "paid"}), folder / "y-2024-03-01.parquet")
    with pytest.raises(BadData, match=r"y-2024-03-01.parquet: column paid is missing, which columns.price of shop reads"):
        run(SOURCE, str(folder))


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"item": pa.array([17850.0, 1.0])}, "columns.item_id of shop gives double; expected text or whole numbers"),
        ({"item": pa.array([["a"], ["b"]])}, "columns.item_id of shop gives array<string>; expected one value"),
        ({"user": pa.array([{"id": 7}, {"id": 8}])}, "columns.visitor_id of shop gives struct<id:bigint>; expected one value"),
        ({"stars": pa.array([{"n": 4}, {"n": 5}])}, "columns.rating of shop gives struct<n:bigint>; expected one value"),
        ({"at": pa.array([1, 2])}, "columns.event_at of shop is a number; expected unit"),
        ({"at": pa.array([b"2024", b"2025"])}, "columns.event_at of shop gives binary; expected a time"),
        ({"Item": pa.array(["c", "d"])}, "has the column item twice, in names that differ by case alone"),
    ],
)
def test_a_column_of_another_type_or_that_is_there_twice_stops_the_run_and_the_file_is_named(run, folder, changed, told):
    (folder / "x-2024-03-01.parquet").unlink()
    pq.write_table(pa.table(ROWS | changed), folder / "y-2024-03-01.parquet", coerce_timestamps="us")
    with pytest.raises(BadData, match=f"^y-2024-03-01.parquet: {told}"):
        run(SOURCE, str(folder))


def test_a_number_that_becomes_text_of_the_same_value_is_read_on(run, folder):
    pq.write_table(pa.table(ROWS | {"stars": ["4.5", "3"], "user": ["7", "8"]}), folder / "x-2024-03-01.parquet", coerce_timestamps="us")
    got = run(SOURCE, str(folder))
    assert got.column("rating") == [4.5, None, 4.5, 3.0] and got.column("visitor_id") == ["7", "8", "7", "8"]


def test_states_of_items_and_users_are_a_row_each(run, land):
    items = """
name: shop
table: items
site_id: {constant: shop}
read: {format: csv}
landing_date: {day: 2024-03-01}
columns:
  item_id: id
  category: concat_ws(' > ', a, b)
  price: price
  stock: stock
  valid_from: {value: since, format: yyyy-MM-dd HH, zone: Europe/London}
"""
    got = run(items, land({"items.csv": "id,a,b,price,stock,since,x\n1,A,B,9.5,3,2024-07-01 10,y\n2,A,B,9.5,few,,y\n"}))
    assert [(row.item_id, row.category, row.stock, str(row.valid_from), row.problems) for row in got.rows] == [
        ("1", "A > B", 3, "2024-07-01 09:00:00", []),
        ("2", "A > B", None, "None", ["bad_stock"]),
    ]
    assert (got.counts["records"], got.counts["mapped"], got.files[0].unmapped_fields) == (2, 1, {"x": 2})
    users = """
name: shop
table: users
site_id: {constant: shop}
read: {format: csv}
landing_date: {day: 2024-03-01}
columns: {user_id: id, has_consent: consent}
"""
    got = run(users, land({"items.csv": "id,consent\n1,true\n2,\n3,maybe\n"}))
    assert [(row.user_id, row.has_consent, row.problems) for row in got.rows] == [
        ("1", True, []),
        ("2", None, []),
        ("3", None, ["bad_has_consent"]),
    ]


def test_a_corrected_file_whose_value_stands_in_another_column_is_another_delivery(run, tmp_path):
    other = {name: pa.array([None, None], pa.string()) for name in ("shelf", "query")}
    for name, moved in {"a": {"shelf": ["x", "y"]}, "b": {"query": ["x", "y"]}}.items():
        columns = ROWS | other | {column: pa.array(values, pa.string()) for column, values in moved.items()}
        pq.write_table(pa.table(columns), tmp_path / f"{name}-2024-03-01.parquet", coerce_timestamps="us")
    got = run(SOURCE, str(tmp_path))
    assert [(row.file, row.record_count) for row in got.files] == [("a-2024-03-01.parquet", 2), ("b-2024-03-01.parquet", 2)]


def test_a_corrected_file_whose_column_has_another_name_is_another_delivery(run, tmp_path):
    for name, column in {"a": "shelf", "b": "query"}.items():
        table = pa.table({one: values for one, values in ROWS.items() if one != "shelf"} | {column: ["x", "y"]})
        pq.write_table(table.select(sorted(table.column_names)), tmp_path / f"{name}-2024-03-01.parquet", coerce_timestamps="us")
    assert [row.file[0] for row in run(SOURCE, str(tmp_path)).files] == ["a", "b"]


def test_a_column_of_a_type_that_spark_does_not_read_is_told_with_its_file(run, tmp_path):
    pq.write_table(pa.table(ROWS | {"clock": pa.array([1, 2], pa.time64("ns"))}), tmp_path / "x-2024-03-01.parquet", coerce_timestamps="us")
    with pytest.raises(BadData, match=r"x-2024-03-01.parquet: has a column of a type that Spark does not read"):
        run(SOURCE, str(tmp_path))
