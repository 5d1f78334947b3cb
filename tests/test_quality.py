"""The row split and the gate: one suite, two engines, one verdict."""

import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from builders import DAY, at, frame, raw_event
from clickmill import quality
from clickmill.contracts import kinds, reasons, suite
from clickmill.contracts.errors import BadData
from clickmill.contracts.local import local_frame
from clickmill.contracts.suite import Suite
from clickmill.contracts.table import Table
from clickmill.contracts.tables import EVENTS, MODEL_RUNS, RAW_EVENTS, REJECTS
from clickmill.quality import engine, gating, uniqueness
from clickmill.quality.rows import as_seen, broken

DAY_AT = at("10:00")
NAN, INF = float("nan"), float("inf")


def suite_over(spark: SparkSession, columns: str, *rules: tuple[Any, ...]) -> Suite:
    """A suite over a table of these columns; a rule is (name, the end of its type, kwargs)."""
    table = Table("test.values", ("_n",))
    vars(table)["schema"] = StructType.fromDDL(columns)
    stated = [{"name": n, "type": f"expect_column_{kind}", "kwargs": kwargs, "action": "quarantine"} for n, kind, kwargs in rules]
    return suite.parse(json.dumps({"table": table.name, "quarantine_share_max": 1, "rules": stated}), table)


def counted(rows: DataFrame, checked: Suite) -> dict[str, int | None]:
    """Rows that break each rule, as Great Expectations counts them."""
    evaluation = engine.evaluate(as_seen(rows, checked.rules), checked.rules, name="test.values", rows=rows.count())
    return {name: verdict.broken_count for name, verdict in evaluation.verdicts.items()}


def split(rows: DataFrame, checked: Suite) -> list[list[str]]:
    """The rules that each row breaks, in the order of `_n`."""
    names = reasons.named({rule.name: broken(rows, rule) for rule in checked.quarantine_rules})
    return [row.broken for row in rows.select("_n", names.alias("broken")).orderBy("_n").collect()]


def test_text_and_range_rules_give_the_verdicts_worked_out_by_hand_in_both_engines(spark: SparkSession) -> None:
    checked = suite_over(
        spark,
        "_n int, sku string, price double",
        ("sku_prefix", "values_to_match_regex", {"column": "sku", "regex": "^SKU-"}),
        ("sku_digits", "values_to_match_regex", {"column": "sku", "regex": "[0-9]{3}$"}),
        ("sku_length", "value_lengths_to_equal", {"column": "sku", "value": 7}),
        ("price_range", "values_to_be_between", {"column": "price", "min_value": 0, "max_value": 1000}),
    )
    data = [(0, "SKU-100", 5.0), (1, "SKU-10", -1.0), (2, "ABC-100", NAN), (3, None, INF), (4, "", None)]
    rows = local_frame(spark, data, checked.table.schema)
    assert split(rows, checked) == [
        [],
        ["price_range", "sku_digits", "sku_length"],
        ["price_range", "sku_prefix"],
        ["price_range"],
        ["sku_digits", "sku_length", "sku_prefix"],
    ]
    assert counted(rows, checked) == {"sku_prefix": 2, "sku_digits": 2, "sku_length": 2, "price_range": 3}


