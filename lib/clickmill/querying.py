"""SQL over tables by their names, each at one version: those of a release, and of all others what was last admitted."""

import re
from collections.abc import Iterator, Mapping
from datetime import date

from pyspark.errors import AnalysisException, ParseException
from pyspark.sql import DataFrame

from clickmill.contracts.errors import UsageError
from clickmill.contracts.table import Table
from clickmill.contracts.tables import BY_NAME
from clickmill.lake import Lake
from clickmill.ledger import Admission, Ledger
from clickmill.releases import Release

_QUOTED = re.compile(r"('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|--[^\n]*|/\*.*?\*/)", re.DOTALL)
_NAME = re.compile(rf"`?\b({'|'.join({name.split('.')[0] for name in BY_NAME})})`?\.`?(\w+)\b`?")

_FIRST_WORDS = ("select", "with", "from", "values", "table")

_PINNED = {"Spark, Databricks": "delta.`{path}` VERSION AS OF {version}", "DuckDB": "delta_scan('{path}', version => {version})"}


def query(lake: Lake, ledger: Ledger, release: Release, text: str) -> DataFrame:
    """The rows of a query, every table that it names read at its version.

    Raises  UsageError where it is no query, or names a table or column that is not there
    """
    mentioned: set[Table] = set()
    others: set[str] = set()

    def as_view(found: re.Match[str]) -> str:
        name = f"{found[1]}.{found[2]}"
        table = BY_NAME.get(name)
        if table is None:
            others.add(name)  # a column, where an alias is called like a layer; else Spark will miss the table
            return found[0]
        mentioned.add(table)
        return _view(table)

    parts = _QUOTED.split(text.strip().rstrip(";"))
    rewritten = "".join(part if place % 2 else _NAME.sub(as_view, part) for place, part in enumerate(parts))
    for table in mentioned:
        read(lake, ledger, table, release).createOrReplaceTempView(_view(table))
    try:
        # In brackets only a query can stand: no statement that changes anything, and not two.
        return lake.spark.sql(f"SELECT * FROM (\n{rewritten}\n)")
    except (AnalysisException, ParseException) as error:
        if "TABLE_OR_VIEW_NOT_FOUND" in str(error) and others:
            raise UsageError(f"no table is called {' or '.join(sorted(others))}; there are {', '.join(BY_NAME)}") from None
        told = str(error).strip().splitlines()[0]
        raise UsageError(f"the query cannot be run: {told}") from None


def must_be_one(text: str) -> None:
    """Make sure that a text is one query, as far as its words tell: Spark reads it in full.

    Raises  UsageError when it is none, or more than one
    """
    bare = re.sub("`[^`]*`", "", "".join(_QUOTED.split(text)[::2])).strip().rstrip(";")
    words = re.findall(r"\w+", bare)
    if not words or words[0].lower() not in _FIRST_WORDS or ";" in bare:
        raise UsageError(f"the query cannot be run: expected one query, which begins with {', '.join(_FIRST_WORDS).upper()}")


def statements(lake: Lake, release: Release) -> Iterator[str]:
    """What pins the tables of a release in Spark and in DuckDB, as views of the tables' own names."""
    for engine, relation in _PINNED.items():
        yield f"-- {engine}"
        for name, version in release.versions.items():
            pinned = relation.format(path=lake.path(BY_NAME[name]), version=version)
            yield f"CREATE OR REPLACE TEMP VIEW {name.split('.')[1]} AS SELECT * FROM {pinned};"


def read(lake: Lake, ledger: Ledger, table: Table, release: Release | None = None) -> DataFrame:
    """Rows of a table as a person is to see them: as last admitted; of a published one as in a release, or as it is served.

    Raises  UsageError where the release does not have the table
    """
    if not table.is_served:
        return lake.read(table, ledger.version(table) if table.day is not None else None)
    if release is None:
        return lake.read(table)
    if table.name not in release.versions:
        raise UsageError(f"release {release.release_id} has no {table.name}; it has {', '.join(release.versions)}")
    return lake.read(table, release.versions[table.name])


def admitted(ledger: Ledger, table: Table, served: Release | None) -> dict[date, Admission]:
    """The admissions of the days that a reader gets: of a published table none that is newer than the release that is served.

    After a rollback the newer days are not there, and stay admitted: who starts their runs again does not undo it.
    """
    found = ledger.admitted(table)
    return {day: one for day, one in found.items() if not (table.is_served and served and day > served.as_of_date)}


def row_count(lake: Lake, table: Table, admitted: Mapping[date, Admission]) -> int:
    """The rows of these days as they were admitted; of a table without days, those that it has."""
    return sum(one.row_count for one in admitted.values()) if table.day else lake.read(table).count()


def _view(table: Table) -> str:
    return f"_{table.name.replace('.', '_')}"
