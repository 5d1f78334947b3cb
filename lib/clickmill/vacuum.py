"""Removes what nothing can ask for any more: files that killed runs left, versions that no release names, logs before them."""

from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass, replace

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from clickmill import commits, locks, log
from clickmill.config import Config
from clickmill.contracts.faults import faultpoint
from clickmill.contracts.local import local_frame
from clickmill.contracts.properties import set_for
from clickmill.contracts.table import Table
from clickmill.contracts.tables import ALL, CTR_MODELS, EXPORTS, SERVED
from clickmill.exports import FrozenExports
from clickmill.lake import Lake
from clickmill.ledger import LEDGER, Ledger
from clickmill.releases import EXPIRED, Releases, finish

# Sweeping makes no version of the table, and looks at no shorter time than it is told: who sweeps holds the table.
_SWEEPING = {"spark.databricks.delta.vacuum.logging.enabled": "false", "spark.databricks.delta.retentionDurationCheck.enabled": "false"}


@dataclass(frozen=True)
class Swept:
    """What was removed of one table, and the versions that were kept beside the newest one.

    folder_count  folders of exports, or of what was trained over them, of which the table tells
    """

    table: Table
    file_count: int
    log_count: int
    kept: frozenset[int]
    folder_count: int = 0


def sweep(lake: Lake, conf: Config, run_id: str) -> list[Swept]:
    """Remove the files of every table that no version that is still needed has, and that are older than `lake.keep_hours`.

    Needed are the newest version, the last admitted one or the empty table, and of served tables and
    the tables that they are staged in those of the releases that can be restored
    or were refused lately. Releases beyond the newest `releases.keep` can no longer
    be restored then, and are not listed any more. Of training exports the newest `lake.keep_exports` stay, with what was trained
    over them.

    Raises  TableHeld where a run is at a table: nothing is removed under it
    """
    staged = [table.staging() for table in SERVED]
    tables = [table for table in (*ALL, *staged) if lake.exists(table)]
    with locks.held(lake.locks(), [table.name for table in ALL if table.layer != "ops"], run_id) as hold:
        releases = Releases(lake)
        finish(releases, hold)
        _expire(releases, conf.releases.keep)
        faultpoint("vacuum.expired")
        ledger, swept = Ledger(lake), []
        for table in tables:
            kept = frozenset(_needed(table, releases, ledger))
            hold.confirm()
            # Every run writes to the tables of the ledger, for a moment.
            with locks.waited_for(lake.locks(), LEDGER, run_id) if table.layer == "ops" else nullcontext():
                file_count = remove_unneeded(lake, table, kept, keep_hours=conf.lake.keep_hours)
            faultpoint("vacuum.swept")
            log_count = commits.shorten(lake.log(table), min(kept, default=lake.head(table)))
            folder_count = _remove_folders(lake, ledger, table, keep=conf.lake.keep_exports) if table in (EXPORTS, CTR_MODELS) else 0
            swept.append(Swept(table, file_count, log_count, kept, folder_count))
            log.bound(run_id=run_id, table=table.name).info("swept", files=file_count, logs=log_count)
    return swept


def _remove_folders(lake: Lake, ledger: Ledger, table: Table, *, keep: int) -> int:
    """Remove exports but the newest, or what was trained over them, and what killed runs left of either; say how many folders."""
    exports, there = FrozenExports(lake.spark, lake.root), lake.read(EXPORTS, ledger.version(EXPORTS))
    newest = [row.export_id for row in there.orderBy(F.desc("as_of_date")).limit(keep).collect()]
    named = lake.read(table, ledger.version(table)).where(F.col("export_id").isin(newest)).select("path")
    needed = {row.path for row in named.collect()}
    unneeded = [path for path in exports.folders("exports" if table is EXPORTS else "networks") if path not in needed]
    for path in unneeded:
        exports.remove(path)
    return len(unneeded)


def remove_unneeded(lake: Lake, table: Table, kept: Iterable[int], *, keep_hours: int) -> int:
    """Remove files that neither the newest version of a table has nor one of `kept`, and that are older than `keep_hours`; say how many.

    Needs   that nobody writes to the table meanwhile
    """
    there = _files(lake, table).localCheckpoint()  # a listing of a big table takes long: one serves the counts and the sweep
    # Grows with files and releases, not with rows.
    needed = sorted({file.rsplit("/", 1)[1] for version in {lake.head(table), *kept} for file in lake.read(table, version).inputFiles()})
    name = F.element_at(F.split("path", "/"), -1)  # Delta names every file by a number drawn for it
    spared = local_frame(lake.spark, [(file,) for file in needed], "_name string")
    unneeded = there.join(spared, on=name == F.col("_name"), how="left_anti")
    if unneeded.isEmpty():
        return 0
    before = there.count()
    unneeded.createOrReplaceTempView("_inventory")
    with set_for(lake.spark, _SWEEPING):
        lake.spark.sql(f"VACUUM delta.`{lake.path(table)}` USING INVENTORY (SELECT * FROM _inventory) RETAIN {keep_hours} HOURS")
    lake.spark.catalog.dropTempView("_inventory")
    return before - _files(lake, table).count()


def _files(lake: Lake, table: Table) -> DataFrame:
    """The data files that lie in the folder of a table, as Delta takes an inventory: those of no version too."""
    found = lake.spark.read.format("binaryFile").option("recursiveFileLookup", "true").load(lake.path(table))
    is_folder = F.when(F.col("path").isNotNull(), False).alias("isDir")  # Delta asks for a column that could be null
    return found.select("path", "length", is_folder, F.unix_millis("modificationTime").alias("modificationTime"))


def _expire(releases: Releases, keep: int) -> None:
    """Say of the releases beyond the newest ones that they can no longer be restored, before their files go."""
    current = releases.current
    for old in releases.listed()[keep:]:
        if current is not None and old.release_id != current.release_id:
            releases.enter(replace(old, state=EXPIRED, reason=None))


def _needed(table: Table, releases: Releases, ledger: Ledger) -> Iterable[int]:
    """Versions of a table that must be readable for as long as they are listed."""
    if table.is_served:
        return {row.versions[table.name] for row in releases.listed() if table.name in row.versions}
    if table.of:
        return {row.staged_versions[table.of] for row in releases.refused() if table.of in row.staged_versions}
    # Before the first admission that is the empty table: what a refused run wrote is undone by going back to it.
    return {ledger.version(table)} if table.day is not None else set()
