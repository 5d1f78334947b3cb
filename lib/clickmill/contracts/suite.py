"""What a suite is: the rules of one table, read from expectations/ and checked before anything runs.

A suite file is close to Great Expectations' own JSON:

    {"table": "clean.events", "quarantine_share_max": 0.5,
     "rules": [{"name": "price_negative", "type": "expect_column_values_to_be_between",
                "kwargs": {"column": "price", "min_value": 0}, "action": "quarantine"}]}

`name`    the fault that the rule finds: it is the reason that stands in `clean.rejects`
`type`    one of `kinds.KINDS`, a closed list
`action`  quarantine: a row that breaks it goes to the rejects before the table is written;
          fail: the write is refused; warn: it is reported

That a column holds no null is said once, in the schema: each column that is not
nullable gets a rule `<column>_missing` (fail), unless the suite states its own.
Null passes every other rule.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pyspark.sql.types import DataType

from clickmill.contracts import kinds, resources
from clickmill.contracts.errors import UsageError
from clickmill.contracts.table import Table

ACTIONS = ("warn", "quarantine", "fail")


@dataclass(frozen=True)
class Condition:
    """The rows that a rule looks at: those whose `column` is one of `values`."""

    column: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Rule:
    """One rule, checked: its columns are there and its arguments fit them.

    kwargs   arguments of the kind without those that name columns; both bounds
             of a range over floating-point numbers are stated and finite
    where    the rows it looks at; None for all
    """

    name: str
    kind: str
    columns: tuple[str, ...]
    kwargs: Mapping[str, Any]
    action: Literal["warn", "quarantine", "fail"]
    where: Condition | None = None

    @property
    def is_row_rule(self) -> bool:
        """True where a row alone tells whether it breaks the rule."""
        return kinds.KINDS[self.kind].is_row_kind


@dataclass(frozen=True)
class Suite:
    """The rules of a table, and the share of its rows (0 to 1) that may be quarantined."""

    table: Table
    rules: tuple[Rule, ...]
    quarantine_share_max: float | None

    @property
    def quarantine_rules(self) -> tuple[Rule, ...]:
        """Rules that split rows, in the order of their names."""
        return tuple(sorted((rule for rule in self.rules if rule.action == "quarantine"), key=lambda rule: rule.name))


def of(table: Table) -> Suite:
    """The suite of a table.

    Raises  UsageError when the table has none, or what stands in it cannot be a rule
    """
    return parse(text(table), table)


def text(table: Table) -> str:
    """The rules of a table as they are written.

    Raises  UsageError when the table has none
    """
    try:
        return resources.text(table.suite_path)
    except FileNotFoundError:
        raise UsageError(f"{table.suite_path}: not there; every table that is gated has a suite") from None


def parse(text: str, table: Table) -> Suite:
    """Read a suite; the first mistake is told with the file, the name of the rule and what was expected.

    Raises  UsageError
    """
    path = table.suite_path
    try:
        stated = json.loads(text, object_pairs_hook=_without_doubles)
    except ValueError as error:
        raise UsageError(f"{path}: no readable JSON: {error}") from None
    _keys(stated, path, needs={"table", "rules"}, may={"quarantine_share_max"})
    if stated["table"] != table.name:
        raise UsageError(f"{path}: table is {stated['table']!r}, expected {table.name!r}")
    if not isinstance(stated["rules"], list):
        raise UsageError(f"{path}: rules: expected a list")
    seen = kinds.seen_columns(table.schema)
    rules = [_rule(one, f"{path}: rule {number}", seen) for number, one in enumerate(stated["rules"], 1)]
    rules += _not_null_rules(table, rules)
    double = [name for name, count in Counter(rule.name for rule in rules).items() if count > 1]
    if double:
        raise UsageError(f"{path}: rule {double[0]}: the name is used twice; names are reasons and must be unique")
    return Suite(table, tuple(rules), _share(stated.get("quarantine_share_max"), rules, path))


def _rule(stated: Any, place: str, seen: Mapping[str, DataType]) -> Rule:
    _keys(stated, place, needs={"name", "type", "kwargs", "action"}, may=set())
    name = stated["name"]
    if not (isinstance(name, str) and re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name)):
        raise UsageError(f"{place}: name: expected snake_case, such as price_negative")
    place = f"{place} ({name})"
    kind = kinds.KINDS.get(str(stated["type"]))
    if kind is None:
        raise UsageError(f"{place}: type {stated['type']!r} is not known; expected one of {', '.join(sorted(kinds.KINDS))}")
    if str(stated["action"]) not in ACTIONS:
        raise UsageError(f"{place}: action {stated['action']!r}; expected one of {', '.join(ACTIONS)}")
    if stated["action"] == "quarantine" and not kind.is_row_kind:
        raise UsageError(f"{place}: action quarantine splits single rows; {stated['type']} is about the whole table: expected warn or fail")
    kwargs = dict(_keys(stated["kwargs"], f"{place}: kwargs", needs=kind.needs, may=kind.may))
    where = _condition(kwargs.pop("row_condition"), place, seen) if "row_condition" in kwargs else None
    columns, rest = kinds.checked(kind, kwargs, place, seen)
    return Rule(name, stated["type"], columns, rest, stated["action"], where)


def _condition(stated: Any, place: str, seen: Mapping[str, DataType]) -> Condition:
    """Great Expectations' own form of `column IN (values)`, over a text column; other conditions are not known."""
    place = f"{place}: row_condition"
    _keys(stated, place, needs={"type", "column", "operator", "parameter"}, may=set())
    if (stated["type"], stated["operator"]) != ("comparison", "IN"):
        raise UsageError(f"{place}: expected type comparison with operator IN")
    name = _keys(stated["column"], f"{place}: column", needs={"name"}, may=set())["name"]
    return Condition(kinds.text_column(name, place, seen), kinds.texts(stated["parameter"], f"{place}: parameter"))


def _not_null_rules(table: Table, rules: list[Rule]) -> list[Rule]:
    stated = {rule.columns[0] for rule in rules if rule.kind == kinds.NOT_NULL and rule.where is None}
    required = [field.name for field in table.schema.fields if not field.nullable and field.name not in stated]
    return [Rule(f"{name}_missing", kinds.NOT_NULL, (name,), {}, "fail") for name in required]


def _share(stated: Any, rules: list[Rule], path: str) -> float | None:
    has_quarantine = any(rule.action == "quarantine" for rule in rules)
    if has_quarantine != (stated is not None):
        raise UsageError(f"{path}: quarantine_share_max: expected with rules of action quarantine, and only there")
    if stated is None:
        return None
    if not kinds.is_number(stated) or not 0 < stated <= 1:
        raise UsageError(f"{path}: quarantine_share_max: expected a share above 0, up to 1")
    return float(stated)


def _keys(stated: Any, place: str, *, needs: set[str] | frozenset[str], may: set[str] | frozenset[str]) -> dict[str, Any]:
    if not isinstance(stated, dict):
        raise UsageError(f"{place}: expected an object with {', '.join(sorted(needs))}")
    missing, unknown = sorted(needs - set(stated)), sorted(set(stated) - needs - may)
    if missing:
        raise UsageError(f"{place}: {missing[0]} is missing")
    if unknown:
        raise UsageError(f"{place}: {unknown[0]} is not known; expected {', '.join(sorted(needs | may))}")
    return stated


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    double = [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]
    if double:
        raise ValueError(f"the key {double[0]} stands twice in one object")
    return dict(pairs)
