"""The categorical fields of click networks, and the vocabulary of each: what of features.ctr_rows becomes a number.

Where something was shown moves the answer, and nobody knows it when scoring: such fields are inputs of training alone.
"""

from dataclasses import dataclass


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
