"""Which landing files there are, when they landed, and what is in them as a whole."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from hashlib import md5
from pathlib import Path
from urllib.parse import unquote

from pyspark.errors import AnalysisException, IllegalArgumentException
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from clickmill.contracts import hadoop
from clickmill.contracts.errors import BadData, UsageError
from clickmill.ingest.parts import compiled
from clickmill.ingest.source import Source

_NEVER_EMPTY = (".gz", ".bz2", ".zst")  # an empty one has a head at least; Spark reads nothing from no bytes
_MARKERS = ("_SUCCESS", "_metadata", "_common_metadata", "_committed_", "_started_", "_temporary", "_delta_log")
_OF_THE_SYSTEM = (".DS_Store", "._", ".git", ".keep", ".nfs", ".~lock.")  # files beside records that are none
_COPYING = "._COPYING_"
_HIDDEN_DEPTH = 4
_PACKED = (".tar.gz", ".tgz", ".tar", ".zip", ".7z", ".rar")
_OF_HADOOP_ALONE = (".lz4", ".snappy", ".lzo")  # what the tools of that name write Spark reads as a file without a line


@dataclass(frozen=True)
class LandingFile:
    """One file as it lies there.

    uri            as Spark names it in `_metadata.file_path`
    path           as Spark's readers take it
    name           below the folder that was given
    landing_date   None where each record lands on its own day
    """

    uri: str
    path: str
    name: str
    landing_date: date | None
    delivery_rank: int


@dataclass(frozen=True)
class Scanned:
    """One file after a look at the whole of it. `first_line` is the header where the file has one."""

    file: LandingFile
    size_bytes: int
    record_count: int
    delivery_id: str
    first_line: str | None


def listed(spark: SparkSession, source: Source, path: str) -> list[LandingFile]:
    """The files below `path` (a file, folder or glob), ordered by name.

    Raises  UsageError when nothing is there, or an archive that must be unpacked; BadData naming the file whose name holds no date, or
            which Spark would leave out or read as empty
    """
    if path.lower().endswith(_PACKED):
        raise UsageError(f"{path}: is an archive; unpack it and give the folder")
    given = _plain(path) if "://" not in path and Path(path).exists() else path
    reader = spark.read.option("recursiveFileLookup", "true").option("pathGlobFilter", source.read.files)
    try:
        left_out, uris = _left_out(spark, source, given), reader.text(given).inputFiles()
    except AnalysisException as error:
        if error.getCondition() == "PATH_NOT_FOUND":
            raise UsageError(f"{path}: there is no such file or folder") from None
        raise
    except IllegalArgumentException as error:
        found = re.search(r"in absolute URI: (.*)", str(error))
        if found is None:
            raise
        raise BadData(f"{found[1]}: Hadoop reads no name with a colon; rename it") from None
    if left_out:
        raise BadData(left_out)
    if not uris:
        raise UsageError(f"{path}: no file there is called {source.read.files} (read.files of {source.name})")
    packed = sorted(uri for uri in uris if uri.lower().endswith(_PACKED))
    if packed:
        raise UsageError(f"{_below(unquote(packed[0]), path)}: is an archive; unpack it and give the folder")
    unread = sorted(uri for uri in uris if uri.lower().endswith(_OF_HADOOP_ALONE) and source.read.format != "parquet")
    if unread:
        name = _below(unquote(unread[0]), path)
        raise BadData(f"{name}: such a file cannot be told from an empty one; deliver it plain, or as .gz, .bz2 or .zst")
    return sorted((_landing_file(source, uri, path) for uri in uris), key=lambda file: file.name)


def _plain(path: str) -> str:
    """A path as Spark's readers take it where it holds characters that a glob gives a meaning."""
    return re.sub(r"([*?\[\]{}\\])", r"\\\1", path)


def _left_out(spark: SparkSession, source: Source, path: str) -> str | None:
    """What Spark leaves out though it may hold records, up to three folders down: the first of them, why, and what to do about it."""
    for depth in range(_HIDDEN_DEPTH):
        files, there = hadoop.at(spark, f"{path}/{'*/' * depth}{{_*,.*,*{_COPYING}}}")
        for status in files.globStatus(there) or ():
            name, folders = status.getPath().getName(), status.getPath().toString().split("/")[-depth - 1 : -1]
            why = _why_left_out(source, name, is_folder=status.isDirectory())
            if why and not any(folder.startswith(("_", ".")) for folder in folders):
                return f"{_below(unquote(status.getPath().toString()), path)}: Spark reads no {why}"
    return None


