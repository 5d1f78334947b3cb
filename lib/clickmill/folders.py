"""A folder of small text files beside the tables, on this machine or in a store: what locks are made of.

All that is asked of the place is that of several who make one name at a time one
wins. HDFS, ABFS and GCS promise that of a file that is not to be overwritten; of
a local disk Hadoop's own client does not, a hard link does.
"""

import os
import uuid
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from pyspark.sql import SparkSession

from clickmill.contracts import hadoop


class Folder(Protocol):
    """Text files by name."""

    def names(self, prefix: str) -> list[str]:
        """Names that begin so, in order."""
        ...

    def read(self, name: str) -> str | None:
        """The text of a file; None where there is none."""
        ...

    def create(self, name: str, text: str) -> bool:
        """Make a file; False where it is there already."""
        ...

    def replace(self, name: str, text: str) -> None:
        """Write a file, there or not."""
        ...

    def delete(self, name: str) -> None:
        """Remove a file, there or not."""
        ...


def folder(spark: SparkSession, path: str) -> Folder:
    """The folder at a path or URL; it is made when something is written."""
    return local(path) or HadoopFolder(spark, path)


def local(path: str) -> "LocalFolder | None":
    """The folder where it is one of this machine, which needs no session to be looked at; None where it lies elsewhere."""
    if "://" not in path:
        return LocalFolder(path)
    parts = urlsplit(path)
    return LocalFolder(unquote(parts.path)) if parts.scheme == "file" else None


class LocalFolder:
    """A folder of this machine, or one that several machines mount."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    def names(self, prefix: str) -> list[str]:
        return sorted(one.name for one in self._path.glob(f"{prefix}*"))

    def read(self, name: str) -> str | None:
        try:
            return (self._path / name).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    def create(self, name: str, text: str) -> bool:
        beside = self._written(text)
        try:
            os.link(beside, self._path / name)
        except FileExistsError:
            return False
        finally:
            beside.unlink()
        return True

    def replace(self, name: str, text: str) -> None:
        self._written(text).replace(self._path / name)

    def delete(self, name: str) -> None:
        (self._path / name).unlink(missing_ok=True)

    def _written(self, text: str) -> Path:
        """A file of a name of its own: under its right one nobody ever sees half of it."""
        self._path.mkdir(parents=True, exist_ok=True)
        beside = self._path / f".{uuid.uuid4().hex}"
        beside.write_text(text, encoding="utf-8")
        return beside


class HadoopFolder:
    """A folder of whatever store Hadoop reaches."""

    def __init__(self, spark: SparkSession, path: str) -> None:
        self._java: Any = spark._jvm
        self._files, self._root = hadoop.at(spark, path)

    def names(self, prefix: str) -> list[str]:
        found = self._files.globStatus(self._at(f"{prefix}*")) or []
        return sorted(one.getPath().getName() for one in found)

    def read(self, name: str) -> str | None:
        try:
            stream = self._files.open(self._at(name))
        except Exception as error:
            if "FileNotFoundException" in str(error):
                return None
            raise
        try:
            return str(self._java.org.apache.commons.io.IOUtils.toString(stream, "UTF-8"))
        finally:
            stream.close()

    def create(self, name: str, text: str) -> bool:
        try:
            stream = self._files.create(self._at(name), False)
        except Exception as error:
            if "already exists" in str(error):
                return False
            raise
        self._fill(stream, text)
        return True

    def replace(self, name: str, text: str) -> None:
        self._fill(self._files.create(self._at(name), True), text)

    def delete(self, name: str) -> None:
        self._files.delete(self._at(name), False)

    def _at(self, name: str) -> Any:
        return self._java.org.apache.hadoop.fs.Path(self._root, name)

    def _fill(self, stream: Any, text: str) -> None:
        try:
            stream.write(bytearray(text.encode()))
        finally:
            stream.close()
