"""The gate: the whole suite of a table over the rows that were written, before they are admitted."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from clickmill.contracts import reasons
from clickmill.contracts import suite as suites
from clickmill.contracts.errors import BadData, UsageError
from clickmill.contracts.suite import Rule, Suite
from clickmill.contracts.table import Table
from clickmill.quality.rows import as_seen, broken_counts

if TYPE_CHECKING:
    from clickmill.quality.engine import Evaluation, Verdict

_SAMPLE_ROWS = 100_000
"""Rows from before the split on which both engines count: enough to see a difference, a second to count."""
_SHARE_ROWS = 100
"""Rows below which a share says nothing: of three rows that landed on a quiet day two may well be bad."""
_REASONS_TOLD = 5
"""How many broken rules or reasons stand in the one line of a refusal."""


@dataclass(frozen=True)
class GateResult:
    """What the gate says of the rows of one table.

    reason           one line, without values of rows; None where they may be admitted
    warnings         one line for each broken rule of action warn
    broken_counts    rows that break it, for each broken row rule of any action
    rules_evaluated  equal to the rules of the suite, or `reason` says so
    rows_checked     equal to the rows written, or `reason` says so
    """

    table: Table
    reason: str | None
    warnings: tuple[str, ...] = ()
    broken_counts: dict[str, int] = field(default_factory=dict)
    rules_evaluated: int = 0
    rows_checked: int = 0

    @property
    def passed(self) -> bool:
        """True where the rows may be admitted."""
        return self.reason is None


def gate(
    written: DataFrame,
    table: Table,
    *,
    rows_written: Mapping[date, int],
    docs_folder: str | None = None,
    rejects: DataFrame | None = None,
    before_split: DataFrame | None = None,
) -> GateResult:
    """Run the suite of a table over the rows just written, read back.

    Refused are: rows that break a rule of action fail or quarantine; a rule that
    could not be evaluated; other counts of rules or rows than the suite and the
    write have; more quarantined rows than the suite bears; and, on a sample of
    the rows before the split, a rule that the split and Great Expectations count
    differently.

    Needs   written: the columns of the table; rejects: rows of clean.rejects written
            by the same run; before_split: the columns that the quarantine rules name;
            rows_written: how many, by day
    Raises  UsageError when the suite itself is wrong
    """
    suite, row_count = suites.of(table), sum(rows_written.values())
    page = None if docs_folder is None else Path(docs_folder) / f"{table.name}.html"
    try:
        result = _evaluate(written, suite.rules, table.name, row_count, page)
        faults = _unproven(suite, result, row_count)
        told = {rule.name: _told(rule, result.verdicts[rule.name]) for rule in suite.rules if rule.name in result.verdicts}
        faults += [line for rule in suite.rules if rule.action != "warn" and (line := told.get(rule.name))]
        if rejects is not None:
            faults += _too_many_quarantined(suite, rejects, rows_written)
        if before_split is not None:
            faults += disagreements(before_split, suite, rows=row_count)
    except BadData as error:
        return GateResult(table, str(error))
    return GateResult(
        table,
        _one_line(faults) if faults else None,
        tuple(line for rule in suite.rules if rule.action == "warn" and (line := told.get(rule.name))),
        {name: verdict.broken_count for name, verdict in result.verdicts.items() if verdict.broken_count},
        len(result.verdicts),
        result.rows_checked or 0,
    )


def disagreements(before_split: DataFrame, suite: Suite, *, rows: int) -> list[str]:
    """Count each quarantine rule twice, by the split and by Great Expectations, and tell where they differ.

    Counted is a sample by the hash of what the rules look at, about _SAMPLE_ROWS
    of the `rows` that there are: the same rows whatever the partitions.
    """
    rules = suite.quarantine_rules
    if not rules:
        return []
    seen = as_seen(before_split, rules)
    share = max(1, ceil(rows / _SAMPLE_ROWS))
    sample = seen.where(F.pmod(F.xxhash64(*seen.columns), F.lit(share)) == 0).persist()
    try:
        split = broken_counts(sample, rules)
        verdicts = _evaluate(sample, rules, suite.table.name, sample.count(), None).verdicts
    finally:
        sample.unpersist()
    gated = {rule.name: verdicts[rule.name].broken_count if rule.name in verdicts else None for rule in rules}
    return [
        f"{name}: the split finds {split[name]} rows and Great Expectations {gated[name]} in one sample"
        for name in split
        if split[name] != gated[name]
    ]


def _evaluate(frame: DataFrame, rules: tuple[Rule, ...], name: str, rows: int, page: Path | None) -> "Evaluation":
    # Imported here: Great Expectations takes seconds to import, and not every process gates.
    from clickmill.quality import engine

    return engine.evaluate(frame, rules, name=name, rows=rows, page=page)


def _unproven(suite: Suite, result: "Evaluation", rows_written: int) -> list[str]:
    faults = [f"{rule.name}: was not evaluated" for rule in suite.rules if rule.name not in result.verdicts]
    if result.rows_checked != rows_written:
        faults.append(f"{result.rows_checked} rows were checked, {rows_written} were written")
    return faults


def _told(rule: Rule, verdict: "Verdict") -> str | None:
    """One line on a rule that does not hold; None where it does."""
    if verdict.error is not None:
        return f"{rule.name}: could not be evaluated ({verdict.error})"
    if verdict.broken_count:
        return f"{rule.name}: {verdict.broken_count} rows"
    if not verdict.passed:
        return f"{rule.name}: the table has {verdict.observed} rows"
    return None


def _too_many_quarantined(suite: Suite, rejects: DataFrame, rows_written: Mapping[date, int]) -> list[str]:
    """A line where, on any day, the share of rejected rows, copies not counted, is above what the suite bears.

    By day, so that a range of days is refused where its days one by one would be. Few rows have no share.
    """
    if suite.quarantine_share_max is None:
        raise UsageError(f"{suite.table.suite_path}: quarantine_share_max is missing, and the table has rejects")
    rejected = rejects.where(F.col("kind") == "reject")
    by_day = {row.event_date: row["count"] for row in rejected.groupBy("event_date").count().collect()}
    shares = {day: count / (count + rows) for day, count in by_day.items() if count + (rows := rows_written.get(day, 0)) >= _SHARE_ROWS}
    over = sorted(day for day, share in shares.items() if share > suite.quarantine_share_max)
    if not over:
        return []
    worst = max(over, key=lambda day: shares[day])
    of_day = reasons.counted(rejected.where(F.col("event_date") == F.lit(worst)), "reasons")
    named = ", ".join(f"{row['reason']} {row['count']}" for row in of_day.orderBy(F.desc("count"), "reason").limit(_REASONS_TOLD).collect())
    more = f", and too many on {len(over) - 1} more days" if len(over) > 1 else ""
    return [f"{shares[worst]:.1%} of the rows of {worst} were quarantined, at most {suite.quarantine_share_max:.1%} may be: {named}{more}"]


def _one_line(faults: list[str]) -> str:
    more = len(faults) - _REASONS_TOLD
    return "; ".join(faults[:_REASONS_TOLD]) + (f"; and {more} more" if more > 0 else "")
