"""One shop's source, and what a run of ingestion over its files gave."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pyspark.sql import DataFrame, Row

from clickmill.contracts.local import local_frame
from clickmill.contracts.tables import RAW_FILES
from clickmill.ingest import ingest

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
        return ingest.check(self.raw, self.manifest, self.before)

    def column(self, name: str) -> list[Any]:
        return [row[name] for row in self.rows]

    def problems(self) -> list[list[str]]:
        return self.column("problems")
