"""The one order of cleaning: rows of a visitor in one partition, near visitors in near partitions."""

from dataclasses import dataclass
from itertools import count

import numpy as np
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from clickmill.contracts.events import VISITOR_BUCKETS

OWNER = ("_visitor_hash", "site_id", "_owner", "_slot")
"""Columns that name whose a row is, and lead the windows of cleaning: one shuffle by the last of them serves all, and the first
tells nearly all visitors apart by eight bytes, which is what sorting compares first."""

IN_TIME = ("event_at", "source_order", "event_id", "item_pos")
"""The total order of a visitor's rows. Equal times go by the source's own order (null first), then by event id."""

_HASH_BITS, _INT = 64, 2**32


@dataclass(frozen=True)
class Windows:
    """The silences and windows that cleaning knows, in seconds; conf/base.yaml gives the reason of each."""

    gap_s: int
    dwell_cap_s: int
    copy_horizon_s: int
    near_copy_s: int
    order_copy_s: int


def owned(rows: DataFrame, *, partitions: int, by_itself: Column | None = None) -> DataFrame:
    """Add the columns of OWNER; a row without a visitor is its own, by its event id: its copies still meet it.

    Rows for which `by_itself`, a hash, is not null go where that says, away from their visitor.

    `_slot` goes by ranges of the hash: `repartition("_slot")` into so many `partitions` gives each a range of visitor buckets, in
    their order. So a file holds few buckets, and one who reads a visitor skips the others. With another number of partitions
    the rows are the same, and the files hold more buckets.

    Grain   as in `rows`
    Needs   site_id, visitor_id, event_id
    """
    owner = F.coalesce("visitor_id", "event_id")
    place = F.floor((F.col("_visitor_hash") / 2.0**_HASH_BITS + 0.5) * partitions).cast("int")
    slots = F.lit(np.array(_slots(partitions), dtype=np.int32))  # one literal, where thousands would fill the plan
    of_visitor = F.xxhash64("site_id", owner)
    hashed = rows.withColumns({"_owner": owner, "_visitor_hash": of_visitor if by_itself is None else F.coalesce(by_itself, of_visitor)})
    return hashed.withColumn("_slot", F.get(slots, F.least(place, F.lit(partitions - 1))))


def visitor_bucket() -> Column:
    """The bucket of a row: the first eight bits of its visitor's hash, so that buckets lie in the order of the hashes."""
    bits = VISITOR_BUCKETS.bit_length() - 1
    return (F.shiftright("_visitor_hash", _HASH_BITS - bits) + VISITOR_BUCKETS // 2).cast("int")


def seconds(later: Column, earlier: Column) -> Column:
    """Seconds between two instants, exact to the microsecond."""
    return (F.unix_micros(later) - F.unix_micros(earlier)) / F.lit(1_000_000)


def _slots(partitions: int) -> list[int]:
    """For each partition the smallest number that Spark's hash partitioning puts into it."""
    found: dict[int, int] = {}
    for number in count():
        found.setdefault(_murmur3(number) % partitions, number)
        if len(found) == partitions:
            break
    return [found[partition] for partition in range(partitions)]


def _murmur3(number: int) -> int:
    """Spark's hash of a whole number, by which it partitions: MurmurHash3 x86 32 (Appleby, 2011) with seed 42, signed."""

    def rotated(value: int, bits: int) -> int:
        return (value << bits | value >> 32 - bits) % _INT

    mixed = rotated(number * 0xCC9E2D51 % _INT, 15) * 0x1B873593 % _INT
    value = ((rotated(42 ^ mixed, 13) * 5 + 0xE6546B64) % _INT) ^ 4
    value = ((value ^ value >> 16) * 0x85EBCA6B) % _INT
    value = ((value ^ value >> 13) * 0xC2B2AE35) % _INT
    value ^= value >> 16
    return value - _INT if value >= _INT // 2 else value
