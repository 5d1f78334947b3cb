"""What the first line of a file tells of the whole: that it is packed, in another encoding, or that its lines end otherwise.

Such a file would pass for a few dirty records, though it holds as many as any other.
"""

import re

from clickmill.contracts.errors import BadData
from clickmill.ingest import delimited, failures
from clickmill.ingest.files import Scanned
from clickmill.ingest.parts import Read

_PACKED = {
    "gzip": b"\x1f\x8b\x08",
    "bzip2": b"BZh91AY&SY",
    "zstd": b"\x28\xb5\x2f\xfd",
    "xz": b"\xfd7zXZ\0",
    "zip": b"PK\x03\x04",
    "Parquet": b"PAR1\x15",
}
_MARKS = "\ufffd\xff\xfe"
"""What a byte order mark of UTF-16 becomes: nothing in UTF-8, two letters in the encodings of one byte."""

_HEAD = 16
_OBJECT_AFTER_OBJECT = re.compile(r"\}[ \t]*+\r\s*+\{")


def refused(read: Read, one: Scanned) -> BadData | None:
    """Why a file of lines without a header cannot be read as such; no value of its first line is told.

    Needs   the first line as it was decoded, each byte that is no text replaced
    """
    line, name = one.first_line or "", one.file.name
    for kind, magic in _PACKED.items():
        if line.startswith(magic.decode(read.encoding, errors="replace")):
            return BadData(f"{name}: is {kind} by its content, and its name does not say so; deliver it again under a name that does")
    if _has_two_bytes_a_letter(line):
        return BadData(f"{name}: is UTF-16 or UTF-32 by its content; expected {read.encoding}, or read.encoding in the source")
    return failures.no_line_feeds(name) if _ends_in_returns(read, line, one.record_count) else None


def _has_two_bytes_a_letter(line: str) -> bool:
    """Whether every other byte, or more of them, is zero; where all are, a disk was full or a machine went down."""
    head = line.lstrip(_MARKS)[:_HEAD]
    return len(head) > 3 and head.count("\0") * 2 >= len(head) - 1 and head.strip("\0") != ""


def _ends_in_returns(read: Read, line: str, record_count: int) -> bool:
    if "\r" not in line:
        return False
    if read.format == "json":
        # Between two objects of one record there is a comma, and in text no return stands as it is.
        return _OBJECT_AFTER_OBJECT.search(line) is not None
    if read.format == "csv" and read.quote_char:
        quote = re.escape(read.quote_char)
        line = re.sub(f"{quote}{delimited.inside_quotes(read)}{quote}", "", line)
    return record_count == 1 and "\r" in line
