"""Several sources and sites in one lake: the same events give the same tables, and what one source brings moves no other."""

import shutil
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from clickmill import config, execution, river
from clickmill.contracts.days import Days
from clickmill.contracts.table import Table
from clickmill.contracts.tables import EVENTS, INTERACTIONS, RAW_EVENTS, REJECTS, SESSIONS
from clickmill.lake import Lake

LANDING = Path(__file__).resolve().parents[1] / "fixtures" / "landing"
DAY = Days(date(2024, 5, 16), date(2024, 5, 16))
# Each source with the site that it names. All of them tell of the same visitors.
FOLDERS = {"events_jsonl": "plain"}
SITES = {"events_jsonl": "shop", "ga4": "ga4", "segment": "segment", "snowplow": "web_shop"}
# Where an event came from, and what is made of that: ids, and the order and sessions that some formats name.
PROVENANCE = ("site_id", "source", "landing_date", "received_at", "unmapped", "event_id", "session_id", "visitor_bucket")
PROVENANCE += ("source_order", "source_session_id")


@dataclass
class Shops:
    """One lake, the landing folder of each source, and how both are brought on."""

    spark: SparkSession
    folder: Path

    def ingest(self, source: str) -> dict[str, int]:
        return self._run("ingest_events", source).counts

    def run(self, *jobs: str) -> None:
        for name in jobs:
            self._run(name, None)

    def table(self, table: Table) -> DataFrame:
        return Lake(self.spark, str(self.folder / "lake")).read(table)

    def of_site(self, table: Table, site: str) -> list[tuple[object, ...]]:
        rows = self.table(table).where(f"site_id = '{site}'")
        if "item_pos" in table.columns:
            # A product that a call holds by itself, and not in a list of one, has the place 0.
            rows = rows.withColumn("item_pos", F.greatest("item_pos", F.lit(1)))
        names = [name for name in table.columns if name not in PROVENANCE]
        return sorted((tuple(row) for row in rows.select(*names).collect()), key=str)

    def everything_but(self, site: str) -> dict[str, list[str]]:
        tables = (RAW_EVENTS, EVENTS, SESSIONS, REJECTS)
        return {one.name: sorted(map(str, self.table(one).where(f"site_id <> '{site}'").collect())) for one in tables}

    def _run(self, job: str, source: str | None) -> execution.RunResult:
        changes = {"lake.root": str(self.folder / "lake"), "landing.source": source}
        changes |= {"landing.path": str(self.folder / source)} if source else {}
        return execution.execute(river.job(job), config.load("test", changes), DAY, self.spark)


@pytest.fixture(scope="module")
def shops(spark: SparkSession, no_gate: None, tmp_path_factory: pytest.TempPathFactory) -> Shops:
    made = Shops(spark, tmp_path_factory.mktemp("shops"))
    for source in SITES:
        shutil.copytree(LANDING / FOLDERS.get(source, source), made.folder / source)
        made.ingest(source)
    made.run("find_bots", "clean_events", "build_sessions", "build_interactions")
    return made


def test_the_same_events_in_our_plain_form_are_the_rows_that_one_expects(shops: Shops) -> None:
    rows = shops.table(EVENTS).where("site_id = 'shop'").orderBy("event_at", "item_pos").collect()
    names = ("event_type", "user_id", "item_id", "item_pos", "quantity", "price", "order_id", "query", "campaign_id")
    two, one = Decimal("2.000"), Decimal("1.000")
    a1, b2 = Decimal("29.9500"), Decimal("5.0000")
    assert [tuple(row[name] for name in names) for row in rows] == [
        ("item_view", "v1", "A1", 1, None, a1, None, None, None),
        ("add_to_cart", "v1", "A1", 1, two, a1, None, None, None),
        ("purchase", "u1", "A1", 1, two, a1, "o1", None, None),
        ("purchase", "u1", "B2", 2, one, b2, "o1", None, None),
        ("search", "v2", None, 0, None, None, None, "red tea", None),
        ("page_view", "v2", None, 0, None, None, None, None, "spring"),
        ("page_view", None, None, 0, None, None, None, None, None),
    ]
    sessions = shops.table(SESSIONS).where("site_id = 'shop'").orderBy("started_at").collect()
    assert [(row.visitor_id, row.event_count, row.purchase_value) for row in sessions] == [
        ("v1", 3, Decimal("64.9000")),
        ("v2", 2, Decimal("0.0000")),
    ]


@pytest.mark.parametrize("source", ["ga4", "segment", "snowplow"])
def test_a_format_gives_the_clean_tables_of_the_same_events_in_our_plain_form(shops: Shops, source: str) -> None:
    for table in (EVENTS, SESSIONS, INTERACTIONS):
        found = shops.of_site(table, SITES[source])
        assert found and found == shops.of_site(table, "shop"), table.name
    copies = shops.table(REJECTS).where(f"source = '{source}'").select("kind", "reasons", "item_pos").collect()
    assert sorted(tuple(row) for row in copies) == [("copy", ["exact_copy"], 1), ("copy", ["exact_copy"], 2)]


def test_a_new_file_of_one_source_moves_no_other_site(shops: Shops) -> None:
    before, own = shops.everything_but("segment"), len(shops.of_site(EVENTS, "segment"))
    more = '{"type":"page","messageId":"m9","anonymousId":"v1","timestamp":"2024-05-16T10:06:00Z"}\n'
    (shops.folder / "segment" / "more-2024-05-16.jsonl").write_text(more)
    assert shops.ingest("segment")["records"] == 1
    shops.run("clean_events", "build_sessions")
    assert shops.everything_but("segment") == before
    assert len(shops.of_site(EVENTS, "segment")) == own + 1
    counts = {row.site_id: row.event_count for row in shops.table(SESSIONS).where("visitor_id = 'v1'").collect()}
    assert counts == {"shop": 3, "ga4": 3, "segment": 4, "web_shop": 3}
