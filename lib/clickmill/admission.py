"""What becomes of rows that were written: read back, counted, gated, and put down as days that may be admitted."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

import clickmill
from clickmill import log, quality
from clickmill.contracts.errors import GateRefused
from clickmill.contracts.table import Table
from clickmill.contracts.tables import REJECTS
from clickmill.facts import DayFacts, facts_by_day
from clickmill.inputs import Inputs, Job, hashes_of
from clickmill.lake import Lake, Written
from clickmill.ledger import Admission, Ledger, now


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


@dataclass(frozen=True)
class Checked:
    """What was found of the tables of one run: the days that may be admitted, what was done to each table, the job's own counts."""

    admissions: list[Admission]
    tables: list[TableResult]
    counts: dict[str, int]


def checked(job: Job, name: str, config_hash: str, lake: Lake, ledger: Ledger, inputs: Inputs, written: Mapping[Table, Written]) -> Checked:
    """Read back what was written, check the counts of the job, gate each table, and say which days may be admitted.

    Raises  GateRefused, and what the job's own check raises
    """
    rows = {table: lake.rows_of(one) for table, one in written.items()}
    counts = job.check(rows, inputs) if hasattr(job, "check") else {}
    admissions: list[Admission] = []
    results: list[TableResult] = []
    for table, one in written.items():
        facts = facts_by_day(rows[table], table)
        results.append(_gated(rows, table, facts, inputs))
        touched = sorted({fact.day for fact in facts} | ({inputs.days.last} if table.write == "last_day" else set(inputs.days)))
        # What is appended to a day leaves its rows as they were made: the day goes on saying how the oldest of them were.
        kept = ledger.admitted(table) if table.write == "append" else {}
        by_day = {fact.day: fact for fact in facts}
        if grown := [day for day in touched if day in kept]:
            # It holds more rows than this run's: it is admitted as it stands now.
            whole = lake.read(table, one.version).where(F.col(str(table.day)).isin(grown))
            by_day |= {fact.day: fact for fact in facts_by_day(whole, table)}
        made = Admission(
            table.name, inputs.days.last, "0", 0, one.version, name, inputs.run_id, clickmill.__version__, config_hash, {}, now()
        )
        admissions += [_of_day(made, by_day.get(day, DayFacts(day, "0", 0)), kept.get(day)) for day in touched]
    # A day may be made of one that this same run wrote: what was left open the day before.
    after = ledger.after(admissions)
    made_of = {day: hashes_of(job, day, inputs.conf, after) for day in {one.day for one in admissions}}
    return Checked([replace(one, inputs=made_of[one.day]) for one in admissions], results, counts)


def _of_day(made: Admission, fact: DayFacts, kept: Admission | None) -> Admission:
    code, config = (kept.code_version, kept.config_hash) if kept else (made.code_version, made.config_hash)
    made = replace(made, code_version=code, config_hash=config)
    return replace(made, **vars(fact))


def _gated(rows: Mapping[Table, DataFrame], table: Table, facts: list[DayFacts], inputs: Inputs) -> TableResult:
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
        undone = "" if table.is_served else "; the table is as it was before"
        raise GateRefused(f"{table.name} {inputs.days}: {verdict.reason}{undone}")
    return TableResult(table, sum(fact.row_count for fact in facts), len(facts), verdict.warnings)
