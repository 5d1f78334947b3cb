"""Runs one job: locks, pinned inputs, run(), counts, gate, admission, ops.runs."""

import hashlib
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession

import clickmill
from clickmill import attempts, audit, locks, log, releases
from clickmill.admission import Checked, TableResult, checked
from clickmill.config import OF_THE_PLACE, Config
from clickmill.contracts import suite
from clickmill.contracts.days import Days
from clickmill.contracts.errors import BadData, ClickmillError, GateRefused, TableHeld, UsageError
from clickmill.contracts.faults import faultpoint
from clickmill.contracts.properties import set_for
from clickmill.contracts.table import Table
from clickmill.contracts.tables import RUNS, SERVED
from clickmill.inputs import Inputs, Job, hashes_of, pinned
from clickmill.lake import Lake, Written
from clickmill.ledger import Ledger, enter, now
from clickmill.releases import Release, Releases

Progress = Callable[[str], None]


@dataclass
class RunResult:
    """What a run did, and under which config: rows of every table, counts of the job's own check, versions read.

    inputs_hash  of a run that was named from outside; is_repeated: it was done before, and nothing was done now
    """

    job: str
    days: Days
    run_id: str = ""
    config_hash: str = ""
    tables: list[TableResult] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    inputs_hash: str | None = None
    is_repeated: bool = False


def new_run_id() -> str:
    """A name for a run that was given none."""
    return uuid.uuid4().hex[:12]


def name_of(job: Job) -> str:
    """The job's name: that of its file."""
    file = getattr(job, "__file__", None)
    return Path(file).stem if file else job.__name__


def _publishes(job: Job) -> bool:
    return any(table.is_served for table in job.WRITES)


def config_hash(job: Job, conf: Config) -> str:
    """Hash of what the job's rows depend on: the sections that it names, else all but those of the place, its tables' columns and rules."""
    everything = [name for name in type(conf).model_fields if name not in OF_THE_PLACE]
    rules = "".join(table.schema.simpleString() + suite.text(table) for table in job.WRITES)
    return hashlib.md5(f"{conf.hash_of(*getattr(job, 'CONFIG', everything))} {rules}".encode()).hexdigest()[:12]


def execute(
    job: Job, conf: Config, days: Days, spark: SparkSession, progress: Progress = lambda _: None, run_id: str | None = None
) -> RunResult:
    """Run one job over a range of days, in slices where the range is long.

    With a run id, of which each slice after the first gets one of its own, a slice that was done before is not done again.

    Raises  ClickmillError with its exit code; the tables are then as they were before the slice
    """
    is_by_day = job.WRITES[0].write != "last_day"
    whole = RunResult(name_of(job), days)
    for number, part in enumerate(days.slices(conf.run.slice_days) if is_by_day else [days]):
        one = _execute_slice(job, conf, part, spark, progress, run_id and f"{run_id}.{number + 1}" if number else run_id)
        whole.run_id, whole.config_hash, whole.versions = one.run_id, one.config_hash, one.versions
        whole.is_repeated = one.is_repeated
        whole.tables = [*map(TableResult.plus, whole.tables, one.tables)] if whole.tables else one.tables
        added = {key: whole.counts.get(key, 0) + count for key, count in one.counts.items() if key not in getattr(job, "STANDING", ())}
        whole.counts |= one.counts | added
    return whole


def _execute_slice(job: Job, conf: Config, days: Days, spark: SparkSession, progress: Progress, run_id: str | None) -> RunResult:
    result = RunResult(name_of(job), days, run_id or new_run_id(), config_hash(job, conf))
    started_at, lake = now(), Lake(spark, conf.lake.root, conf.lake.catalog)
    if run_id is not None:
        result.inputs_hash = attempts.inputs_hash(job, conf, days, spark, lake)
        result.is_repeated = attempts.is_done(lake, run_id, result.job, days, (result.config_hash, result.inputs_hash))
        if result.is_repeated:
            return result
    logger = log.bound(run_id=result.run_id, job=result.job, table=job.WRITES[0].name)
    logger.info("started", days=str(days))
    status, code, message = "failed", 1, "unexpected error, see the log file"
    try:
        names = [table.name for table in (SERVED if _publishes(job) else job.WRITES)]
        with locks.held(lake.locks(), names, result.run_id) as hold, set_for(spark, getattr(job, "SPARK_CONF", {})):
            (_run_and_release if _publishes(job) else _run_and_admit)(_Run(job, conf, lake, hold, result, progress))
        status, code, message = "done", 0, ""
        return result
    except ClickmillError as error:
        status = {3: "refused", 4: "held"}.get(error.exit_code, "failed")
        code, message = error.exit_code, str(error)
        raise
    finally:
        logger.info(status, exit_code=code, counts=result.counts, message=message)
        try:
            _enter_run(lake, result, started_at, status, code, message)
        except TableHeld as held:
            logger.warning("the run could not be entered in ops.runs", message=str(held))  # what it wrote is admitted all the same


