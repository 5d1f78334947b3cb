"""Runs one job: locks, pinned inputs, run(), counts, gate, admission, ops.runs."""

import hashlib
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

import clickmill
from clickmill import log, quality, session
from clickmill.config import Config
from clickmill.contracts import suite
from clickmill.contracts.days import Days
from clickmill.contracts.errors import ClickmillError, GateRefused
from clickmill.contracts.table import Table
from clickmill.contracts.tables import REJECTS, RUNS
from clickmill.inputs import Inputs, Job, hashes_of, pinned
from clickmill.lake import DayFacts, Lake, Written, facts_by_day
from clickmill.ledger import Admission, Ledger, held

Progress = Callable[[str], None]
_OF_THE_PLACE = ("lake", "landing", "run")  # sections that say where and how a run works, not what comes out


@dataclass(frozen=True)
class TableResult:
    """What a run did to one table."""

    table: Table
    row_count: int
    day_count: int
    warnings: tuple[str, ...]

    def plus(self, later: "TableResult") -> "TableResult":
        """What two slices of one run did to the same table."""
        return TableResult(self.table, self.row_count + later.row_count, self.day_count + later.day_count, self.warnings + later.warnings)


@dataclass
class RunResult:
    """What a run did, and under which config: rows of every table, counts of the job's own check, versions read."""

    job: str
    days: Days
    run_id: str = ""
    config_hash: str = ""
    tables: list[TableResult] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)


def name_of(job: Job) -> str:
    """The job's name: that of its file."""
    file = getattr(job, "__file__", None)
    return Path(file).stem if file else job.__name__


def config_hash(job: Job, conf: Config) -> str:
    """Hash of what the job's rows depend on: the sections that it names, else all but those of the place, and its tables' rules."""
    everything = [name for name in type(conf).model_fields if name not in _OF_THE_PLACE]
    rules = "".join(suite.text(table) for table in job.WRITES)
    return hashlib.md5(f"{conf.hash_of(*getattr(job, 'CONFIG', everything))} {rules}".encode()).hexdigest()[:12]


def execute(job: Job, conf: Config, days: Days, spark: SparkSession, progress: Progress = lambda _: None) -> RunResult:
    """Run one job over a range of days, in slices where the range is long.

    Raises  ClickmillError with its exit code; the tables are then as they were before the slice
    """
    is_by_day = job.WRITES[0].write != "last_day"
    whole = RunResult(name_of(job), days)
    for part in days.slices(conf.run.slice_days) if is_by_day else [days]:
        one = _execute_slice(job, conf, part, spark, progress)
        whole.run_id, whole.config_hash, whole.versions = one.run_id, one.config_hash, one.versions
        whole.tables = [*map(TableResult.plus, whole.tables, one.tables)] if whole.tables else one.tables
        added = {key: whole.counts.get(key, 0) + count for key, count in one.counts.items() if key not in getattr(job, "STANDING", ())}
        whole.counts |= one.counts | added
    return whole


def _execute_slice(job: Job, conf: Config, days: Days, spark: SparkSession, progress: Progress) -> RunResult:
    result = RunResult(name_of(job), days, uuid.uuid4().hex[:12], config_hash(job, conf))
    started_at, lake = _now(), Lake(spark, conf.lake.root)
    logger = log.bound(run_id=result.run_id, job=result.job, table=job.WRITES[0].name)
    logger.info("started", days=str(days))
    status, code, message = "failed", 1, "unexpected error, see the log file"
    try:
        with held(lake, job.WRITES, result.run_id, started_at), session.set_for(spark, getattr(job, "SPARK_CONF", {})):
            _run_and_admit(job, conf, days, lake, result, progress)
        status, code, message = "done", 0, ""
        return result
    except ClickmillError as error:
        status = {3: "refused", 4: "held"}.get(error.exit_code, "failed")
        code, message = error.exit_code, str(error)
        raise
    finally:
        logger.info(status, exit_code=code, counts=result.counts, message=message)
        _enter_run(lake, result, started_at, status, code, message)


