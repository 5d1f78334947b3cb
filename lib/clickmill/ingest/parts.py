"""The parts of a source file: how files are read, when they landed, what a column, an event type and an id are."""

import codecs
import re
from datetime import date
from typing import Annotated, Any, Literal, Self
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from clickmill.contracts.events import EVENT_TYPES
from clickmill.ingest import expression


def _expression(text: str) -> str:
    reason = "expected a Spark SQL expression" if not text.strip() else expression.refusal(text)
    if reason:
        raise ValueError(reason)
    return text


def _zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError(f"{name} is no time zone; expected a name such as Europe/London")
    return name


NAMED_GROUP = re.compile(r"\(\?P?<(?![=!])\w+>")
_GROUP_START = re.compile(r"\(\?<(?![=!])")


def compiled(pattern: str) -> re.Pattern[str]:
    """A pattern of a source file, where named groups may be written as Java does: (?<name>...)."""
    return re.compile(_GROUP_START.sub("(?P<", pattern))


def _pattern(text: str) -> str:
    try:
        compiled(text)
    except re.error as error:
        raise ValueError(f"expected a regular expression: {error}") from None
    return text


Expression = Annotated[str, AfterValidator(_expression)]
Zone = Annotated[str, AfterValidator(_zone)]
Pattern = Annotated[str, AfterValidator(_pattern)]


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Read(Part):
    """How files are read.

    format      json: one object a line; files called *.parquet hold the same records as rows
    files       glob of file names
    fields      csv without header: names in order; json: Spark DDL whose leaves are all STRING
    quote       csv: the quote character, or false; default is the double quote, and none for tabs
    escape      csv: how a quote stands inside quotes: doubled (default), or a backslash before it
    multi_line  csv: whether a quoted field may go on in the next line; such a file is read by one task
    regex       log: regular expression with named groups that matches the whole line
    """

    format: Literal["csv", "json", "parquet", "log"]
    files: str = "*"
    encoding: str = "UTF-8"
    sep: Annotated[str, Field(min_length=1)] = ","
    header: bool = True
    quote: Annotated[str, Field(min_length=1, max_length=1)] | Literal[False] | None = None
    escape: Literal['"', "\\"] | None = None
    multi_line: bool = False
    fields: list[str] | str | None = None
    regex: Pattern | None = None

    @field_validator("encoding")
    @classmethod
    def _known(cls, encoding: str) -> str:
        try:
            name = codecs.lookup(encoding).name
        except LookupError:
            raise ValueError(f"{encoding} is no encoding; expected one such as UTF-8, windows-1252 or UTF-16LE") from None
        if name in ("utf-16", "utf-32"):
            raise ValueError(f"expected the order of bytes too: {encoding}LE or {encoding}BE")
        return encoding

    @model_validator(mode="after")
    def _fits_the_format(self) -> Self:
        given = self.model_fields_set
        for key, formats in {
            "sep": "csv",
            "header": "csv",
            "quote": "csv",
            "escape": "csv",
            "multi_line": "csv",
            "regex": "log",
            "encoding": "csv json log",
        }.items():
            if key in given and self.format not in formats.split():
                raise ValueError(f"{key} has no meaning for {self.format}; expected with {formats}")
        if self.format == "json" and not isinstance(self.fields, str):
            raise ValueError(
                "fields: expected the Spark DDL of the fields that are read, such as `user STRING, items ARRAY<STRUCT<id: STRING>>`"
            )
        if self.format == "csv" and self.header == isinstance(self.fields, list):
            raise ValueError("fields: expected a list of names for files without a header, and none for files with one")
        if self.format == "csv" and (self.sep in ("\n", "\r") or self.sep == self.quote_char):
            raise ValueError("sep: expected a separator of fields that is neither the end of a line nor the quote")
        if self.multi_line and self.quote_char is None:
            raise ValueError("multi_line has no meaning without a quote: expected quote, which tells where a field ends")
        if self.format == "log" and not (self.regex and compiled(self.regex).groupindex):
            raise ValueError("regex: expected a regular expression with named groups, such as (?<user>[^ ]+)")
        if self.format in ("parquet", "log") and self.fields is not None:
            raise ValueError(f"fields has no meaning for {self.format}: the names come from the file or from regex")
        return self

    @property
    def quote_char(self) -> str | None:
        """The quote character, or None where quoting is off: for tabs, unless declared."""
        if self.quote is None:
            return None if self.sep == "\t" else '"'
        return self.quote or None


