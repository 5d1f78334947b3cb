"""Which inputs made the rows of a day: the versions that were read, the runs that wrote them, the files that they came from."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pyspark.sql import functions as F

from clickmill.config import Config
from clickmill.contracts.days import Days
from clickmill.contracts.errors import UsageError
from clickmill.contracts.table import Table
from clickmill.contracts.tables import ALL, BY_NAME, DAYS, RUNS
from clickmill.inputs import Job, days_of
from clickmill.lake import Lake
from clickmill.releases import Releases

_MANIFESTS = {"raw.events": "raw.files", "raw.items": "raw.item_files", "raw.users": "raw.user_files"}


@dataclass(frozen=True)
class Origin:
    """Days of a table that went into others, and the runs that wrote them.

    depth    0 for the day that was asked for, 1 for what its run read, and so on upstream
    version  of the table, as it was read
    days     those that were there, of the window that was read
    runs     run id: job, code version and config hash, of the runs that wrote these days
    versions those that they wrote
    """

    depth: int
    table: Table
    version: int
    days: Days
    day_count: int
    row_count: int
    runs: Mapping[str, tuple[str, str, str]]
    versions: tuple[int, ...] = ()


@dataclass(frozen=True)
class _Wanted:
    """Days of a table that those further down read, at a version or at whatever there is."""

    depth: int
    days: Days
    version: int | None

    def with_other(self, other: "_Wanted | None") -> "_Wanted":
        if other is None:
            return self
        days = Days(min(self.days.first, other.days.first), max(self.days.last, other.days.last))
        return _Wanted(min(self.depth, other.depth), days, max(self.version or 0, other.version or 0))


def origins(lake: Lake, jobs: Mapping[str, Job], conf: Config, table: Table, days: Days) -> Iterator[Origin]:
    """What made some days of a table, each table once: the one that was asked for first, then up the river.

    Of a table that several others read, the days are all that any of them
    read, and the version is the newest that one of them read: so of tables far up
    more may be told than went in, never less.

    Needs   jobs: in the order of the river
    Raises  UsageError when none of the days was admitted, or the release that is served is of a day before
    """
    served = Releases(lake).current if table.is_served else None
    if served is not None and days.first > served.as_of_date:
        raise UsageError(f"{table.name} has no day {days}: release {served.release_id} of {served.as_of_date} is served")
    wanted = {table: _Wanted(0, days, None)}
    # From the river's end: when a table's turn comes, all who read it have said which days.
    written = {one: job.READS for job in reversed(list(jobs.values())) for one in job.WRITES}
    for one in [*written, *(other for other in ALL if other not in written)]:
        origin = _origin(lake, one, wanted[one]) if one in wanted else None
        if origin is None:
            if one == table:
                raise UsageError(f"{table.name} has no day {days}; clickmill tables says which days there are")
            continue
        yield origin
        read = _versions_read(lake, origin)
        for upstream in written.get(one, ()):
            if upstream.table.name in read and upstream.table != one:
                asked = _Wanted(origin.depth + 1, days_of(upstream, origin.days, conf), read[upstream.table.name])
                wanted[upstream.table] = asked.with_other(wanted.get(upstream.table))


def files(lake: Lake, origin: Origin, asked: Days, limit: int) -> tuple[list[tuple[str, str, int]], int]:
    """Landing files of the days of a raw table, as far as the runs of the origin took them: day, name, records of so many, and how
    many more there are. Those that landed nearest to the days that were asked for come first: what was read reaches far around them.
    """
    manifest = BY_NAME.get(_MANIFESTS.get(origin.table.name, ""))
    if manifest is None:
        return [], 0
    admitted = lake.read(DAYS).where((F.col("table") == manifest.name) & F.col("run_id").isin(list(origin.runs)))
    newest = admitted.agg(F.max("version")).first()
    version = newest[0] if newest else None
    in_days = F.col("landing_date").between(F.lit(origin.days.first), F.lit(origin.days.last))
    taken = lake.read(manifest, version).where(in_days)
    landed = F.col("landing_date")
    away_days = F.greatest(F.datediff(F.lit(asked.first), landed), F.datediff(landed, F.lit(asked.last)), F.lit(0))
    rows = taken.orderBy(away_days, "landing_date", "file", "delivery_id").limit(limit).collect()
    return [(str(row.landing_date), row.file, row.record_count) for row in rows], taken.count() - len(rows)


def _origin(lake: Lake, table: Table, wanted: _Wanted) -> Origin | None:
    first, last = (F.lit(str(day)).cast("date") for day in (wanted.days.first, wanted.days.last))  # year 1 is a first, too
    rows = lake.read(DAYS).where((F.col("table") == table.name) & F.col("day").between(first, last))
    if wanted.version is not None:
        rows = rows.where(F.col("version") <= wanted.version)
    entries = rows.orderBy("day", "version", "admitted_at").collect()
    if not entries:
        return None
    newest = {row.day: row for row in entries}
    # A day that is added to is what all its runs made of it; of one that is replaced the last run alone.
    made = entries if table.write == "append" else newest.values()
    return Origin(
        depth=wanted.depth,
        table=table,
        version=max(row.version for row in entries),
        days=Days(min(newest), max(newest)),
        day_count=len(newest),
        row_count=sum(row.row_count for row in newest.values()),
        runs={row.run_id: (row.job, row.code_version, row.config_hash) for row in made},
        versions=tuple(sorted({row.version for row in made})),
    )


def _versions_read(lake: Lake, origin: Origin) -> dict[str, int]:
    """The newest version of each input that the runs of an origin read.

    Their commits say so; of those that the log no longer has, ops.runs does, unless the run was killed before it stood there.
    """
    newest: dict[str, int] = {}
    notes = [lake.note(origin.table, version) for version in origin.versions]
    told = [note["inputs"] for note in notes if "inputs" in note]
    if len(told) < len(notes):
        runs = lake.read(RUNS).where(F.col("run_id").isin(list(origin.runs)) & (F.col("status") == "done"))
        told += [json.loads(row.inputs) for row in runs.select("inputs").collect()]
    for inputs in told:
        for name, version in inputs.items():
            newest[name] = max(version, newest.get(name, 0))
    return newest