def _run_and_admit(job: Job, conf: Config, days: Days, lake: Lake, result: RunResult, progress: Progress) -> None:
    progress(f"{result.job}: reading")
    for table in job.WRITES:
        lake.ensure(table)
    ledger = Ledger(lake)
    for table in job.WRITES:
        if ledger.recover(table):
            log.bound(run_id=result.run_id, job=result.job, table=table.name).warning("undid a write that was never admitted")
    inputs = pinned(job.READS, conf, days, lake, ledger, result.run_id)
    result.versions = inputs.versions
    note = {
        "run_id": result.run_id,
        "code_version": clickmill.__version__,
        "config_hash": result.config_hash,
        "inputs": inputs.versions,
    }
    written: list[Written] = []
    try:
        outputs = job.run(lake.spark, conf, days, inputs)
        for table in job.WRITES:
            progress(f"{result.job}: writing {table.name}")
            written.append(lake.write(outputs[table], table, days, note))
        ledger.admit(_checked(job, lake, ledger, inputs, written, result, progress))
    except BaseException:
        for one in written:
            lake.restore(one.table, one.before)
        raise
    finally:
        inputs.release()


def _checked(
    job: Job, lake: Lake, ledger: Ledger, inputs: Inputs, written: list[Written], result: RunResult, progress: Progress
) -> list[Admission]:
    """Read back what was written, check the counts of the job, gate each table, and say which days may be admitted."""
    rows = {one.table: lake.rows_of(one) for one in written}
    if hasattr(job, "check"):
        progress(f"{result.job}: counting")
        result.counts = job.check(rows, inputs)
    admissions: list[Admission] = []
    for one in written:
        progress(f"{result.job}: checking {one.table.name}")
        facts = facts_by_day(rows[one.table], one.table)
        result.tables.append(_gated(rows, one.table, facts, inputs, result))
        touched = sorted({fact.day for fact in facts} | ({result.days.last} if one.table.write == "last_day" else set(result.days)))
        # What is appended to a day leaves its rows as they were made: the day goes on saying how the oldest of them were.
        kept = ledger.admitted(one.table) if one.table.write == "append" else {}
        by_day = {fact.day: fact for fact in facts}
        if grown := [day for day in touched if day in kept]:
            # It holds more rows than this run's: it is admitted as it stands now.
            whole = lake.read(one.table, one.version).where(F.col(str(one.table.day)).isin(grown))
            by_day |= {fact.day: fact for fact in facts_by_day(whole, one.table)}
        admissions += [_admission(by_day.get(day, DayFacts(day, "0", 0)), one, result, kept.get(day)) for day in touched]
    # A day may be made of one that this same run wrote: what was left open the day before.
    now = ledger.after(admissions)
    made_of = {day: hashes_of(job, day, inputs.conf, now) for day in {one.day for one in admissions}}
    return [replace(one, inputs=made_of[one.day]) for one in admissions]


def _admission(fact: DayFacts, one: Written, result: RunResult, kept: Admission | None) -> Admission:
    return Admission(
        table=one.table.name,
        day=fact.day,
        content_hash=fact.content_hash,
        row_count=fact.row_count,
        version=one.version,
        job=result.job,
        run_id=result.run_id,
        code_version=kept.code_version if kept else clickmill.__version__,
        config_hash=kept.config_hash if kept else result.config_hash,
        inputs={},
        admitted_at=_now(),
    )


def _gated(rows: dict[Table, DataFrame], table: Table, facts: list[DayFacts], inputs: Inputs, result: RunResult) -> TableResult:
    before_split = inputs.before_split.get(table)
    verdict = quality.gate(
        rows[table],
        table,
        rows_written={fact.day: fact.row_count for fact in facts},
        docs_folder=f"{log.folder()}/data_docs",
        rejects=rows[REJECTS] if before_split is not None and REJECTS in rows else None,
        before_split=before_split,
    )
    if not verdict.passed:
        raise GateRefused(f"{table.name} {result.days}: {verdict.reason}; the table is as it was before")
    return TableResult(table, sum(fact.row_count for fact in facts), len(facts), verdict.warnings)


def _enter_run(lake: Lake, result: RunResult, started_at: datetime, status: str, code: int, message: str) -> None:
    run = {
        "run_id": result.run_id,
        "job": result.job,
        "first_date": result.days.first,
        "last_date": result.days.last,
        "status": status,
        "exit_code": code,
        "started_at": started_at,
        "ended_at": _now(),
        "code_version": clickmill.__version__,
        "config_hash": result.config_hash,
        "inputs": json.dumps(result.versions, sort_keys=True),
        "counts": json.dumps(result.counts, sort_keys=True),
        "message": message or None,
    }
    lake.append_rows(RUNS, [run])


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
