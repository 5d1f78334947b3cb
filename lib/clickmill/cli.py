"""The command line `clickmill`: run jobs, draw the river, look at tables, compare models; its sources stand in cli_sources."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from pyspark.sql import functions as F

from clickmill import cli_sources, config, job, log, river, session, staleness, terminal
from clickmill import doctor as health
from clickmill.contracts.errors import ClickmillError, UsageError
from clickmill.contracts.tables import ALL, BY_NAME, USER_EVALUATIONS
from clickmill.lake import Lake
from clickmill.ledger import Ledger
from clickmill.metrics import evaluation
from clickmill.simulate import landing

app = typer.Typer(help="Raw clickstream in, checked tables out.", no_args_is_help=True, pretty_exceptions_enable=False)
app.add_typer(cli_sources.app, name="sources")

LimitOption = Annotated[int, typer.Option("--limit", min=1, help="Rows to show.")]


@app.command()
def run(
    name: Annotated[str, typer.Argument(metavar="JOB|flow")],
    date: job.DateOption,
    to: job.ToOption = None,
    env: job.EnvOption = "local",
    source: job.SourceOption = None,
    path: job.PathOption = None,
    lake: job.LakeOption = None,
    run_id: job.RunIdOption = None,
    dry_run: job.DryRunOption = False,
) -> None:
    """Run one job over a range of days; or bring the days through the whole flow, as far as they are missing or stale."""

    def act() -> None:
        days, changes = job.day_range(date, to), job.overrides(source, path, lake)
        if name == "flow":
            if run_id is not None:
                raise UsageError("--run-id: a flow needs none: started again, it makes what is missing or stale")
            job.bring(river.flow(source), env, days, changes, dry_run=dry_run)
        else:
            job.perform(river.job(name), env, days, changes, run_id=run_id, dry_run=dry_run)

    job.told(act)


@app.command()
def flow(mermaid: Annotated[Path | None, typer.Option(help="Write the river as a Mermaid file as well.")] = None) -> None:
    """Draw the river, as READS and WRITES of the jobs say."""

    def act() -> None:
        if mermaid is not None and not mermaid.parent.is_dir():
            raise UsageError(f"{mermaid}: there is no such folder; make it first")
        terminal.out.print(river.text(), markup=False)
        if mermaid is not None:
            mermaid.write_text(river.mermaid(), encoding="utf-8")

    job.told(act)


@app.command()
def tables(env: job.EnvOption = "local", lake: job.LakeOption = None) -> None:
    """List every table that is there: layer, rows, days, last run, size."""

    def act(there: Lake, ledger: Ledger, _: config.Config) -> None:
        grid = terminal.grid("layer", "table", "rows", "days", "last day", "last run", "MB", right=("rows", "days", "MB"))
        for table in ALL:
            if not there.exists(table):
                continue
            admitted = ledger.admitted(table)
            rows = sum(one.row_count for one in admitted.values()) if table.day else there.read(table).count()
            days = (str(len(admitted)), str(max(admitted))) if admitted else ("", "")
            last = f"{max(one.admitted_at for one in admitted.values()):%Y-%m-%d %H:%M}" if admitted else ""
            grid.add_row(*table.name.split("."), f"{rows:,}", *days, last, f"{there.size_bytes(table) / 1e6:.1f}")
        terminal.out.print(grid)

    job.told(lambda: _with_lake(env, lake, act))


@app.command()
def status(env: job.EnvOption = "local", lake: job.LakeOption = None, limit: LimitOption = 40) -> None:
    """List the days that are stale, and why."""

    def act(_: Lake, ledger: Ledger, conf: config.Config) -> None:
        found = staleness.stale(river.jobs(), conf, ledger)
        for one in found[:limit]:
            kind = "older" if one.frozen else "stale"
            terminal.out.print(f"{kind:<13}{one.table:<28} {one.day}  {'; '.join(one.reasons)}", markup=False)
        if len(found) > limit:
            terminal.out.print(f"and {len(found) - limit} more; --limit shows them")
        terminal.out.print(f"{len(found)} stale days among {len(ledger.days)} admitted ones")

    job.told(lambda: _with_lake(env, lake, act))


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="TABLE")],
    day: Annotated[str | None, typer.Option(help="Day, YYYY-MM-DD; the newest admitted one where it is left out.")] = None,
    limit: LimitOption = 20,
    env: job.EnvOption = "local",
    lake: job.LakeOption = None,
) -> None:
    """Show rows of a table's day, as the last admitted version has them."""

    def act(there: Lake, ledger: Ledger, _: config.Config) -> None:
        table = BY_NAME.get(name)
        if table is None:
            raise UsageError(f"no table is called {name}; there are {', '.join(BY_NAME)}")
        admitted = ledger.admitted(table)
        rows = there.read(table, ledger.version(table) if table.day else None)
        if table.day is not None:
            if not admitted:
                raise UsageError(f"{name} has no days yet; run the job that writes it")
            chosen = job.day_range(day, None).first if day else max(one for one in admitted)
            if chosen not in admitted:
                raise UsageError(f"{name} has no day {chosen}; it has {min(admitted)} to {max(admitted)}")
            rows = rows.where(f"{table.day} = date'{chosen}'")
        shown = rows.orderBy(*table.key).limit(limit).collect()
        terminal.show_rows(table.columns, [tuple(row) for row in shown])

    job.told(lambda: _with_lake(env, lake, act))


