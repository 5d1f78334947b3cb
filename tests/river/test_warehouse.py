"""What a warehouse reads: the rows, types and instants that Spark wrote; and the queries of docs/warehouse.md."""

import re
import shutil
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import deltalake
import polars
import pyarrow
import pytest

from builders import frame
from clickmill.contracts.days import Days
from clickmill.contracts.table import Table
from clickmill.contracts.tables import EVENTS, ITEMS, RECOMMENDATIONS, REJECTS, RELEASES, SERVED, SESSIONS, USERS_WITHOUT_LIST
from clickmill.lake import Lake
from released import listed
from river.small_shop import DAYS, World, opened
from warehouse import connected

PAGE = Path(__file__).resolve().parents[2] / "docs" / "warehouse.md"
READ = (*SERVED, EVENTS, SESSIONS, REJECTS, RELEASES)


@pytest.fixture(scope="module")
def shop(spark, ran, tmp_path_factory) -> World:
    """The small shop; its lists of two days before are typed here, and one item is out of stock by now."""
    made, _ = ran
    folder = tmp_path_factory.mktemp("warehouse")
    shutil.copytree(made.lake.root, folder / "lake")
    other = opened(spark, folder)
    lists = {row.user_id: row.item_id for row in made.rows(RECOMMENDATIONS, "rank = 1")}
    before = date(2024, 5, 16)
    old = [
        listed("u4", 1, item_id="108775015"),  # bought on the 16th
        listed("u4", 2, item_id="t3"),  # and this on the 17th
        listed("u4", 3, item_id="w1"),  # out of stock
        listed("u4", 4, item_id="never"),
        listed("u4", 5, item_id=lists["u4"]),  # still there
        listed("nobody", 1, item_id="w2"),
    ]
    old = [row | {"as_of_date": before, "release_id": "r1"} for row in old]
    other.lake.write(frame(spark, RECOMMENDATIONS, old), RECOMMENDATIONS, Days(before, before), {"run_id": "typed"})
    silent = {
        "as_of_date": before,
        "site_id": "shop",
        "user_id": "quiet",
        "user_id_kind": "account",
        "reason": "no consent",
        "release_id": "r1",
    }
    other.lake.write(
        frame(spark, USERS_WITHOUT_LIST, [silent | {"release_id": "r1"}]), USERS_WITHOUT_LIST, Days(before, before), {"run_id": "typed"}
    )
    noon = datetime(2024, 5, 17, 12)
    stock = {"site_id": "shop", "item_id": "w1", "stock": 0, "landing_date": before, "valid_from": noon, "known_from": noon}
    other.lake.write(frame(spark, ITEMS, [stock]), ITEMS, Days(before, before), {"run_id": "typed"})
    return other


def by_duckdb(path: str) -> pyarrow.Table:
    return connected().execute(f"select * from delta_scan('{path}')").arrow().read_all()


def by_delta_rs(path: str) -> pyarrow.Table:
    read = deltalake.QueryBuilder().register("t", deltalake.DeltaTable(path)).execute("select * from t").read_all()
    return polars.DataFrame(read).to_arrow()  # its views of text are newer than the pyarrow that is here


def by_polars(path: str) -> pyarrow.Table:
    return polars.read_delta(path).to_arrow()