def _why_left_out(source: Source, name: str, *, is_folder: bool) -> str | None:
    if name.endswith(_COPYING) and not is_folder:
        is_meant = fnmatchcase(name.removesuffix(_COPYING), source.read.files)
        return f"file whose name ends with {_COPYING}: its copy has not come to an end; deliver it again" if is_meant else None
    is_meant = is_folder or fnmatchcase(name, source.read.files) or fnmatchcase(name[1:], source.read.files)
    if name.startswith("_"):
        is_marker = name.startswith(_MARKERS) or "=" in name
        return "file or folder whose name begins with _; rename it" if is_meant and not is_marker else None
    # In a folder that is hidden copies are made ready; a checksum lies hidden beside each file that Hadoop wrote.
    is_other = is_folder or name.startswith(_OF_THE_SYSTEM) or name.endswith((".crc", ".swp"))
    return "file whose name begins with a dot; rename it, or take it away" if is_meant and not is_other else None


def _landing_file(source: Source, uri: str, given: str) -> LandingFile:
    path = unquote(uri)
    name = _below(path, given)
    deliveries = source.ids.deliveries if source.ids else []
    rank = next((number for number, pattern in enumerate(deliveries) if compiled(pattern).search(name)), len(deliveries))
    # Spark writes file:/x in _metadata and file:///x in inputFiles.
    return LandingFile(re.sub(r"^file:/+", "file:/", uri), _plain(path), name, _landing_date(source, path, name), rank)


def _below(path: str, given: str) -> str:
    folder = re.split(r"/[^/]*[*?\[{]", given, maxsplit=1)[0]
    root = _bare(folder) if "://" in folder else str(Path(folder).absolute())
    bare = _bare(path)
    return bare.removeprefix(root.rstrip("/") + "/") if bare.startswith(root.rstrip("/") + "/") else bare.rsplit("/", 1)[-1]


def _bare(uri: str) -> str:
    return re.sub(r"^[A-Za-z][\w+.-]*:(//[^/]*)?", "", uri)


def _landing_date(source: Source, path: str, name: str) -> date | None:
    declared = source.landing_date
    if declared.day:
        return declared.day
    matches = list(compiled(declared.name).finditer(path)) if declared.name else []
    if matches:
        digits = re.sub(r"\D", "", matches[-1].group(1))
        try:
            return date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
        except ValueError:
            raise BadData(
                f"{name}: {matches[-1].group(1)} is no date; landing_date.name of {source.name} takes yyyy-MM-dd or yyyyMMdd"
            ) from None
    if declared.history is None:
        raise BadData(f"{name}: no date in its name or folder; landing_date.name of {source.name} is {declared.name}")
    return None


def scanned(records: DataFrame, files: Iterable[LandingFile], *, has_header: bool) -> list[Scanned]:
    """Read every file once, to its end: how many records, which content.

    The content hash sums the hashes of the records: it depends neither on how
    a file is cut into splits nor on compression. The list grows with the files,
    never with their records.

    Needs   __path, __block, __ordinal, __size, __hash and __line, as readers give them
    """
    place = F.struct("__block", "__ordinal")
    counted = records.groupBy("__path").agg(
        F.count("*").alias("lines"),
        F.max("__size").alias("size"),
        F.sum(F.col("__hash").cast("decimal(20,0)")).cast("string").alias("content"),
        F.min_by("__line", place).alias("first_line"),
    )
    found = {row["__path"]: row for row in counted.collect()}
    return [_scanned(file, found.get(file.uri), has_header) for file in files]


def _scanned(file: LandingFile, row: Row | None, has_header: bool) -> Scanned:
    # A file of no bytes has no row at all.
    if row is None and file.path.lower().endswith(_NEVER_EMPTY):
        raise BadData(f"{file.name}: cannot be read to its end: it has no bytes, which no such file is made of; deliver it again")
    lines, content = (row.lines, row.content) if row else (0, "0")
    delivery_id = md5(f"{lines} {content}".encode()).hexdigest()
    return Scanned(file, row.size if row else 0, max(lines - has_header, 0), delivery_id, row.first_line if row else None)
