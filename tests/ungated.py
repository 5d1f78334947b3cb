"""A gate that lets everything pass, for tests of the order of things: Great Expectations would take most of their time."""

from typing import Any

from pyspark.sql import DataFrame

from clickmill.contracts.table import Table
from clickmill.quality import GateResult


def passes(rows: DataFrame, table: Table, **_: Any) -> GateResult:
    return GateResult(table, None)
