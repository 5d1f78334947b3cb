"""What a person sees: progress while a run goes on, and what it did when it is done. Quiet where there is no terminal.

What is printed may come from people or from data, so text is never markup: brackets in it are brackets. A style is given beside
the text, by styled().
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from clickmill.contracts.days import Days
from clickmill.execution import RunResult
from clickmill.flow import Made
from clickmill.ingest.unmapped import NOT_MAPPED, OTHERS
from clickmill.lineage import Origin

out = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)
err = Console(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)
_FIELDS = 10


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """A spinner with the step that runs; nothing at all where stderr is not a terminal."""
    if not err.is_terminal:
        yield lambda _: None
        return
    with err.status("starting Spark") as status:
        yield lambda step: status.update(Text(step))  # of a text alone a spinner makes markup


def styled(style: str, words: str, rest: str = "") -> Text:
    """Words in a style, and plain text after them."""
    return Text.assemble((words, style), rest)


def grid(*columns: str, right: tuple[str, ...] = ()) -> Grid:
    """A plain table; the columns named in `right` are numbers."""
    made = Grid(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for column in columns:
        made.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return made


def show_result(result: RunResult, seconds: float) -> None:
    """One block a job: rows of every table it wrote, the identity it checked, and why rows were turned away."""
    if result.is_repeated:
        again = f"run {result.run_id} was done before, of the same data; nothing is done again"
        out.print(styled("bold", result.job, f" {result.days}: {again}"))
        return
    out.print(styled("bold", result.job, f" {result.days}: {seconds:.1f} s, run {result.run_id}"))
    for one in result.tables:
        out.print(f"  {one.table.name:<28} {one.row_count:>12,} rows on {one.day_count:,} days")
        for warning in one.warnings:
            out.print(styled("yellow", "  warning", f" {warning}"))
    counts = {key: count for key, count in result.counts.items() if not key.startswith(("reason ", NOT_MAPPED))}
    if counts:
        out.print("  " + ", ".join(f"{key} {count:,}" for key, count in counts.items()))
    for key, count in sorted(result.counts.items(), key=lambda pair: (-pair[1], pair[0])):
        if key.startswith("reason "):
            out.print(f"    {key.removeprefix('reason '):<32} {count:>12,}")
    _show_not_mapped({key: count for key, count in result.counts.items() if key.startswith(NOT_MAPPED)})


def _show_not_mapped(counts: Mapping[str, int]) -> None:
    """The fields that most rows have and nobody mapped, one a line; their names come from data, and are no markup."""
    named = sorted((key for key in counts if key != OTHERS), key=lambda key: (-counts[key], " (declared as " not in key, key))
    for key in [*named[:_FIELDS], *(key for key in counts if key == OTHERS)]:
        out.print(f"    {key:<32} {counts[key]:>12,}")
    if named[_FIELDS:]:
        out.print(f"    not mapped are {len(named) - _FIELDS:,} fields more; raw.files counts all of them")


def show_idle(job: str, days: Days, because: str) -> None:
    """A job that had nothing to do."""
    out.print(styled("bold", job, f" {days}: {because}"))


def show_made(made: Made) -> None:
    """What a flow did as a whole, and what it left: the days that wait for late events, and those made otherwise than they would be now."""
    costs = f", {made.factor:.1f} made for each new one" if made.factor else ""
    out.print(f"{made.day_count:,} days of tables made, {made.new_count:,} of them new{costs}")
    for kind, left in (("stale, and made again when they have settled", made.waiting), ("made otherwise than now", made.older)):
        if left:
            first = min(left, key=lambda one: one.day)
            out.print(f"{len(left):,} days of tables {kind}, from {first.day} on ({first.table}: {first.reasons[0]})")


def show_origin(origin: Origin, files: Sequence[tuple[str, str, int]], more_files: int, limit: int) -> None:
    """One step upstream: the days and version of a table, the runs that wrote them, the files that they landed in."""
    indent, missing = "  " * origin.depth, len(origin.days) - origin.day_count
    gaps = f" ({missing:,} days are not there)" if missing else ""
    out.print(f"{indent}{origin.table.name} {origin.days}{gaps}: version {origin.version}, {origin.row_count:,} rows")
    for run_id, (job, code, config) in list(origin.runs.items())[:limit]:
        out.print(f"{indent}  by run {run_id} of {job}, code {code}, config {config}")
    for landed, file, records in files:
        out.print(f"{indent}  landed {landed} in {file}: {records:,} records")
    if more_files:
        out.print(f"{indent}  and {more_files:,} files more, that landed further from the day; --limit shows them")


def show_rows(columns: Sequence[str], rows: Sequence[tuple[object, ...]]) -> None:
    """Rows as a table where there are few columns, else one block a row: nothing is cut off."""
    if len(columns) <= 10:
        made = grid(*columns)
        for row in rows:
            made.add_row(*(_told(value) for value in row))
        out.print(made)
        return
    for number, row in enumerate(rows, 1):
        out.print(styled("bold", f"row {number}"))
        for name, value in zip(columns, row, strict=True):
            if value is not None:
                out.print(f"  {name:<20} {_told(value)}")


def _told(value: object) -> str:
    return "" if value is None else str(value)
