"""A source file: how the records of a shop's landing files become rows of a raw table.

A pure model: no Spark, no file. Expressions are Spark SQL over the fields of a
record, and names are exact in case.
"""

from collections.abc import Hashable
from pathlib import PurePath
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from clickmill.contracts.errors import UsageError
from clickmill.contracts.table import Table
from clickmill.contracts.tables import RAW_EVENTS, RAW_ITEMS, RAW_USERS
from clickmill.ingest import expression
from clickmill.ingest.parts import Column, EventTypes, Expression, Ids, LandingDate, Part, Read, Zone

TABLES: dict[str, Table] = {"events": RAW_EVENTS, "items": RAW_ITEMS, "users": RAW_USERS}

COLUMNS = {
    "events": [
        "visitor_id",
        "account_id",
        "event_at",
        "received_at",
        "source_order",
        "source_session_id",
        "item_id",
        "quantity",
        "price",
        "currency",
        "order_id",
        "rating",
        "review_text",
        "query",
        "page_url",
        "category",
        "campaign_id",
        "device",
        "country",
        "impression_id",
        "request_id",
        "placement",
        "position",
        "propensity",
        "experiment",
        "variant",
        "release_id",
    ],
    "items": ["item_id", "title", "category", "brand", "attributes", "price", "currency", "margin", "stock", "valid_from"],
    "users": ["user_id", "segment", "has_consent", "attributes", "valid_from"],
}
"""Columns of each raw table that a source maps; the others are made by ingestion."""

_REQUIRED = {"events": "event_at", "items": "item_id", "users": "user_id"}
_TIMES = ("event_at", "received_at", "valid_from")


class Source(Part):
    """One source; `conf/sources/*.yaml` are the examples.

    explode    expression of an array: each element, `item` in expressions, becomes a row. Where the key of `ids` reads
               `item` each element is an event of its own (the actions of a visit), else all are items of one event
    zone       zone of local times, and of the days of its events; default is the zone of the shop
    day_only   event_at holds a day and no time
    settings   keys of the config that a shop of this source alone sets otherwise, for every command that names the source
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    table: Literal["events", "items", "users"] = "events"
    site_id: Column
    read: Read
    landing_date: LandingDate
    explode: Expression | None = None
    columns: dict[str, Column]
    event_types: EventTypes | None = None
    ids: Ids | None = None
    zone: Zone | None = None
    day_only: bool = False
    settings: dict[str, dict[str, Any]] = Field(default_factory=dict)

    @field_validator("columns")
    @classmethod
    def _times_only(cls, columns: dict[str, Column]) -> dict[str, Column]:
        for name, column in columns.items():
            if name not in _TIMES and (column.unit or column.format or column.zone):
                raise ValueError(f"{name}: unit, format and zone belong to {', '.join(_TIMES)}")
        return columns

    @model_validator(mode="after")
    def _fits_the_table(self) -> Self:
        known = COLUMNS[self.table]
        for name in self.columns:
            if name not in known:
                raise ValueError(f"columns.{name}: {TABLES[self.table].name} has no such column to map; expected one of {', '.join(known)}")
        if _REQUIRED[self.table] not in self.columns:
            raise ValueError(f"columns.{_REQUIRED[self.table]}: missing; {TABLES[self.table].name} needs it")
        for key, value in {"event_types": self.event_types, "ids": self.ids}.items():
            if value is None and self.table == "events":
                raise ValueError(f"{key}: missing; {TABLES[self.table].name} needs it")
            if value is not None and self.table != "events":
                raise ValueError(f"{key}: expected for events, and only there")
        if self.explode and self.event_types and self.event_types.has_several:
            raise ValueError("event_types.map: a list of event types, beside explode; expected one type for each element")
        if self.table != "events" and (self.explode or self.day_only or self.landing_date.history):
            raise ValueError("explode, day_only and history belong to events")
        return self

    @property
    def has_event_per_item(self) -> bool:
        """Whether each element of the exploded array is an event of its own."""
        return self.explode is not None and self.ids is not None and any("item" in expression.names(part) for part in self.ids.key)

    def expressions(self) -> dict[str, str]:
        """Every expression of the file, by the path of its key."""
        found = {f"columns.{name}": column.value for name, column in self.columns.items()}
        found |= {"site_id": self.site_id.value, "explode": self.explode}
        found["event_types.from"] = self.event_types.from_ if self.event_types else None
        if self.ids:
            found |= {f"ids.key.{number}": part for number, part in enumerate(self.ids.key)}
            found["ids.tie_break"] = self.ids.tie_break
        return {key: text for key, text in found.items() if text is not None}

    def fields_of_columns(self, fields: list[str]) -> dict[str, list[str]]:
        """Which of the record's `fields` each mapped column reads; the parts of ids count as columns too."""
        columns = {key.removeprefix("columns."): expression.names(text) for key, text in self.expressions().items()}
        return {column: [name for name in fields if name in read] for column, read in columns.items()}

    def unmapped(self, fields: list[str]) -> list[str]:
        """The record's fields that no expression reads, sorted."""
        read = {name for names in self.fields_of_columns(fields).values() for name in names}
        return sorted(set(fields) - read)


