"""The edge: the only reader and writer of Delta tables.

A table lies under `<root>/<layer>/<table>`, partitioned by its day column. Reads
name a version; writes replace exactly the days of a run, carry who wrote them in
the commit (`userMetadata`), and can be undone by `restore`.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from delta.tables import DeltaTable
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructField

from clickmill import commits
from clickmill.contracts.conform import ContractError, conform
from clickmill.contracts.days import Days
from clickmill.contracts.errors import UsageError
from clickmill.contracts.faults import faultpoint
from clickmill.contracts.local import local_frame
from clickmill.contracts.properties import set_for
from clickmill.contracts.table import Table
from clickmill.folders import Folder, folder

Note = Mapping[str, object]
"""What a commit says of itself in `userMetadata`: the run, code and config that made it, and of which versions of which tables."""

_NOTE = "spark.databricks.delta.commitInfo.userMetadata"
# Readers of protocol version 1 do not know deletion vectors: some return deleted rows, others refuse the table.
# Any version that a release names or that was admitted must be readable, however old: vacuum alone shortens the logs.
_PROPERTIES = {
    "delta.enableDeletionVectors": "false",
    "delta.minReaderVersion": "1",
    "delta.minWriterVersion": "2",
    "delta.enableExpiredLogCleanup": "false",
}
# Bounds of these columns let a reader skip files. To keep them of every column takes a quarter of the time of a write.
_BOUNDED = ("site_id", "visitor_bucket", "event_at", "user_id", "item_id")
_WITHOUT_ROWS_TOO = {"spark.databricks.delta.skipRecordingEmptyCommits": "false"}
# Of these a table has the rows of the version before.
_KEEPING_ROWS = {"ADD COLUMNS", "SET TBLPROPERTIES", "OPTIMIZE", "VACUUM START", "VACUUM END"}


@dataclass(frozen=True)
class Written:
    """What a write did: the days it replaced, the version it made, and the one to go back to."""

    table: Table
    days: Days
    version: int
    before: int


class Lake:
    """The tables below one root, through one session."""

    def __init__(self, spark: SparkSession, root: str, catalog: str | None = None) -> None:
        self.spark, self.catalog = spark, catalog
        # Delta takes whole paths only; a root without a scheme is a folder of this machine.
        self.root = root.rstrip("/") if "://" in root else str(Path(root).resolve())

    def path(self, table: Table) -> str:
        return f"{self.root}/{table.name.replace('.', '/')}"

    def log(self, table: Table) -> Folder:
        """The log of a table, one file a version."""
        return folder(self.spark, f"{self.path(table)}/_delta_log")

    def locks(self) -> Folder:
        """Where it is told who holds which table."""
        return folder(self.spark, f"{self.root}/locks")

    def exists(self, table: Table) -> bool:
        return bool(commits.versions(self.log(table)))

    def ensure(self, table: Table, note: Note) -> None:
        """Create the table, empty, with the comments of its contract, where it is not there yet; add columns that are new in it.

        Raises  UsageError where the table differs otherwise, or is served: readers rely on it
        """
        if self.exists(table):
            self._widen(table, note)
        else:
            self._create(table, note)
        self._register(table)

    def head(self, table: Table) -> int:
        """The newest version of the table."""
        return commits.versions(self.log(table))[-1]

    def read(self, table: Table, version: int | None = None) -> DataFrame:
        """Rows of one version (the newest when none is named); no rows where the table is not there yet."""
        if not self.exists(table):
            return local_frame(self.spark, [], table.schema)
        reader = self.spark.read.format("delta")
        if version is not None:
            reader = reader.option("versionAsOf", version)
        rows = reader.load(self.path(table))
        return conform(rows.withColumns({one.name: F.lit(None).cast(one.dataType) for one in _new_columns(rows, table)}), table)

    def write(self, frame: DataFrame, table: Table, days: Days, note: Note) -> Written:
        """Replace the days of a run by `frame` in one commit, or append it, as the contract of the table says.

        A range of days, and what many landing files brought, is shuffled by day first, so
        that a day gets few files whatever the frame was partitioned by; Spark splits what is too big.

        Raises  ContractError when the frame does not fit; Delta's own error when a row lies outside the days
        """
        before = self.head(table)
        rows = conform(frame, table)
        if table.day is not None and (len(days) > 1 or table.write == "append"):
            rows = rows.hint("rebalance", table.day)
        writer = rows.write.format("delta")
        replaced = Days(days.last, days.last) if table.write == "last_day" else days
        faultpoint("lake.writing")
        # Of what is released even no rows are a version: its note says what a release was made of.
        with self._noted(note), set_for(self.spark, _WITHOUT_ROWS_TOO if table.is_served or table.of else {}):
            if table.write == "append":
                writer.mode("append").save(self.path(table))
            elif table.of:
                writer.mode("overwrite").save(self.path(table))  # of drafts the newest alone: people are in them
            else:
                where = f"{table.day} >= date'{replaced.first}' and {table.day} <= date'{replaced.last}'"
                writer.mode("overwrite").option("replaceWhere", where).save(self.path(table))
        faultpoint("lake.written")
        since = takewhile(lambda one: one.version > before, commits.newest_first(self.log(table)))
        mine = (one.version for one in since if one.note == _text(note))
        return Written(table, replaced, next(mine, before), before)  # to append nothing is no commit

    def restore(self, table: Table, version: int, note: Note) -> None:
        """Make `version` the content of the table again, in a commit of its own."""
        faultpoint("lake.restoring")
        with self._noted(note):
            DeltaTable.forPath(self.spark, self.path(table)).restoreToVersion(version)
        faultpoint("lake.restored")

    def holds(self, table: Table, version: int) -> bool:
        """True where the rows are those of `version`: nothing but returns to it, and what keeps rows as they are, came after it."""
        commit = next(one for one in commits.newest_first(self.log(table)) if one.operation not in _KEEPING_ROWS or one.version == version)
        return version in (commit.version, commit.restored)

    def note(self, table: Table, version: int | None = None) -> dict[str, Any]:
        """What a commit said of itself; the newest one where no version is named. Nothing where it said nothing."""
        log = self.log(table)
        commit = next(commits.newest_first(log)) if version is None else commits.at(log, version)
        return dict(json.loads(commit.note)) if commit and commit.note else {}

    def must_have(self, table: Table, version: int) -> None:
        """Make sure that a version can still be read, its log and its files.

        Raises  UsageError where it cannot
        """
        try:
            self.read(table, version).select(table.columns[0]).write.format("noop").mode("overwrite").save()
        except Exception:
            raise UsageError(f"{table.name}: version {version} can no longer be read; vacuum has taken it") from None

    def asks_of_readers(self, table: Table, version: int) -> str | None:
        """What the table asks of a reader beyond a version of the protocol, in words; None where that one will do."""
        detail = DeltaTable.forPath(self.spark, self.path(table)).detail().select("minReaderVersion").first()
        assert detail is not None
        if detail.minReaderVersion <= version:
            return None
        return f"readers need version {detail.minReaderVersion} of the protocol, at most {version} may be asked of them"

    def rows_of(self, written: Written) -> DataFrame:
        """The rows that a write put into the table, read back: those of its days, or what it appended."""
        table = written.table
        now = self.read(table, written.version)
        if table.write != "append":
            return now.where(F.col(str(table.day)).between(F.lit(written.days.first), F.lit(written.days.last)))
        files = set(now.inputFiles()) - set(self.read(table, written.before).inputFiles())
        if not files:
            return local_frame(self.spark, [], table.schema)
        # Delta adds whole files; without deletion vectors and column mapping each is plain Parquet.
        return conform(self.spark.read.schema(table.schema).option("basePath", self.path(table)).parquet(*sorted(files)), table)

    def append_rows(self, table: Table, rows: Iterable[Mapping[str, Any]], note: Note) -> None:
        """Append a few rows that the driver has, in one commit; for the tables of the ledger."""
        self.ensure(table, note)
        ordered = [tuple(row[name] for name in table.columns) for row in rows]
        with self._noted(note):
            local_frame(self.spark, ordered, table.schema).coalesce(1).write.format("delta").mode("append").save(self.path(table))

    def size_bytes(self, table: Table) -> int:
        """Bytes of the newest version."""
        row = DeltaTable.forPath(self.spark, self.path(table)).detail().select("sizeInBytes").first()
        assert row is not None
        return int(row.sizeInBytes)

    def _create(self, table: Table, note: Note) -> None:
        builder = DeltaTable.createIfNotExists(self.spark).location(self.path(table)).comment(table.comment).addColumns(table.schema)
        for key, value in {**_PROPERTIES, **_bounds_kept(table)}.items():
            builder = builder.property(key, value)
        if table.day is not None:
            builder = builder.partitionedBy(table.day)
        with self._noted(note):
            builder.execute()
        faultpoint("lake.created")

    def _widen(self, table: Table, note: Note) -> None:
        there = self.spark.read.format("delta").load(self.path(table))
        new = _new_columns(there, table)
        if not new:
            try:
                conform(there, table)
            except ContractError as error:
                raise UsageError(
                    f"{error}: the table in the lake is of another contract; only columns that may be null can be added"
                ) from None
            return
        if table.is_served:
            raise UsageError(f"{table.name}: a published table never changes; its new contract is a new table, {_next_name(table.name)}")
        columns = ", ".join(f"`{one.name}` {one.dataType.simpleString()} COMMENT {_quoted(one.metadata['comment'])}" for one in new)
        with self._noted(note):
            self.spark.sql(f"ALTER TABLE delta.`{self.path(table)}` ADD COLUMNS ({columns})")
        faultpoint("lake.widened")

    def _register(self, table: Table) -> None:
        """Make the table known by name where there is a catalogue; a published one by the name without its version, too."""
        if self.catalog is None:
            return
        name = f"{self.catalog}.{table.name}"
        self.spark.sql(f"CREATE SCHEMA IF NOT EXISTS {self.catalog}.{table.layer}")
        self.spark.sql(f"CREATE TABLE IF NOT EXISTS {name} USING delta LOCATION '{self.path(table)}'")
        detail = self.spark.sql(f"DESCRIBE DETAIL {name}").select("location").first()
        assert detail is not None
        if detail.location.removeprefix("file:").rstrip("/") != self.path(table).removeprefix("file:").rstrip("/"):
            raise UsageError(f"{name}: is there already, at {detail.location}; drop it, or name another catalogue in lake.catalog")
        if table.is_served:
            self._show(name)

    def _show(self, name: str) -> None:
        """Let the view without a version in its name show the newest contract: this one, where it shows none or an earlier one."""
        view, _, number = name.rpartition("_v")
        self.spark.sql(f"CREATE VIEW IF NOT EXISTS {view} AS SELECT * FROM {name}")
        shown = self.spark.sql(f"DESCRIBE TABLE EXTENDED {view}").where("col_name = 'View Text'").first()
        assert shown is not None
        if int(shown.data_type.rpartition("_v")[2]) < int(number):
            self.spark.sql(f"CREATE OR REPLACE VIEW {view} AS SELECT * FROM {name}")

    @contextmanager
    def _noted(self, note: Note) -> Iterator[None]:
        """Put a note into the commits that are made meanwhile; of what is not a write Delta takes it from the session alone."""
        with set_for(self.spark, {_NOTE: _text(note)}):
            yield


def _new_columns(there: DataFrame, table: Table) -> list[StructField]:
    """Columns that may be null and that the rows of before do not have."""
    return [field for field in table.schema.fields if field.nullable and field.name not in there.columns]


def _bounds_kept(table: Table) -> dict[str, str]:
    """Of a published table those of its first columns, which is Delta's default: nobody knows what its readers filter by."""
    names = [name for name in _BOUNDED if name in table.columns]
    return {"delta.dataSkippingStatsColumns": ",".join(names)} if names and not table.is_served else {}


def _next_name(name: str) -> str:
    stem, _, number = name.rpartition("_v")
    return f"{stem}_v{int(number) + 1}"


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _text(note: Note) -> str:
    return json.dumps(note, sort_keys=True)
