"""The ledger: which days of which table were admitted, made of what; which runs there were; who holds a table.

`ops.days` is appended to in one commit a run, so the tables that a job writes
together are admitted together. The newest row of a (table, day) is its state.
"""

import copy
import json
import os
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from pyspark.sql import functions as F

from clickmill.contracts import hadoop
from clickmill.contracts.errors import TableHeld
from clickmill.contracts.table import Table
from clickmill.contracts.tables import DAYS
from clickmill.lake import Lake


@dataclass(frozen=True)
class Admission:
    """One admitted day of a table. `inputs` maps `<table> <day>` to the content hash that was read."""

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


class Ledger:
    """The admissions as they were when the ledger was opened."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        newest = F.max_by(F.struct(*DAYS.columns), F.struct("version", "admitted_at")).alias("newest")
        rows = lake.read(DAYS).groupBy("table", "day").agg(newest).select("newest.*")
        # Grows with tables x days, never with events.
        self._by_table: dict[str, dict[date, Admission]] = {}
        self._enter(Admission(**{**row.asDict(), "inputs": json.loads(row.inputs)}) for row in rows.collect())

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

    def recover(self, table: Table) -> bool:
        """Undo what a run wrote and never got admitted, because it was killed between the two."""
        admitted = self.version(table)
        newer = self.lake.writes_since(table, admitted)
        if newer:
            self.lake.restore(table, admitted)
        return newer

    def admit(self, admissions: Sequence[Admission]) -> None:
        self.lake.append_rows(DAYS, [{**vars(one), "inputs": json.dumps(dict(one.inputs), sort_keys=True)} for one in admissions])


@contextmanager
def held(lake: Lake, tables: Sequence[Table], run_id: str, since: datetime) -> Iterator[None]:
    """Hold the tables for one run, by one file each beside the tables; a holder of this host that is dead is taken over.

    Raises  TableHeld naming the run, host, pid and since when
    """
    taken: list[Table] = []
    try:
        for table in sorted(tables, key=lambda one: one.name):
            _take(
                lake,
                table,
                {"run_id": run_id, "host": socket.gethostname(), "pid": os.getpid(), "since": since.isoformat(timespec="seconds")},
            )
            taken.append(table)
        yield
    finally:
        for table in taken:
            files, path = _lock(lake, table)
            files.delete(path, False)


def _take(lake: Lake, table: Table, owner: Mapping[str, Any]) -> None:
    files, path = _lock(lake, table)
    if files.exists(path):
        other = _owner(lake, table, path.toString())
        if other.get("host") != owner["host"] or _is_alive(int(other.get("pid", 0))):
            who = f"run {other.get('run_id')} on {other.get('host')} (pid {other.get('pid')})"
            raise TableHeld(f"{table.name}: {who} holds it since {other.get('since')}; wait for it to end")
        files.delete(path, False)
    try:
        out = files.create(path, False)
    except Exception as error:
        if "already exists" in str(error):
            raise TableHeld(f"{table.name}: another run took it just now; wait for it to end") from None
        raise
    out.write(bytearray(json.dumps(dict(owner)).encode()))
    out.close()


def _owner(lake: Lake, table: Table, path: str) -> dict[str, Any]:
    row = lake.spark.read.text(path).first()
    try:
        found = json.loads(row.value if row is not None else "")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        # Between its making and its first byte a lock is empty; one that stays so was left by a run that was killed there.
        raise TableHeld(f"{table.name}: a run is taking it just now; if none is, delete {path}, which a killed run left")
    return found


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _lock(lake: Lake, table: Table) -> tuple[Any, Any]:
    """The file system of the lake, and where the lock of a table lies in it."""
    return hadoop.at(lake.spark, f"{lake.root}/locks/{table.name}.json")