_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")


class _Loader(yaml.SafeLoader):
    """YAML that refuses a key given twice: the last one would win in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(problem="a key is a list or an object", problem_mark=key_node.start_mark)
            if key_node.tag == "tag:yaml.org,2002:bool":
                told = f"the key {key_node.value} is read as true or false; put it in quotes"
                raise yaml.MarkedYAMLError(problem=told, problem_mark=key_node.start_mark)
            if key_node.tag in _NUMBERS and key_node.value != str(self.construct_object(key_node)):
                # 01 is read as 1, 010 as 8 and 1.50 as 1.5: none is what stands in the data.
                told = f"the key {key_node.value} is read as a number; put it in quotes"
                raise yaml.MarkedYAMLError(problem=told, problem_mark=key_node.start_mark)
            if key_node.value in seen:
                raise yaml.MarkedYAMLError(problem=f"the key {key_node.value} is there twice", problem_mark=key_node.start_mark)
            seen.add(key_node.value)
        return super().construct_mapping(node, deep)


def parse(text: str, file_name: str) -> Source:
    """The source that the text of a YAML file declares.

    Raises  UsageError that names the file, the key's full path and what was expected
    """
    try:
        # SafeLoader with one more refusal: it makes plain values only.
        loaded = yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise UsageError(f"{file_name}: line {line}: {error.problem}; expected YAML, each key once") from None
    except yaml.reader.ReaderError:
        raise UsageError(f"{file_name}: holds a character that YAML does not allow; expected text in UTF-8") from None
    if not isinstance(loaded, dict):
        raise UsageError(f"{file_name}: expected keys and values, beginning with name")
    try:
        source = Source.model_validate(loaded)
    except ValidationError as error:
        raise UsageError(f"{file_name}: {_told(error)}") from None
    if source.name != PurePath(file_name).stem:
        raise UsageError(f"{file_name}: name: is {source.name}, expected {PurePath(file_name).stem}, as the file is called")
    return source


_EXPECTED = {
    "string_type": "text; put it in quotes",
    "list_type": "a list: [..., ...]",
    "bool_type": "true or false",
    "dict_type": "keys and values",
}
"""What the messages of the validator call by the names of Python."""


def _told(error: ValidationError) -> str:
    # A key that is not known may be the one that is missing, misspelt.
    first = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
    key = ".".join(str(part) for part in first["loc"] if str(part) not in ("constrained-str", "literal[False]"))
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        model: dict[Any, type[Part]] = {
            "read": Read,
            "landing_date": LandingDate,
            "event_types": EventTypes,
            "ids": Ids,
            "columns": Column,
            "site_id": Column,
        }
        known = (model[first["loc"][0]] if len(first["loc"]) > 1 else Source).model_fields
        message = f"no such key; expected one of {', '.join(field.alias or name for name, field in known.items())}"
    elif first["type"] == "missing":
        message = "missing"
    elif first["type"] in _EXPECTED:
        message = f"expected {_EXPECTED[first['type']]}"
    return f"{key}: {message}" if key else message
