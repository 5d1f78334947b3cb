"""A frozen export as seen by the stage that makes one: files of one row group each, written by whoever knows where."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


MANIFEST = "_manifest.json"
"""Of the file that says what an export holds; who reads the folder as Parquet passes over it."""


@dataclass(frozen=True)
class ExportFile:
    """A file of an export: its path within the export, its split and group, its rows, and the CRC-32 of its bytes."""

    path: str
    split: str
    group: int
    row_count: int
    crc32: int


class Exports(Protocol):
    """The exports of a lake, and what is trained over them.

    url  the root of the lake, as readers outside of Spark take it
    """

    @property
    def url(self) -> str: ...

    def read(self, path: str) -> "DataFrame":
        """The rows of a folder of Parquet files below the root."""
        ...

    def manifest(self, name: str, export_id: str) -> str | None:
        """The manifest of an export; None where there is none, or it is not finished."""
        ...

    def write(self, name: str, export_id: str, rows: "DataFrame") -> list[ExportFile]:
        """Write the rows of an export, one file of one row group for each split and group; what is there without a manifest goes.

        Needs   split and group, each group of a split in one partition
        Raises  BadData where a group came out in several files
        """
        ...

    def finish(self, name: str, export_id: str, manifest: str) -> None:
        """Write the manifest: from here on the export is there."""
        ...
