"""The ledger: which days of which table were admitted, and made of what.

`ops.days` is appended to in one commit a run, so the tables that a job writes
together are admitted together. The newest row of a (table, day) is its state.
"""

import copy
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from pyspark.sql import Row
from pyspark.sql import functions as F

import clickmill
from clickmill import commits, locks
from clickmill.contracts.faults import faultpoint
from clickmill.contracts.table import Table
from clickmill.contracts.tables import DAYS
from clickmill.lake import Lake, Note

LEDGER = "ops"
"""The lock of the tables of the ledger, which is held for the length of one commit."""


@dataclass(frozen=True)
class Admission:
    """One admitted day of a table. `inputs` maps each table to a hash of what was read of it; `parts` is that of DayFacts."""

    table: str
    day: date
    content_hash: str
    row_count: int
    version: int
    job: str
    run_id: str
    code_version: str
    config_hash: str
    inputs: Mapping[str, str]
    admitted_at: datetime
    parts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _State:
    """The newest admission of each table and day at one commit of the ledger of a lake."""

    root: str
    mark: tuple[int, str]
    by_table: dict[str, dict[date, Admission]]


_last: _State | None = None
"""What was read last. A flow opens the ledger twice a run, and that of a year lies in thousands of small files."""


class Ledger:
    """The admissions as they were when the ledger was opened."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        self._mark = commits.mark(lake.log(DAYS))
        self._by_table: dict[str, dict[date, Admission]] = {}
        if _last and (_last.root, _last.mark) == (lake.root, self._mark):
            self._by_table = _last.by_table
            return
        newest = F.max_by(F.struct(*DAYS.columns), F.struct("version", "admitted_at")).alias("newest")
        rows = lake.read(DAYS).groupBy("table", "day").agg(newest).select("newest.*")
        # Grows with tables x days, never with events.
        self._enter(_admission(row) for row in rows.collect())
        if self._mark == commits.mark(lake.log(DAYS)):
            self._remember(self._mark)

    def _remember(self, mark: tuple[int, str]) -> None:
        global _last
        _last = _State(self.lake.root, mark, self._by_table)

    def _enter(self, admissions: Iterable[Admission]) -> None:
        for one in admissions:
            self._by_table.setdefault(one.table, {})[one.day] = one

    @property
    def days(self) -> dict[tuple[str, date], Admission]:
        """The newest admission of each (table, day)."""
        return {(table, day): one for table, days in self._by_table.items() for day, one in days.items()}

    def after(self, admissions: Iterable[Admission]) -> "Ledger":
        """The ledger as it will stand once these are admitted."""
        later = copy.copy(self)
        later._by_table = {table: dict(days) for table, days in self._by_table.items()}
        later._enter(admissions)
        return later

    def admitted(self, table: Table) -> dict[date, Admission]:
        """The newest admission of each day of a table; empty before the first."""
        return self._by_table.get(table.name, {})

    def version(self, table: Table) -> int:
        """The version that the last admission named; 0, the empty table, before the first."""
        return max((one.version for one in self.admitted(table).values()), default=0)

    def recover(self, table: Table, note: Note) -> bool:
        """Undo what a run wrote and never got admitted, because it was killed between the two."""
        admitted = self.version(table)
        is_newer = not self.lake.holds(table, admitted)
        if is_newer:
            self.lake.restore(table, admitted, note)
        return is_newer

    def admit(self, admissions: Sequence[Admission], run_id: str) -> None:
        """Enter the days that a run wrote, of all its tables, in one commit."""
        faultpoint("ledger.admitting")
        enter(self.lake, DAYS, [_row(one) for one in admissions], run_id)
        faultpoint("ledger.admitted")
        mark = commits.mark(self.lake.log(DAYS))
        if mark[0] == self._mark[0] + 1:  # no other run has entered anything since this ledger was opened
            self.after(admissions)._remember(mark)


def _admission(row: Row) -> Admission:
    return Admission(**{**row.asDict(), "inputs": json.loads(row.inputs), "parts": json.loads(row.parts or "{}")})


def _row(one: Admission) -> dict[str, Any]:
    parts = json.dumps(dict(one.parts), sort_keys=True) if one.parts else None
    return {**vars(one), "inputs": json.dumps(dict(one.inputs), sort_keys=True), "parts": parts}


def now() -> datetime:
    """The instant of an entry, UTC, as the tables of the ledger hold it."""
    return datetime.now(UTC).replace(tzinfo=None)


def enter(lake: Lake, table: Table, rows: Sequence[Mapping[str, Any]], run_id: str) -> None:
    """Append rows to a table of the ledger, one run after the other.

    Runs of different jobs end at the same time, and a local disk does not promise
    Delta that of two commits of one number one fails.

    Raises  TableHeld when others kept it for minutes
    """
    with locks.waited_for(lake.locks(), LEDGER, run_id):
        lake.append_rows(table, rows, {"run_id": run_id, "code_version": clickmill.__version__})
