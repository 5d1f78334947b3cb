"""The row rules of a suite as built-in columns: the same verdicts as Great Expectations gives on Spark."""

from collections.abc import Iterable

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, NumericType

from clickmill.contracts import kinds
from clickmill.contracts import suite as suites
from clickmill.contracts.errors import BadData
from clickmill.contracts.suite import Condition, Rule
from clickmill.contracts.table import Table


def broken_rules(frame: DataFrame, table: Table) -> dict[str, Column]:
    """For each quarantine rule of a table, by name, whether a row of `frame` breaks it: true or false, never null.

    Null breaks no rule but a not-null one; NaN and the infinities break every range.

    Needs   the columns that the quarantine rules of the table name
    Raises  BadData when a rule names a column that is not in the frame; UsageError when the suite is wrong
    """
    return {rule.name: broken(frame, rule) for rule in suites.of(table).quarantine_rules}


def broken(frame: DataFrame, rule: Rule) -> Column:
    """True where a row of `frame` breaks a row rule, else false; never null.

    Raises  BadData when the rule names a column that is not in the frame; ValueError when it is not about single rows
    """
    columns = [_column(frame, name, rule) for name in rule.columns]
    holds = columns[0].isNotNull() if rule.kind == kinds.NOT_NULL else _holds(rule, columns)
    breaks = ~F.coalesce(holds, F.lit(True))
    return breaks if rule.where is None else breaks & _is_looked_at(frame, rule, rule.where)


def as_seen(frame: DataFrame, rules: Iterable[Rule]) -> DataFrame:
    """The columns that the rules name, arrays through their count and largest columns.

    Raises  BadData when a rule names a column that is not in the frame
    """
    named = {name: rule for rule in rules for name in (*rule.columns, *([rule.where.column] if rule.where else []))}
    return frame.select(*(_column(frame, name, rule).alias(name) for name, rule in named.items()))


def as_engine_sees(frame: DataFrame, rules: Iterable[Rule]) -> DataFrame:
    """The columns of the rules under the names of `engine_columns`, for one query that answers for all rules about rows.

    Outside the condition of its rule a value is null, which breaks none; of a rule against nulls it is true.

    Raises  BadData when a rule names a column that is not in the frame
    """
    named = {seen: (name, rule) for rule in rules for seen, name in zip(engine_columns(rule), rule.columns, strict=True)}
    return frame.select(*(_as_engine_sees(frame, name, rule).alias(seen) for seen, (name, rule) in named.items()))


def engine_columns(rule: Rule) -> tuple[str, ...]:
    """Names of the columns that Great Expectations looks at for a rule."""
    of_rule = f"_of_{rule.name}"
    return tuple(f"{name}{of_rule}" if rule.where or rule.kind in kinds.LENGTHS else name for name in rule.columns)


def _as_engine_sees(frame: DataFrame, name: str, rule: Rule) -> Column:
    column = _column(frame, name, rule)
    value = F.length(column) if rule.kind in kinds.LENGTHS else column
    if rule.where is None:
        return value
    is_looked_at = _is_looked_at(frame, rule, rule.where)
    return F.when(~is_looked_at | value.isNotNull(), True) if rule.kind == kinds.NOT_NULL else F.when(is_looked_at, value)


def _is_looked_at(frame: DataFrame, rule: Rule, where: Condition) -> Column:
    """True for the rows of the condition of a rule, else false; never null."""
    return F.coalesce(_column(frame, where.column, rule).isin(*where.values), F.lit(False))


def broken_counts(frame: DataFrame, rules: Iterable[Rule]) -> dict[str, int]:
    """How many rows break each row rule, in one action. The result has one number a rule."""
    counts = [F.count_if(broken(frame, rule)).alias(rule.name) for rule in rules]
    row = frame.agg(*counts).first() if counts else None
    return {name: int(count) for name, count in row.asDict().items()} if row is not None else {}


def _holds(rule: Rule, columns: list[Column]) -> Column:
    """Null where a value is missing: `broken` lets it pass."""
    first, kwargs = columns[0], rule.kwargs
    if rule.kind == kinds.BETWEEN:
        return _between(first, rule)
    if rule.kind == kinds.IN_SET:
        return first.isin(*kwargs["value_set"])
    if rule.kind == kinds.MATCH_REGEX:
        return first.rlike(kwargs["regex"])
    if rule.kind == kinds.LENGTH_BETWEEN:
        return _between(F.length(first), rule)
    if rule.kind == kinds.LENGTH_EQUAL:
        return F.length(first).isin(kwargs["value"])
    if rule.kind == kinds.PAIR_GREATER:
        return first >= columns[1] if kwargs.get("or_equal") else first > columns[1]
    raise ValueError(f"rule {rule.name}: {rule.kind} is about a whole table, it cannot split rows")


def _between(value: Column, rule: Rule) -> Column:
    low, high = rule.kwargs.get("min_value"), rule.kwargs.get("max_value")
    holds = F.lit(True)
    if low is not None:
        holds = holds & (value > F.lit(low) if rule.kwargs.get("strict_min") else value >= F.lit(low))
    if high is not None:
        holds = holds & (value < F.lit(high) if rule.kwargs.get("strict_max") else value <= F.lit(high))
    return holds


def _column(frame: DataFrame, name: str, rule: Rule) -> Column:
    if name in frame.columns:
        return F.col(name)
    array, _, part = name.rpartition("_")
    if array in frame.columns and isinstance(data_type := frame.schema[array].dataType, ArrayType):
        if part == "count":
            # size() of a null array is null under ANSI: it passes, as every null does.
            return F.when(F.col(array).isNotNull(), F.size(F.col(array)))
        if part == "largest" and isinstance(data_type.elementType, NumericType):
            return F.array_max(F.transform(F.col(array), lambda element: F.abs(element.cast("double"))))
    raise BadData(f"rule {rule.name}: column {name} is not there")
