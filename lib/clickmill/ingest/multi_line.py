"""Lines of delimited files whose quoted fields go on in the next line -> one line a record.

A record ends where a line ends outside quotes (RFC 4180, 2.6). The state of a
file is carried from line to line over Arrow blocks, so a file is read by one
task and memory holds one record.
"""

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import Any, Literal

import pyarrow as pa  # type: ignore[import-untyped]
from pyspark.sql import DataFrame

from clickmill.ingest import delimited
from clickmill.ingest.parts import Read

MAX_LINES = 1000
"""A quoted field that is still open after so many lines is a stray quote: its first line is told as a record of its own."""

Ending = Literal["outside", "inside", "broken"]
Line = dict[str, Any]
_ROWS = 4096


def joined(lines: DataFrame, read: Read) -> DataFrame:
    """Join the lines of each record; it lies where its first line does.

    Where a quote is never closed, or is followed by text, the first line stands
    alone and the next is looked at anew: one stray quote costs one line.

    Grain   one row per record
    Needs   the rows of `records.lines`
    """
    ends = ending(read)

    def blocks(given: Iterable[pa.RecordBatch]) -> Iterable[pa.RecordBatch]:
        rest = iter(given)
        first = next(rest, None)
        if first is not None:
            rows = (row for block in chain([first], rest) for row in block.to_pylist())
            yield from _blocks(records(rows, ends), first.schema)

    by_file = lines.repartition("__path").sortWithinPartitions("__path", "__block", "__ordinal")
    return by_file.mapInArrow(blocks, lines.schema)


def _blocks(rows: Iterator[Line], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    while some := list(islice(rows, _ROWS)):
        yield pa.RecordBatch.from_pylist(some, schema=schema)


def records(lines: Iterable[Line], ends: Callable[[str, bool], Ending]) -> Iterator[Line]:
    """The records of lines that come in order, file by file."""
    source = iter(lines)
    ahead: deque[Line] = deque()
    while True:
        ahead.extend(islice(source, 0 if ahead else 1))
        if not ahead:
            return
        count = _lines_of_first(ahead, source, ends)
        yield _as_one([ahead.popleft() for _ in range(count)])


def _lines_of_first(ahead: deque[Line], source: Iterator[Line], ends: Callable[[str, bool], Ending]) -> int:
    """How many of the lines `ahead`, which grows as far as needed, make the first record."""
    is_inside = False
    for count in range(1, MAX_LINES + 1):
        ahead.extend(islice(source, max(count - len(ahead), 0)))
        if len(ahead) < count or ahead[count - 1]["__path"] != ahead[0]["__path"]:
            return 1
        end = ends(ahead[count - 1]["__line"].removesuffix("\r"), is_inside)
        if end != "inside":
            return count if end == "outside" else 1
        is_inside = True
    return 1


def _as_one(lines: list[Line]) -> Line:
    hashed = 0
    for line in lines:
        hashed = (hashed * 31 + line["__hash"] + 2**63) % 2**64 - 2**63
    text = "\n".join(line["__line"] for line in lines)
    return lines[0] | {"__line": text, "__hash": hashed, "__is_text": all(line["__is_text"] for line in lines)}


def ending(read: Read) -> Callable[[str, bool], Ending]:
    """How a line ends that begins outside quotes, at a field, or inside a quoted field."""
    assert read.quote_char is not None
    sep, quote, inside = re.escape(read.sep), re.escape(read.quote_char), delimited.inside_quotes(read)
    # A line that a backslash ends goes on with its line feed.
    cut = r"\\?" if read.escape == "\\" else ""
    field = rf"{sep}(?:{quote}{inside}{quote}(?={sep}|\Z)|(?!{quote}){delimited.bare(read)})"
    fields = re.compile(rf"(?:{field})*+(?P<open>{sep}{quote}{inside}{cut})?\Z")
    close = re.compile(rf"{inside}(?:{quote}(?={sep}|\Z)|(?P<open>{cut}\Z))")

    def ends(line: str, is_inside: bool) -> Ending:
        if is_inside:
            closed = close.match(line)
            if closed is None or closed["open"] is not None:
                return "broken" if closed is None else "inside"
            matched = fields.match(line, closed.end())
        else:
            matched = fields.match(read.sep + line)
        if matched is None:
            return "broken"
        return "outside" if matched["open"] is None else "inside"

    return ends
