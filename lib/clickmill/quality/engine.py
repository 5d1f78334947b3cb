"""The only file that imports great_expectations: runs rules over a frame and writes the page about it.

Importing it takes seconds, so only a gate imports this module, when it runs.
"""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import great_expectations as gx
from great_expectations.core.expectation_suite import ExpectationSuite
from great_expectations.core.expectation_validation_result import ExpectationSuiteValidationResult, ExpectationValidationResult
from great_expectations.core.metric_domain_types import MetricDomainTypes
from great_expectations.core.metric_function_types import MetricFunctionTypes, MetricPartialFunctionTypes
from great_expectations.core.run_identifier import RunIdentifier
from great_expectations.data_context.types.base import ProgressBarsConfig
from great_expectations.execution_engine.execution_engine import ExecutionEngine
from great_expectations.execution_engine.sparkdf_execution_engine import SparkDFExecutionEngine
from great_expectations.expectations.core.expect_table_row_count_to_equal import ExpectTableRowCountToEqual
from great_expectations.expectations.expectation import Expectation
from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
from great_expectations.expectations.metrics.column_pair_map_metrics.column_pair_values_greater import ColumnPairValuesAGreaterThanB
from great_expectations.expectations.metrics.metric_provider import MetricProvider, metric_value
from great_expectations.expectations.metrics.multicolumn_map_metrics.compound_columns_unique import CompoundColumnsUnique
from great_expectations.expectations.metrics.table_metrics.table_row_count import TableRowCount
from great_expectations.expectations.registry import get_expectation_impl, register_metric
from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer
from great_expectations.render.view.view import DefaultJinjaPageView
from great_expectations.validator.metric_configuration import MetricConfiguration
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from clickmill.contracts import kinds
from clickmill.contracts.properties import set_for
from clickmill.contracts.suite import Rule
from clickmill.quality.rows import as_engine_sees, engine_columns
from clickmill.quality.uniqueness import repeated_rows

_ROWS_CHECKED = "rows_checked"
_ALL_ROWS = TableRowCount.metric_name
_NO_ROW_LEFT_OUT = {kinds.UNIQUE_TOGETHER: "never", kinds.PAIR_GREATER: "neither"}

# Verdicts first, then counts for the rules that failed: asking for all counts at once takes twice as long.
# No partial list: an example is a value of somebody's row, and each list would cost a Spark job.
_VERDICTS: dict[str, Any] = {"result_format": "BOOLEAN_ONLY"}
_COUNTS: dict[str, Any] = {"result_format": "SUMMARY", "partial_unexpected_count": 0}


def _count_in_few_queries() -> None:
    """Put counts of ours in the place of those for which Great Expectations asks a query a rule.

    Rows that share their key: its own is a window over a struct of the key, for which all keys cross the network whole and are
    sorted. Pairs of values out of order: ours is one more sum of the query that answers for all other rules about rows. And for
    either kind it counts the rows once more to know how many it looked at; we look at all.
    """
    registry = logging.getLogger("great_expectations.expectations.registry")
    level = registry.level
    registry.setLevel(logging.ERROR)  # it warns of any metric that is replaced
    try:

        class RepeatedRows(MetricProvider):
            metric_name = f"{CompoundColumnsUnique.condition_metric_name}.unexpected_count"
            domain_keys = CompoundColumnsUnique.condition_domain_keys
            value_keys = ()

            @metric_value(engine=SparkDFExecutionEngine)
            def _spark(
                cls,  # noqa: N805
                execution_engine: SparkDFExecutionEngine,
                metric_domain_kwargs: dict[str, Any],
                metric_value_kwargs: dict[str, Any],
                metrics: dict[str, Any],
                runtime_configuration: dict[str, Any],
            ) -> int:
                frame, _, _ = execution_engine.get_compute_domain(metric_domain_kwargs, domain_type=MetricDomainTypes.MULTICOLUMN)
                return repeated_rows(frame, metric_domain_kwargs["column_list"])

        pairs = f"{ColumnPairValuesAGreaterThanB.condition_metric_name}.unexpected_count"
        aggregate = MetricPartialFunctionTypes.AGGREGATE_FN
        for name, counts in ((f"{pairs}.{aggregate.metric_suffix}", _pairs_out_of_order), (pairs, None)):
            register_metric(
                name,
                ColumnPairValuesAGreaterThanB.condition_domain_keys,
                ColumnPairValuesAGreaterThanB.condition_value_keys,
                SparkDFExecutionEngine,
                ColumnPairValuesAGreaterThanB,
                counts,
                aggregate if counts else MetricFunctionTypes.VALUE,
            )
        for provider in (CompoundColumnsUnique, ColumnPairValuesAGreaterThanB):
            _look_at_all_rows(provider)
    finally:
        registry.setLevel(level)


