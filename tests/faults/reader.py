"""A process that reads what is served, over and over, while others publish."""

import time
from collections.abc import Iterable, Iterator
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from typing import Any

import duckdb

from clickmill.contracts.tables import SERVED
from warehouse import connected


def reads(root: str, stop: Event, queue: Queue) -> None:
    """Read what is served, over and over: the newest version of each table, and all tables by the row of the release."""
    told: list[Any] = []
    try:
        con, until = connected(), time.monotonic() + 600  # nobody may be left to stop it
        while not stop.is_set() and time.monotonic() < until:
            told += once(con, root)
    except Exception as error:
        told.append(("error", str(error)))
    queue.put(told)


def once(con: duckdb.DuckDBPyConnection, root: str) -> Iterator[tuple[Any, ...]]:
    """One look at each table and at the release."""
    releases_of = f"select release_id, state, versions, row_counts, as_of_date from delta_scan('{root}/ops/releases') order by number"
    for table in SERVED:
        path = f"{root}/{table.name.replace('.', '/')}"
        heads = con.execute(f"select as_of_date, release_id, count(*) from delta_scan('{path}') group by all").fetchall()
        # Read after the table: what was decided by then.
        decided = {row[0] for row in con.execute(releases_of).fetchall() if row[1] in ("approved", "served")}
        yield "head", table.name, heads, sorted(decided)
    served = [row for row in con.execute(releases_of).fetchall() if row[1] == "served"][-1]
    release, _, versions, counts, day = served
    pinned = {}
    for name in counts:
        path = f"{root}/{name.replace('.', '/')}"
        rows = f"delta_scan('{path}', version => {versions[name]})"
        pinned[name] = con.execute(f"select release_id, count(*) from {rows} where as_of_date = '{day}' group by all").fetchall()
    yield "release", release, pinned, counts


def sees_one_release(looks: Iterable[tuple[Any, ...]]) -> None:
    """See that a single table never held what nobody had released, and that several tables by the row of the release were no mix."""
    for kind, *seen in looks:
        if kind == "head":
            _, heads, decided = seen
            days = [day for day, _, _ in heads]
            assert len(days) == len(set(days)), "rows of two releases on one day"
            assert {release for _, release, _ in heads} <= set(decided), "rows that nobody released"
        else:
            release, pinned, counts = seen
            assert pinned == {name: [(release, count)] if count else [] for name, count in counts.items()}
