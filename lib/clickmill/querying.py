"""SQL over tables by their names, each at one version: those of a release, and of all others what was last admitted."""

import re
from collections.abc import Iterator

from pyspark.errors import AnalysisException, ParseException
from pyspark.sql import DataFrame

from clickmill.contracts.errors import UsageError
from clickmill.contracts.table import Table
from clickmill.contracts.tables import BY_NAME
from clickmill.lake import Lake
from clickmill.ledger import Ledger
from clickmill.releases import Release

_QUOTED = re.compile(r"('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|--[^\n]*)")
_NAME = re.compile(rf"`?\b({'|'.join({name.split('.')[0] for name in BY_NAME})})`?\.`?(\w+)\b`?")

_PINNED = {"Spark, Databricks": "delta.`{path}` VERSION AS OF {version}", "DuckDB": "delta_scan('{path}', version => {version})"}


def query(lake: Lake, ledger: Ledger, release: Release, text: str) -> DataFrame:
    """The rows of a query, every table that it names read at its version.

    Raises  UsageError where it is no query, or names a table or column that is not there
    """
    mentioned: set[Table] = set()

    def as_view(found: re.Match[str]) -> str:
        table = BY_NAME.get(f"{found[1]}.{found[2]}")
        if table is None:
            raise UsageError(f"no table is called {found[1]}.{found[2]}; there are {', '.join(BY_NAME)}")
        mentioned.add(table)
        return _view(table)

    parts = _QUOTED.split(text.strip().rstrip(";"))
    rewritten = "".join(part if place % 2 else _NAME.sub(as_view, part) for place, part in enumerate(parts))
    for table in mentioned:
        lake.read(table, _version(table, ledger, release)).createOrReplaceTempView(_view(table))
    try:
        # In brackets only a query can stand: no statement that changes anything, and not two.
        return lake.spark.sql(f"SELECT * FROM (\n{rewritten}\n)")
    except (AnalysisException, ParseException) as error:
        told = str(error).strip().splitlines()[0]
        raise UsageError(f"the query cannot be run: {told}") from None


def statements(lake: Lake, release: Release) -> Iterator[str]:
    """What pins the tables of a release in Spark and in DuckDB, as views of the tables' own names."""
    for engine, relation in _PINNED.items():
        yield f"-- {engine}"
        for name, version in release.versions.items():
            pinned = relation.format(path=lake.path(BY_NAME[name]), version=version)
            yield f"CREATE OR REPLACE TEMP VIEW {name.split('.')[1]} AS SELECT * FROM {pinned};"


def _version(table: Table, ledger: Ledger, release: Release) -> int | None:
    if table.is_served:
        if table.name not in release.versions:
            raise UsageError(f"release {release.release_id} has no {table.name}; it has {', '.join(release.versions)}")
        return release.versions[table.name]
    return ledger.version(table) if table.day is not None else None


def _view(table: Table) -> str:
    return f"_{table.name.replace('.', '_')}"