VALUES: dict[str, list[Any]] = {
    "text string": ["SKU-100", "SKU-10", "ABC-100", None, "", "sku-100", " SKU-100", "SKU-100\n", "ÄÖÜ-100", "it's"],
    "real double": [5.0, -1.0, NAN, INF, None, -INF, 0.0, -0.0, 1000.0, 1000.0000000001],
    "other double": [5.0, NAN, NAN, 0.0, 1.0, NAN, None, 0.0, 1000.1, INF],
    "money decimal(18,4)": [None, *map(Decimal, ["0", "-0.0001", "0.0001", "1000", "1000.0001", "99999999999999", "-1", "1", "999.9999"])],
    "whole bigint": [0, -1, 1, 2**53, 2**53 + 1, -(2**63), None, 2**63 - 1, 1000, 1001],
    "day date": [date(1994, 12, 31), date(1995, 1, 1), None, date(1, 1, 1), date(9999, 12, 31), *[DAY] * 5],
    "at timestamp": [datetime(1994, 12, 31, 23, 59, 59, 999999), datetime(1995, 1, 1), None, datetime(1970, 1, 1), *[DAY_AT] * 6],
    "later timestamp": [datetime(1994, 12, 31), datetime(1995, 1, 1), None, None, at("09:59"), DAY_AT, at("10:01"), *[DAY_AT] * 3],
    "words array<string>": [[], None, ["a"], ["a", "b"], [""], [None], *[["a"]] * 4],
    "reals array<double>": [[], None, [1.0], [-1.0, 2.0], [NAN], [1.0, -INF], [None], [1001.0], [-1001.0], [1.0, NAN]],
}
ITEM_TYPES = {"type": "comparison", "column": {"name": "text"}, "operator": "IN", "parameter": ["SKU-100", "ABC-100", ""]}
EVERY_KIND = (
    ("missing", "values_to_not_be_null", {"column": "real"}),
    ("missing_where", "values_to_not_be_null", {"column": "real", "row_condition": ITEM_TYPES}),
    ("in_set", "values_to_be_in_set", {"column": "text", "value_set": ["SKU-100", ""]}),
    ("regex", "values_to_match_regex", {"column": "text", "regex": "^[A-Z]{3}-[0-9]+$"}),
    ("regex_where", "values_to_match_regex", {"column": "text", "regex": "^S", "row_condition": ITEM_TYPES}),
    ("length_low", "value_lengths_to_be_between", {"column": "text", "min_value": 1}),
    ("length_both", "value_lengths_to_be_between", {"column": "text", "min_value": 6, "max_value": 7}),
    ("length_equal", "value_lengths_to_equal", {"column": "text", "value": 7}),
    ("real_low", "values_to_be_between", {"column": "real", "min_value": 0}),
    ("real_high", "values_to_be_between", {"column": "real", "max_value": 1000}),
    ("real_strict", "values_to_be_between", {"column": "real", "min_value": 0, "max_value": 1000, "strict_min": True, "strict_max": True}),
    ("money_low", "values_to_be_between", {"column": "money", "min_value": 0}),
    (
        "money_strict",
        "values_to_be_between",
        {"column": "money", "min_value": 0, "strict_min": True, "max_value": 1000},
    ),
    ("whole_both", "values_to_be_between", {"column": "whole", "min_value": 0, "max_value": 9007199254740992}),
    ("whole_strict", "values_to_be_between", {"column": "whole", "max_value": 1000, "strict_max": True}),
    ("day_low", "values_to_be_between", {"column": "day", "min_value": "1995-01-01"}),
    ("at_low", "values_to_be_between", {"column": "at", "min_value": "1995-01-01"}),
    ("at_high_where", "values_to_be_between", {"column": "at", "max_value": "1994-12-31", "row_condition": ITEM_TYPES}),
    ("pair", "pair_values_a_to_be_greater_than_b", {"column_A": "later", "column_B": "at"}),
    ("pair_or_equal", "pair_values_a_to_be_greater_than_b", {"column_A": "later", "column_B": "at", "or_equal": True}),
    ("pair_reals", "pair_values_a_to_be_greater_than_b", {"column_A": "real", "column_B": "other", "or_equal": True}),
    ("words_none", "values_to_be_between", {"column": "words_count", "min_value": 1}),
    ("reals_not_finite", "values_to_be_between", {"column": "reals_largest", "max_value": 1000}),
)


def test_the_split_and_the_gate_agree_row_by_row_on_every_kind_of_rule(spark: SparkSession) -> None:
    """The row with number k stands there 2^k times, so each count tells exactly which rows broke the rule."""
    checked = suite_over(spark, "_n int, " + ", ".join(VALUES), *EVERY_KIND)
    distinct = local_frame(spark, [(k, *row) for k, row in enumerate(zip(*VALUES.values(), strict=True))], checked.table.schema)
    by_row = split(distinct, checked)
    repeated = distinct.withColumn("_copy", F.expr("explode(sequence(1, shiftleft(1, _n)))")).coalesce(1)
    counts = counted(repeated, checked)
    gated = {name: [k for k in range(10) if int(count or 0) >> k & 1] for name, count in counts.items()}
    assert gated == {rule.name: [k for k, names in enumerate(by_row) if rule.name in names] for rule in checked.rules}
    # Every rule meets rows on both sides of it.
    assert all(0 < len(rows) < 10 for rows in gated.values())
    assert gated["real_low"] == [1, 2, 3, 5]  # -1, NaN, Infinity, -Infinity
    assert gated["reals_not_finite"] == [4, 5, 7, 8, 9]


