"""Suite files: what is a rule, and how a mistake in one is told."""

import json
from datetime import date
from typing import Any

import pytest
from pyspark.sql.types import StructType

from clickmill.contracts import suite
from clickmill.contracts.errors import UsageError
from clickmill.contracts.table import Table

BETWEEN = "expect_column_values_to_be_between"
GOOD = {"name": "price_negative", "type": BETWEEN, "kwargs": {"column": "price", "min_value": 0}, "action": "fail"}
WHERE = {"type": "comparison", "column": {"name": "sku"}, "operator": "IN", "parameter": ["a"]}


def orders() -> Table:
    table = Table("shop.orders", ("order_id",))
    types = {"order_id": "long", "sku": "string", "price": "double", "paid": "decimal(18,4)", "day": "date"}
    arrays = {name: {"type": "array", "elementType": of, "containsNull": True} for name, of in (("sizes", "float"), ("words", "string"))}
    fields = [{"name": name, "type": of, "nullable": name != "order_id", "metadata": {}} for name, of in (types | arrays).items()]
    vars(table)["schema"] = StructType.fromJson({"type": "struct", "fields": fields})
    return table


def parsed(*rules: dict[str, Any], **top: Any) -> suite.Suite:
    return suite.parse(json.dumps({"table": "shop.orders", "rules": list(rules)} | top), orders())


def rule(name: str, kind: str, action: str = "fail", **kwargs: Any) -> dict[str, Any]:
    return {"name": name, "type": f"expect_{kind}", "kwargs": kwargs, "action": action}


def test_a_rule_is_read_with_its_columns_arguments_and_condition() -> None:
    kwargs = {"column": "day", "min_value": "2024-02-29", "strict_min": True, "row_condition": WHERE}
    one = parsed(rule("day_too_early", "column_values_to_be_between", "warn", **kwargs)).rules[0]
    assert (one.name, one.kind, one.action, one.columns) == ("day_too_early", BETWEEN, "warn", ("day",))
    assert one.kwargs == {"min_value": date(2024, 2, 29), "strict_min": True}
    assert one.where == suite.Condition("sku", ("a",))


def test_a_range_over_floating_point_numbers_gets_both_bounds_so_that_nan_and_infinity_fail_it() -> None:
    assert parsed(GOOD).rules[0].kwargs == {"min_value": 0.0, "max_value": 1.7976931348623157e308}
    exact = rule("paid_negative", "column_values_to_be_between", column="paid", min_value=0)
    assert parsed(exact).rules[0].kwargs == {"min_value": 0.0}


def test_a_column_that_is_never_null_gets_a_rule_unless_the_suite_states_its_own() -> None:
    assert [(one.name, one.action) for one in parsed(GOOD).rules] == [("price_negative", "fail"), ("order_id_missing", "fail")]
    own = rule("no_order", "column_values_to_not_be_null", "quarantine", column="order_id")
    assert [one.name for one in parsed(own, quarantine_share_max=0.1).rules] == ["no_order"]


def test_an_array_is_seen_by_its_count_and_its_largest_number() -> None:
    names = [rule(f"{name}_wrong", "column_values_to_be_between", column=name, max_value=3) for name in ("words_count", "sizes_largest")]
    assert [one.columns for one in parsed(*names).rules[:2]] == [("words_count",), ("sizes_largest",)]


def test_quarantine_rules_come_in_the_order_of_their_names() -> None:
    rules = [GOOD | {"name": name, "action": "quarantine"} for name in ("b", "a")]
    assert [one.name for one in parsed(*rules, quarantine_share_max=1).quarantine_rules] == ["a", "b"]