class LandingDate(Part):
    """Where the day of delivery comes from: the name of file or folder, else the day of the event; or one fixed day.

    name      regular expression whose first group is the date, yyyy-MM-dd or yyyyMMdd; the last match in the path counts
    history   event_day: each record lands on its own day (a backfill)
    day       all files landed on this day
    """

    name: Pattern | None = None
    history: Literal["event_day"] | None = None
    day: date | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not (self.name or self.history or self.day) or (self.day and (self.name or self.history)):
            raise ValueError("expected name (a regular expression with a group for the date), history: event_day, both, or day alone")
        if self.name and compiled(self.name).groups < 1:
            raise ValueError("name: expected a group around the date, such as (\\d{4}-\\d{2}-\\d{2})")
        return self


class Column(Part):
    """One column: an expression, a constant, or an expression with what its time is written in."""

    value: Expression | None = None
    constant: str | int | float | bool | None = None
    unit: Literal["seconds", "milliseconds", "microseconds", "nanoseconds"] | None = None
    format: str | None = None
    zone: Zone | None = None

    @model_validator(mode="before")
    @classmethod
    def _short(cls, given: Any) -> Any:
        if isinstance(given, str):
            return {"value": given}
        if isinstance(given, dict):
            return given
        raise ValueError("expected a Spark SQL expression, in quotes where YAML reads it as something else, or {constant: ...}")

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if (self.value is None) == (self.constant is None):
            raise ValueError("expected either an expression or a constant")
        if self.unit and (self.format or self.zone):
            raise ValueError("a number with a unit has neither format nor zone: it counts from 1970-01-01 UTC")
        return self


class EventTypes(Part):
    """Which literal is which event type, or which several: `booked: [click, purchase]`, each an event of its own at the same instant.

    Without `map` the literals are the event types themselves.
    """

    from_: Expression | None = Field(default=None, alias="from")
    constant: str | None = None
    map: dict[str, tuple[str, ...]] = {name: (name,) for name in EVENT_TYPES}

    @field_validator("map", mode="before")
    @classmethod
    def _text_keys(cls, given: Any) -> Any:
        given = {} if given is None else given
        if not isinstance(given, dict):
            return given
        return {str(key) if type(key) in (int, float) else key: cls._one_or_more(key, value) for key, value in given.items()}

    @staticmethod
    def _one_or_more(key: Any, value: Any) -> tuple[str, ...]:
        if isinstance(value, str):
            return (value,)
        if not isinstance(value, list) or not value or not all(isinstance(name, str) for name in value):
            raise ValueError(f"{key}: expected an event type, or a list of some: [click, purchase]")
        if len(set(value)) < len(value):
            raise ValueError(f"{key}: an event type is there twice; expected each once")
        return tuple(value)

    @model_validator(mode="after")
    def _known(self) -> Self:
        if (self.from_ is None) == (self.constant is None):
            raise ValueError("expected either from (an expression) or constant (an event type)")
        if not self.map:
            raise ValueError("map: expected at least one literal; leave map out where the literals are the event types themselves")
        for name in [self.constant] if self.constant else [name for names in self.map.values() for name in names]:
            if name not in EVENT_TYPES:
                raise ValueError(f"{name} is no event type; expected one of {', '.join(EVENT_TYPES)}")
        return self

    @property
    def has_several(self) -> bool:
        """Whether a record may be more than one event."""
        return any(len(names) > 1 for names in self.map.values())


class Ids(Part):
    """What makes an event the same event, and which of its copies wins.

    key          expressions over the fields of the record, beside site and visitor; a null part is a part like any other.
                 Where all parts are null the whole record is the key
    tie_break    expression; of copies that differ the one with the smaller value wins; default event_at
    deliveries   regular expressions of file names: files of an earlier one win over files of a later one
    near_copies  whether equal events within a second or so are one event (double clicks)
    """

    key: Annotated[list[Expression], Field(min_length=1)]
    tie_break: Expression | None = None
    deliveries: list[Pattern] = []
    near_copies: bool = True
