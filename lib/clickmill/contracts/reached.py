"""What a release is known to reach: what publishing measures, and what the next release is held against."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Reached:
    """NDCG of the lists of one site, of its users with a history, and the upper end of its interval of 95 %."""

    site_id: str
    value: float
    high: float
