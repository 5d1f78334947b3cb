"""Every suite against its two fixtures: good rows pass the gate, and each bad row is caught by one rule and no other.

`<table>.good.jsonl`  the first line is a whole row, each further line changes some of its columns;
                      `{n}` in a value is the number of the row
`<table>.bad.jsonl`   each line names the rule that its rows break, with what they change in that first row

A rule that is taken out of a suite leaves a bad line that nothing catches, and
a rule that is put in needs a bad line of its own.
"""

import json
import re
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import ArrayType, DataType, IntegerType, StructField, StructType

from builders import DAY
from clickmill import quality
from clickmill.contracts import reasons, resources, suite, tables
from clickmill.contracts.events import EVENT_TYPES
from clickmill.contracts.local import local_frame
from clickmill.contracts.properties import set_for
from clickmill.contracts.suite import Rule
from clickmill.contracts.table import Table
from clickmill.quality import rows

FIXTURES = Path(__file__).parent / "fixtures" / "expectations"
GATED = [table for table in tables.ALL if table.layer != "ops"]
by_table = pytest.mark.parametrize("table", GATED, ids=lambda table: table.name)


# Each of some forty gates over a handful of rows compiles its own code: interpreting takes two thirds of the time.
INTERPRETED = {
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
}


@pytest.fixture(autouse=True)
def _interpreted(request: pytest.FixtureRequest) -> Iterator[None]:
    if "spark" not in request.fixturenames:
        yield
        return
    with set_for(request.getfixturevalue("spark"), INTERPRETED):
        yield


