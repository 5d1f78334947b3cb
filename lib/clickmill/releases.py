"""Releases: published tables are staged, audited, and then served together; `ops.releases` says which versions belong together.

A release is decided by one row (`approved`) before the first served table moves,
and told by another (`served`) when all have. So the newest version of a served
table is always one of a release that was decided, readers of several tables take
the versions of the newest served row, and a run that dies between the two is
finished by the next one, not undone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from pyspark.sql import functions as F

from clickmill import log
from clickmill.contracts.days import Days
from clickmill.contracts.errors import GateRefused, UsageError
from clickmill.contracts.faults import faultpoint
from clickmill.contracts.table import Table
from clickmill.contracts.tables import BY_NAME, RELEASES, SERVED
from clickmill.facts import DayFacts, facts_by_day
from clickmill.lake import Lake
from clickmill.ledger import Admission, Ledger, enter, now
from clickmill.locks import Hold

REFUSED, APPROVED, SERVED_NOW, EXPIRED = "refused", "approved", "served", "expired"


@dataclass(frozen=True)
class Release:
    """One row of ops.releases; its schema says what each field is."""

    release_id: str
    as_of_date: date
    state: str = APPROVED
    number: int = 0
    versions: Mapping[str, int] = field(default_factory=dict)
    staged_versions: Mapping[str, int] = field(default_factory=dict)
    restored_versions: Mapping[str, int] = field(default_factory=dict)
    row_counts: Mapping[str, int] = field(default_factory=dict)
    reached: Mapping[str, float] = field(default_factory=dict)
    is_sound: bool = True
    reason: str | None = None
    entered_at: datetime = datetime.min


class Releases:
    """The releases as they were when they were read."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        # A row or two a release: grows with the days, and with nothing else.
        self.rows = sorted((Release(**row.asDict()) for row in lake.read(RELEASES).collect()), key=lambda row: row.number)

    @property
    def current(self) -> Release | None:
        """The release that is served now; None before the first."""
        return next((row for row in reversed(self.rows) if row.state == SERVED_NOW), None)

    @property
    def unfinished(self) -> Release | None:
        """A release that was decided, and whose tables are not all served yet: a run is at it, or died."""
        decided = [row for row in self.rows if row.state in (APPROVED, SERVED_NOW)]
        return decided[-1] if decided and decided[-1].state == APPROVED else None

    def listed(self) -> list[Release]:
        """Releases that can be restored, the newest first; of each its last served row."""
        expired = {row.release_id for row in self.rows if row.state == EXPIRED}
        newest = {row.release_id: row for row in self.rows if row.state == SERVED_NOW and row.release_id not in expired}
        return sorted(newest.values(), key=lambda row: -row.number)

    def refused(self) -> list[Release]:
        """Releases that were refused since the oldest that can be restored, and not accepted: their rows still wait."""
        # A rollback serves a release once more: it has been there since its first row.
        listed = {row.release_id for row in self.listed()}
        oldest = min((row.number for row in self.rows if row.release_id in listed), default=0)
        newest = {row.release_id: row for row in self.rows}.values()
        return [row for row in newest if row.state == REFUSED and row.number > oldest]

    def named(self, release_id: str) -> Release:
        """The newest row of a release.

        Raises  UsageError when there is none of that name
        """
        found = [row for row in self.rows if row.release_id == release_id]
        if not found:
            known = ", ".join(row.release_id for row in self.listed()[:10])
            raise UsageError(f"no release is called {release_id}; there are {known or 'none yet'}")
        return found[-1]

    def restorable(self, release_id: str) -> Release:
        """The served row of a release.

        Raises  UsageError when it was never served, or can no longer be restored
        """
        found = [row for row in self.listed() if row.release_id == release_id]
        if not found:
            raise UsageError(
                f"release {release_id} is {self.named(release_id).state}, and cannot be restored; `clickmill releases` lists those that can"
            )
        return found[0]

    def enter(self, release: Release) -> Release:
        """Put down a row, after those that there are; whoever does holds the served tables."""
        row = replace(release, number=self.rows[-1].number + 1 if self.rows else 1, entered_at=now())
        enter(self.lake, RELEASES, [vars(row)], row.release_id)
        self.rows.append(row)
        return row


def serve(releases: Releases, hold: Hold, draft: Release) -> Release:
    """Decide a release, bring its tables to the readers, and tell so; a run that dies on the way is gone on with by finish().

    Needs   the locks of all served tables, and that the versions that it is to be made of can be read
    """
    lake = releases.lake
    moved = draft.staged_versions or draft.restored_versions
    stay = {table.name: lake.head(table) for table in SERVED if lake.exists(table)}
    versions = {**stay, **{name: lake.head(BY_NAME[name]) + 1 for name in moved}}
    faultpoint("releases.approving")
    hold.confirm()
    approved = releases.enter(replace(draft, state=APPROVED, versions=versions))
    faultpoint("releases.approved")
    return _brought(releases, hold, approved)


