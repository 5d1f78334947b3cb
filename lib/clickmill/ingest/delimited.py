"""Delimited lines -> records, bound by the names of the header of each file.

The grammar is RFC 4180's within a line: a field is quoted whole or not at all,
a quote inside quotes is doubled (or has a backslash before it, where declared).
Fields are counted on the line as it came, so that a line that is cut off, or has
one separator too many, is told and never shifts values into other columns.
"""

import re

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from clickmill.contracts.errors import BadData
from clickmill.contracts.reasons import named
from clickmill.ingest import failures
from clickmill.ingest.parts import Read
from clickmill.ingest.records import PLACE, Records, no_map
from clickmill.ingest.source import Source


def header(source: Source, first_line: str | None, file: str) -> tuple[str, ...]:
    """The names in the header of a file; a column without a name is called after its place.

    Raises  BadData naming the file when its first line holds no name that the source reads (a record, perhaps, whose
            values no error may tell), a name is there twice (but for case), or the quoting is broken
    """
    read, line = source.read, first_line or ""
    if "\r" in line:
        raise failures.no_line_feeds(file)
    found = re.findall(_field_pattern(read, end=r"\Z"), read.sep + line)
    if read.quote_char and read.sep.join(found) != line:
        raise BadData(f"{file}: the quoting of the header is broken; read.quote of the source says {read.quote_char}")
    parts = found if read.quote_char else line.split(read.sep)
    names = tuple(_unquoted_text(read, part).strip() or f"column_{place}" for place, part in enumerate(parts, start=1))
    unread = set(source.unmapped(list(names)))
    if line and unread == set(names):
        told = f"its first line has {len(names)} fields, and none is one that {source.name} reads"
        raise BadData(f"{file}: {told}; expected a header with fields between {read.sep!r}, or read.header: false in the source")
    first_place: dict[str, int] = {}
    for place, name in enumerate(names, start=1):
        if name.lower() in first_place:
            called = "a name" if name in unread else name
            raise BadData(f"{file}: the header has {called} twice, at positions {first_place[name.lower()]} and {place}")
        first_place[name.lower()] = place
    return names


def records(lines: DataFrame, source: Source, names: tuple[str, ...], file: str) -> Records:
    """Fields are all text. The first line of a file with a header is no record; further header lines are, with a problem.

    Grain   one row per line; problems: bad_encoding, empty_line, bad_quoting, wrong_field_count (and how many), header_line
    """
    read = source.read
    if read.header:
        lines = lines.where((F.col("__block") > 0) | (F.col("__ordinal") > 0))
    lines = lines.withColumn("__parts", _parts(read, F.col("__line")))
    parts, is_empty = F.col("__parts"), F.trim("__line") == ""
    is_broken = F.array_join(parts, read.sep) != F.col("__line") if read.quote_char else F.lit(False)
    lines = lines.withColumns({"__is_broken": is_broken, "__values": F.transform(parts, lambda part: _unquoted(read, part))})
    lines = lines.withColumns({"__is_header": _is_header(read, names), "__is_empty": is_empty})
    lines = lines.withColumn("__problems", _problems(len(names)))
    is_readable = F.size("__problems") == 0
    fields = [F.when(is_readable, F.get("__values", F.lit(place))).alias(name) for place, name in enumerate(names)]
    pairs = [part for name in source.unmapped(list(names)) for part in (F.lit(name), F.get("__values", F.lit(names.index(name))))]
    unmapped = F.create_map(*pairs) if pairs else no_map()
    if not read.header:
        # A header says which columns a file brings, empty or not. Of declared fields a line may leave a hundred empty.
        unmapped = F.map_filter(unmapped, lambda _, value: value != "")
    return Records(
        lines.select(
            *PLACE,
            F.col("__line").alias("__text"),
            "__problems",
            is_readable.alias("__readable"),
            F.when(is_readable, unmapped).alias("__unmapped"),
            *fields,
        ),
        names,
        file,
    )


def _is_header(read: Read, names: tuple[str, ...]) -> Column:
    return F.transform("__values", F.trim) == F.array(*(F.lit(name) for name in names)) if read.header else F.lit(False)


def _problems(expected: int) -> Column:
    """What is wrong with a line as a whole; a wrong count of fields says how many there are."""
    has_fields = ~F.col("__is_empty") & ~F.col("__is_broken")
    count = F.concat(F.lit("wrong_field_count: "), F.size("__parts").cast("string"), F.lit(f" fields, {expected} expected"))
    flags = {
        "bad_encoding": ~F.col("__is_text"),
        "empty_line": F.col("__is_empty"),
        "bad_quoting": ~F.col("__is_empty") & F.col("__is_broken"),
        "header_line": F.col("__is_header"),
    }
    return F.concat(named(flags), F.when(has_fields & (F.size("__parts") != expected), F.array(count)).otherwise(named({})))


def _parts(read: Read, line: Column) -> Column:
    """The fields as they stand in the line, quotes included."""
    if read.quote_char is None:
        return F.split(line, rf"\Q{read.sep}\E", -1)
    # A separator in front makes each match begin with one, so that none is empty: Java's matcher steps over an empty match.
    return F.regexp_extract_all(F.concat(F.lit(read.sep), line), F.lit(_field_pattern(read, end=r"\z")), F.lit(1))


def _field_pattern(read: Read, *, end: str) -> str:
    """Matches a separator and the field behind it, for Python and Java alike; `end` is what each calls the end of text."""
    sep, quote = re.escape(read.sep), re.escape(read.quote_char or "")
    if not quote:
        return rf"{sep}({bare(read)})(?={sep}|{end})"
    return rf"{sep}({quote}{inside_quotes(read)}{quote}|(?!{quote}){bare(read)})(?={sep}|{end})"


def inside_quotes(read: Read) -> str:
    """Pattern, for Python and Java alike, of what stands between the quotes of a field: as far as it goes, and no step back."""
    quote = re.escape(read.quote_char or "")
    escaped = r"\\[\s\S]" if read.escape == "\\" else quote * 2
    plain = rf"[^{quote}\\]*+" if read.escape == "\\" else rf"[^{quote}]*+"
    return rf"{plain}(?:{escaped}{plain})*+"


def bare(read: Read) -> str:
    """Pattern, for Python and Java alike, of a field without quotes."""
    sep = re.escape(read.sep)
    return rf"[^{sep}]*+" if len(read.sep) == 1 else rf"(?:(?!{sep})[\s\S])*+"


def _unquoted(read: Read, part: Column) -> Column:
    if read.quote_char is None:
        return part
    inside = part.substr(F.lit(2), F.length(part) - 2)
    if read.escape == "\\":
        plain = F.regexp_replace(inside, r"\\([\s\S])", "$1")
    else:
        plain = F.replace(inside, F.lit(read.quote_char * 2), F.lit(read.quote_char))
    return F.when(part.startswith(read.quote_char), plain).otherwise(part)


def _unquoted_text(read: Read, part: str) -> str:
    if not read.quote_char or not part.startswith(read.quote_char):
        return part
    return re.sub(r"\\([\s\S])", r"\1", part[1:-1]) if read.escape == "\\" else part[1:-1].replace(read.quote_char * 2, read.quote_char)
