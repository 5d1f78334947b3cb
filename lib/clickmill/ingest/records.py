"""Records: what every reader makes of landing files, and the lines that the readers of text begin with."""

import codecs
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DataType

from clickmill.contracts.errors import UsageError
from clickmill.ingest.source import Source

PLACE = ("__path", "__block", "__ordinal")
"""Where a record lies: file as Spark names it, first byte of its block, place in the block."""

SCRATCH = (*PLACE, "__text", "__problems", "__readable", "__unmapped")
"""What stands beside the fields of a record: its place, its text, what is wrong with it as a whole, whether its
fields could be read at all, and the fields that nobody mapped, map<string, string>."""

BLOCK_BYTES = 128 * 1024 * 1024
"""Size of the splits in which files are read; SPARK_CONF in `ingest.py` makes it so."""

_ORDINAL_BITS = 33


@dataclass(frozen=True)
class Records:
    """One group of records that have the same fields.

    frame      the fields under their own names, and SCRATCH; `__items` array<string> where item_type is given
    fields     names of the fields
    file       one file of the group, to name in errors
    item_type  type of the elements of the array that is exploded, where they come as JSON text
    """

    frame: DataFrame
    fields: tuple[str, ...]
    file: str
    item_type: DataType | None = None


def lines(spark: SparkSession, source: Source, paths: Sequence[str]) -> DataFrame:
    """Every line of text files, with its place; byte order marks are no part of it.

    The ordinal counts lines within a split of a file. It is right because each
    split is a partition of its own: see SPARK_CONF in `ingest.py`.

    Grain   one row per line; `_line` is the text, `_is_text` false where its bytes are none in the declared encoding
    Raises  UsageError when Java does not know the encoding of the source
    """
    charset = _charset(spark, source)
    is_utf8 = charset == "utf-8"
    # Only "\n" ends a record: without the option a carriage return inside a field would end one too.
    reader = spark.read.option("lineSep", "\n")
    if not is_utf8:
        reader = reader.option("encoding", charset)
    value, raw = F.col("value"), F.col("value").cast("binary")
    decoded = value if is_utf8 else F.decode(raw, charset)
    is_text = F.is_valid_utf8(value) if is_utf8 else F.encode(decoded, charset) == raw
    return reader.text(list(paths)).select(
        F.col("_metadata.file_path").alias("__path"),
        F.col("_metadata.file_block_start").alias("__block"),
        F.monotonically_increasing_id().bitwiseAND(F.lit((1 << _ORDINAL_BITS) - 1)).alias("__ordinal"),
        F.col("_metadata.file_size").alias("__size"),
        F.xxhash64("value").alias("__hash"),
        F.regexp_replace(F.make_valid_utf8(decoded), r"^\uFEFF", "").alias("__line"),
        is_text.alias("__is_text"),
    )


def _charset(spark: SparkSession, source: Source) -> str:
    """The name by which Java knows the encoding, which Python knows."""
    known: Any = spark._jvm
    encoding = source.read.encoding
    name = codecs.lookup(encoding).name.removesuffix("-sig")
    for one in (name, encoding, name.replace("_", "-"), name.replace("-", "_"), name.replace("-", "").replace("_", "")):
        if " " not in one and known.java.nio.charset.Charset.isSupported(one):
            return one
    raise UsageError(f"{source.name}.yaml: read.encoding: Java knows no {encoding}; expected one such as windows-1252")


def quoted(name: str) -> str:
    """The name of a field as it stands in a Spark SQL expression, whatever characters it has."""
    return "`" + name.replace("`", "``") + "`"


def no_map() -> Column:
    """An empty map<string, string>."""
    return F.create_map().cast("map<string,string>")
