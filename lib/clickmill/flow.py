"""Brings a range of days through the river as `make` does: what is missing or stale is made, in order, and nothing else.

Work stops where a content hash comes out unchanged. Stale days outside the range
are made again only when they have settled: late events come in for days, and a
day that were made again at each of them would be made over and over.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from pyspark.sql import SparkSession

from clickmill import execution, staleness
from clickmill.config import Config
from clickmill.contracts.days import Days
from clickmill.execution import RunResult, name_of
from clickmill.inputs import Job
from clickmill.lake import Lake
from clickmill.ledger import Ledger
from clickmill.releases import Releases
from clickmill.staleness import Stale

_DAY = timedelta(days=1)
Shown = Callable[[Job, RunResult | str], None]
"""Tells what one run of a job did; or, where it had nothing to do, why."""


@dataclass
class Made:
    """What a flow did: the days that its jobs made, how many of them for the first time, and stale days that are left.

    waiting  their inputs changed, and they have not settled yet
    older    made under another config, other rules or code, or frozen: nothing remakes them unless their days are asked for
    """

    day_count: int = 0
    new_count: int = 0
    waiting: list[Stale] = field(default_factory=list)
    older: list[Stale] = field(default_factory=list)

    @property
    def factor(self) -> float | None:
        """How many days were made for each new one, which is what lateness costs; None where none was new."""
        return self.day_count / self.new_count if self.new_count else None


def bring(jobs: Sequence[Job], conf: Config, days: Days, spark: SparkSession, progress: execution.Progress, shown: Shown) -> Made:
    """Run each job over the days that are due, upstream first.

    Raises  ClickmillError of the job that failed; what was made before it stays
    """
    made, lake = Made(), Lake(spark, conf.lake.root)
    ledger = Ledger(lake)
    for job in jobs:
        done: set[date] = set()
        known = Releases(lake) if job.WRITES[0].is_served else None
        if known and known.current and known.current.as_of_date > days.last:
            shown(job, f"the release of {known.current.as_of_date} is served; lists of {days.last} would be older")
            continue
        while part := _next(job, conf, known, ledger, days, done):
            shown(job, execution.execute(job, conf, part, spark, progress))
            if not hasattr(job, "TAKES"):
                made.day_count += len(part)
                made.new_count += sum(day not in ledger.admitted(job.WRITES[0]) for day in part)
            done.update(part)
            ledger = Ledger(lake)
        if not done:
            shown(job, "up to date")
    left = staleness.stale({name_of(job): job for job in jobs}, conf, ledger)
    made.waiting = [one for one in left if one.inputs_changed and not one.frozen]
    made.older = [one for one in left if one not in made.waiting]
    return made


def due(job: Job, conf: Config, ledger: Ledger, days: Days) -> list[Days]:
    """The days that a job has to make so that `days` are up to date, as ranges, the earliest first.

    Of the days asked for those that are missing or stale, for whatever reason; of
    all others those whose inputs changed and that have settled. Of a table of which
    a run makes the last day only, the last day asked for.
    """
    if hasattr(job, "TAKES"):
        return [days]  # what has landed stands in no ledger
    table = job.WRITES[0]
    admitted = ledger.admitted(table)
    stale = {one.day: one for one in staleness.stale({name_of(job): job}, conf, ledger)}
    if table.write == "last_day":
        return [Days(days.last, days.last)] if days.last not in admitted or days.last in stale else []
    open_days = {day: one for day, one in stale.items() if not one.frozen}
    newest = max([days.last, *admitted])
    asked = {day for day in days if day not in admitted or day in open_days}
    settled = {day for day, one in open_days.items() if one.inputs_changed and _has_settled((newest - day).days, conf.run.settle_days)}
    return list(_ranges(asked | settled))


def _next(job: Job, conf: Config, known: Releases | None, ledger: Ledger, days: Days, done: set[date]) -> Days | None:
    """The first range that is due and not done yet; each is found when the one before was made, since a day may be made of it."""
    if known and known.unfinished and not done:
        return Days(days.last, days.last)  # a run died on the way; the next one finishes what it had decided
    return next((part for part in due(job, conf, ledger, days) if not done.issuperset(part)), None)


def _has_settled(age_days: int, settle_days: Sequence[int]) -> bool:
    return age_days in settle_days or age_days > max(settle_days)


def _ranges(days: Iterable[date]) -> Iterator[Days]:
    """Days as ranges without holes, the earliest first."""
    there = set(days)
    for first in sorted(day for day in there if day - _DAY not in there):
        last = first
        while last + _DAY in there:
            last += _DAY
        yield Days(first, last)
