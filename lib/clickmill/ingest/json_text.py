"""JSON text in columns: read strictly; and what Spark loses of a value read as text: its digits, and that it was no single value."""

from collections.abc import Sequence

from pyspark.sql import Column
from pyspark.sql import functions as F

from clickmill.contracts.reasons import named

STRICT = {"mode": "PERMISSIVE", "allowSingleQuotes": "false", "allowNonNumericNumbers": "false", "columnNameOfCorruptRecord": "__corrupt"}
"""Options of from_json: it takes JSON and nothing else."""

TEXTS = "map<string,string>"
"""The fields of an object, each as its JSON text."""

_LONGEST = 2**31 - 1

_STRING = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_WHOLE_NUMBER = r"-?[0-9]++(?![0-9.eE])"
_FRACTION = r"-?(?:0|[1-9][0-9]*+)(?:[.][0-9]++(?:[eE][+-]?[0-9]++)?|[eE][+-]?[0-9]++)(?![0-9.eE+-])"
# From the end of the match before, so that a string is always passed as a whole and no digit in it is taken for a number.
_NEXT_FRACTION = rf'\G((?:[^"0-9-]++|{_STRING}|{_WHOLE_NUMBER})*+)({_FRACTION})'

# A character beyond the first 65,536 is written as two escapes, of which none stands alone.
_HIGH, _LOW = r"\\u[dD][89abAB][0-9a-fA-F]{2}", r"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_WHOLE_CHARACTERS = rf"\A(?:[^\\]++|\\[^u]|\\u(?![dD][89a-fA-F])|{_HIGH}{_LOW})*+\z"


def wrapped(text: Column) -> Column:
    """The text of an object whose `v` is the value: from_json reads objects."""
    return F.concat(F.lit('{"v":'), text, F.lit("}"))


def parsed(text: Column, ddl: str) -> Column:
    """A value of the type from its JSON text."""
    return F.from_json(wrapped(text), f"v {ddl}", STRICT)["v"]


def with_exact_numbers(line: Column) -> Column:
    """The JSON text with its numbers that are not whole put into quotes.

    Spark reads such a number as a double also where text is wanted:
    1515915625519388267.0 and 1515915625519388268.0 would be one id, and so would 1.10 and 1.1.

    Needs   text that is JSON; other text may come out as it was from some place on
    """
    return F.regexp_replace(line, _NEXT_FRACTION, '$1"$2"')


def has_half_character(line: Column) -> Column:
    """Whether JSON text escapes one half of a character alone: Spark would read each as a question mark, and two ids as one.

    Needs   text that is JSON
    """
    may_have = line.contains("\\ud") | line.contains("\\uD")
    return F.when(may_have, ~line.rlike(_WHOLE_CHARACTERS)).otherwise(F.lit(False))


def nested(text: Column, names: Sequence[str]) -> Column:
    """Those of the keys `names` of an object under which a list or an object stands, array<string>; text that looks like one is no list.

    Needs   the JSON text of an object; where a key is there twice, which is told elsewhere, none is named
    """
    values = F.try_variant_get(F.try_parse_json(text), "$", "map<string,variant>")
    wanted = F.array(*(F.lit(name) for name in names))
    kinds = F.map_filter(values, lambda key, value: F.array_contains(wanted, key) & _holds_others(value))
    return F.when(_may_hold_others(text), F.coalesce(F.map_keys(kinds), named({}))).otherwise(named({}))


def has_nested_element(text: Column) -> Column:
    """Whether an element of a list is a list or an object.

    Needs   the JSON text of a list
    """
    elements = F.try_variant_get(F.try_parse_json(text), "$", "array<variant>")
    return F.when(_may_hold_others(text), F.exists(elements, _holds_others)).otherwise(F.lit(False))


def _may_hold_others(text: Column) -> Column:
    """A cheap look that spares most objects and lists from being parsed again."""
    inside = F.substring(text, 2, _LONGEST)
    return inside.contains("[") | inside.contains("{")


def _holds_others(value: Column) -> Column:
    return F.schema_of_variant(value).rlike("^(ARRAY|OBJECT)")
