"""What a job reads: frames pinned to one version each, limited to admitted days."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from datetime import date, timedelta
from itertools import takewhile
from typing import Protocol

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from clickmill import reused
from clickmill.config import Config
from clickmill.contracts.days import Days
from clickmill.contracts.errors import BadData, UsageError
from clickmill.contracts.table import Read, Table
from clickmill.exports import FrozenExports
from clickmill.lake import Lake
from clickmill.ledger import Admission, Ledger

Written = Mapping[Table, DataFrame]
"""What a run has written so far: the rows of its days, read back."""

Outputs = dict[Table, DataFrame | Callable[[Written], DataFrame]]
"""What a job makes of its inputs; of a table that is made of what the run has written before it, the function that makes it."""


class Inputs(dict[Table, DataFrame]):
    """The frames a job reads, by table, and what is known of its run.

    run_id    the attempt
    days      the days of the run
    conf      the config, for `check()` of a job
    versions  Delta version of each table that was read
    last_days  of each table that was read the last day up to which, from the first day of the run on, none is missing
    exports   the folders of frozen exports, beside the tables
    before_split  rows that the job split by the rules of a table, from before the split: the gate counts on a sample of them
    """

    def __init__(self, run_id: str, days: Days, conf: Config, lake: Lake) -> None:
        super().__init__()
        self._lake, self.exports = lake, FrozenExports(lake.spark, lake.root)
        self.run_id = run_id
        self.days = days
        self.conf = conf
        self.versions: dict[str, int] = {}
        self.last_days: dict[Table, date] = {}
        self.before_split: dict[Table, DataFrame] = {}
        self._kept: list[DataFrame] = []

    def must_be_plain(self, table: Table) -> None:
        """Make sure that the files of a table hold its rows and nothing else.

        Raises  UsageError where readers need deletion vectors or column mapping to tell its rows
        """
        asked = self._lake.asks_of_readers(table, 1)
        if asked is not None:
            raise UsageError(f"{table.name}: {asked}; only a table of plain files is exported")

    def keep(self, frame: DataFrame) -> DataFrame:
        """Persist a frame that several outputs of the job share, until the run ends."""
        self._kept.append(frame.persist())
        return reused.kept(self._kept[-1])

    def spread(self, frame: DataFrame, *, by: str, partitions: int) -> DataFrame:
        """Shuffle a frame that several outputs of the job are made of, by the hash of a column: the files serve as what is kept."""
        moved = reused.shuffled(frame, by=by, partitions=partitions)
        if moved.is_cached:
            self._kept.append(moved)
        return moved

    def cut(self, frame: DataFrame) -> DataFrame:
        """Compute a frame now, and go on from its rows: the plan of what made it would grow with every step that is built on it."""
        return frame.localCheckpoint()

    def release(self) -> None:
        for frame in self._kept:
            frame.unpersist()


class Job(Protocol):
    """What a module of jobs/ offers.

    It may also have
    check(written, inputs)  counts to print; raises BadData when an identity of counts does not hold
    STANDING                names of counts that say how things stand at the end: those of the last slice, not their sum
    SPARK_CONF              SQL properties that must hold for the length of the run
    CONFIG                  sections of the config that its rows depend on; all, where it does not say
    TAKES                   events, items or users: what it reads of landing files
    reached(inputs)         of a job that publishes: what the lists of each site are known to reach
    """

    __name__: str
    __doc__: str | None
    READS: tuple[Read, ...]
    WRITES: tuple[Table, ...]

    def run(self, spark: SparkSession, conf: Config, days: Days, inputs: Inputs) -> Outputs: ...


def pinned(reads: Iterable[Read], conf: Config, days: Days, lake: Lake, ledger: Ledger, run_id: str) -> Inputs:
    """Pin every table to its last admitted version, and limit it to the admitted days that its READ names.

    Raises  BadData when a day of the run is not admitted in a table that is read for the same day, or the last one where a
            window ends with it
    """
    inputs = Inputs(run_id, days, conf, lake)
    # A window without its last day would pass for one in which nothing happened on it.
    needed = {"same": list(days), "landed": list(days), "around": list(days), "window": [days.last]}
    for read in reads:
        table = read.table
        admitted = ledger.admitted(table)
        window = days_of(read, days, conf)
        wanted = sorted(day for day in admitted if day in window)
        missing = [] if read.optional else [day for day in needed.get(read.kind, ()) if day not in admitted]
        if missing:
            raise BadData(f"{table.name}: day {missing[0]} is not there yet; run the job that writes it first")
        inputs.versions[table.name] = ledger.version(table)
        there = takewhile(admitted.__contains__, days.widened(ahead=max(0, (window.last - days.last).days)))
        inputs.last_days[table] = max(there, default=days.first - timedelta(days=1))
        inputs[table] = lake.read(table, inputs.versions[table.name]).where(_is_wanted(str(table.day), wanted, window))
    return inputs


def _is_wanted(day: str, wanted: list[date], window: Days) -> Column:
    if not wanted:
        return F.lit(False)
    span = F.col(day).between(F.lit(wanted[0]), F.lit(wanted[-1]))
    has_holes = window.first != date.min and len(wanted) < (wanted[-1] - wanted[0]).days + 1
    return span & F.col(day).isin(wanted) if has_holes else span


def days_of(read: Read, days: Days, conf: Config) -> Days:
    """The days that a READ names for a run over `days`; a history has no first day, so it begins with the first there can be."""
    back, ahead = (conf.value(span) if isinstance(span, str) else span for span in (read.back, read.ahead))
    if read.kind in ("history", "whole"):
        return Days(date.min, days.last if read.kind == "history" else date.max)
    if read.kind == "before":
        return Days(date.min, days.widened(back=1).first)
    if read.kind == "earlier":
        return Days(days.widened(back=back).first, Days(days.last, days.last).widened(back=1).first)
    if read.kind == "window":
        return Days(days.last, days.last).widened(back=back - 1)
    return days.widened(back=back, ahead=ahead)


def hashes_of(job: Job, day: date, conf: Config, ledger: Ledger) -> dict[str, str]:
    """For each table that the job reads for one day: a hash of the admitted days that it sees, as they stand now.

    What only grows is no input, nor is what the job itself wrote up to the day: its own rows would make it stale.
    """
    found = {}
    for read in job.READS:
        if read.kind == "whole" or (read.kind == "history" and read.table in job.WRITES):
            continue
        seen = sorted((str(one), content) for one, content in seen_of(read, day, conf, ledger).items())
        found[read.table.name] = hashlib.md5(repr(seen).encode()).hexdigest()[:16]
    return found


def seen_of(read: Read, day: date, conf: Config, ledger: Ledger) -> dict[date, str]:
    """The admitted days of a table that a READ names for one day, each with a hash of what of it can matter to the day."""
    window, admitted = days_of(read, Days(day, day), conf), ledger.admitted(read.table)
    there = {one: admission for one, admission in admitted.items() if one in window}
    if read.kind != "landed":
        return {one: admission.content_hash for one, admission in there.items()}
    of_day = {one: _that_may_belong(admission, day, lateness_days=(window.last - day).days) for one, admission in there.items()}
    return {one: content for one, content in of_day.items() if content is not None}


def _that_may_belong(landing: Admission, day: date, *, lateness_days: int) -> str | None:
    """A hash of the rows of a landing day that may belong to a day; None where there are none.

    Those of the day itself; and where they landed on it those, too, that have no day, or one too long before or after: a row
    of the day after may have come from a clock that runs ahead.
    """
    if not landing.parts:
        return landing.content_hash if landing.row_count else None
    if landing.day != day:
        return landing.parts.get(str(day))
    late = {str(day - timedelta(days=back)) for back in range(1, lateness_days + 1)}
    return repr(sorted((part, content) for part, content in landing.parts.items() if part not in late))