def _of_table(domain: Mapping[str, Any]) -> dict[str, Any]:
    return {key: domain.get(key) for key in TableRowCount.domain_keys}


def _pairs_out_of_order(*, metrics: dict[str, Any], **_: Any) -> tuple[Column, dict[str, Any], dict[str, Any]]:
    """A number for the one query over the table, which is known by its domain."""
    condition, domain, _ = metrics["unexpected_condition"]
    return F.count_if(condition), _of_table(domain), {}


def _look_at_all_rows(provider: type[CompoundColumnsUnique | ColumnPairValuesAGreaterThanB]) -> None:
    """Let the rows that rules of a kind look at be those of the table (`ignore_row_if` leaves none out)."""

    class RowsLookedAt(MetricProvider):
        metric_name = f"{provider.condition_metric_name}.filtered_row_count"
        domain_keys = provider.condition_domain_keys
        value_keys = ()

        @metric_value(engine=SparkDFExecutionEngine)
        def _spark(cls, *, metrics: dict[str, Any], **_: Any) -> int:  # noqa: N805
            return int(metrics[_ALL_ROWS])

        @classmethod
        def _get_evaluation_dependencies(
            cls,
            metric: MetricConfiguration,
            configuration: ExpectationConfiguration | None = None,
            execution_engine: ExecutionEngine[Any] | None = None,
            runtime_configuration: dict[Any, Any] | None = None,
        ) -> dict[str, MetricConfiguration]:
            return {_ALL_ROWS: MetricConfiguration(_ALL_ROWS, _of_table(metric.metric_domain_kwargs))}


_count_in_few_queries()


@dataclass(frozen=True)
class Verdict:
    """What Great Expectations says of one rule.

    broken_count  rows that break it; None for a rule about the whole table that does not hold
    observed      rows counted, for a rule about the number of rows
    error         why it could not be evaluated, without any value; None where it was
    """

    passed: bool
    broken_count: int | None
    observed: int | None
    error: str | None


@dataclass(frozen=True)
class Evaluation:
    """Verdicts by the name of the rule, only of rules that were answered for, and the rows that were looked at."""

    verdicts: dict[str, Verdict]
    rows_checked: int | None


