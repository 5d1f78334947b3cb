"""Events as they were first known: the one stream in which nothing that is there is ever changed by what lands later.

clean.events tells what happened as well as we know today: a late row may turn a visitor into a machine, win over its copy,
or move a session. Whoever learns from the past must not see that. Here each event stands under the day on which we first
knew of it, with what its first record said; a later landing adds rows to later days and touches none.
"""

from collections.abc import Mapping
from functools import reduce

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from clickmill.clean import order, records
from clickmill.clean.stream import PLACE
from clickmill.contracts.conform import conform
from clickmill.contracts.days import Days
from clickmill.contracts.tables import KNOWN_EVENTS

_EVENT = ("_slot", "_visitor_hash", "site_id", "_owner", "event_date", "event_id")
_RECORD = ("known_at", "delivery_rank", "winner_key", *PLACE)


def with_known_at(rows: DataFrame, *, zone: str, delay_s: int) -> DataFrame:
    """When we knew of each record: nobody can know of it before it happened, was received, or began to be delivered.

    Of an event of which only the day is known it is the end of that day. A source that does not say when it received an
    event is taken to do so `delay_s` seconds after it.

    Grain   as in `rows`, with known_at, and known_date, its day in the zone of the row's days
    Needs   event_at, event_date, is_day_only, received_at, landing_date, zone
    """
    happened = F.when(F.col("is_day_only"), records.day_ends_at(F.col("event_date"), zone)).otherwise(F.col("event_at"))
    received = F.coalesce("received_at", happened + F.make_dt_interval(secs=F.lit(delay_s)))
    # Of a record that lands on the day of its event the start of that day says nothing.
    delivered = F.when(F.col("landing_date") > F.col("event_date"), records.day_ends_at(F.date_sub("landing_date", 1), zone))
    known_at = F.greatest(happened, received, delivered)
    return rows.withColumn("known_at", known_at).withColumn(
        "known_date", F.to_date(F.from_utc_timestamp("known_at", records.zone_of_days(zone)))
    )


def known_events(rows: DataFrame, broken: Mapping[str, Column], days: Days, *, lateness_days: int, partitions: int) -> DataFrame:
    """The events that became known on the days of a run, each as its first record told it.

    What a row says against itself keeps it out, as in clean.events; what other rows say against it does not: neither price
    ranges, nor machines, nor near copies, for all of these may still move. An id names one event of its day. A record that
    was received more than `lateness_days` after its landing day is never known.

    Grain   one row per (known_date, event_date, event_id, item_pos)
    Needs   rows: mapped raw rows of with_known_at(), of all landings from twice the lateness and a day before the first day to
            the last day of the run; broken: for each rule of clean.events whether a row breaks it
    Ties    records known at the same instant: the one of the delivery that supersedes, then by the source's tie-break, then by place
    """
    taken = rows.where(~_is_turned_away(broken) & ~_is_beyond(lateness_days))
    fresh = taken.where(F.col("known_date").between(F.lit(days.first), F.lit(days.last)))
    # Only an event of an earlier day can have been known before the day on which this record of it is.
    event = ["site_id", "event_date", "event_id"]
    late = fresh.where(F.col("event_date") < F.col("known_date")).select(*event).distinct()
    earlier = taken.where(F.col("known_date") < F.lit(days.first)).join(late, on=event, how="left_semi")
    stream = order.owned(fresh.unionByName(earlier), partitions=partitions).repartition(partitions, "_slot")
    first = Window.partitionBy(*_EVENT).orderBy(*_RECORD)
    told = stream.withColumn("_rank", F.rank().over(first)).where(F.col("_rank") == 1)
    mine = told.where(F.col("known_date") >= F.lit(days.first)).withColumn("visitor_bucket", order.visitor_bucket())
    return conform(mine, KNOWN_EVENTS)


def counts(rows: DataFrame, broken: Mapping[str, Column], days: Days, known: DataFrame, *, lateness_days: int) -> dict[str, int]:
    """Count what became of the mapped rows whose known_date lies in the days of a run: known, turned away, copies of known events.

    And of those that landed in these days how many become known after them: of an event of which only the day is known it is
    the end of that day.

    Needs   rows, broken: as known_events(); known: what it wrote
    """
    mine = rows.where(F.col("known_date").between(F.lit(days.first), F.lit(days.last)))
    is_turned_away, is_beyond = _is_turned_away(broken), _is_beyond(lateness_days)
    waits = rows.where(F.col("landing_date").between(F.lit(days.first), F.lit(days.last)) & (F.col("known_date") > F.lit(days.last)))
    told = mine.agg(
        F.count("*").alias("rows"),
        F.count_if(is_turned_away).alias("turned_away"),
        F.count_if(~is_turned_away & is_beyond).alias("beyond"),
    ).first()
    assert told is not None
    first = known.count()
    return {
        "rows that could be known": told.rows,
        "first known": first,
        "copies of what was known": told.rows - told.turned_away - told.beyond - first,
        "turned away by a rule": told.turned_away,
        "received too long after they landed": told.beyond,
        "that landed, and are known after these days": waits.count(),
    }


def _is_turned_away(broken: Mapping[str, Column]) -> Column:
    return reduce(Column.__or__, broken.values(), F.lit(False))


def _is_beyond(lateness_days: int) -> Column:
    return F.col("known_date") > F.date_add("landing_date", lateness_days)