def finish(releases: Releases, hold: Hold) -> None:
    """Go on with a release that was decided by a run that died before all tables were served."""
    unfinished = releases.unfinished
    if unfinished is not None:
        log.bound(run_id=unfinished.release_id).warning("a release that a run had decided is brought to its end")
        _brought(releases, hold, unfinished)


def rollback(releases: Releases, hold: Hold, release_id: str) -> Release:
    """Serve an earlier release again: its tables are restored, then the row is written.

    Raises  UsageError when the release cannot be restored, or is the one that is served
    """
    finish(releases, hold)
    old = releases.restorable(release_id)
    current = releases.current
    assert current is not None
    if old.number == current.number:
        raise UsageError(f"release {release_id} is served already")
    there = {name: version for name, version in old.versions.items() if name in BY_NAME}
    restored = {name: version for name, version in there.items() if releases.lake.head(BY_NAME[name]) != version}
    for name, version in restored.items():
        releases.lake.must_have(BY_NAME[name], version)
    reason = f"rolled back from {current.release_id}"
    return serve(releases, hold, replace(old, staged_versions={}, restored_versions=restored, reason=reason))


def accept(releases: Releases, hold: Hold, release_id: str, because: str) -> Release:
    """Serve a release that was refused and that a person has looked at.

    Raises  UsageError when it was not refused, or breaks rules, or a newer one is served
    """
    finish(releases, hold)
    refused = releases.named(release_id)
    current = releases.current
    if refused.state != REFUSED:
        raise UsageError(f"release {release_id} is {refused.state}; only a refused one can be accepted")
    if not refused.is_sound:
        raise UsageError(f"release {release_id} cannot be accepted, no reader could trust it: {refused.reason}")
    if current is not None and current.as_of_date > refused.as_of_date:
        raise UsageError(f"release {release_id} is of {refused.as_of_date}; that of {current.as_of_date} is served")
    for name, version in refused.staged_versions.items():
        releases.lake.must_have(BY_NAME[name].staging(), version)
    return serve(releases, hold, replace(refused, reason=f"accepted by hand: {because}; it had been refused: {refused.reason}"))


def refuse(releases: Releases, hold: Hold, draft: Release, reason: str, *, is_sound: bool) -> GateRefused:
    """Put down that a release was refused, and why; its staged rows stay where they are."""
    hold.confirm()
    current = releases.current
    versions = current.versions if current else {}
    releases.enter(replace(draft, state=REFUSED, versions=versions, reason=reason, is_sound=is_sound))
    served = f"{current.release_id} of {current.as_of_date} stays served" if current else "none is served"
    return GateRefused(f"release {draft.release_id} is refused, {served}: {reason}; clickmill release explain {draft.release_id}")


def _brought(releases: Releases, hold: Hold, approved: Release) -> Release:
    """Bring each table of a decided release to its readers that is not there yet, then write the row that says so."""
    lake = releases.lake
    for name in approved.staged_versions or approved.restored_versions:
        table = BY_NAME[name]
        note: dict[str, object] = {"release_id": approved.release_id, "release_number": approved.number}
        if lake.note(table).get("release_number") != approved.number:
            hold.confirm()
            _bring(lake, table, approved, note)
        faultpoint("releases.table_served")
    versions = {table.name: lake.head(table) for table in SERVED if lake.exists(table)}
    hold.confirm()
    _admit(lake, approved, versions)
    served = releases.enter(replace(approved, state=SERVED_NOW, versions=versions))
    faultpoint("releases.served")
    return served


def _bring(lake: Lake, table: Table, approved: Release, note: dict[str, object]) -> None:
    if table.name in approved.restored_versions:
        version = approved.restored_versions[table.name]
        lake.restore(table, version, {**lake.note(table, version), **note})
        return
    staged, version = table.staging(), approved.staged_versions[table.name]
    rows = lake.read(staged, version).where(F.col(str(table.day)) == F.lit(approved.as_of_date))
    day = Days(approved.as_of_date, approved.as_of_date)
    lake.write(rows, table, day, {**lake.note(staged, version), **note})


def _admit(lake: Lake, served: Release, versions: Mapping[str, int]) -> None:
    """Enter the day of each table that came to the readers, made of what the run read that made it first."""
    admissions = []
    for name in served.staged_versions or served.restored_versions:
        table, note = BY_NAME[name], lake.note(BY_NAME[name], versions[name])
        rows = lake.read(table, versions[name]).where(F.col(str(table.day)) == F.lit(served.as_of_date))
        fact = next(iter(facts_by_day(rows, table)), DayFacts(served.as_of_date, "0", 0))
        made = (note["job"], note["run_id"], note["code_version"], note["config_hash"], note["made_of"])
        admissions.append(Admission(name, fact.day, fact.content_hash, fact.row_count, versions[name], *made, now()))
    if admissions:
        Ledger(lake).admit(admissions, served.release_id)
