"""Landing files -> groups of records: one group for files with one header or one schema, so that all are bound by name."""

from collections.abc import Iterable, Mapping, Sequence

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from clickmill.ingest import columnar, delimited, first_line, json_lines, log_lines, multi_line
from clickmill.ingest.files import LandingFile, Scanned, scanned
from clickmill.ingest.parts import Read
from clickmill.ingest.records import BLOCK_BYTES, PLACE, Records, lines
from clickmill.ingest.source import Source

_WHOLE = (".gz", ".bz2", ".deflate", ".zst")
_SPREAD_BYTES = 1024 * 1024


def scan(spark: SparkSession, source: Source, files: Sequence[LandingFile]) -> list[Scanned]:
    """Read every file once to its end: what it holds as a whole. A corrupt one raises here, before anything is mapped."""
    if not files:
        return []
    found: dict[str, Scanned] = {}
    lined = [file for file in files if not is_parquet(source.read, file)]
    if lined:
        has_header = source.read.format == "csv" and source.read.header
        rows = text(spark, source, [file.path for file in lined])
        found |= {one.file.uri: one for one in scanned(rows, lined, has_header=has_header)}
    for schema, group in _by_schema(spark, [file for file in files if is_parquet(source.read, file)]).items():
        rows = columnar.rows(spark, [file.path for file in group], schema)
        found |= {one.file.uri: one for one in scanned(rows, group, has_header=False)}
    return [found[file.uri] for file in files]


def groups(spark: SparkSession, source: Source, files: Sequence[Scanned]) -> list[Records]:
    """The records of the files.

    Raises  BadData naming the file whose header is broken, or which is packed, in another encoding, or without line feeds
    """
    read = source.read
    sizes = {one.file.uri: one.size_bytes for one in files}
    if read.format == "parquet":
        by_schema = _by_schema(spark, [one.file for one in files])
        return [
            columnar.records(_parquet(spark, group, schema, sizes), source, schema, group[0].name) for schema, group in by_schema.items()
        ]
    if read.format == "csv" and read.header:
        by_header: dict[tuple[str, ...], list[LandingFile]] = {}
        for one in files:
            if one.first_line is not None:
                by_header.setdefault(delimited.header(source, one.first_line, one.file.name), []).append(one.file)
        return [delimited.records(_text(spark, source, group, sizes), source, names, group[0].name) for names, group in by_header.items()]
    for one in files:
        refused = None if is_parquet(read, one.file) else first_line.refused(read, one)
        if refused:
            raise refused
    first = files[0].file.name
    if read.format == "json":
        return [json_lines.records(lines, source, first) for lines in _json(spark, source, [one.file for one in files], sizes)]
    plain = _text(spark, source, [one.file for one in files], sizes)
    if read.format == "csv":
        assert isinstance(read.fields, list)
        return [delimited.records(plain, source, tuple(read.fields), first)]
    return [log_lines.records(plain, source, first)]


def text(spark: SparkSession, source: Source, paths: Sequence[str]) -> DataFrame:
    """The text of every record, with its place; a carriage return at its end is no part of it.

    Grain   one row per line, or per record where the source says that a quoted field may go on in the next line
    """
    found = lines(spark, source, paths)
    found = multi_line.joined(found, source.read) if source.read.multi_line else found
    return found.withColumn("__line", F.regexp_replace("__line", r"\r\z", ""))


def _text(spark: SparkSession, source: Source, files: Sequence[LandingFile], sizes: Mapping[str, int]) -> DataFrame:
    return _spread(spark, text(spark, source, [file.path for file in files]), files, sizes)


def _parquet(spark: SparkSession, files: Sequence[LandingFile], schema: StructType, sizes: Mapping[str, int]) -> DataFrame:
    return _spread(spark, columnar.rows(spark, [file.path for file in files], schema), files, sizes)


def is_parquet(read: Read, file: LandingFile) -> bool:
    """Whether a file holds rows: all files of a source of Parquet, and of one of JSON those that are called so."""
    return read.format == "parquet" or (read.format == "json" and file.path.lower().endswith(".parquet"))


def _json(spark: SparkSession, source: Source, files: Sequence[LandingFile], sizes: Mapping[str, int]) -> list[DataFrame]:
    """Lines of JSON; rows of Parquet as the JSON that the same system would have written: what is null is left out."""
    lined = [file for file in files if not is_parquet(source.read, file)]
    found = [_text(spark, source, lined, sizes)] if lined else []
    for schema, group in _by_schema(spark, [file for file in files if file not in lined]).items():
        rows = columnar.rows(spark, [file.path for file in group], schema, has_nulls=False).withColumn("__is_text", F.lit(True))
        found.append(_spread(spark, rows.select(*(name for name in rows.columns if name.startswith("__"))), group, sizes))
    return found


def _spread(spark: SparkSession, frame: DataFrame, files: Sequence[LandingFile], sizes: Mapping[str, int]) -> DataFrame:
    """Shuffle records that come in fewer splits than there are cores: a gzip file is one split however big it is."""
    splits = sum(1 if file.path.endswith(_WHOLE) else 1 + sizes[file.uri] // BLOCK_BYTES for file in files)
    cores = spark.sparkContext.defaultParallelism
    return frame.repartition(cores, *PLACE) if splits < cores and sum(sizes[file.uri] for file in files) > _SPREAD_BYTES else frame


def _by_schema(spark: SparkSession, files: Iterable[LandingFile]) -> dict[StructType, list[LandingFile]]:
    found: dict[str, tuple[StructType, list[LandingFile]]] = {}
    for file in files:
        schema = columnar.schema(spark, file.path)
        found.setdefault(schema.json(), (schema, []))[1].append(file)
    return dict(found.values())
