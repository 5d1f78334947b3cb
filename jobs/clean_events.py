"""raw.events -> clean.events, clean.rejects and the sessions left open, for a range of event days, late landings included.

Rows cross the network once, by visitor: copies, rejects and sessions are made of what that leaves on the disks, each in its order."""

from clickmill import job, quality, reused, session
from clickmill.clean import bots, copies, identity, open_sessions, order, ranges, records, sessions, stream
from clickmill.contracts.tables import BOTS, EVENTS, OPEN_SESSIONS, RAW_EVENTS, REJECTS, VALUE_RANGES

READS = (RAW_EVENTS.landed("clean.lateness_days"), VALUE_RANGES.days_back("clean.range_days"), BOTS.same_days(), OPEN_SESSIONS.days_back(1))
WRITES, CONFIG = (EVENTS, REJECTS, OPEN_SESSIONS), ("clean", "sessions", "shop")
SPARK_CONF = {"spark.sql.requireAllClusterKeysForCoPartition": "false", **reused.SIEVED}  # no more is shuffled than must


def run(spark: job.SparkSession, conf: job.Config, days: job.Days, inputs: job.Inputs) -> job.Outputs:
    clean, zone, partitions = conf.clean, conf.shop.zone, session.partitions(inputs[RAW_EVENTS])
    taken = records.of_days(inputs[RAW_EVENTS], days, zone=zone, **clean.clocks())
    rows = inputs.before_split[EVENTS] = records.filled(taken, fill=clean.fill)
    rows = ranges.with_outliers(rows, ranges.bounds(inputs[VALUE_RANGES], days, range_days=clean.range_days, min_rows=clean.range_min_rows))
    rows = bots.with_verdict(rows, inputs[BOTS])
    judged = records.judged(rows, quality.broken_rules(rows, EVENTS))
    carried = records.of_day(inputs[OPEN_SESSIONS], days.widened(back=1).first)
    windows = order.Windows(**clean.windows(), **conf.sessions.model_dump())
    moved = inputs.spread(stream.stream(judged, carried, windows, partitions=partitions), by="_slot", partitions=partitions)
    looked_at = inputs.spread(copies.looked_at(moved, windows, zone=zone), by="_slot", partitions=partitions)
    examined = inputs.spread(copies.examined(looked_at, windows), by="_slot", partitions=partitions)
    turned_away = copies.only_copies(examined)
    return {
        EVENTS: sessions.events(moved, turned_away, windows),
        REJECTS: records.rejects(copies.rejected(looked_at), turned_away),
        OPEN_SESSIONS: lambda done: open_sessions.open_sessions(done[EVENTS], carried, examined, windows, zone=zone, keep=inputs.keep),
    }


def check(written: job.Written, inputs: job.Inputs) -> dict[str, int]:
    clocks = inputs.conf.clean.clocks()
    return identity.rows_are_all_there(written, records.of_days(inputs[RAW_EVENTS], inputs.days, zone=inputs.conf.shop.zone, **clocks))


if __name__ == "__main__":
    job.main(__name__)
