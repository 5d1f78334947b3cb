"""Which accounts were seen with which visitors."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from clickmill.contracts.conform import conform
from clickmill.contracts.tables import IDENTITIES


def identities(events: DataFrame) -> DataFrame:
    """Visitors and accounts that were seen together on a day, with the first and last time.

    Grain   one row per (site_id, event_date, visitor_id, account_id)
    Needs   clean.events
    """
    together = events.where(F.col("visitor_id").isNotNull() & F.col("account_id").isNotNull())
    seen = together.groupBy("site_id", "event_date", "visitor_id", "account_id")
    return conform(seen.agg(F.min("event_at").alias("first_seen_at"), F.max("event_at").alias("last_seen_at")), IDENTITIES)
