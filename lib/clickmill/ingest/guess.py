"""A look at one unknown file: how it can be read, and its fields with a few of their values. Plain Python; nothing is kept."""

import codecs
import csv
import gzip
import io
import json
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from clickmill.contracts.errors import BadData, UsageError
from clickmill.ingest import failures
from clickmill.ingest.guess_words import is_known
from clickmill.ingest.parts import compiled
from clickmill.ingest.records import quoted
from clickmill.ingest.source import Source

_BYTES = 1_000_000
_RECORDS = 1000
_USUAL = ("\t", ",", ";", "|")
_ODD = r"[^\w\s.\"'\-:/@+(){}\[\]\\]"
_MOST_UNPRINTED = 0.05
"""Share of characters that no text has, from which on it is none."""
_MANY_KEYS = 100
"""An object of more keys than this is a map: its keys are data, perhaps personal, and no names of fields."""


@dataclass
class Sample:
    """What a file looks like.

    read       the keys of `read:` that could be told
    values     the values of each leaf of a record, as text, by its path; those of arrays of objects by `array[].leaf`
    arrays     paths of arrays of objects
    questions  what could not be told for certain, by the key that it is about
    """

    read: dict[str, Any]
    values: dict[str, list[str]] = field(default_factory=dict)
    arrays: list[str] = field(default_factory=list)
    questions: dict[str, str] = field(default_factory=dict)


def look(path: Path, known: Mapping[str, Source]) -> Sample:
    """Look at the first records of a file; `known` sources of log lines lend their regular expressions.

    Raises  UsageError when the path is no file, or an archive; BadData naming the file that is empty or cannot be read
    """
    if not path.is_file():
        raise UsageError(f"{path}: {'is a folder; give one file of it' if path.is_dir() else 'there is no such file'}")
    head = _head(path)
    if head.startswith(b"PAR1"):
        return _parquet(path)
    if head.startswith((b"PK\x03\x04", b"7z\xbc\xaf", b"Rar!")) or head[257:262] == b"ustar":
        raise UsageError(f"{path.name}: is an archive; unpack it and give one file of it")
    encoding, text = _decoded(head)
    if sum(not (one.isprintable() or one.isspace()) for one in text) > _MOST_UNPRINTED * len(text):
        raise BadData(f"{path.name}: is no text, and neither gzip nor Parquet")
    if "\r" in text and "\n" not in text:
        raise failures.no_line_feeds(path.name)
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    # The last line may be cut where the look ends.
    lines = [line for line in (lines[:-1] if len(head) >= _BYTES else lines) if line.strip()][:_RECORDS]
    if not lines:
        raise BadData(f"{path.name}: has no record to look at")
    sample = _lines(lines, known, path.name)
    if encoding != "UTF-8":
        sample.read["encoding"] = encoding
        if encoding == "windows-1252":
            sample.questions["read.encoding"] = "the bytes are not UTF-8; which encoding has the system that wrote them?"
    return sample


def _head(path: Path) -> bytes:
    with path.open("rb") as raw:
        head = raw.read(_BYTES)
    if not head.startswith(b"\x1f\x8b"):
        return head
    try:
        with gzip.open(path) as unpacked:
            return unpacked.read(_BYTES)
    except (OSError, EOFError, zlib.error):
        raise BadData(f"{path.name}: cannot be unpacked: truncated or corrupt") from None


def _decoded(head: bytes) -> tuple[str, str]:
    for mark, name, codec in ((codecs.BOM_UTF8, "UTF-8", "utf-8"), (codecs.BOM_UTF16_LE, "UTF-16LE", "utf-16-le")):
        if head.startswith(mark):
            return name, head[len(mark) :].decode(codec, errors="ignore")
    if head.startswith(codecs.BOM_UTF16_BE):
        return "UTF-16BE", head[2:].decode("utf-16-be", errors="ignore")
    for name, codec, high in (("UTF-16LE", "utf-16-le", head[1::2]), ("UTF-16BE", "utf-16-be", head[::2])):
        if high.count(0) > 0.5 * len(high):
            return name, head.decode(codec, errors="ignore")
    try:
        # A letter may be cut where the look ends.
        return "UTF-8", codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return "windows-1252", head.decode("windows-1252", errors="replace")


def _lines(lines: list[str], known: Mapping[str, Source], name: str) -> Sample:
    objects = [found for line in lines if isinstance(found := _json(line), dict)]
    if len(objects) * 2 > len(lines):
        return _objects(objects)
    if lines[0].lstrip().startswith(("[", "{")):
        raise BadData(f"{name}: is one JSON text over several lines; expected one object a line (jq -c '.[]' makes it so)")
    for source in known.values():
        if source.read.regex and sum(bool(compiled(source.read.regex).fullmatch(line)) for line in lines) * 2 > len(lines):
            return _matched(lines, source.read.regex, source.name)
    return _delimited(lines)


def _matched(lines: list[str], regex: str, like: str) -> Sample:
    found = [match.groupdict() for line in lines if (match := compiled(regex).fullmatch(line))]
    sample = Sample({"format": "log", "regex": regex}, questions={"like": like})
    for name in compiled(regex).groupindex:
        sample.values[name] = [one[name] for one in found if one[name] not in (None, "-", "")]
    return sample


def _json(line: str) -> Any:
    try:
        return json.loads(line, parse_int=str, parse_float=str) if line.lstrip().startswith("{") else None
    except ValueError:
        return None


def _parquet(path: Path) -> Sample:
    try:
        rows = next(pq.ParquetFile(path).iter_batches(_RECORDS), None)
    except (pa.ArrowException, OSError):
        raise BadData(f"{path.name}: cannot be read: truncated or corrupt") from None
    if rows is None:
        raise BadData(f"{path.name}: has no record to look at")
    sample = _objects(rows.to_pylist())
    del sample.read["fields"]
    return Sample(sample.read | {"format": "parquet"}, sample.values, sample.arrays, sample.questions)


