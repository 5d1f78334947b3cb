"""rows = clean + rejects + copies: nothing is lost, and the run says so by counting."""

from collections.abc import Mapping

from pyspark.sql import DataFrame

from clickmill.contracts import reasons
from clickmill.contracts.errors import BadData
from clickmill.contracts.table import Table
from clickmill.contracts.tables import EVENTS, REJECTS


def rows_are_all_there(written: Mapping[Table, DataFrame], raw: DataFrame) -> dict[str, int]:
    """Count the raw rows of the run on their own, and compare with what was written.

    Returns  rows, clean, rejects and copies, and one count for each reason (a reject of two reasons counts under both)
    Raises   BadData when rows are missing or too many
    """
    rows, clean = raw.count(), written[EVENTS].count()
    by_kind = {row.kind: row["count"] for row in written[REJECTS].groupBy("kind").count().collect()}
    rejects, copies = by_kind.get("reject", 0), by_kind.get("copy", 0)
    if rows != clean + rejects + copies:
        raise BadData(f"{EVENTS.name}: {rows} rows came in, but {clean} clean + {rejects} rejects + {copies} copies went out")
    told = reasons.counted(written[REJECTS], "reasons").orderBy("reason")
    return {
        "rows": rows,
        "clean": clean,
        "rejects": rejects,
        "copies": copies,
        **{f"reason {row.reason}": row["count"] for row in told.collect()},
    }
