"""What a click network is given: categorical fields with the sizes of their vocabularies, and dense columns.

All vocabularies share one table, a block of rows each, in their order here. A block begins with the row of 0, what is unknown or
rare, and goes on with the rows of 1 to size. So the row of a value is the first row of its block plus its number, and fields of
one vocabulary have the same rows.

Some inputs are those of training alone (position.py): where something was shown is not known when it is scored.

Shapes  F categorical fields
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

LARGEST_ROW_COUNT = 2**31 - 1
"""Rows have 32-bit numbers."""


@dataclass(frozen=True)
class Vocabulary:
    """Values numbered from 1 to `size`."""

    name: str
    size: int


@dataclass(frozen=True)
class CategoricalField:
    """A field whose values are numbers of a vocabulary, or 0."""

    name: str
    vocabulary: str
    is_training_only: bool = False


@dataclass(frozen=True)
class DenseColumn:
    """A standardised number: its mean is 0."""

    name: str
    is_training_only: bool = False


@dataclass(frozen=True)
class InputSpec:
    """The inputs of a network, in the order of their columns in a batch.

    Raises  ValueError when a name is given twice, a field names no vocabulary, a size is negative, or there are too many rows
    """

    fields: tuple[CategoricalField, ...]
    dense: tuple[DenseColumn, ...]
    vocabularies: tuple[Vocabulary, ...]

    def __post_init__(self) -> None:
        named = [*(one.name for one in self.fields), *(one.name for one in self.dense)]
        if twice := _twice(named) or _twice(one.name for one in self.vocabularies):
            raise ValueError(f"a name is given twice: {', '.join(twice)}")
        if missing := {field.vocabulary for field in self.fields} - set(self._sizes):
            raise ValueError(f"no vocabulary is named {', '.join(sorted(missing))}")
        if negative := [one.name for one in self.vocabularies if one.size < 0]:
            raise ValueError(f"the size of a vocabulary is negative: {', '.join(negative)}")
        if self.row_count > LARGEST_ROW_COUNT:
            raise ValueError(f"{self.row_count} rows are more than {LARGEST_ROW_COUNT}: number only values that are seen more often")

    @cached_property
    def _sizes(self) -> dict[str, int]:
        return {one.name: one.size for one in self.vocabularies}

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """The largest number that each field can have. Shapes (F,)"""
        return tuple(self._sizes[field.vocabulary] for field in self.fields)

    @cached_property
    def row_offsets(self) -> tuple[int, ...]:
        """The row of 0 of each field. Shapes (F,)"""
        starts = accumulate((size + 1 for size in self._sizes.values()), initial=0)
        first_row = dict(zip(self._sizes, starts, strict=False))
        return tuple(first_row[field.vocabulary] for field in self.fields)

    @cached_property
    def row_count(self) -> int:
        """Rows of all vocabularies."""
        return sum(one.size + 1 for one in self.vocabularies)


def _twice(names: Iterable[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]