def evaluate(frame: DataFrame, rules: Sequence[Rule], *, name: str, rows: int, page: Path | None = None) -> Evaluation:
    """Run rules over a frame that should have so many rows, and say of each rule what came out.

    Great Expectations asks a query of its own for the rows of each condition, and one for lengths: it gets columns in which
    only those rows have values, and lengths as numbers, so one query answers for all rules about rows.

    Needs   the columns that the rules name

    With `page`, the result is written there as HTML, without values of rows.
    """
    expectations = {rule.name: _expectation(rule) for rule in rules}
    expectations[_ROWS_CHECKED] = ExpectTableRowCountToEqual(
        value=rows, meta={"rule": _ROWS_CHECKED}, description=f"{_ROWS_CHECKED}: {rows} rows were written"
    )
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    # By default it persists the frame, which for a whole table fills the memory of the cluster.
    asset = context.data_sources.add_spark(name, persist=False).add_dataframe_asset(name)
    batch = asset.add_batch_definition_whole_dataframe(name).get_batch({"dataframe": as_engine_sees(frame, rules)})
    # One row comes back of each query: planned adaptively it would be two jobs.
    with set_for(frame.sparkSession, {"spark.sql.adaptive.enabled": "false"}):
        # Only the list given at once keeps two rules of one kind and column: adding them one by one replaces the first.
        result = batch.validate(ExpectationSuite(name=name, expectations=list(expectations.values())), result_format=_VERDICTS)
        failed = [expectations[_name(one)] for one in result.results if not one.success]
        counted = batch.validate(ExpectationSuite(name=name, expectations=failed), result_format=_COUNTS) if failed else None
    if counted is not None:
        result.results = [one for one in result.results if one.success] + counted.results
    if page is not None:
        _write(result, page)
    verdicts = {_name(one): _verdict(one) for one in result.results}
    checked = verdicts.pop(_ROWS_CHECKED, None)
    return Evaluation(verdicts, None if checked is None else rows if checked.passed else checked.observed)


def _name(one: ExpectationValidationResult) -> str:
    assert one.expectation_config is not None
    return str(one.expectation_config.meta["rule"])


def _expectation(rule: Rule) -> Expectation:
    kind, kwargs = rule.kind, dict(rule.kwargs)
    if kind in kinds.LENGTHS:
        length = kwargs.pop("value", None)
        kind, kwargs = kinds.BETWEEN, kwargs if length is None else {"min_value": length, "max_value": length}
    column_args, columns = kinds.KINDS[kind].column_args, engine_columns(rule)
    kwargs |= {"column_list": list(columns)} if column_args == ("column_list",) else dict(zip(column_args, columns, strict=True))
    if kind in _NO_ROW_LEFT_OUT:
        kwargs["ignore_row_if"] = _NO_ROW_LEFT_OUT[kind]
    return get_expectation_impl(kind)(**kwargs, meta={"rule": rule.name}, description=_described(rule))


def _described(rule: Rule) -> str:
    """The line of the page: the name under which the rule stands in rejects and refusals, and what it demands."""
    demands = ", ".join([*rule.columns, *(f"{arg} {value}" for arg, value in rule.kwargs.items())])
    where = f" where {rule.where.column} is one of {', '.join(rule.where.values)}" if rule.where else ""
    return f"{rule.name} ({rule.action}): {rule.kind.removeprefix('expect_').replace('_', ' ')}: {demands}{where}"


def _verdict(one: ExpectationValidationResult) -> Verdict:
    if one.success:
        return Verdict(True, 0, None, None)
    counts: Mapping[str, Any] = one.result
    broken, observed = counts.get("unexpected_count"), counts.get("observed_value")
    return Verdict(False, broken, observed, _error(one.exception_info) or ("no count came back" if broken is observed is None else None))


def _error(info: Mapping[str, Any] | None) -> str | None:
    """The class of an error of the engine: its message may hold values of rows."""
    parts = [info, *(part for part in (info or {}).values() if isinstance(part, Mapping))]
    raised = [part for part in parts if part and part.get("raised_exception")]
    if not raised:
        return None
    classes = re.findall(r"\[([A-Z][A-Z0-9_.]+)\]", str(raised[0].get("exception_message")))
    return classes[0] if classes else "it raised an error"


def _write(result: ExpectationSuiteValidationResult, page: Path) -> None:
    result.meta["run_id"] = RunIdentifier(result.suite_name, datetime.now(UTC))
    for one in result.results:
        if one.success:
            # A verdict comes without numbers; of a rule that holds, this one is known.
            one.result["unexpected_percent"] = 0.0
    document = ValidationResultsPageRenderer(run_info_at_end=True).render(result)
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(_page_view().render(document), encoding="utf-8")  # type: ignore[no-untyped-call]


@cache
def _page_view() -> DefaultJinjaPageView:
    """One for all pages of the process: it compiles its templates when they are first used."""
    return DefaultJinjaPageView()