def events(spark: SparkSession, *changes: dict[str, Any]) -> DataFrame:
    """Typed rows as they stand before the split: an item view with each of the changes."""
    return frame(spark, RAW_EVENTS, [raw_event(ordinal=n, **change) for n, change in enumerate(changes)])


def test_a_row_names_every_rule_it_breaks_and_a_missing_value_breaks_none(spark: SparkSession) -> None:
    rows = events(spark, {}, {"price": "-1", "position": 0, "item_id": ""}, {"item_id": None}, {"item_id": None, "event_type": "search"})
    breaks = quality.broken_rules(rows, EVENTS)
    told = rows.select("ordinal", *(column.alias(name) for name, column in breaks.items())).orderBy("ordinal").collect()
    found = [sorted(name for name in breaks if row[name]) for row in told]
    assert found == [[], ["item_id_empty", "position_below_one", "price_negative"], ["item_id_missing"], []]


def test_a_rule_on_a_column_that_is_not_there_stops_the_split(spark: SparkSession) -> None:
    with pytest.raises(BadData, match="rule price_negative: column price is not there"):
        quality.broken_rules(events(spark, {}).drop("price"), EVENTS)


def model_runs(spark: SparkSession, *changes: dict[str, Any]) -> DataFrame:
    row = {"model_run_id": "r1", "model": "als", "as_of_date": DAY, "params": "{}", "inputs": "{}"}
    row |= {"user_count": 1, "item_count": 1, "interaction_count": 1}
    return frame(spark, MODEL_RUNS, [row | change for change in changes])


def test_a_broken_rule_is_told_with_the_number_of_rows_and_without_any_value(spark: SparkSession, tmp_path: Path) -> None:
    rows = model_runs(spark, {"model": "secret-value"}, {"model_run_id": "r2", "model": "secret-value", "user_count": 0})
    result = quality.gate(rows, MODEL_RUNS, rows_written={DAY: 2}, docs_folder=str(tmp_path / "docs"))
    assert not result.passed
    assert result.reason == "model_unknown: 2 rows; no_users: 1 rows"
    page = (tmp_path / "docs" / "models.runs.html").read_text(encoding="utf-8")
    assert "model_unknown (fail): column values to be in set: model, value_set ['als']" in page
    assert "no_users (fail)" in page
    assert "secret-value" not in page


def test_other_rows_than_were_written_are_refused(spark: SparkSession) -> None:
    result = quality.gate(model_runs(spark, {}), MODEL_RUNS, rows_written={DAY: 2})
    assert result.reason == "1 rows were checked, 2 were written"


def test_a_written_table_without_a_column_of_a_rule_is_refused(spark: SparkSession) -> None:
    result = quality.gate(model_runs(spark, {}).drop("model"), MODEL_RUNS, rows_written={DAY: 1})
    assert result.reason == "rule model_missing: column model is not there"


def test_a_rule_that_raises_in_great_expectations_is_refused_without_its_message(spark: SparkSession) -> None:
    rows = model_runs(spark, {}).withColumn("user_count", F.lit("secret-value"))
    result = quality.gate(rows, MODEL_RUNS, rows_written={DAY: 1})
    assert result.reason is not None
    assert "no_users: could not be evaluated" in result.reason
    assert "secret-value" not in result.reason


