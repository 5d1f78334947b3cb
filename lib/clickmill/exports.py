"""Frozen exports: folders of plain Parquet files beside the tables, for readers that know nothing of Delta's log.

An export is named after all that it depends on, written once and never changed. Its manifest is written last: without one a
folder is what a killed run left.
"""

from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from clickmill.contracts import hadoop
from clickmill.contracts.errors import BadData
from clickmill.contracts.exported import MANIFEST, ExportFile
from clickmill.contracts.faults import faultpoint
from clickmill.folders import folder

# One row group a file: no writer closes one before this is full.
_WHOLE_FILE = {"parquet.block.size": str(2**30), "maxRecordsPerFile": "0"}


class FrozenExports:
    """The exports below the root of a lake; what each method does, contracts/exported.py says."""

    def __init__(self, spark: SparkSession, root: str) -> None:
        self._spark, self._root = spark, root

    @property
    def url(self) -> str:
        return self._root if "://" in self._root else Path(self._root).as_uri()

    def read(self, path: str) -> DataFrame:
        return self._spark.read.parquet(f"{self._root}/{path}")

    def manifest(self, name: str, export_id: str) -> str | None:
        return folder(self._spark, self._path(name, export_id)).read(MANIFEST)

    def write(self, name: str, export_id: str, rows: DataFrame) -> list[ExportFile]:
        path = self._path(name, export_id)
        rows.write.mode("overwrite").options(**_WHOLE_FILE).partitionBy("split", "group").parquet(path)
        faultpoint("exports.written")
        # A footer a file: rows are counted without being read.
        by_file = self._spark.read.parquet(path).groupBy("split", "group", F.input_file_name().alias("file")).count()
        whole = self._spark.read.format("binaryFile").option("pathGlobFilter", "*.parquet").load(path)
        crc32 = {_within(one.path): one.crc32 for one in whole.select("path", F.crc32("content").alias("crc32")).collect()}
        told = [(_within(one.file), one.split, one.group, one["count"]) for one in by_file.collect()]
        files = [ExportFile(*of, crc32[of[0]]) for of in told]
        if len({(one.split, one.group) for one in files}) < len(files):
            raise BadData(f"{path}: a group of rows lies in several files")
        return sorted(files, key=lambda one: (one.split, one.group))

    def folders(self, top: str) -> list[str]:
        """Paths of the exports, finished or not (`exports`), or of what was trained over them (`networks`)."""
        return self._below(top, 2)

    def remove(self, path: str) -> None:
        """Remove one of folders()."""
        files, there = hadoop.at(self._spark, f"{self._root}/{path}")
        files.delete(there, True)

    def _below(self, path: str, levels: int) -> list[str]:
        if not levels:
            return [path]
        files, there = hadoop.at(self._spark, f"{self._root}/{path}")
        found = sorted(one.getPath().getName() for one in files.listStatus(there) if one.isDirectory()) if files.exists(there) else []
        return [below for name in found for below in self._below(f"{path}/{name}", levels - 1)]

    def finish(self, name: str, export_id: str, manifest: str) -> None:
        folder(self._spark, self._path(name, export_id)).replace(MANIFEST, manifest)

    def _path(self, name: str, export_id: str) -> str:
        return f"{self._root}/exports/{name}/{export_id}"


def _within(file: str) -> str:
    """The path of a file within its export: split, group, name."""
    return "/".join(file.split("/")[-3:])
