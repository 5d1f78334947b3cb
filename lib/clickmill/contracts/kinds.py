"""The kinds of expectation that a rule may be, which arguments each takes, and of which columns it can speak.

The list is closed: every kind here means the same in the row split and in the
gate. Two differences to Great Expectations alone are settled here:
- Spark holds NaN to be the largest number and infinity a number, so `NaN >= 0` is
  true. A range over floating-point numbers therefore always gets both bounds, the
  missing one being the largest finite number: NaN and both infinities fail it.
- It knows nothing of arrays. An array is seen through columns of its own:
  `<column>_count`, its length, and for numbers `<column>_largest`, the largest absolute value.
"""

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, TypeGuard

from pyspark.sql.types import (
    ArrayType,
    DataType,
    DateType,
    DoubleType,
    FloatType,
    IntegerType,
    NumericType,
    StringType,
    StructType,
    TimestampType,
)

from clickmill.contracts.errors import UsageError


@dataclass(frozen=True)
class Kind:
    """One kind of expectation.

    column_args  arguments that name a column, or a list of columns
    takes        columns it can speak of: any, text, or ordered (numbers, dates, instants)
    is_row_kind  True where a row alone tells whether it breaks the rule
    """

    column_args: tuple[str, ...] = ("column",)
    takes: Literal["any", "text", "ordered"] = "any"
    needs: frozenset[str] = frozenset({"column"})
    may: frozenset[str] = frozenset({"row_condition"})
    is_row_kind: bool = True


_BOUNDS = frozenset({"min_value", "max_value", "strict_min", "strict_max"})
_IF = frozenset({"row_condition"})

NOT_NULL = "expect_column_values_to_not_be_null"
BETWEEN = "expect_column_values_to_be_between"
IN_SET = "expect_column_values_to_be_in_set"
MATCH_REGEX = "expect_column_values_to_match_regex"
LENGTH_BETWEEN = "expect_column_value_lengths_to_be_between"
LENGTH_EQUAL = "expect_column_value_lengths_to_equal"
LENGTHS = (LENGTH_BETWEEN, LENGTH_EQUAL)
PAIR_GREATER = "expect_column_pair_values_a_to_be_greater_than_b"
UNIQUE = "expect_column_values_to_be_unique"
UNIQUE_TOGETHER = "expect_compound_columns_to_be_unique"
ROW_COUNT = "expect_table_row_count_to_be_between"

KINDS: Mapping[str, Kind] = {
    NOT_NULL: Kind(),
    BETWEEN: Kind(takes="ordered", may=_BOUNDS | _IF),
    IN_SET: Kind(takes="text", needs=frozenset({"column", "value_set"})),
    MATCH_REGEX: Kind(takes="text", needs=frozenset({"column", "regex"})),
    LENGTH_BETWEEN: Kind(takes="text", may=frozenset({"min_value", "max_value", "row_condition"})),
    LENGTH_EQUAL: Kind(takes="text", needs=frozenset({"column", "value"})),
    PAIR_GREATER: Kind(("column_A", "column_B"), "ordered", frozenset({"column_A", "column_B"}), frozenset({"or_equal", "row_condition"})),
    UNIQUE: Kind(may=frozenset(), is_row_kind=False),
    UNIQUE_TOGETHER: Kind(("column_list",), needs=frozenset({"column_list"}), may=frozenset(), is_row_kind=False),
    ROW_COUNT: Kind((), needs=frozenset(), may=frozenset({"min_value", "max_value"}), is_row_kind=False),
}


def seen_columns(schema: StructType) -> dict[str, DataType]:
    """Every column that a rule may name: those of the schema, and the two of each array."""
    seen: dict[str, DataType] = {field.name: field.dataType for field in schema.fields}
    for field in schema.fields:
        if isinstance(field.dataType, ArrayType):
            seen[f"{field.name}_count"] = IntegerType()
            if isinstance(field.dataType.elementType, NumericType):
                seen[f"{field.name}_largest"] = DoubleType()
    return seen


