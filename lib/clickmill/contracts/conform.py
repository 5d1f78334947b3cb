"""The last line of every transform: the frame has the columns of its contract, in order and type."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DataType

from clickmill.contracts.table import Table


class ContractError(ValueError):
    """A frame does not fit the contract of the table it is meant for."""


def conform(frame: DataFrame, table: Table) -> DataFrame:
    """Select the columns of the contract, in its order, and refuse missing ones and other types.

    Columns that the contract does not know are dropped: scratch columns end here.
    Checks names and types only, with no Spark action; that a column holds no
    null is a rule of the suite.

    Raises  ContractError that names every column that differs, not only the first
    """
    have = {field.name: field.dataType for field in frame.schema.fields}
    wrong = [
        f"{field.name} is missing"
        if field.name not in have
        else f"{field.name} is {_type(have[field.name])}, expected {_type(field.dataType)}"
        for field in table.schema.fields
        if field.name not in have or _type(have[field.name]) != _type(field.dataType)
    ]
    if wrong:
        raise ContractError(f"{table.name}: {'; '.join(wrong)}")
    return frame.select(*(F.col(name) for name in table.columns))


def _type(data_type: DataType) -> str:
    return data_type.simpleString()
