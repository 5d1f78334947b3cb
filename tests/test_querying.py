"""SQL by the names of tables, each at the version of a release; and what made a day."""

from datetime import timedelta

import pytest

from builders import DAY, NEXT_DAY, frame
from clickmill import config, execution, lineage, querying
from clickmill.contracts.days import Days
from clickmill.contracts.errors import UsageError
from clickmill.contracts.tables import IDENTITIES, RAW_FILES, VALUE_RANGES
from clickmill.lake import Lake
from clickmill.ledger import Ledger
from clickmill.releases import Releases
from released import publishes


@pytest.fixture(scope="module")
def made(spark, tmp_path_factory) -> Lake:
    """Two releases: of three users and one without a list, then of two and none."""
    lake = Lake(spark, str(tmp_path_factory.mktemp("released") / "lake"))
    conf = config.load("test", {"lake.root": lake.root})
    for day, users, without in ((DAY, 3, 1), (NEXT_DAY, 2, 0)):
        execution.execute(publishes(users, without=without, day=day), conf, Days(day, day), spark)
    return lake


def asked(lake: Lake, text: str, release: int = 0) -> list[tuple]:
    return [tuple(row) for row in querying.query(lake, Ledger(lake), Releases(lake).listed()[release], text).collect()]


def test_all_tables_of_a_query_are_read_at_their_version_of_the_release(made) -> None:
    both = """
        select 'publish.recommendations_v1' as told, (select count(*) from publish.users_without_list_v1), count(*) as count
        from publish.recommendations_v1 r where r.user_id <> "publish.x"; """
    assert asked(made, both) == [("publish.recommendations_v1", 1, 5)]
    assert asked(made, both, release=1) == [("publish.recommendations_v1", 1, 3)]


def test_the_order_of_a_query_is_kept_and_other_tables_are_read_as_admitted(made) -> None:
    users = "with users as (select user_id from publish.recommendations_v1) select * from users order by user_id desc limit 2"
    assert asked(made, users) == [("u2",), ("u1",)]
    assert asked(made, "select count(*) from `ops`.`releases` where state = 'served'") == [(2,)]
    named = "select /* of publish.x */ max(publish.rank) from publish.recommendations_v1 as publish -- of publish.y"
    assert asked(made, named) == [(1,)], "an alias may be called like a layer, and a comment name what there is not"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("select * from publish.recomendations_v1", "no table is called publish.recomendations_v1; there are"),
        ("select nothing from publish.recommendations_v1", "UNRESOLVED_COLUMN"),
        ("delete from publish.recommendations_v1", "PARSE_SYNTAX_ERROR"),
        ("select 1; drop table publish.recommendations_v1", "PARSE_SYNTAX_ERROR"),
    ],
)
def test_what_is_no_query_of_tables_that_are_there_is_told_in_one_line(made, text: str, told: str) -> None:
    with pytest.raises(UsageError, match=told) as refusal:
        asked(made, text)
    assert "\n" not in str(refusal.value)


def test_the_statements_that_pin_a_release_give_its_rows_in_spark(made) -> None:
    first = Releases(made).listed()[1]
    lines = list(querying.statements(made, first))
    assert [line for line in lines if line.startswith("--")] == ["-- Spark, Databricks", "-- DuckDB"]
    made.spark.sql(lines[1].rstrip(";"))
    assert made.spark.table("recommendations_v1").count() == 3


def test_a_day_tells_the_versions_and_runs_that_made_it_up_to_the_files(spark, lake) -> None:
    from test_execution import identity, ranges_of_identities, writes

    conf = config.load("test", {"lake.root": lake.root})
    first = execution.execute(writes(IDENTITIES, [identity(DAY)]), conf, Days(DAY, NEXT_DAY), spark)
    job = ranges_of_identities()
    counted = execution.execute(job, conf, Days(DAY, DAY), spark)
    execution.execute(writes(IDENTITIES, [identity(DAY, "later")]), conf, Days(DAY, DAY), spark)
    told = list(lineage.origins(lake, {"counts": job}, conf, VALUE_RANGES, Days(DAY, DAY)))
    assert [(one.depth, one.table, one.version, one.days) for one in told] == [
        (0, VALUE_RANGES, 1, Days(DAY, DAY)),
        (1, IDENTITIES, 1, Days(DAY, DAY)),
    ], "the version that was read, not the one that is there now"
    assert list(told[0].runs) == [counted.run_id] and list(told[1].runs) == [first.run_id]
    with pytest.raises(UsageError, match=r"clean.value_ranges has no day 2024-05-18"):
        list(lineage.origins(lake, {}, conf, VALUE_RANGES, Days(DAY + timedelta(days=2), DAY + timedelta(days=2))))
    with pytest.raises(UsageError, match=r"clean.value_ranges has no day 2024-05-18"):
        list(lineage.origins(lake, {"counts": job}, conf, VALUE_RANGES, Days(DAY + timedelta(days=2), DAY + timedelta(days=2))))


def test_the_files_of_a_raw_day_are_named(spark, lake) -> None:
    row = {"source": "s", "landing_date": DAY, "file": "events-1.jsonl", "delivery_id": "d", "size_bytes": 1, "unmapped_fields": {}}
    row |= {name: 7 for name in RAW_FILES.columns if name.endswith("_count")}
    lake.ensure(RAW_FILES, {})
    later = row | {"landing_date": NEXT_DAY, "file": "events-2.jsonl"}
    lake.write(frame(spark, RAW_FILES, [row, later]), RAW_FILES, Days(DAY, NEXT_DAY), {})
    from clickmill.contracts.tables import RAW_EVENTS

    origin = lineage.Origin(2, RAW_EVENTS, 1, Days(DAY, DAY), 1, 7, {})
    assert lineage.files(lake, origin, Days(DAY, DAY), 10) == ([(str(DAY), "events-1.jsonl", 7)], 0)
    both = lineage.Origin(2, RAW_EVENTS, 1, Days(DAY, NEXT_DAY), 2, 14, {})
    assert lineage.files(lake, both, Days(NEXT_DAY, NEXT_DAY), 1) == ([(str(NEXT_DAY), "events-2.jsonl", 7)], 1), "the nearest first"
