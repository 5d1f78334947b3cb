"""Rows that the driver has, as a frame that no job has to read through Python."""

from collections.abc import Iterable, Mapping
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.conversion import LocalDataToArrowConversion
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import StructType


def local_frame(spark: SparkSession, rows: Iterable[tuple[Any, ...] | Mapping[str, Any]], schema: StructType | str) -> DataFrame:
    """A frame of a few rows: tuples, Rows or mappings, which may leave out what is null.

    `createDataFrame` of a list is a plan that starts a Python worker in every job
    over it, also where the list is empty; handed over as an Arrow table it is data
    that Java has, and of an empty one the optimiser knows that it is empty.

    Raises  PySparkTypeError or ArrowInvalid when a value does not fit its column
    """
    # Typed as Any: fromDDL is typed as any type, and this form of createDataFrame, of an Arrow table, not at all.
    fitted: Any = StructType.fromDDL(schema) if isinstance(schema, str) else schema
    told = list(rows)
    table: Any = LocalDataToArrowConversion.convert(told, fitted, False) if told else to_arrow_schema(fitted).empty_table()
    frame: DataFrame = spark.createDataFrame(table, fitted)
    return frame