def _objects(objects: list[dict[str, Any]]) -> Sample:
    sample = Sample({"format": "json"})
    fields = [f"{_quoted(name)} {kind}" for name, kind in _kinds(objects, "", sample)]
    sample.read["fields"] = ", ".join(fields)
    return sample


def _kinds(objects: list[dict[str, Any]], prefix: str, sample: Sample) -> Iterable[tuple[str, str]]:
    """Name and type of each field of objects that are alike; values and arrays go into the sample."""
    names = dict.fromkeys(name for one in objects for name in one)
    if len(names) > _MANY_KEYS:
        sample.questions[f"read.fields: {prefix or 'the record'}"] = "has too many keys to be an object; are they data?"
        return
    for name in names:
        found = [one[name] for one in objects if one.get(name) is not None]
        path = f"{prefix}{_quoted(name)}"
        inside = [element for value in found if isinstance(value, list) for element in value if element is not None]
        if found and all(isinstance(value, dict) for value in found):
            parts = [f"{_quoted(part)}: {kind}" for part, kind in _kinds(found, f"{path}.", sample)]
            yield name, f"STRUCT<{', '.join(parts)}>" if parts else "STRING"
        elif inside and all(isinstance(element, dict) for element in inside):
            parts = [f"{_quoted(part)}: {kind}" for part, kind in _kinds(inside, f"{path}[].", sample)]
            sample.arrays.append(path)
            yield name, f"ARRAY<STRUCT<{', '.join(parts)}>>"
        elif found and all(isinstance(value, list) for value in found):
            yield name, "ARRAY<STRING>"
        elif found:
            sample.values[path] = [str(value) for value in found if not isinstance(value, dict | list)]
            yield name, "STRING"


def _quoted(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) else quoted(name)


def _delimited(lines: list[str]) -> Sample:
    odd = sorted(set(re.findall(_ODD, lines[0])) - set(_USUAL))
    scored = [(*_score(lines, sep), sep) for sep in (*_USUAL, *(["::"] if "::" in lines[0] else []), *odd)]
    share, count, sep = max(scored, key=lambda one: (one[0] >= 0.8 and one[1] > 1, one[2] in _USUAL and one[1] > 1, one[0], one[1]))
    if count < 2:
        asked = {"read.regex": "name the parts of a line: (?<user>[^ ]+) ..."}
        return Sample({"format": "log", "regex": "(?<line>.*)"}, {"line": lines}, questions=asked)
    sample = Sample({"format": "csv"} | ({} if sep == "," else {"sep": sep}))
    if share < 0.95:
        sample.questions["read.sep"] = f"{1 - share:.0%} of the lines have another number of fields than {count}; is it the separator?"
    has_quotes = sep != "\t" and any('"' in line for line in lines)
    if has_quotes and any(re.search(r'[^\\]\\"', line) for line in lines):
        sample.read["escape"] = "\\"
    if has_quotes and sum(line.count('"') % 2 for line in lines) > 1 and "escape" not in sample.read:
        sample.read["multi_line"] = True
    rows = [row for row in _rows(lines, sep) if len(row) == count]
    names, is_certain = _header(rows)
    if names is None:
        sample.read |= {"header": False, "fields": [f"column_{place}" for place in range(1, count + 1)]}
    if not is_certain:
        sample.questions["read.header"] = "is the first line of a file its header?"
    body = rows if names is None else rows[1:]
    for place, name in enumerate(names or sample.read["fields"]):
        sample.values[_quoted(name)] = [row[place] for row in body if row[place].strip()]
    return sample


def _rows(lines: list[str], sep: str) -> list[list[str]]:
    if len(sep) > 1 or sep == "\t":
        return [line.split(sep) for line in lines]
    escape = "\\" if any('\\"' in line for line in lines) else None
    csv.field_size_limit(_BYTES)  # no field is longer than the look
    # A carriage return inside a line is no end of one.
    text = "\n".join(line.replace("\r", " ") for line in lines)
    return list(csv.reader(io.StringIO(text), delimiter=sep, escapechar=escape))


def _score(lines: list[str], sep: str) -> tuple[float, int]:
    """Share of lines that have the commonest count of fields, and that count."""
    counts = Counter(map(len, _rows(lines, sep)))
    count, times = counts.most_common(1)[0]
    return times / sum(counts.values()), count


def _header(rows: list[list[str]]) -> tuple[list[str] | None, bool]:
    """The names in the first row where it is a header, and whether that is certain; a column without one is called after its place."""
    first = [name.strip() or f"column_{place}" for place, name in enumerate(rows[0], start=1)]
    known = sum(map(is_known, first))
    are_plain = all(re.fullmatch(r"[^\W\d][\w .()/-]{0,60}", name) for name in first)
    # Names with other signs in them are a header where some are known, and none may be a person's or a time.
    are_odd = known > 1 and all(re.fullmatch(r"(?=.*[^\W\d])[^@]{1,60}", name) for name in first)
    are_names = (are_plain or are_odd) and len(set(map(str.lower, first))) == len(first)
    if not are_names or len(rows) == 1:
        return (first, False) if are_names and known else (None, not known)
    has_numbers = any(all(re.fullmatch(r"[\d.:\-T/ Z+]+", row[place] or "0") for row in rows[1:]) for place in range(len(first)))
    is_value = any(first[place] == row[place].strip() for row in rows[1:] for place in range(len(first)))
    if has_numbers and not is_value:
        return first, are_plain
    # What is no known name may be the name of a person.
    return (None if is_value or not known else first, False)
