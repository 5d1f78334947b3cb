"""Spark's exceptions -> errors in one line that name the file or the key; values and the Java trace stay out of them."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException

from clickmill.contracts.errors import BadData

_FILE = re.compile(r"(?:file|path|footer for file:?)\s*:?\s*((?:file|[a-z0-9]+):/[^\s,]+)", re.IGNORECASE)
_CONDITION = re.compile(r"\[([A-Z_]+(?:\.[A-Z_]+)*)\]")
_UNREADABLE = (
    "FAILED_READ_FILE",
    "CANNOT_READ_FILE_FOOTER",
    "EOFException",
    "ZipException",
    "incorrect data check",
    "CANNOT_MERGE_SCHEMAS",
)


def no_line_feeds(file: str) -> BadData:
    """The error of a file whose lines end as those of old Macintoshes do."""
    return BadData(f"{file}: has lines that end in a carriage return alone; expected line feeds, with or without one before them")


@contextmanager
def told(source_name: str) -> Iterator[None]:
    """Tell what Spark raised while files were read and mapped.

    Raises  BadData naming the file that is truncated or corrupt; or the kind of error that an expression raised on a value
    """
    try:
        yield
    except (PySparkException, Py4JJavaError) as error:
        raise _translated(str(error), source_name) or error from None


def _translated(text: str, source_name: str) -> BadData | None:
    condition = _CONDITION.search(text)
    kind = condition.group(1) if condition else ""
    if any(sign in text for sign in _UNREADABLE):
        found = _FILE.search(text)
        name = unquote(found.group(1)).rstrip(".").rsplit("/", 1)[-1] if found else "a landing file"
        return BadData(f"{name}: cannot be read to its end: truncated, corrupt or of another format; nothing was written, deliver it again")
    if condition and ("CAST" in kind or "ARITHMETIC" in kind or "DIVIDE" in kind or "INVALID" in kind or "OVERFLOW" in kind):
        return BadData(
            f"source {source_name}: an expression raised {kind} on a record; use try_cast, try_divide, get(array, i), try_element_at"
        )
    return None
