"""Which admitted days are stale, and why: made of other inputs, another config or other code than stand now."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import clickmill
from clickmill.config import Config
from clickmill.execution import config_hash
from clickmill.inputs import Job, hashes_of, seen_of
from clickmill.ledger import Admission, Ledger


@dataclass(frozen=True)
class Stale:
    """One stale day of the table that a job writes. `frozen`: nothing remakes it unasked; `inputs_changed`: not only how it is made."""

    job: str
    table: str
    day: date
    reasons: tuple[str, ...]
    frozen: bool
    inputs_changed: bool


def stale(jobs: Mapping[str, Job], conf: Config, ledger: Ledger) -> list[Stale]:
    """Stale days of every job's main table, upstream first."""
    found = []
    for name, job in jobs.items():
        table, config = job.WRITES[0], config_hash(job, conf)
        for day, admission in sorted(ledger.admitted(table).items()):
            inputs, making = _inputs(job, day, admission, conf, ledger), _making(job, admission, config)
            # What was added once is not made again: a run would only add to it.
            is_frozen = table.write == "last_day" or (table.write == "append" and not inputs)
            if inputs or making:
                found.append(Stale(name, table.name, day, (*inputs, *making), is_frozen, bool(inputs)))
    return found


def _inputs(job: Job, day: date, admission: Admission, conf: Config, ledger: Ledger) -> list[str]:
    """Inputs that changed, with the days that were admitted since."""
    now = hashes_of(job, day, conf, ledger)
    changed = {name for name in now if admission.inputs.get(name) != now[name]}
    reasons = []
    for read in job.READS:
        if read.table.name in changed:
            admitted = ledger.admitted(read.table)
            seen = sorted(one for one in seen_of(read, day, conf, ledger) if admitted[one].admitted_at > admission.admitted_at)
            reasons.append(
                f"{read.table.name} changed"
                + (f" on {seen[0]}{f' and {len(seen) - 1} more days' if len(seen) > 1 else ''}" if seen else "")
            )
    return reasons


def _making(job: Job, admission: Admission, config: str) -> list[str]:
    changed = (
        "some of its rows were made under another config or other rules"
        if job.WRITES[0].write == "append"
        else "the config or the rules of its tables changed"
    )
    other_config = [changed] if admission.config_hash != config else []
    return other_config + ([f"made by version {admission.code_version}"] if admission.code_version != clickmill.__version__ else [])
