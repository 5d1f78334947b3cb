"""Commands of `clickmill` about releases: which there are, why one was refused, to go back to one, to query one."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from clickmill import execution, job, locks, querying, releases, terminal
from clickmill.cli_tables import LimitOption, opened
from clickmill.contracts import given
from clickmill.contracts.errors import UsageError
from clickmill.contracts.tables import BY_NAME, SERVED
from clickmill.lake import Lake
from clickmill.releases import Release, Releases

release_app = typer.Typer(help="One release.", no_args_is_help=True)
ReleaseArgument = Annotated[str, typer.Argument(metavar="RELEASE")]


def add_to(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    for command in (releases_listed, rollback, sql):
        app.command(command.__name__.removesuffix("_listed"))(command)
    release_app.command()(explain)
    release_app.command()(accept)
    app.add_typer(release_app, name="release")


@job.command
def releases_listed(env: job.EnvOption = "local", lake: job.LakeOption = None, limit: LimitOption = 20) -> None:
    """List the releases that can be restored, the one that is served, and those that were refused since."""
    grid = terminal.grid("release", "day", "", "rows", "since", "why", right=("rows",))
    with opened(env, lake) as (there, _, _):
        known = Releases(there)
        for row in sorted([*known.listed(), *known.refused()], key=lambda one: -one.number)[:limit]:
            state = "served now" if row == known.current else "refused" if row.state == releases.REFUSED else ""
            rows = f"{sum(row.row_counts.values()):,}"
            grid.add_row(row.release_id, str(row.as_of_date), state, rows, f"{row.entered_at:%Y-%m-%d %H:%M}", row.reason or "")
        if known.unfinished:
            terminal.out.print(f"{known.unfinished.release_id} is being served: a run is at it, or died; the next run finishes it")
    terminal.out.print(grid)


@job.command
def rollback(
    to: Annotated[str, typer.Option("--to", metavar="RELEASE", help="One that `clickmill releases` lists.")],
    env: job.EnvOption = "local",
    lake: job.LakeOption = None,
) -> None:
    """Serve an earlier release again, all its tables."""
    to = given.name("--to", to)
    with opened(env, lake) as (there, _, _), _held(there) as (known, hold):
        _show_served(releases.rollback(known, hold, to))


@job.command
def accept(
    release: ReleaseArgument,
    because: Annotated[str, typer.Option(help="Why; it stands in ops.releases.")],
    env: job.EnvOption = "local",
    lake: job.LakeOption = None,
) -> None:
    """Serve a release that was refused for its size or for what its models reach, after a look at it."""
    release = given.name("RELEASE", release)
    if not because.strip():
        raise UsageError("--because: expected a reason, for whoever reads of it later")
    with opened(env, lake) as (there, _, _), _held(there) as (known, hold):
        _show_served(releases.accept(known, hold, release, because))


@job.command
def explain(release: ReleaseArgument, env: job.EnvOption = "local", lake: job.LakeOption = None) -> None:
    """Say what a release holds, beside the one that is served, why it was refused, and where its rows are."""
    release = given.name("RELEASE", release)
    with opened(env, lake) as (there, _, _):
        known = Releases(there)
        row, current = known.named(release), known.current
        terminal.out.print(f"release {row.release_id} of {row.as_of_date}: {row.state} at {row.entered_at:%Y-%m-%d %H:%M:%S} UTC")
        if row.reason:
            terminal.out.print(row.reason)
        grid = terminal.grid("table", "rows", "served now", "version", right=("rows", "served now", "version"))
        for name, version in (row.staged_versions if row.state == releases.REFUSED else row.versions).items():
            served = current.row_counts.get(name, 0) if current else 0
            grid.add_row(name, f"{row.row_counts.get(name, 0):,}", f"{served:,}", str(version))
        terminal.out.print(grid)
        for site, reached in sorted(row.reached.items()):
            before = current.reached.get(site) if current else None
            terminal.out.print(f"site {site}: NDCG {reached:.4f}, served now {'unknown' if before is None else f'{before:.4f}'}")
        if row.state == releases.REFUSED:
            for name, version in row.staged_versions.items():
                staged = there.path(BY_NAME[name].staging())
                terminal.out.print(f"its rows: SELECT * FROM delta.`{staged}` VERSION AS OF {version}")


@job.command
def sql(
    query: Annotated[str | None, typer.Argument(help="A query of tables by their names, as publish.recommendations_v1.")] = None,
    release: Annotated[str | None, typer.Option(metavar="RELEASE", help="The one that is served where it is left out.")] = None,
    limit: LimitOption = 20,
    env: job.EnvOption = "local",
    lake: job.LakeOption = None,
) -> None:
    """Query the tables of one release, each at its version of that release; without a query, print what pins them for other engines."""
    if release is not None:
        given.name("--release", release)
    if query is not None:
        querying.must_be_one(query)
    with opened(env, lake) as (there, ledger, _):
        known = Releases(there)
        chosen = known.restorable(release) if release else known.current
        if chosen is None:
            raise UsageError("no release is served yet")
        if query is None:
            for line in querying.statements(there, chosen):
                terminal.out.print(line)
            return
        rows = querying.query(there, ledger, chosen, query)
        terminal.show_rows(rows.columns, [tuple(row) for row in rows.limit(limit).collect()])


@contextmanager
def _held(lake: Lake) -> Iterator[tuple[Releases, locks.Hold]]:
    """The releases, and the served tables held by this process, as a run that publishes holds them."""
    with locks.held(lake.locks(), [table.name for table in SERVED], execution.new_run_id()) as hold:
        yield Releases(lake), hold


def _show_served(release: Release) -> None:
    terminal.out.print(f"release {release.release_id} of {release.as_of_date} is served: {release.reason}")
