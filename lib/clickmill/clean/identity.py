"""rows = clean + rejects + copies: nothing is lost, and the run says so by counting."""

from collections.abc import Mapping

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from clickmill.contracts import reasons
from clickmill.contracts.errors import BadData
from clickmill.contracts.table import Table
from clickmill.contracts.tables import EVENTS, REJECTS


def rows_are_all_there(written: Mapping[Table, DataFrame], raw: DataFrame) -> dict[str, int]:
    """Count the raw rows of the run on their own, and compare with what was written.

    Returns  rows, clean, rejects and copies, and one count for each reason (a reject of two reasons counts under both)
    Raises   BadData when rows are missing or too many
    """
    rows, clean = raw.count(), _count_in_one_zone(written[EVENTS])
    by_kind = {row.kind: row["count"] for row in written[REJECTS].groupBy("kind").count().collect()}
    rejects, copies = by_kind.get("reject", 0), by_kind.get("copy", 0)
    if rows != clean + rejects + copies:
        raise BadData(f"{EVENTS.name}: {rows} rows came in, but {clean} clean + {rejects} rejects + {copies} copies went out")
    told = sorted(reasons.counted(written[REJECTS], "reasons").collect())
    return {
        "rows": rows,
        "clean": clean,
        "rejects": rejects,
        "copies": copies,
        **{f"reason {row.reason}": row["count"] for row in told},
    }


def _count_in_one_zone(events: DataFrame) -> int:
    """Count the rows, and see that the days of each site are those of one zone: a session goes on over one midnight, not over two.

    Raises  BadData naming the first site with several, and its zones
    """
    zones = F.array_sort(F.collect_set(F.coalesce("zone", F.lit("that of the shop"))))
    sites = events.groupBy("site_id").agg(F.count("*").alias("rows"), zones.alias("zones"))
    mixed = F.min(F.when(F.size("zones") > 1, F.struct("site_id", "zones")))
    found = sites.agg(F.sum("rows").alias("rows"), mixed.alias("mixed")).first()
    assert found is not None
    if found.mixed:
        raise BadData(
            f"{EVENTS.name}: the days of site {found.mixed.site_id} are those of several zones ({', '.join(found.mixed.zones)}): "
            "declare one `zone` in all sources of the site, or give each zone a site_id of its own"
        )
    return found.rows or 0