def plain(value: Any) -> Any:
    """A value as one would write it down: instants in UTC, maps and structs in the order of their keys."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=None) - (value.utcoffset() or timedelta())
    if isinstance(value, dict):
        return sorted(value.items())
    if isinstance(value, list):
        pairs = [tuple(one.values()) if isinstance(one, dict) else one for one in value]
        return sorted(pairs) if pairs and isinstance(pairs[0], tuple) else pairs
    return value


def rows_of(rows: Iterable[dict[str, Any]], table: Table) -> list[str]:
    return sorted(str([plain(row[name]) for name in table.columns]) for row in rows)


@pytest.mark.parametrize("read", [by_duckdb, by_delta_rs, by_polars], ids=["duckdb", "delta-rs", "polars"])
@pytest.mark.parametrize("table", READ, ids=lambda one: one.name)
def test_other_engines_read_the_rows_types_and_instants_that_spark_wrote(shop: World, table: Table, read: Callable) -> None:
    found = read(shop.lake.path(table))
    told = [row.asDict() for row in shop.lake.read(table).collect()]
    assert told, "there is something to compare"
    assert rows_of(found.to_pylist(), table) == rows_of(told, table)
    kinds = {"date": "date32", "timestamp": "timestamp[us, tz=", "bigint": "int64", "int": "int32", "double": "double", "boolean": "bool"}
    for field in table.schema.fields:
        kind = kinds.get(field.dataType.simpleString())
        assert kind is None or str(found.schema.field(field.name).type).startswith(kind), field.name


def test_the_folder_is_not_the_table(shop: World) -> None:
    path = shop.lake.path(RECOMMENDATIONS)
    kept = shop.lake.read(RECOMMENDATIONS).where("as_of_date = '2024-05-16' and item_id <> 'never'")
    before = connected().execute(f"select count(*) from delta_scan('{path}')").fetchone()
    lake = Lake(shop.spark, shop.lake.root)
    lake.write(kept, RECOMMENDATIONS, Days(date(2024, 5, 16), date(2024, 5, 16)), {"run_id": "erasure"})
    files = f"select count(*) from read_parquet('{path}/*/*.parquet') where item_id = 'never'"
    assert connected().execute(files).fetchone() == (1,), "the row that was taken away still lies there"
    assert connected().execute(f"select count(*) from delta_scan('{path}') where item_id = 'never'").fetchone() == (0,)
    lake.restore(RECOMMENDATIONS, lake.head(RECOMMENDATIONS) - 1, {"run_id": "back"})
    assert connected().execute(f"select count(*) from delta_scan('{path}')").fetchone() == before


@pytest.fixture(scope="module")
def answers(shop: World) -> dict[str, list[dict[str, Any]]]:
    """Rows of every query of the page, by its heading, run where the lake is in the folder `lake`."""
    page = PAGE.read_text(encoding="utf-8")
    con = connected()
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(Path(shop.lake.root).parent)
        for heading, query in re.findall(r"(?:\*\*([^*]+)\*\*\n\n)?```sql\n(.*?)```", page, re.DOTALL):
            told = con.execute(query)
            if heading:
                names = [one[0] for one in told.description]
                found[heading] = [dict(zip(names, row, strict=True)) for row in told.fetchall()]
    return found


def test_every_query_of_the_page_runs_and_says_something(answers) -> None:
    assert len(answers) >= 12
    empty = {heading for heading, rows in answers.items() if not rows}
    assert empty <= {"Who has no list, and why", "Days that were made more than once, and by which runs: what lateness cost"}


def test_who_lost_what_is_told_with_its_reason(answers) -> None:
    lost = {(row["user_id"], row["item_id"]): row["why"] for row in answers["Who lost which recommendation since the list before, and why"]}
    assert lost == {
        ("u4", "108775015"): "bought before",
        ("u4", "t3"): "bought since",
        ("u4", "w1"): "out of stock",
        ("u4", "never"): "others rank higher now",
        ("nobody", "w2"): "user is not known to the models any more",
    }


def test_the_funnel_and_the_sums_are_those_of_the_events(shop: World, answers) -> None:
    (funnel,) = answers["Yesterday's funnel: sessions of people that saw an item, put one in the cart, bought one"]
    closed = shop.rows(SESSIONS, "event_date = (select max(event_date) from {t})".replace("{t}", f"delta.`{shop.lake.path(SESSIONS)}`"))
    assert funnel["sessions"] == len(closed) and funnel["saw_an_item"] == sum(one.item_view_count > 0 for one in closed)
    bought = {row["event_date"]: (row["orders"], row["pieces"], row["value"]) for row in answers["What was bought, by day and currency"]}
    # Eight users bought one item of 9.90 and one of 2.50 each; the day after one item of 1 was left of an order.
    assert bought[date(2024, 5, 16)] == (8, 16, Decimal("99.2")) and bought[date(2024, 5, 17)] == (1, 1, 1)


def test_the_lineage_names_the_versions_that_the_release_was_made_of(shop: World, answers) -> None:
    rows = answers["A release's lineage: the run that made it, and the version of each table that it read"]
    assert {row["job"] for row in rows} == {"publish_recommendations"}
    read = {row["table_read"]: row["version"] for row in rows}
    assert read["models.candidates"] == 1 and set(read) >= {"models.evaluations", "features.interactions", "clean.items"}


def test_coverage_counts_users_and_items_once(answers) -> None:
    (row,) = answers["Coverage: users of the last 28 days with a list of their own, and how much of the catalogue is shown at all"]
    assert row["users"] == 8 and 0 < row["share_with_list"] <= 1 and 0 < row["share_of_items_shown"] <= 1
    assert DAYS.last == date(2024, 5, 18)
