"""What a job file needs, and how it is run: arguments, config, session, the run itself, one line on error, exit code."""

import glob
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from functools import wraps
from typing import Annotated, Any, ParamSpec, cast

import typer
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from typer.exceptions import TyperException

import clickmill
from clickmill import config, execution, flow, log, river, session, terminal
from clickmill.config import Config
from clickmill.contracts import given
from clickmill.contracts.days import EARLIEST, LATEST, Days
from clickmill.contracts.errors import ClickmillError, UsageError
from clickmill.contracts.reached import Reached
from clickmill.ingest import ingest
from clickmill.inputs import Inputs, Job, Outputs, Written, days_of
from clickmill.lake import Lake
from clickmill.ledger import Ledger

CODE_VERSION = clickmill.__version__
P = ParamSpec("P")
_OF_THIS_MACHINE = ("local", "test")  # environments whose paths without a scheme are files here

__all__ = [
    "CODE_VERSION",
    "Config",
    "DataFrame",
    "Days",
    "Inputs",
    "Outputs",
    "Reached",
    "SparkSession",
    "Written",
    "main",
    "perform",
    "told",
]

DateOption = Annotated[str, typer.Option("--date", metavar="DAY", help="First (or only) day, YYYY-MM-DD, in the zone of the shop.")]
ToOption = Annotated[str | None, typer.Option("--to", metavar="DAY", help="Last day, included.")]
EnvOption = Annotated[str, typer.Option("--env", help="Environment: names conf/<env>.yaml.")]
SourceOption = Annotated[str | None, typer.Option("--source", help="Source that an ingest job reads; its settings hold for any command.")]
PathOption = Annotated[str | None, typer.Option("--path", help="File, folder or glob that an ingest job reads.")]
LakeOption = Annotated[str | None, typer.Option("--lake", help="Root of the lake, in place of the config's.")]
RunIdOption = Annotated[
    str | None, typer.Option("--run-id", help="A scheduler's own name of this run; started again, it is done once. One is drawn otherwise.")
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would be read and replaced; write nothing.")]


def main(module: str) -> None:
    """Run the job whose module was started as a program, with its options from the command line."""
    job = cast(Job, sys.modules[module])

    def run(
        date: DateOption,
        to: ToOption = None,
        env: EnvOption = "local",
        source: SourceOption = None,
        path: PathOption = None,
        lake: LakeOption = None,
        run_id: RunIdOption = None,
        dry_run: DryRunOption = False,
    ) -> None:
        told(lambda: perform(job, env, day_range(date, to), overrides(source, path, lake), run_id=run_id, dry_run=dry_run))

    run.__doc__ = job.__doc__
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(run)
    command_line(app)


def command_line(app: typer.Typer) -> None:
    """Run a command line and leave with its exit code; a mistake in the arguments is one line too, with the code of all usage errors.

    Raises  SystemExit
    """
    try:
        code = app(standalone_mode=False)
    except TyperException as error:
        code = UsageError.exit_code
        mistake = " ".join(error.format_message().split())
        if mistake:  # without any argument there is none, and the help has been shown
            _show_error(f"{mistake.rstrip('.')}; --help names the arguments")
    except typer.Abort:
        code = 1
    raise SystemExit(code if isinstance(code, int) else 0)


def overrides(source: str | None, path: str | None, lake: str | None) -> dict[str, Any]:
    """The config keys that the command line changes.

    Raises  UsageError when the root of the lake is none
    """
    changes = {"landing.source": source, "landing.path": path, "lake.root": None if lake is None else folder("--lake", lake)}
    return {key: value for key, value in changes.items() if value is not None}


def folder(option: str, path: str) -> str:
    """A folder of the command line.

    Raises  UsageError when it is none
    """
    try:
        return given.folder(path)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None


def must_be_there(path: str, env: str) -> None:
    """Make sure that there is something to read, as far as this machine can tell: of a pattern that Python has not, Java tells.

    Raises  UsageError when there is nothing
    """
    if not path:
        raise UsageError("nothing to read: expected a file, folder or glob, not an empty name")
    try:
        given.pattern(path)
    except ValueError as error:
        raise UsageError(f"{path}: {error}") from None
    if env in _OF_THIS_MACHINE and "://" not in path and not set(path) & set("[{\\") and not glob.glob(path):
        raise UsageError(f"{path}: there is no such file or folder, and no file fits it")


def day_range(first: str, last: str | None, option: str = "--date") -> Days:
    """The days of the command line.

    Raises  UsageError when one is no day, or the last is before the first
    """
    try:
        return Days(_day(first), _day(last or first))
    except ValueError as error:
        raise UsageError(f"{option} {first}{f' --to {last}' if last else ''}: {error}; expected YYYY-MM-DD") from None


def _day(text: str) -> date:
    day = date.fromisoformat(text)
    if text != str(day):  # Python reads 20240501 and 2024-W18-3 too, spark-submit.sh does not
        raise ValueError(f"{text} is not written as a day is")
    if not EARLIEST <= day < LATEST:  # the days around the range that a job reads must be days too
        raise ValueError(f"{text} is no day of a shop on the web")
    return day


def perform(job: Job, env: str, days: Days, changes: dict[str, Any], *, run_id: str | None = None, dry_run: bool = False) -> None:
    """Run one job over some days, whether they are up to date or not, and show what it did."""
    run_id = None if run_id is None else given.name("--run-id", run_id)
    with _begun(execution.name_of(job), [job], env, changes, dry_run=dry_run) as (spark, conf, progress):
        if dry_run:
            _show_plan(job, conf, days, spark)
            return
        started = time.monotonic()
        terminal.show_result(execution.execute(job, conf, days, spark, progress, run_id), time.monotonic() - started)


def bring(jobs: Sequence[Job], env: str, days: Days, changes: dict[str, Any], *, dry_run: bool = False) -> None:
    """Bring some days through several jobs, each as far as it is due, and show what each did and what is left to do."""
    with _begun("flow", jobs, env, changes, dry_run=dry_run) as (spark, conf, progress):
        jobs = river.that_make(conf.run.makes, jobs)
        if dry_run:
            ledger = Ledger(Lake(spark, conf.lake.root))
            for job in jobs:
                for part in flow.due(job, conf, ledger, days):
                    _show_plan(job, conf, part, spark)
            return
        started = time.monotonic()

        def shown(job: Job, result: execution.RunResult | str) -> None:
            nonlocal started
            if isinstance(result, str):
                terminal.show_idle(execution.name_of(job), days, result)
            else:
                terminal.show_result(result, time.monotonic() - started)
            started = time.monotonic()

        terminal.show_made(flow.bring(jobs, conf, days, spark, progress, shown))


@contextmanager
def _begun(
    name: str, jobs: Sequence[Job], env: str, changes: dict[str, Any], *, dry_run: bool
) -> Iterator[tuple[SparkSession, Config, execution.Progress]]:
    """The session of a run, its config, and where its progress is told; unless nothing runs, the executors are looked at first."""
    conf = config.load(env, changes)
    log.configure(conf.run.log_folder)
    _must_find_landing(jobs, conf, env)
    with terminal.progress() as progress, session.started(f"clickmill {name}") as spark:
        differs = None if dry_run else session.executors_differ(spark)
        if differs:
            raise ClickmillError(differs)
        yield spark, conf, progress


def _must_find_landing(jobs: Sequence[Job], conf: Config, env: str) -> None:
    """Make sure, before Java is started, that the source is right and that there is something to read.

    Raises  UsageError when it is not
    """
    if conf.landing.source is not None:
        conf.source()
    for job in jobs:
        if hasattr(job, "TAKES"):
            ingest.named(conf.source(), conf.landing.path, table=job.WRITES[0])
    if conf.landing.path is not None:
        must_be_there(conf.landing.path, env)


def _show_plan(job: Job, conf: Config, days: Days, spark: SparkSession) -> None:
    """What a run would read, at which versions, and what it would replace."""
    lake = Lake(spark, conf.lake.root)
    ledger = Ledger(lake)
    landing = ingest.due(spark, conf.source(), conf.landing.path, days, table=job.WRITES[0]) if hasattr(job, "TAKES") else []
    terminal.out.print(terminal.styled("bold", execution.name_of(job), f" {days} would read"))
    if landing:
        terminal.out.print(f"  {len(landing):,} landing files of {conf.landing.source} that may hold records of these days")
    for read in job.READS:
        window = days_of(read, days, conf)
        admitted = [day for day in ledger.admitted(read.table) if day in window]
        history = f"all days to {window.last}"
        span = {"whole": "all days", "history": history, "before": history}.get(read.kind, str(window))
        terminal.out.print(f"  {read.table.name:<28} version {ledger.version(read.table)}, {span}: {len(admitted)} days are there")
    verbs = {"days": f"replace {days}", "last_day": f"replace {days.last}", "append": "add rows, and replace none"}
    for table in job.WRITES:
        have = sum(day in days for day in ledger.admitted(table))
        terminal.out.print(f"  and in {table.name:<21} {verbs[table.write]} ({have} of these days are there)")


def command(action: Callable[P, None]) -> Callable[P, None]:
    """A command of the command line: its errors are told as told() tells them."""

    @wraps(action)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        told(lambda: action(*args, **kwargs))

    return run


def told(action: Callable[[], None]) -> None:
    """Run an action of the command line; an error is one line on stderr, the trace goes to the log, the exit code says which kind.

    Raises  typer.Exit with the code
    """
    try:
        action()
    except ClickmillError as error:
        _show_error(str(error))
        raise typer.Exit(error.exit_code) from None
    except KeyboardInterrupt:
        _show_error("stopped by hand; nothing that was not admitted is read by anyone")
        raise typer.Exit(1) from None
    except Exception as error:
        kind = error.getCondition() if isinstance(error, PySparkException) else None
        _show_error(f"unexpected {kind or type(error).__name__}; the whole trace is in {log.trace(error)}")
        raise typer.Exit(1) from None


def _show_error(line: str) -> None:
    terminal.err.print(terminal.styled("red", "error", f" {line}"))