def lines(table: Table, kind: str) -> list[dict[str, Any]]:
    text = (FIXTURES / f"{table.name.replace('.', '/')}.{kind}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def typed(value: Any, to: DataType) -> Any:
    if isinstance(to, ArrayType) and value is not None:
        return [typed(element, to.elementType) for element in value]
    kind = re.sub(r"[(<].*", "", to.simpleString())
    makes = {"int": int, "bigint": int, "double": float, "float": float, "decimal": lambda v: Decimal(str(v)), "string": str}
    makes |= {"date": date.fromisoformat, "timestamp": datetime.fromisoformat, "boolean": bool, "map": dict}
    return None if value is None else makes[kind](value)


def numbered(value: Any, n: int) -> Any:
    return re.sub(r"\{n(:\w+)?\}", lambda match: match[0].format(n=n), value) if isinstance(value, str) else value


def frame(spark: SparkSession, table: Table, changes: list[dict[str, Any]]) -> DataFrame:
    """The first good row of the table with each of the changes; `_n` is the number of the row. Any column may be null."""
    first, fields = lines(table, "good")[0], table.schema.fields
    data = []
    for n, change in enumerate(changes, 1):
        assert set(change) <= set(table.columns), f"{table.name} has no column {set(change) - set(table.columns)}"
        row = {name: numbered(value, n) for name, value in (first | change).items()}
        data.append((n, *(typed(row.get(field.name), field.dataType) for field in fields)))
    schema = StructType([StructField("_n", IntegerType()), *(StructField(field.name, field.dataType) for field in fields)])
    return local_frame(spark, data, schema)


def missing_cases(table: Table) -> list[dict[str, Any]]:
    """One bad line for each column that the schema says is never null, unless the suite states its own rule for it."""
    stated = {case["breaks"] for case in lines(table, "bad")}
    names = [field.name for field in table.schema.fields if not field.nullable and f"{field.name}_missing" not in stated]
    return [{"breaks": f"{name}_missing", "rows": [{name: None}]} for name in names]


@by_table
def test_the_good_fixture_passes_the_gate_without_a_warning(spark: SparkSession, table: Table) -> None:
    good = frame(spark, table, [{}, *lines(table, "good")[1:]]).drop("_n")
    result = quality.gate(good, table, rows_written={DAY: len(lines(table, "good"))})
    assert (result.reason, result.warnings) == (None, ())
    assert result.rules_evaluated == len(suite.of(table).rules)
    assert result.rows_checked == len(lines(table, "good"))


@by_table
def test_each_bad_row_is_caught_by_the_rule_it_names_and_by_no_other(spark: SparkSession, table: Table) -> None:
    cases = [case for case in lines(table, "bad") + missing_cases(table) if case["rows"]]
    rules = {rule.name: rule for rule in suite.of(table).rules}
    expected = [case["breaks"] for case in cases for _ in case["rows"]]
    bad = frame(spark, table, [row for case in cases for row in case["rows"]]).cache()

    names = reasons.named({rule.name: rows.broken(bad, rule) for rule in rules.values() if rule.is_row_rule})
    found = bad.select("_n", names.alias("broken"))
    by_row = {row._n: row.broken for row in found.collect()}
    assert [by_row[n] for n in range(1, len(expected) + 1)] == [[name] if is_row_rule(rules, name) else [] for name in expected]

    result = quality.gate(bad.drop("_n"), table, rows_written={DAY: len(expected)})
    bad.unpersist()
    assert result.broken_counts == {name: expected.count(name) for name in expected}
    assert result.reason is not None
    warned = sorted(name for name in set(expected) if rules[name].action == "warn")
    assert sorted(line.split(":")[0] for line in result.warnings) == warned


def is_row_rule(rules: dict[str, Rule], name: str) -> bool:
    assert name in rules, f"a bad row names {name}, and the suite has no such rule"
    return rules[name].is_row_rule


@by_table
def test_every_rule_of_the_suite_has_a_bad_line_so_none_can_be_taken_out_unseen(table: Table) -> None:
    stated = {rule["name"] for rule in json.loads(resources.text(table.suite_path))["rules"]}
    assert {case["breaks"] for case in lines(table, "bad")} == stated


# Where everyone has a list, nobody stands in the table of those who have none.
MAY_BE_EMPTY = (tables.USERS_WITHOUT_LIST,)


@pytest.mark.parametrize("table", [table for table in GATED if table.layer == "publish"], ids=lambda table: table.name)
def test_an_empty_published_table_is_refused_unless_it_names_exceptions(spark: SparkSession, table: Table) -> None:
    result = quality.gate(local_frame(spark, [], table.schema), table, rows_written={DAY: 0})
    assert result.reason == (None if table in MAY_BE_EMPTY else "no_rows: the table has 0 rows")


def test_every_table_has_one_suite_and_two_fixtures_and_none_is_left_over() -> None:
    names = {table.name.replace(".", "/") for table in GATED}
    suites = Path(str(resources.folder("expectations")))
    assert {str(path.relative_to(suites)) for path in suites.rglob("*.json")} == {f"{name}.json" for name in names}
    found = {str(path.relative_to(FIXTURES)) for path in FIXTURES.rglob("*") if path.is_file()}
    assert found == {f"{name}.{kind}.jsonl" for name in names for kind in ("good", "bad")}


@by_table
def test_the_key_of_the_table_is_the_key_that_its_suite_holds_unique(table: Table) -> None:
    keys = [rule.columns for rule in suite.of(table).rules if rule.name == "key_not_unique"]
    assert keys == [table.key]


def test_rules_that_split_events_name_only_columns_that_raw_events_has_too() -> None:
    named = {name for rule in suite.of(tables.EVENTS).quarantine_rules for name in rule.columns}
    assert named <= set(tables.RAW_EVENTS.columns)


@pytest.mark.parametrize(
    "table", [tables.RAW_EVENTS, tables.EVENTS, tables.KNOWN_EVENTS, tables.VALUE_RANGES], ids=lambda table: table.name
)
def test_suites_know_exactly_the_event_types_of_the_contract(table: Table) -> None:
    sets = [rule.kwargs["value_set"] for rule in suite.of(table).rules if rule.name == "event_type_unknown"]
    assert sets == [list(EVENT_TYPES)]
