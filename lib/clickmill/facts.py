"""What is told of the days of a table: how many rows, and a hash of what they say."""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class DayFacts:
    """One day of a table, as read back from its files."""

    day: date
    content_hash: str
    row_count: int
