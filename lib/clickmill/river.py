"""The river, derived: jobs are found in jobs/, their order and picture come from READS and WRITES."""

import sys
from collections.abc import Iterable, Sequence
from functools import cache
from graphlib import CycleError, TopologicalSorter
from types import ModuleType
from typing import cast

from clickmill import config
from clickmill.contracts import resources
from clickmill.contracts.errors import UsageError
from clickmill.contracts.table import Table
from clickmill.inputs import Job


@cache
def jobs() -> dict[str, Job]:
    """Every job by name, upstream first; jobs that do not depend on each other in the order of their names.

    Raises  UsageError when two jobs write one table, or the river runs in a circle
    """
    names = sorted(entry.name.removesuffix(".py") for entry in resources.folder("jobs").iterdir() if entry.name.endswith(".py"))
    found = {name: _load(name) for name in names}
    writers = writers_of(found)
    sorter = TopologicalSorter({name: sorted(_upstream(name, job, writers)) for name, job in found.items()})
    try:
        sorter.prepare()
    except CycleError as error:
        raise UsageError(f"jobs/: the river runs in a circle: {' -> '.join(error.args[1])}") from None
    order: list[str] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        order += ready
        sorter.done(*ready)
    return {name: found[name] for name in order}


def job(name: str) -> Job:
    """The job called `name`.

    Raises  UsageError when there is none
    """
    if name not in jobs():
        raise UsageError(f"no job is called {name}; there are {', '.join(jobs())} and flow")
    return jobs()[name]


def flow(source: str | None) -> list[Job]:
    """The jobs of a whole run, upstream first; of the jobs that read landing files, the one that takes what the source brings.

    Without a source, the flow starts behind them.
    """
    brings = config.source(source).table if source else None
    return [one for one in jobs().values() if getattr(one, "TAKES", brings) == brings]


def that_make(makes: Sequence[str], some: Sequence[Job]) -> list[Job]:
    """Of some jobs those that write the tables, or what these are made of; all of them where no table is named."""
    writers = writers_of(jobs())
    needed: set[str] = set()
    todo = [writers[name] for name in makes]
    while todo:
        name = todo.pop()
        if name not in needed:
            needed.add(name)
            todo += _upstream(name, jobs()[name], writers)
    return [one for one in some if not makes or any(one is jobs()[name] for name in needed)]


def writers_of(found: dict[str, Job]) -> dict[str, str]:
    """The job that writes each table.

    Raises  UsageError when a table has two writers
    """
    writers: dict[str, str] = {}
    for name, one in found.items():
        for table in one.WRITES:
            if table.name in writers:
                raise UsageError(f"jobs/: {table.name} is written by {writers[table.name]} and by {name}")
            writers[table.name] = name
    return writers


def _upstream(name: str, one: Job, writers: dict[str, str]) -> set[str]:
    """Jobs that must run before; what a job reads of its own tables is of earlier days."""
    return {writers[read.table.name] for read in one.READS if read.table.name in writers} - {name}


def _load(name: str) -> Job:
    """A job as a module made from its text: inside the wheel that Spark sends along it is no file that Python could open."""
    place = resources.folder("jobs").joinpath(f"{name}.py")
    module = ModuleType(f"clickmill_jobs.{name}")
    module.__file__ = str(place)
    sys.modules[module.__name__] = module
    exec(compile(place.read_text(encoding="utf-8"), str(place), "exec"), module.__dict__)
    return cast(Job, module)


def text() -> str:
    """The river as text: one line a job, upstream first."""
    lines = []
    for name, one in jobs().items():
        reads = ", ".join(_names(read.table for read in one.READS if read.table not in one.WRITES)) or "landing files"
        lines.append(f"{name:<24} {reads}\n{'':<24} -> {', '.join(_names(one.WRITES))}")
    return "\n".join(lines)


def mermaid() -> str:
    """The river as a Mermaid flowchart: tables are boxes, jobs are the arrows between them."""
    lines = ["flowchart LR"]
    for name, one in jobs().items():
        sources = [table.name for table in dict.fromkeys(read.table for read in one.READS) if table not in one.WRITES] or ["landing files"]
        lines += [f"  {_node(source)} -->|{name}| {_node(target.name)}" for source in sources for target in one.WRITES]
    return "\n".join(lines) + "\n"


def _node(name: str) -> str:
    return f'{name.replace(".", "_").replace(" ", "_")}["{name}"]'


def _names(tables: Iterable[Table]) -> list[str]:
    return list(dict.fromkeys(table.name for table in tables))
