"""Scales of the dense columns of click networks: mean and spread of what is learnt from, and of nothing later."""

from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from clickmill.models.ctr_fields import DENSE, Dense

LIMIT = 10.0
"""Spreads beyond which a value is not believed: a column that hardly moved in training may later."""

# Sums of floating-point numbers differ in their last bits with the order of rows; digits that anything depends on do not.
_DIGITS = 5


@dataclass(frozen=True)
class Scale:
    """Mean and standard deviation of a column; one that never moved has a spread of 0, and says nothing."""

    mean: float
    spread: float


def scales(rows: DataFrame) -> list[Scale]:
    """The scale of each column of DENSE over the rows of the training split; what is not known is left out.

    Needs   rows of features.ctr_rows, with split
    """
    asked = [aggregate(F.expr(of.value)) for of in DENSE for aggregate in (F.avg, F.stddev_pop)]
    told = rows.where("split = 'train'").agg(*(one.alias(f"_{place}") for place, one in enumerate(asked))).first()
    assert told is not None
    numbers = [float(f"{value or 0.0:.{_DIGITS}g}") for value in told]
    return [Scale(mean, spread) for mean, spread in zip(numbers[::2], numbers[1::2], strict=True)]


def scaled(of: Dense, scale: Scale) -> Column:
    """A column of DENSE in spreads from its mean, at most LIMIT, as a float; what is not known is the mean."""
    if not scale.spread:
        return F.lit(0.0).cast("float")
    spreads = F.coalesce((F.expr(of.value) - F.lit(scale.mean)) / F.lit(scale.spread), F.lit(0.0))
    return F.greatest(F.lit(-LIMIT), F.least(F.lit(LIMIT), spreads)).cast("float")


def told(scales: Sequence[Scale]) -> list[dict[str, object]]:
    """The scales beside the columns that they belong to, for the manifest of an export."""
    return [
        {"name": of.name, "value": of.value, "is_training_only": of.is_training_only, "mean": scale.mean, "spread": scale.spread}
        for of, scale in zip(DENSE, scales, strict=True)
    ]