@pytest.mark.parametrize(
    ("stated", "told"),
    [
        (
            GOOD | {"type": "expect_column_mean_to_be_between"},
            ".price_negative.: type 'expect_column_mean_to_be_between' is not known",
        ),
        (GOOD | {"type": ["x"]}, "is not known; expected one of expect_column"),
        (GOOD | {"kwargs": {"column": "prise", "min_value": 0}}, "column 'prise' is not in the table; expected one of order_id, sku"),
        (GOOD | {"kwargs": {"column": ["price"], "min_value": 0}}, "is not in the table"),
        (GOOD | {"kwargs": {"column": "words_largest", "min_value": 0}}, "is not in the table"),
        ({key: value for key, value in GOOD.items() if key != "name"}, "name is missing"),
        (GOOD | {"name": "Price negative"}, "name: expected snake_case"),
        (GOOD | {"severity": "high"}, "severity is not known; expected action, kwargs, name, type"),
        (GOOD | {"action": "drop"}, "action 'drop'; expected one of warn, quarantine, fail"),
        (GOOD | {"kwargs": {"column": "price"}}, "expected min_value, max_value or both"),
        (GOOD | {"kwargs": {"column": "price", "min_value": True}}, "expected bounds that are numbers"),
        (GOOD | {"kwargs": {"column": "price", "min_value": 2, "max_value": 1}}, "min_value is above max_value"),
        (GOOD | {"kwargs": {"column": "price", "min_value": 0, "mostly": 0.9}}, "kwargs: mostly is not known"),
        (GOOD | {"kwargs": {"column": "price", "min_value": 0, "strict_min": 1}}, "strict_min: expected true or false"),
        (GOOD | {"kwargs": {"column": "sku", "min_value": 0}}, "sku: expected numbers, dates or instants"),
        (GOOD | {"kwargs": {"column": "day", "min_value": "29.02.2024"}}, "expected bounds that are days"),
        (rule("r", "column_values_to_match_regex", column="price", regex="a"), "price: expected a column of text"),
        (rule("r", "column_values_to_match_regex", column="sku", regex="("), "regex: expected a regular expression"),
        (rule("r", "column_values_to_be_in_set", column="sku", value_set=[]), "value_set: expected a list of texts"),
        (rule("r", "column_value_lengths_to_equal", column="sku", value=7.5), "value: expected a whole number"),
        (rule("r", "column_value_lengths_to_be_between", column="sku", min_value=-1), "expected bounds that are whole numbers"),
        (rule("r", "column_pair_values_a_to_be_greater_than_b", column_A="price", column_B="paid"), "expected two columns of one type"),
        (rule("r", "compound_columns_to_be_unique", column_list=["sku"]), "column_list: expected a list of at least two columns"),
        (
            rule("r", "compound_columns_to_be_unique", "quarantine", column_list=["sku", "day"]),
            "whole table: expected warn or fail",
        ),
        (
            rule("r", "column_values_to_not_be_null", column="sku", row_condition=WHERE | {"operator": "=="}),
            "row_condition: expected type comparison with operator IN",
        ),
        (rule("r", "column_values_to_not_be_null", column="sku", row_condition="price > 0"), "row_condition: expected an object"),
        (
            rule("r", "column_values_to_not_be_null", column="sku", row_condition=WHERE | {"parameter": ["it's"]}),
            "parameter: expected a list of texts without quotes",
        ),
    ],
)
def test_a_mistake_in_a_rule_is_told_with_file_rule_and_what_was_expected(stated: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=rf"^expectations/shop/orders.json: rule 1.*{told}"):
        parsed(stated)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"table": "shop.orders", "rules": [', "no readable JSON"),
        ('{"table": "shop.orders", "rules": [], "rules": []}', "the key rules stands twice"),
        ('{"table": "shop.order", "rules": []}', "table is 'shop.order', expected 'shop.orders'"),
        ('{"table": "shop.orders"}', "rules is missing"),
        ('{"table": "shop.orders", "rules": {}}', "rules: expected a list"),
        (
            '{"table": "shop.orders", "rules": [], "quarantine_share_max": 0.5}',
            "quarantine_share_max: expected with rules",
        ),
        (json.dumps({"table": "shop.orders", "rules": [GOOD, GOOD]}), "rule price_negative: the name is used twice"),
        (json.dumps({"table": "shop.orders", "rules": [GOOD | {"action": "quarantine"}]}), "quarantine_share_max: expected with rules"),
        (
            json.dumps({"table": "shop.orders", "rules": [GOOD | {"action": "quarantine"}], "quarantine_share_max": 1.5}),
            "a share above 0",
        ),
    ],
)
def test_a_mistake_in_the_file_is_told_with_the_file(text: str, told: str) -> None:
    with pytest.raises(UsageError, match=rf"^expectations/shop/orders.json: .*{told}"):
        suite.parse(text, orders())


def test_a_table_without_a_suite_is_told() -> None:
    with pytest.raises(UsageError, match=r"^expectations/shop/orders.json: not there"):
        suite.of(orders())
