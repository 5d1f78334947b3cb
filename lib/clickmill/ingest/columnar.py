"""Parquet rows -> records: bound by name, placed by their row number in the file."""

from collections.abc import Sequence
from urllib.parse import unquote

from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, DataType, MapType, StructType

from clickmill.contracts.errors import BadData
from clickmill.contracts.hashing import hash_of
from clickmill.ingest.records import PLACE, Records, no_map, quoted
from clickmill.ingest.source import Source

_JSON = {"ignoreNullFields": "false", "timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX"}


def schema(spark: SparkSession, path: str) -> StructType:
    """The schema in the footer of one file.

    Raises  BadData naming the file where it holds a column of a type that Spark does not know
    """
    try:
        return spark.read.parquet(path).schema
    except PySparkException as error:
        kind = str(error.getCondition())
        if not kind.startswith(("PARQUET_TYPE", "PARQUET_COLUMN", "DECIMAL_PRECISION")):
            raise
        name = unquote(path.rsplit("/", 1)[-1])
        raise BadData(f"{name}: has a column of a type that Spark does not read ({kind}); write it as text or a smaller number") from None


def rows(spark: SparkSession, paths: Sequence[str], schema: StructType, *, has_nulls: bool = True) -> DataFrame:
    """Every row of files of one schema, with its place, and its fields as canonical JSON in `__line`.

    Grain   one row per row of a file; `__line` leaves out what is null unless it `has_nulls`
    """
    columns = [F.col(quoted(name)) for name in sorted(schema.names)]
    read = spark.read.schema(schema).parquet(*paths)
    text = F.to_json(F.struct(*columns), _JSON | {"ignoreNullFields": str(not has_nulls).lower()})
    hashed = [
        F.to_json(F.struct(column), _JSON) if _is_nested(schema[name].dataType) else column
        for name, column in zip(sorted(schema.names), columns, strict=True)
    ]
    return read.select(
        F.col("_metadata.file_path").alias("__path"),
        F.lit(0).cast("long").alias("__block"),
        F.col("_metadata.row_index").alias("__ordinal"),
        F.col("_metadata.file_size").alias("__size"),
        # With the names and types: the same values under another name are another content.
        hash_of([F.lit(StructType(sorted(schema, key=lambda field: field.name)).simpleString()), *hashed]).alias("__hash"),
        text.alias("__line"),
        *(F.col(quoted(name)) for name in schema.names),
    )


def records(rows: DataFrame, source: Source, schema: StructType, file: str) -> Records:
    """Fields have the types of the file.

    Grain   one row per row of a file; a row that can be read has no problem as a whole
    Raises  BadData naming the file where a column that the source reads is there twice, but for case
    """
    called, unmapped = [name.lower() for name in schema.names], source.unmapped(schema.names)
    doubled = next((name for name in schema.names if called.count(name.lower()) > 1 and name not in unmapped), None)
    if doubled:
        raise BadData(f"{file}: has the column {doubled} twice, in names that differ by case alone; which one is meant cannot be told")
    pairs = [part for name in unmapped for part in (F.lit(name), _text(name, schema))]
    frame = rows.select(
        *PLACE,
        F.col("__line").alias("__text"),
        F.array().cast("array<string>").alias("__problems"),
        F.lit(True).alias("__readable"),
        (F.create_map(*pairs) if pairs else no_map()).alias("__unmapped"),
        *(F.col(quoted(name)) for name in schema.names),
    )
    return Records(frame, tuple(schema.names), file)


def _text(name: str, schema: StructType) -> Column:
    column = F.col(quoted(name))
    return F.to_json(column, _JSON) if _is_nested(schema[name].dataType) else column.cast("string")


def _is_nested(data_type: DataType) -> bool:
    return isinstance(data_type, StructType | ArrayType | MapType)
