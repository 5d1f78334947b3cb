"""The audit of a release that was staged, beside the one that is served: its protocol, its size, and what its lists reach."""

from collections.abc import Iterable
from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from clickmill.contracts.reached import Reached
from clickmill.contracts.table import Table
from clickmill.contracts.tables import BY_NAME
from clickmill.lake import Lake
from clickmill.releases import Release

FEW_ROWS = 100
"""Rows below which a table's size says nothing: of five users without a list twice as many are ten."""
READER_VERSION = 1
"""Readers of this version of Delta's protocol are the least that there are: all warehouses have one."""


def demands(draft: Release, lake: Lake) -> list[str]:
    """What the tables of a release, as staged or as served, ask of a reader beyond READER_VERSION: nobody can accept that by hand."""
    moved = [BY_NAME[name] for name in draft.staged_versions]
    found = ((table, lake.asks_of_readers(one, READER_VERSION)) for table in moved for one in (table.staging(), table))
    return sorted({f"{table.name}: {asked}" for table, asked in found if asked})


def faults(
    draft: Release, reached: Iterable[Reached], before: Release | None, lake: Lake, *, row_count_band: float, model_floor: float
) -> list[str]:
    """What speaks against a release whose rows hold all rules: one line each.

    A table has more rows than `row_count_band` times those of the release that is served, or fewer than the same part
    of them, in all or of one site; a site's lists are proven to reach less than `model_floor` of what they did: the
    upper end of the interval lies below.
    """
    if before is None:
        return []
    told = []
    for name, count in draft.row_counts.items():
        served = before.row_counts.get(name, 0)
        if count > row_count_band * max(served, FEW_ROWS) or (served >= FEW_ROWS and count < served / row_count_band):
            told.append(
                f"{name}: {count:,} rows, the release before has {served:,}; at most {row_count_band:g} times more or fewer are allowed"
            )
    if not told:  # what holds of a whole table need not be said of its sites
        told = _sites_that_shrank(draft, before, lake, row_count_band)
    for site in reached:
        asked = model_floor * before.reached.get(site.site_id, 0)
        if site.high < asked:
            told.append(
                f"site {site.site_id}: its lists reach NDCG {site.value:.4f} (at most {site.high:.4f}), "
                f"the release before reached {before.reached[site.site_id]:.4f}; at least {asked:.4f} is asked"
            )
    return told


def _sites_that_shrank(draft: Release, before: Release, lake: Lake, band: float) -> list[str]:
    told = []
    for name, version in draft.staged_versions.items():
        table = BY_NAME[name]
        was = _rows_by_site(lake.read(table, before.versions[name]), table, before.as_of_date) if name in before.versions else {}
        now = _rows_by_site(lake.read(table.staging(), version), table, draft.as_of_date)
        shrank = {site: count for site, count in sorted(was.items()) if count >= FEW_ROWS and now.get(site, 0) < count / band}
        told += [f"{name}: site {site}: {now.get(site, 0):,} rows, the release before has {count:,}" for site, count in shrank.items()]
    return told


def _rows_by_site(rows: DataFrame, table: Table, day: date) -> dict[str, int]:
    of_day = rows.where(F.col(str(table.day)) == F.lit(day))
    return {row.site_id: row["count"] for row in of_day.groupBy("site_id").count().collect()}