def test_a_rule_that_was_not_evaluated_is_refused(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = engine.evaluate

    def one_short(frame: DataFrame, rules: Any, **kwargs: Any) -> engine.Evaluation:
        return whole(frame, [rule for rule in rules if rule.name != "no_users"], **kwargs)

    monkeypatch.setattr(engine, "evaluate", one_short)
    assert quality.gate(model_runs(spark, {}), MODEL_RUNS, rows_written={DAY: 1}).reason == "no_users: was not evaluated"


@pytest.mark.parametrize(("rejected", "written", "refused"), [(50, 50, False), (51, 50, True), (98, 1, False)])
def test_the_suite_bears_its_share_of_quarantined_rows_and_not_one_more_and_few_have_none(
    spark: SparkSession, rejected: int, written: int, refused: bool
) -> None:
    place = {"landing_date": DAY, "file": "f", "delivery_id": "d", "block": 0, "item_pos": 0}
    row = place | {"event_date": DAY, "source": "s", "site_id": "shop"}
    rejects = [row | {"ordinal": n, "kind": "reject", "reasons": ["no_item", "price_negative"][: 1 + n % 2]} for n in range(rejected)]
    copies = [row | {"ordinal": 1000 + n, "kind": "copy", "reasons": ["near_copy"]} for n in range(50)]
    # A long range bears no more than its days: the good rows of the day after take nothing away.
    by_day = {DAY: written, DAY + timedelta(days=1): 10_000}
    told = gating._too_many_quarantined(suite.of(EVENTS), frame(spark, REJECTS, rejects + copies), by_day)
    line = f"50.5% of the rows of {DAY} were quarantined, at most 50.0% may be: no_item 51, price_negative 25"
    assert told == ([line] if refused else [])


def test_the_gate_counts_the_rows_before_the_split_a_second_time(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = events(spark, {}, {"price": "-1"}, {"event_type": None})
    checked = suite.of(EVENTS)
    assert gating.disagreements(rows, checked, rows=2) == []
    honest = gating.broken_counts
    monkeypatch.setattr(gating, "broken_counts", lambda *args: honest(*args) | {"price_negative": 0})
    assert gating.disagreements(rows, checked, rows=2) == ["price_negative: the split finds 0 rows and Great Expectations 1 in one sample"]


def test_importing_the_split_does_not_import_great_expectations() -> None:
    code = "import sys, clickmill.quality; sys.exit('great_expectations' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("hashes", [None, 3], ids=["64 bits", "hashes that collide"])
def test_rows_that_share_their_key_are_counted_as_one_would_by_hand(spark: SparkSession, monkeypatch, hashes: int | None) -> None:
    random = Random(7)
    rows = [(random.choice([None, "a", "b"]), random.choice([None, 1, 2, 3]), str(random.randrange(12))) for _ in range(80)]
    by_hand = sum(count for count in Counter(rows).values() if count > 1)
    assert 0 < by_hand < len(rows)
    if hashes:
        monkeypatch.setattr(uniqueness, "hash_of", lambda columns: F.pmod(F.xxhash64(*columns), F.lit(hashes)))
    frame = spark.createDataFrame(rows, "a string, b int, c string")
    assert uniqueness.repeated_rows(frame, ["a", "b", "c"]) == by_hand
    assert uniqueness.repeated_rows(frame.dropDuplicates(), ["a", "b", "c"]) == 0
    rule = next(rule for rule in suite.of(EVENTS).rules if rule.kind == kinds.UNIQUE_TOGETHER)
    verdict = engine.evaluate(frame, [replace(rule, columns=("a", "b", "c"))], name="t", rows=80).verdicts[rule.name]
    assert verdict.broken_count == by_hand, "Great Expectations counts so, too"


def test_a_gate_of_thirty_rules_and_five_about_pairs_takes_few_spark_jobs(spark: SparkSession) -> None:
    rules = suite.of(EVENTS).rules
    assert len(rules) == 30
    pair = {"kind": kinds.PAIR_GREATER, "columns": ("event_at", "event_at"), "kwargs": {"or_equal": True}, "where": None}
    rules += tuple(replace(rules[0], name=f"pair_{n}", **pair) for n in range(5))
    made = {"visitor_bucket": 1, "is_bot": False, "session_id": "e-20240516"}
    events = [raw_event(event_id=f"e{n}") for n in range(3)]
    rows = frame(spark, EVENTS, [{name: value for name, value in row.items() if name in EVENTS.columns} | made for row in events])
    spark.sparkContext.setJobGroup("gate", "gate")
    verdicts = engine.evaluate(as_seen(rows, rules), rules, name=EVENTS.name, rows=3).verdicts
    assert {name for name, verdict in verdicts.items() if not verdict.passed} == set() and len(verdicts) == 35
    assert len(spark.sparkContext.statusTracker().getJobIdsForGroup("gate")) <= 4, "one for all rules about rows, the others for keys"
    spark.sparkContext.setLocalProperty("spark.jobGroup.id", None)
