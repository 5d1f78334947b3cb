"""The expressions of a source, bound to the fields of records, with errors that name the key."""

from pyspark.errors import AnalysisException, ParseException, PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from clickmill.contracts.errors import BadData, UsageError
from clickmill.ingest import expression
from clickmill.ingest.records import SCRATCH, Records
from clickmill.ingest.source import Source


def with_values(frame: DataFrame, records: Records, source: Source) -> DataFrame:
    """Every expression of the source as a column `__v_<its key>`; constants too.

    Raises  UsageError naming the key whose expression cannot be resolved, BadData where that is because a file lacks the column
    """
    expressions = {key: text for key, text in source.expressions().items() if key != "explode"}
    for key, text in expressions.items():
        _refuse_words_of_spark(text, key, records, source)
    kept = [*SCRATCH, "item_pos"]
    constants = [
        F.lit(column.constant).alias(f"__v_columns.{name}") for name, column in source.columns.items() if column.constant is not None
    ]
    try:
        columns = [F.expr(text).alias(f"__v_{key}") for key, text in expressions.items()]
        return frame.select(*kept, *columns, *constants)
    except AnalysisException:
        for key, text in expressions.items():
            checked(frame, text, key, records, source)
        raise


def checked(frame: DataFrame, text: str, key: str, records: Records, source: Source) -> Column:
    """The expression of one key.

    Raises  as `with_values`
    """
    _refuse_words_of_spark(text, key, records, source)
    try:
        column = F.expr(text)
        # Beside a plain column an aggregate is refused too.
        frame.select("__path", column.alias("__checked"))
        return column
    except ParseException as error:
        reason = f"is no Spark SQL expression ({error.getCondition()})"
    except AnalysisException as error:
        name = (error.getMessageParameters() or {}).get("objectName", "").split(".")[0].strip("`")
        if str(error.getCondition()).startswith("UNRESOLVED_COLUMN") and name and not (name == "item" and source.explode):
            raise _missing(name, key, records, source) from None
        reason = f"cannot be resolved over the fields of a record ({error.getCondition()})"
    raise UsageError(f"{source.name}.yaml: {key}: {reason}")


def _refuse_words_of_spark(text: str, key: str, records: Records, source: Source) -> None:
    missing = (expression.names(text) & expression.WORDS_OF_SPARK) - set(records.fields)
    if missing:
        raise _missing(min(missing), key, records, source)


def _missing(name: str, key: str, records: Records, source: Source) -> BadData | UsageError:
    """A field that is not there: the file's fault where it names its columns itself, else the source's."""
    if source.read.format == "parquet" or (source.read.format == "csv" and source.read.header):
        return BadData(f"{records.file}: column {name} is missing, which {key} of {source.name} reads; {_there(records, source)}")
    known = ", ".join(records.fields)
    return UsageError(f"{source.name}.yaml: {key}: reads {name}, which is no field; expected one of {known}")


def _there(records: Records, source: Source) -> str:
    """The columns that are there, by name only those that the source reads: in a file without a header the others are somebody's values."""
    read = [name for name in records.fields if name not in source.unmapped(list(records.fields))]
    return f"there are {', '.join([*read, f'{len(records.fields) - len(read)} that it does not read'])}"


def tried(spark: SparkSession, exploded: DataFrame, source: Source) -> None:
    """Try every expression on a record that has none of its fields: what raises there would stop a job on real data.

    Needs   expressions that `with_values` could resolve

    Raises  UsageError naming the key, and what to write instead
    """
    one = spark.range(1).select(*(F.lit(None).cast(field.dataType).alias(field.name) for field in exploded.schema.fields))
    expressions = {key: text for key, text in source.expressions().items() if key != "explode"}
    tries = {key: F.expr(text) for key, text in expressions.items()}
    tries |= {
        f"columns.{name}.format": F.try_to_timestamp(F.lit("2001-02-03"), F.lit(column.format))
        for name, column in source.columns.items()
        if column.format
    }
    try:
        one.select(*(column.alias(key) for key, column in tries.items())).collect()
    except PySparkException:
        for key, column in tries.items():
            _try_one(one, key, column, source)
        raise


def _try_one(one: DataFrame, key: str, column: Column, source: Source) -> None:
    expected = (
        "a pattern such as yyyy-MM-dd HH:mm:ss" if key.endswith(".format") else "try_cast, try_divide, get(array, i) or try_element_at"
    )
    try:
        one.select(column).collect()
    except PySparkException as error:
        raise UsageError(
            f"{source.name}.yaml: {key}: raises {error.getCondition()} on a record without its fields; expected {expected}"
        ) from None