@app.command()
def compare(
    first: Annotated[str, typer.Argument(metavar="RUN", help="A model_run_id of models.evaluations.")],
    second: Annotated[str, typer.Argument(metavar="RUN")],
    env: job.EnvOption = "local",
    lake: job.LakeOption = None,
) -> None:
    """Compare two evaluated model runs over the same users, with paired intervals of 95 %."""

    def act(there: Lake, ledger: Ledger, _: config.Config) -> None:
        users = there.read(USER_EVALUATIONS, ledger.version(USER_EVALUATIONS))
        runs = [users.where(F.col("model_run_id") == name) for name in (first, second)]
        for name, rows in zip((first, second), runs, strict=True):
            if rows.isEmpty():
                known = [row.model_run_id for row in users.select("model_run_id").distinct().orderBy("model_run_id").limit(20).collect()]
                raise UsageError(f"{USER_EVALUATIONS.name} has no run {name}; there are {', '.join(known) or 'none: run evaluate_models'}")
        pairs = evaluation.paired(*runs).orderBy("site_id", "slice", "metric").collect()
        if not pairs:
            raise UsageError(f"{first} and {second} were judged by no user in common on the same days with the same targets")
        grid = terminal.grid("site", "users", "metric", first, second, "difference", "interval", "n", right=("difference", "n"))
        for pair in pairs:
            told = (f"{pair.first:.4f}", f"{pair.second:.4f}", f"{pair.value:+.4f}", f"{pair.low:+.4f} to {pair.high:+.4f}")
            grid.add_row(pair.site_id, pair.slice, pair.metric, *told, f"{pair.user_count:,}")
        terminal.out.print(grid)

    job.told(lambda: _with_lake(env, lake, act))


@app.command()
def simulate(
    out: Annotated[str, typer.Option(help="Folder for the landing files; the truth goes to one beside it, `<out>-truth`.")],
    events: Annotated[int, typer.Option(min=1, help="About how many events.")] = 100_000,
    days: Annotated[int, typer.Option(min=1, max=730, help="Length of the stream.")] = 14,
    seed: Annotated[int, typer.Option(min=0, help="Of everything: the same seed, the same events.")] = 1,
    env: job.EnvOption = "local",
) -> None:
    """Write landing files as the systems of a shop would, dirt included, and what is true of them."""

    def act() -> None:
        log.configure(config.load(env).run.log_folder)
        if Path(out).exists() or Path(landing.truth_beside(out)).exists():
            raise UsageError(f"{out} or {landing.truth_beside(out)} is there already; name a new folder")
        with terminal.progress(), session.started("clickmill simulate") as spark:
            made = landing.write(spark, seed=seed, days=days, events=events, out=out)
        terminal.out.print(
            f"{made.deliveries:,} lines of {made.users:,} users in {made.landing}; the truth is in {made.truth}", markup=False
        )

    job.told(act)


@app.command()
def doctor(env: job.EnvOption = "local") -> None:
    """Ask whether this machine is fit: Java, versions, jars, a Delta round trip, time zone, disk, memory."""

    def act() -> None:
        conf = config.load(env)
        log.configure(conf.run.log_folder)
        findings = health.before_spark(conf.lake.root)
        try:
            with session.started("clickmill doctor") as spark:
                findings += health.with_spark(spark)
        except Exception as error:
            findings.append(health.not_started(type(error).__name__, log.trace(error)))
        for one in findings:
            terminal.out.print(f"{'[green]well[/green]' if one.is_well else '[red]ill [/red]'}  {one.question:<20} {one.answer}")
        ill = [one.question for one in findings if not one.is_well]
        if ill:
            raise ClickmillError(f"not fit: {', '.join(ill)}")

    job.told(act)


def _with_lake(env: str, root: str | None, act: Callable[[Lake, Ledger, config.Config], None]) -> None:
    conf = config.load(env, job.overrides(None, None, root))
    log.configure(conf.run.log_folder)
    with session.started("clickmill") as spark:
        lake = Lake(spark, conf.lake.root)
        act(lake, Ledger(lake), conf)


def main() -> None:
    """What `clickmill` starts."""
    job.command_line(app)


if __name__ == "__main__":
    main()
