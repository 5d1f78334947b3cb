"""Times of a source -> instants in UTC, or null where there is no such time.

Local times are read in a zone. A time in the hour that a zone skips in spring
does not exist: null. In the hour that comes twice in autumn it is the first.
"""

import re

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, DateType, DecimalType, NumericType, StringType, TimestampNTZType, TimestampType

from clickmill.contracts.days import EARLIEST, LATEST
from clickmill.ingest.parts import Column as Declared

# Spark casts far more than this: a year alone, or a time alone, which it takes as one of today.
ISO_TIME = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}([.]\d{1,9})?)?\s?(Z|UTC|[+-]\d{2}(:?\d{2})?)?$"
_NO_SECONDS = r"^(.{10}[T ]\d{2}:\d{2})(?=$|\s?(Z|UTC|[+-]))"
HAS_OFFSET = r"[T ]\d{2}:.*(Z|UTC|[+-]\d{2}(:?\d{2})?)$"
ISO_DAY = r"^\d{4}-\d{2}-\d{2}$"
_MICROS = {"seconds": 1_000_000, "milliseconds": 1_000, "microseconds": 1}
_OFFSET_LETTERS = "VzOXxZ"
_QUOTED = re.compile("'[^']*'")
_OPTIONAL = re.compile(r"\[((?:'[^']*'|[^\[\]'])*)\]")


def accepts(given: DataType, declared: Declared, *, is_day: bool) -> str | None:
    """What is wrong with a time of this type as declared; None where it can be read."""
    if isinstance(given, NumericType) and declared.unit is None and declared.format is None:
        return "is a number; expected unit: seconds, milliseconds, microseconds or nanoseconds"
    if declared.unit and not isinstance(given, NumericType | StringType):
        return "has a unit, but is no number"
    if isinstance(given, DateType) and not is_day:
        return "is a day; expected a time, or day_only: true"
    if not isinstance(given, NumericType | StringType | DateType | TimestampType | TimestampNTZType):
        return f"gives {given.simpleString()}; expected a time"
    return None


def with_instant(frame: DataFrame, name: str, value: Column, given: DataType, declared: Declared, *, zone: str) -> DataFrame:
    """Add the instant of a time as the source writes it: null where it cannot be read or lies outside 1990 to 2099.

    What it is made of stands beside it, `name` and a word: what an expression names twice Spark would work out twice.
    """
    if declared.unit:
        count = value if isinstance(given, DecimalType) else value.cast("string").try_cast("decimal(38,6)")
        micros = F.floor(count / 1000) if declared.unit == "nanoseconds" else count * F.lit(_MICROS[declared.unit])
        found = F.timestamp_micros(micros.try_cast("long"))
    elif declared.format:
        found = _by_pattern(value.cast("string"), declared.format, zone)
    elif isinstance(given, TimestampType):
        found = value
    elif isinstance(given, TimestampNTZType):
        found = local(value.cast("timestamp"), zone)
    else:
        text, parsed = F.col(f"`{name}.text`"), F.col(f"`{name}.parsed`")
        frame = frame.withColumn(f"{name}.text", _with_seconds(F.trim(value)))
        frame = frame.withColumn(f"{name}.parsed", F.when(text.rlike(ISO_TIME), text.try_cast("timestamp")))
        found = F.when(text.endswith("Z") | text.rlike(HAS_OFFSET), parsed).otherwise(local(parsed, zone))
    frame = frame.withColumn(f"{name}.found", found)
    found = F.col(f"`{name}.found`")
    return frame.withColumn(name, F.when(found.between(F.lit(EARLIEST).cast("timestamp"), F.lit(LATEST).cast("timestamp")), found))


def _with_seconds(text: Column) -> Column:
    """Spark takes an offset behind seconds only; where the 17th character is a colon they are there."""
    return F.when(F.substring(text, 17, 1) == ":", text).otherwise(F.regexp_replace(text, _NO_SECONDS, "$1:00"))


def with_day_start(frame: DataFrame, name: str, value: Column, given: DataType, declared: Declared, *, zone: str) -> DataFrame:
    """Add the instant at which a day begins in the zone: null where the value is no day or lies outside 1990 to 2099."""
    if declared.format:
        day = F.try_to_timestamp(value.cast("string"), F.lit(declared.format)).cast("date")
    elif isinstance(given, StringType):
        day = F.when(F.trim(value).rlike(ISO_DAY), F.trim(value).try_cast("date"))
    else:
        day = value.cast("date")
    frame = frame.withColumn(f"{name}.day", day)
    day = F.col(f"`{name}.day`")
    is_taken = day.between(F.lit(EARLIEST), F.lit(LATEST))
    return frame.withColumn(name, F.when(is_taken, F.to_utc_timestamp(day.cast("timestamp"), zone)))


def local(wall_clock: Column, zone: str) -> Column:
    """The instant at which a clock in `zone` shows this, the first where it does so twice, null where it never does."""
    found = F.to_utc_timestamp(wall_clock, zone)
    return F.when(F.from_utc_timestamp(found, zone) == wall_clock, found)


def _by_pattern(text: Column, pattern: str, zone: str) -> Column:
    """A time that fits the pattern: local unless it tells its offset, which one in brackets need not."""
    parsed = F.try_to_timestamp(text, F.lit(pattern))
    if not _tells_offset(pattern):
        return local(parsed, zone)
    bare = _OPTIONAL.sub(lambda part: "" if _tells_offset(part.group(1)) else part.group(), pattern)
    return parsed if bare == pattern else F.coalesce(local(F.try_to_timestamp(text, F.lit(bare)), zone), parsed)


def _tells_offset(pattern: str) -> bool:
    """Whether a letter stands for the offset, or the time ends in the letter Z itself, which is UTC's."""
    return any(letter in _QUOTED.sub("", pattern) for letter in _OFFSET_LETTERS) or pattern.endswith("'Z'")
