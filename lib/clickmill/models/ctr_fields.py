"""What of features.ctr_rows click networks are fed with: categorical fields, each with its vocabulary, and columns of numbers.

Where something was shown moves the answer, and nobody knows it when scoring: such fields and columns are inputs of training alone.
"""

from dataclasses import dataclass

from pyspark.sql.types import NumericType

from clickmill.contracts.days import HORIZON_DAYS
from clickmill.contracts.tables import CTR_ROWS


@dataclass(frozen=True)
class Field:
    """A categorical field: an SQL expression over features.ctr_rows that gives its value as text, and the vocabulary of the value.

    Fields of one vocabulary share its numbers: an item is the same whether it is shown or was seen last.
    """

    name: str
    vocabulary: str
    value: str
    is_training_only: bool = False


FIELDS = (
    Field("user", "user", "user_id_kind || ' ' || user_id"),
    Field("item", "item", "item_id"),
    Field("category", "category", "category"),
    Field("campaign", "campaign", "campaign_id"),
    Field("placement", "placement", "placement"),
    Field("position", "position", "coalesce(placement, '') || ' ' || position", is_training_only=True),
    Field("device", "device", "device"),
    Field("country", "country", "country"),
    Field("hour", "hour", "cast(hour as string)"),
    Field("weekday", "weekday", "cast(weekday as string)"),
    *(Field(f"last_item_{n}", "item", f"get(user_last_items, {n - 1})") for n in (1, 2, 3)),
    *(Field(f"last_category_{n}", "category", f"get(user_last_categories, {n - 1})") for n in (1, 2)),
)

VOCABULARIES = tuple(dict.fromkeys(field.vocabulary for field in FIELDS))


@dataclass(frozen=True)
class Dense:
    """A column of numbers, as an SQL expression over features.ctr_rows: what grows without bound by its logarithm; null where unknown."""

    name: str
    value: str
    is_training_only: bool = False


# What names an impression, is a field, or was known to the logging policy alone: of these nothing is learnt as a number.
_NOT_DENSE = ("item_pos", "position", "propensity", "hour", "weekday")


def _dense(name: str) -> Dense:
    value = f"signum({name}) * ln(1 + abs({name}))"
    if "_since_" in name:  # never: as long ago as anything looks
        value = f"ln(1 + coalesce({name}, {HORIZON_DAYS * (86_400 if name.endswith('_s') else 1)}))"
    elif name.endswith(("_answer_rate", "_conversion_rate")):  # smoothed: never 0 and never 1
        value = f"ln({name} / (1 - {name}))"
    elif name.endswith(("_rate_28d", "_rate_90d", "_share_90d")):
        value = name
    return Dense(name, value, "position_" in name)


DENSE = tuple(_dense(one.name) for one in CTR_ROWS.schema.fields if isinstance(one.dataType, NumericType) and one.name not in _NOT_DENSE)
