"""The command line `clickmill`: run jobs, draw the river, compare models; sources, tables and releases have files of their own."""

from pathlib import Path
from typing import Annotated

import typer
from pyspark.sql import functions as F

from clickmill import cli_releases, cli_sources, cli_tables, cli_train, config, job, log, river, session, terminal
from clickmill import doctor as health
from clickmill.contracts import given
from clickmill.contracts.errors import ClickmillError, UsageError
from clickmill.contracts.tables import USER_EVALUATIONS
from clickmill.metrics import evaluation
from clickmill.simulate import landing

app = typer.Typer(help="Raw clickstream in, checked tables out.", no_args_is_help=True, pretty_exceptions_enable=False)
app.add_typer(cli_sources.app, name="sources")
cli_tables.add_to(app)
cli_releases.add_to(app)
cli_train.add_to(app)


@app.command()
@job.command
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
    days, changes = job.day_range(date, to), job.overrides(source, path, lake)
    if name == "flow":
        if run_id is not None:
            raise UsageError("--run-id: a flow needs none: started again, it makes what is missing or stale")
        job.bring(river.flow(source), env, days, changes, dry_run=dry_run)
    else:
        job.perform(river.job(name), env, days, changes, run_id=run_id, dry_run=dry_run)


@app.command()
@job.command
def flow(mermaid: Annotated[Path | None, typer.Option(help="Write the river as a Mermaid file as well.")] = None) -> None:
    """Draw the river, as READS and WRITES of the jobs say."""
    if mermaid is not None and not mermaid.parent.is_dir():
        raise UsageError(f"{mermaid}: there is no such folder; make it first")
    terminal.out.print(river.text())
    if mermaid is not None:
        mermaid.write_text(river.mermaid(), encoding="utf-8")


@app.command()
@job.command
def compare(
    first: Annotated[str, typer.Argument(metavar="RUN", help="A model_run_id of models.evaluations.")],
    second: Annotated[str, typer.Argument(metavar="RUN")],
    env: job.EnvOption = "local",
    lake: job.LakeOption = None,
) -> None:
    """Compare two evaluated model runs over the same users, with paired intervals of 95 %."""
    first, second = given.name("RUN", first), given.name("RUN", second)
    with cli_tables.opened(env, lake) as (there, ledger, _):
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


@app.command()
@job.command
def simulate(
    out: Annotated[str, typer.Option(help="Folder for the landing files; the truth goes to one beside it, `<out>-truth`.")],
    events: Annotated[int, typer.Option(min=1, help="About how many events.")] = 100_000,
    days: Annotated[int, typer.Option(min=1, max=730, help="Length of the stream.")] = 14,
    seed: Annotated[int, typer.Option(min=0, help="Of everything: the same seed, the same events.")] = 1,
    env: job.EnvOption = "local",
) -> None:
    """Write landing files as the systems of a shop would, dirt included, and what is true of them."""
    log.configure(config.load(env).run.log_folder)
    job.folder("--out", out)
    if Path(out).exists() or Path(landing.truth_beside(out)).exists():
        raise UsageError(f"{out} or {landing.truth_beside(out)} is there already; name a new folder")
    with terminal.progress(), session.started("clickmill simulate") as spark:
        made = landing.write(spark, seed=seed, days=days, events=events, out=out)
    terminal.out.print(f"{made.deliveries:,} lines of {made.users:,} users in {made.landing}; the truth is in {made.truth}")


@app.command()
@job.command
def doctor(env: job.EnvOption = "local") -> None:
    """Ask whether this machine is fit: Java, versions, jars, a Delta round trip, time zone, disk, memory."""
    conf = config.load(env)
    log.configure(conf.run.log_folder)
    findings = health.before_spark(conf.lake.root)
    try:
        with session.started("clickmill doctor") as spark:
            findings += health.with_spark(spark)
    except Exception as error:
        findings.append(health.not_started(type(error).__name__, log.trace(error)))
    for one in findings:
        how = ("green", "well") if one.is_well else ("red", "ill ")
        terminal.out.print(terminal.styled(*how, f"  {one.question:<20} {one.answer}"))
    ill = [one.question for one in findings if not one.is_well]
    if ill:
        raise ClickmillError(f"not fit: {', '.join(ill)}")


def main() -> None:
    """What `clickmill` starts."""
    job.command_line(app)


if __name__ == "__main__":
    main()
