"""One shop's source, and what a run of ingestion over its files gave."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, Row

from clickmill.contracts import resources
from clickmill.contracts.local import local_frame
from clickmill.contracts.tables import RAW_FILES
from clickmill.ingest import ingest
from clickmill.ingest.source import Source

LANDING = Path(__file__).resolve().parents[1] / "fixtures" / "landing"
EVENTS_CSV = """
name: shop
site_id: {constant: shop}
read: {format: csv}
landing_date: {name: '(\\d{4}-\\d{2}-\\d{2})'}
columns: {visitor_id: user, event_at: {value: at, unit: seconds}, item_id: item, price: price}
event_types: {from: type, map: {view: item_view, buy: purchase}}
ids: {key: [item, type, at]}
"""
"""A source of CSV files with the header user,item,type,at,price in any order; 1709251200 is 2024-03-01T00:00:00Z."""

HEADER = "user,item,type,at,price\n"


@dataclass(frozen=True)
class Ingested:
    """What one run of ingestion gave: rows by place, the manifest, and the counts of its own check."""

    raw: DataFrame
    landed_files: DataFrame
    before: DataFrame
    source: Source

    @cached_property
    def rows(self) -> list[Row]:
        position = "item_pos" if "item_pos" in self.raw.columns else "state_pos"
        return sorted(self.raw.collect(), key=lambda row: (row.file, row.delivery_id, row.block, row.ordinal, row[position]))

    @cached_property
    def manifest(self) -> DataFrame:
        """As read back from the lake: data, and no plan."""
        return local_frame(self.raw.sparkSession, self.landed_files.collect(), RAW_FILES.schema)

    @cached_property
    def files(self) -> list[Row]:
        return sorted(self.manifest.collect(), key=lambda row: (row.landing_date, row.file))

    @cached_property
    def counts(self) -> dict[str, int]:
        return ingest.check(self.raw, self.manifest, self.before, self.source)

    def column(self, name: str) -> list[Any]:
        return [row[name] for row in self.rows]

    def problems(self) -> list[list[str]]:
        return self.column("problems")


Read = Callable[..., Ingested]


def yaml(name: str) -> str:
    return resources.text(f"conf/sources/{name}.yaml")


def sums(got: Ingested) -> tuple[int, int, int]:
    """Records, and how many of them were mapped and rejected."""
    return got.counts["records"], got.counts["mapped"], got.counts["rejected"]


def values(got: Ingested, *names: str) -> list[tuple[Any, ...]]:
    """Columns of the rows; amounts as text, so that one sees their places."""
    return [
        tuple(str(row[name]) if name in ("price", "quantity", "event_at", "event_date") else row[name] for name in names)
        for row in got.rows
    ]
