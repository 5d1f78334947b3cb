"""Commands of `clickmill` that look at the tables of a lake, and the one that sweeps it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from clickmill import config, execution, folders, job, lineage, log, querying, river, session, staleness, terminal, vacuum
from clickmill.contracts.errors import UsageError
from clickmill.contracts.table import Table
from clickmill.contracts.tables import ALL, BY_NAME, DAYS
from clickmill.folders import Folder
from clickmill.lake import Lake
from clickmill.ledger import Ledger
from clickmill.releases import Releases

LimitOption = Annotated[int, typer.Option("--limit", min=1, max=1_000_000, help="Rows to show.")]
TableArgument = Annotated[str, typer.Argument(metavar="TABLE")]


def add_to(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    for command in (tables, status, show, lineage_of, sweep):
        app.command(command.__name__.removesuffix("_of").replace("sweep", "vacuum"))(command)


@contextmanager
def opened(env: str, root: str | None, source: str | None = None) -> Iterator[tuple[Lake, Ledger, config.Config]]:
    """A lake that is there, its ledger and the config, in a session of their own or the one that is there.

    Raises  UsageError where there is no lake: a root that was mistyped would look like a lake in which all is well
    """
    conf = config.load(env, job.overrides(source, None, root))
    log.configure(conf.run.log_folder)
    near = folders.local(conf.lake.root)
    if near is not None:
        _must_be_a_lake(near, conf.lake.root)
    with session.started("clickmill") as spark:
        lake = Lake(spark, conf.lake.root)
        if near is None:
            _must_be_a_lake(folders.folder(spark, lake.root), lake.root)
        yield lake, Ledger(lake), conf


@job.command
def tables(env: job.EnvOption = "local", lake: job.LakeOption = None) -> None:
    """List every table that is there: layer, rows, days, last run, size."""
    grid = terminal.grid("layer", "table", "rows", "days", "last day", "last run", "MB", right=("rows", "days", "MB"))
    with opened(env, lake) as (there, ledger, _):
        served = Releases(there).current
        for table in ALL:
            if not there.exists(table):
                continue
            admitted = querying.admitted(ledger, table, served)
            rows = querying.row_count(there, table, admitted)
            days = (str(len(admitted)), str(max(admitted))) if admitted else ("", "")
            last = f"{max(one.admitted_at for one in admitted.values()):%Y-%m-%d %H:%M}" if admitted else ""
            grid.add_row(*table.name.split("."), f"{rows:,}", *days, last, f"{there.size_bytes(table) / 1e6:.1f}")
    terminal.out.print(grid)


@job.command
def status(env: job.EnvOption = "local", source: job.SourceOption = None, lake: job.LakeOption = None, limit: LimitOption = 40) -> None:
    """List the days that are stale, and why."""
    with opened(env, lake, source) as (_, ledger, conf):
        found = staleness.stale(river.jobs(), conf, ledger)
        for one in found[:limit]:
            kind = "older" if one.frozen else "stale"
            terminal.out.print(f"{kind:<13}{one.table:<28} {one.day}  {'; '.join(one.reasons)}")
        if len(found) > limit:
            terminal.out.print(f"and {len(found) - limit} more; --limit shows them")
        terminal.out.print(f"{len(found)} stale days among {len(ledger.days)} admitted ones")


@job.command
def show(
    name: TableArgument,
    day: Annotated[str | None, typer.Option(help="Day, YYYY-MM-DD; the newest admitted one where it is left out.")] = None,
    limit: LimitOption = 20,
    env: job.EnvOption = "local",
    lake: job.LakeOption = None,
) -> None:
    """Show rows of a table's day, as the last admitted version has them; of a published table, as it is served."""
    table, asked = named(name), job.day_range(day, None, "--day").first if day else None
    with opened(env, lake) as (there, ledger, _):
        rows = querying.read(there, ledger, table)
        if table.day is not None:
            admitted = querying.admitted(ledger, table, Releases(there).current)
            if not admitted:
                raise UsageError(f"{name} has no days yet; run the job that writes it")
            chosen = asked or max(admitted)
            if chosen not in admitted:
                raise UsageError(f"{name} has no day {chosen}; it has {min(admitted)} to {max(admitted)}")
            rows = rows.where(f"{table.day} = date'{chosen}'")
        shown = rows.orderBy(*table.key).limit(limit).collect()
    terminal.show_rows(table.columns, [tuple(row) for row in shown])


@job.command
def lineage_of(
    name: TableArgument,
    day: Annotated[str, typer.Option(help="Day, YYYY-MM-DD.")],
    limit: LimitOption = 20,
    env: job.EnvOption = "local",
    lake: job.LakeOption = None,
) -> None:
    """Say which inputs made the rows of a day: versions, runs, and the files that they landed in."""
    table, days = named(name), job.day_range(day, None, "--day")
    with opened(env, lake) as (there, _, conf):
        for origin in lineage.origins(there, river.jobs(), conf, table, days):
            terminal.show_origin(origin, *lineage.files(there, origin, days, limit), limit)


@job.command
def sweep(env: job.EnvOption = "local", lake: job.LakeOption = None) -> None:
    """Remove files that no version that is still needed has; every release that `releases` lists can be restored afterwards."""
    with opened(env, lake) as (there, _, conf):
        for swept in vacuum.sweep(there, conf, execution.new_run_id()):
            older = f"; {len(swept.kept)} versions are kept for releases and readers" if swept.kept else ""
            removed = f"{swept.file_count:,} files removed" + (f", {swept.log_count:,} of its log" if swept.log_count else "")
            folders = f"; {swept.folder_count:,} of its folders" if swept.folder_count else ""
            terminal.out.print(f"{swept.table.name:<32} {removed}{folders}{older}")


def named(name: str) -> Table:
    """The table of that name.

    Raises  UsageError when there is none
    """
    if name not in BY_NAME:
        raise UsageError(f"no table is called {name}; there are {', '.join(BY_NAME)}")
    return BY_NAME[name]


def _must_be_a_lake(root: Folder, told: str) -> None:
    if DAYS.layer not in root.names(DAYS.layer):
        raise UsageError(f"no lake at {told}")
