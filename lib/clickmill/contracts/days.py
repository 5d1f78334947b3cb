"""A range of days, both ends included."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

EARLIEST, LATEST = date(1990, 1, 1), date(2100, 1, 1)
"""Between these lie the days of a shop on the web; an earlier time is a number that was cut off, or one in another unit."""

HORIZON_DAYS = 90
"""Days that features of time look back: nothing older counts anywhere, so rows are the same whatever else of the past was read."""

RATE_DAYS = 28
"""Days that smoothed rates look back."""


@dataclass(frozen=True)
class Days:
    """The days of a run: `first` to `last`, both included.

    Raises  ValueError when last is before first
    """

    first: date
    last: date

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise ValueError(f"the last day {self.last} is before the first day {self.first}")

    def __iter__(self) -> Iterator[date]:
        return (self.first + timedelta(days=n) for n in range(len(self)))

    def __len__(self) -> int:
        return (self.last - self.first).days + 1

    def __contains__(self, day: object) -> bool:
        return isinstance(day, date) and self.first <= day <= self.last

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first} to {self.last}"

    def widened(self, *, back: int = 0, ahead: int = 0) -> "Days":
        return Days(self.first - timedelta(days=back), self.last + timedelta(days=ahead))

    def slices(self, days: int) -> Iterator["Days"]:
        """The range cut into ranges of at most `days` days, in order."""
        first = self.first
        while first <= self.last:
            yield Days(first, min(first + timedelta(days=days - 1), self.last))
            first += timedelta(days=days)