@dataclass(frozen=True)
class _Run:
    """One slice of a run, once it holds its tables."""

    job: Job
    conf: Config
    lake: Lake
    hold: locks.Hold
    result: RunResult
    progress: Progress
    made_of: dict[str, str] = field(default_factory=dict)

    @property
    def note(self) -> dict[str, object]:
        """What each commit of the run says of itself."""
        result = self.result
        told: dict[str, object] = {"inputs": result.versions} if result.versions else {}
        # A release is entered in the ledger by whoever brings it to its end: its run may be dead by then.
        told |= {"job": result.job, "made_of": self.made_of} if _publishes(self.job) else {}
        return {"run_id": result.run_id, "code_version": clickmill.__version__, "config_hash": result.config_hash, **told}

    def pinned(self, ledger: Ledger) -> Inputs:
        self.progress(f"{self.result.job}: reading")
        inputs = pinned(self.job.READS, self.conf, self.result.days, self.lake, ledger, self.result.run_id)
        self.result.versions = inputs.versions
        return inputs

    def written(self, inputs: Inputs) -> dict[Table, Written]:
        """Write what the job makes of its inputs, each table in one commit; of a published table the one that it is staged in."""
        outputs = self.job.run(self.lake.spark, self.conf, self.result.days, inputs)
        made: dict[Table, Written] = {}
        for table in self.job.WRITES:
            self.progress(f"{self.result.job}: writing {table.name}")
            self.hold.confirm()
            output = outputs[table]
            frame = output if isinstance(output, DataFrame) else output({one: self.lake.rows_of(done) for one, done in made.items()})
            made[table] = self.lake.write(frame, table.staging() if table.is_served else table, self.result.days, self.note)
        return made

    def checked(self, ledger: Ledger, inputs: Inputs, written: dict[Table, Written]) -> Checked:
        self.progress(f"{self.result.job}: checking")
        found = checked(self.job, self.result.job, self.result.config_hash, self.lake, ledger, inputs, written)
        self.result.tables, self.result.counts = found.tables, found.counts
        faultpoint("run.checked")
        return found


def _run_and_admit(run: _Run) -> None:
    """Write the tables, and admit their days when all is well; else they are as they were before."""
    lake, job = run.lake, run.job
    ledger = Ledger(lake)
    for table in job.WRITES:
        is_undone = lake.exists(table) and ledger.recover(table, run.note)
        lake.ensure(table, run.note)
        if is_undone:
            log.bound(run_id=run.result.run_id, job=run.result.job, table=table.name).warning("undid a write that was never admitted")
    inputs = run.pinned(ledger)
    try:
        admissions = run.checked(ledger, inputs, run.written(inputs)).admissions
        run.hold.confirm()
        ledger.admit(admissions, run.result.run_id)
    except BaseException:
        run.hold.confirm()  # what another run holds by now is not ours to undo
        as_admitted = Ledger(lake)
        for table in job.WRITES:
            as_admitted.recover(table, run.note)
        raise
    finally:
        inputs.release()


def _run_and_release(run: _Run) -> None:
    """Stage the tables, audit exactly what was staged, and serve it as one release; else the one before stays served."""
    lake, job, days = run.lake, run.job, run.result.days
    for table in job.WRITES:
        lake.ensure(table, run.note)
        lake.ensure(table.staging(), run.note)
    known, ledger = Releases(lake), Ledger(lake)
    releases.finish(known, run.hold)
    if known.current is not None and known.current.as_of_date > days.last:
        raise UsageError(f"the release of {known.current.as_of_date} is served; one of {days.last} would put older lists in its place")
    inputs = run.pinned(ledger)
    try:
        run.made_of.update(hashes_of(job, days.last, run.conf, ledger))
        written = run.written(inputs)
        faultpoint("releases.staged")
        staged = {table.name: one.version for table, one in written.items()}
        draft = Release(run.result.run_id, days.last, staged_versions=staged)
        try:
            found = run.checked(ledger, inputs, written)
        except (BadData, GateRefused) as error:
            draft = replace(draft, row_counts={table.name: lake.rows_of(one).count() for table, one in written.items()})
            raise releases.refuse(known, run.hold, draft, str(error), is_sound=False) from None
        reached = job.reached(inputs) if hasattr(job, "reached") else []
        draft = replace(
            draft,
            row_counts={one.table: one.row_count for one in found.admissions},
            reached={site.site_id: site.value for site in reached},
        )
        asked = audit.demands(draft, lake)
        told = asked + audit.faults(draft, reached, known.current, lake, **run.conf.releases.floors())
        if told:
            raise releases.refuse(known, run.hold, draft, "; ".join(told), is_sound=not asked)
        releases.serve(known, run.hold, draft)
    finally:
        inputs.release()


def _enter_run(lake: Lake, result: RunResult, started_at: datetime, status: str, code: int, message: str) -> None:
    run = {
        "run_id": result.run_id,
        "job": result.job,
        "first_date": result.days.first,
        "last_date": result.days.last,
        "status": status,
        "exit_code": code,
        "started_at": started_at,
        "ended_at": now(),
        "code_version": clickmill.__version__,
        "config_hash": result.config_hash,
        "inputs": json.dumps(result.versions, sort_keys=True),
        "inputs_hash": result.inputs_hash,
        "counts": json.dumps(result.counts, sort_keys=True),
        "message": message or None,
    }
    enter(lake, RUNS, [run], result.run_id)