def checked(kind: Kind, kwargs: Mapping[str, Any], place: str, seen: Mapping[str, DataType]) -> tuple[tuple[str, ...], dict[str, Any]]:
    """The columns that the arguments of a rule name, and the other arguments, ready for both engines.

    Raises  UsageError
    """
    columns: tuple[str, ...] = ()
    for arg in kind.column_args:
        names = kwargs[arg] if arg == "column_list" else [kwargs[arg]]
        if not isinstance(names, list) or (arg == "column_list" and len(names) < 2):
            raise UsageError(f"{place}: {arg}: expected a list of at least two columns")
        columns += tuple(_column(name, place, seen) for name in names)
    if kind.takes == "text":
        text_column(columns[0], place, seen)
    if kind.takes == "ordered" and any(not isinstance(seen[name], NumericType | DateType | TimestampType) for name in columns):
        raise UsageError(f"{place}: {', '.join(columns)}: expected numbers, dates or instants")
    if len({seen[name].simpleString() for name in columns}) > 1 and "column_A" in kind.column_args:
        raise UsageError(f"{place}: {' and '.join(columns)}: expected two columns of one type")
    rest = {arg: value for arg, value in kwargs.items() if arg not in kind.column_args}
    return columns, _arguments(rest, kind, seen.get(columns[0]) if columns else None, place)


def _arguments(rest: dict[str, Any], kind: Kind, data_type: DataType | None, place: str) -> dict[str, Any]:
    for arg in ("strict_min", "strict_max", "or_equal"):
        if not isinstance(rest.get(arg, False), bool):
            raise UsageError(f"{place}: {arg}: expected true or false")
    if "value_set" in rest:
        rest["value_set"] = list(texts(rest["value_set"], f"{place}: value_set"))
    if "regex" in rest:
        _regex(rest["regex"], place)
    if "value" in rest and not _is_length(rest["value"]):
        raise UsageError(f"{place}: value: expected a whole number of characters")
    if "min_value" in kind.may:
        rest |= _bounds(rest, kind, data_type, place)
    return rest


def _bounds(rest: Mapping[str, Any], kind: Kind, data_type: DataType | None, place: str) -> dict[str, Any]:
    stated = {arg: rest[arg] for arg in ("min_value", "max_value") if arg in rest}
    if not stated:
        raise UsageError(f"{place}: expected min_value, max_value or both")
    if kind.takes != "ordered":
        if not all(_is_length(value) for value in stated.values()):
            raise UsageError(f"{place}: expected bounds that are whole numbers, 0 or more")
    elif isinstance(data_type, NumericType):
        if not all(is_number(value) for value in stated.values()):
            raise UsageError(f"{place}: expected bounds that are numbers")
        # Great Expectations makes floats of them; the split must compare with the same.
        stated = {arg: float(value) for arg, value in stated.items()}
    else:
        stated = {arg: _day(value, place) for arg, value in stated.items()}
    if len(stated) == 2 and stated["min_value"] > stated["max_value"]:
        raise UsageError(f"{place}: min_value is above max_value")
    if isinstance(data_type, FloatType | DoubleType):
        stated = {"min_value": -sys.float_info.max, "max_value": sys.float_info.max} | stated
    return stated


def text_column(name: Any, place: str, seen: Mapping[str, DataType]) -> str:
    """`name`, where it is a column of text.

    Raises  UsageError
    """
    if not isinstance(seen[_column(name, place, seen)], StringType):
        raise UsageError(f"{place}: {name}: expected a column of text")
    return str(name)


def texts(stated: Any, place: str) -> tuple[str, ...]:
    """A list of texts, not empty and none of them with a quote or backslash, which Great Expectations does not escape.

    Raises  UsageError
    """
    if not (isinstance(stated, list) and stated and all(isinstance(value, str) and not re.search(r"['\"\\]", value) for value in stated)):
        raise UsageError(f"{place}: expected a list of texts without quotes")
    return tuple(stated)


def is_number(stated: Any) -> TypeGuard[int | float]:
    """True for a finite number; JSON's true and false are none."""
    return isinstance(stated, int | float) and not isinstance(stated, bool) and abs(stated) <= sys.float_info.max


def _column(name: Any, place: str, seen: Mapping[str, DataType]) -> str:
    if not isinstance(name, str) or name not in seen:
        raise UsageError(f"{place}: column {name!r} is not in the table; expected one of {', '.join(seen)}")
    return name


def _is_length(stated: Any) -> bool:
    return isinstance(stated, int) and not isinstance(stated, bool) and stated >= 0


def _day(stated: Any, place: str) -> date:
    try:
        return date.fromisoformat(stated)
    except (TypeError, ValueError):
        raise UsageError(f"{place}: expected bounds that are days, such as 2024-02-29") from None


def _regex(stated: Any, place: str) -> None:
    try:
        re.compile(stated)
    except (TypeError, re.error):
        raise UsageError(f"{place}: regex: expected a regular expression") from None
