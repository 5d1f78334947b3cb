"""Which inputs made the rows of a day: the versions that were read, the runs that wrote them, the files that they came from."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pyspark.sql import functions as F

from clickmill.config import Config
from clickmill.contracts.days import Days
from clickmill.contracts.errors import UsageError
from clickmill.contracts.table import Table
from clickmill.contracts.tables import BY_NAME, DAYS, RUNS
from clickmill.inputs import Job, days_of
from clickmill.lake import Lake

_MANIFESTS = {"raw.events": "raw.files", "raw.items": "raw.item_files", "raw.users": "raw.user_files"}


@dataclass(frozen=True)
class Origin:
    """Days of a table that went into others, and the runs that wrote them.

    depth    0 for the day that was asked for, 1 for what its run read, and so on upstream
    version  of the table, as it was read
    days     those that were there, of the window that was read
    runs     run id: job, code version and config hash, of the runs that wrote these days
    """

    depth: int
    table: Table
    version: int
    days: Days
    day_count: int
    row_count: int
    runs: Mapping[str, tuple[str, str, str]]


def origins(lake: Lake, jobs: Mapping[str, Job], conf: Config, table: Table, days: Days) -> Iterator[Origin]:
    """What made some days of a table, each table once, the nearest first.

    Upstream of what the run itself read the versions are the newest that any of the
    runs there read, so of tables far up more may be told than went in, never less.

    Raises  UsageError when none of the days was admitted
    """
    written_by = {written: job for job in jobs.values() for written in job.WRITES}
    told: set[Table] = set()
    waiting: list[tuple[int, Table, Days, int | None]] = [(0, table, days, None)]
    while waiting:
        depth, one, window, version = waiting.pop(0)
        if one in told:
            continue
        told.add(one)
        origin = _origin(lake, depth, one, window, version)
        if origin is None:
            if depth == 0:
                raise UsageError(f"{table.name} has no day {days}; clickmill tables says which days there are")
            continue
        yield origin
        read = _versions_read(lake, origin)
        for upstream in written_by[one].READS if one in written_by else ():
            if upstream.table.name in read and upstream.table != one:
                waiting.append((depth + 1, upstream.table, days_of(upstream, origin.days, conf), read[upstream.table.name]))


def files(lake: Lake, origin: Origin, limit: int) -> list[tuple[str, str, int]]:
    """Landing files of the days of a raw table: day, name, records; the first so many."""
    manifest = BY_NAME.get(_MANIFESTS.get(origin.table.name, ""))
    if manifest is None:
        return []
    in_days = F.col("landing_date").between(F.lit(origin.days.first), F.lit(origin.days.last))
    rows = lake.read(manifest).where(in_days).orderBy("landing_date", "file", "delivery_id").limit(limit).collect()
    return [(str(row.landing_date), row.file, row.record_count) for row in rows]


def _origin(lake: Lake, depth: int, table: Table, window: Days, version: int | None) -> Origin | None:
    in_window = F.col("day").between(F.lit(str(window.first)).cast("date"), F.lit(str(window.last)).cast("date"))  # year 1 is a first, too
    rows = lake.read(DAYS).where((F.col("table") == table.name) & in_window)
    if version is not None:
        rows = rows.where(F.col("version") <= version)
    newest = F.max_by(F.struct(*DAYS.columns), F.struct("version", "admitted_at")).alias("newest")
    found = rows.groupBy("day").agg(newest).select("newest.*").orderBy("day").collect()
    if not found:
        return None
    return Origin(
        depth=depth,
        table=table,
        version=max(row.version for row in found),
        days=Days(found[0].day, found[-1].day),
        day_count=len(found),
        row_count=sum(row.row_count for row in found),
        runs={row.run_id: (row.job, row.code_version, row.config_hash) for row in found},
    )


def _versions_read(lake: Lake, origin: Origin) -> dict[str, int]:
    """The newest version of each input that the runs of an origin read."""
    newest: dict[str, int] = {}
    for row in lake.read(RUNS).where(F.col("run_id").isin(list(origin.runs)) & (F.col("status") == "done")).select("inputs").collect():
        for name, version in json.loads(row.inputs).items():
            newest[name] = max(version, newest.get(name, 0))
    return newest
