"""Values of expressions -> the types of the contract. What was there and does not fit is null here, and a problem of its row."""

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.types import (
    ArrayType,
    BinaryType,
    BooleanType,
    DataType,
    DecimalType,
    DoubleType,
    FloatType,
    IntegerType,
    IntegralType,
    LongType,
    MapType,
    StringType,
    StructType,
    VariantType,
)

# Spark also casts "1d", "NaN" and "Infinity" to numbers.
NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"


def present(value: Column, given: DataType) -> Column:
    """Whether there is a value: not null, and not blank where it is text."""
    return value.isNotNull() & (F.trim(value) != "") if isinstance(given, StringType) else value.isNotNull()


def accepts(given: DataType, wanted: DataType) -> str | None:
    """What is wrong with an expression of this type where one value of the other is expected; None where nothing is."""
    if isinstance(given, StructType | ArrayType | MapType | BinaryType | VariantType):
        return f"gives {given.simpleString()}; expected one value, such as text or a number"
    has_point = isinstance(given, DoubleType | FloatType) or (isinstance(given, DecimalType) and given.scale > 0)
    if has_point and isinstance(wanted, StringType):
        return f"gives {given.simpleString()}; expected text or whole numbers, for 17850.0 is another id than 17850"
    return None


def typed(value: Column, given: DataType, wanted: DataType) -> Column:
    """The value in the wanted type, null where it does not fit. Text stays as written, but blank text is null."""
    if isinstance(wanted, StringType):
        return F.when(present(value, given), value.cast("string"))
    if isinstance(given, IntegralType) and not isinstance(wanted, BooleanType):
        return value.try_cast(wanted)
    text = F.trim(value) if isinstance(given, StringType) else value.cast("string")
    if isinstance(wanted, BooleanType):
        return text.try_cast("boolean")
    number = F.when(text.rlike(NUMBER), text)
    if isinstance(wanted, DecimalType):
        return number.try_cast(wanted)
    if isinstance(wanted, DoubleType):
        # 1e999 is a number in text and Infinity as a double.
        as_double = number.try_cast("double")
        return F.when(F.abs(as_double) < F.lit(float("inf")), as_double)
    if not isinstance(wanted, IntegerType | LongType):
        raise TypeError(f"no column of a raw table that is mapped has the type {wanted.simpleString()}")
    if isinstance(given, DoubleType | FloatType | DecimalType):
        whole = number.try_cast("decimal(38,6)")
        return F.when(whole == F.floor(whole), whole).try_cast(wanted)
    return number.try_cast(wanted)
