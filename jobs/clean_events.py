"""raw.events -> clean.events, clean.rejects and the sessions left open, for a range of event days.

Row rules need no order, so rejects leave before any shuffle. A first look, at rows that hold little but keys, finds copies; then
the rows themselves cross the network once, by visitor, and are sorted once. Sessions that the day before left open go on; what
landed up to `clean.lateness_days` later is included.
"""

from clickmill import job, quality
from clickmill.clean import bots, copies, identity, open_sessions, order, ranges, records, sessions
from clickmill.contracts.tables import BOTS, EVENTS, OPEN_SESSIONS, RAW_EVENTS, REJECTS, VALUE_RANGES

READS = (RAW_EVENTS.landed("clean.lateness_days"), VALUE_RANGES.days_back("clean.range_days"), BOTS.same_days(), OPEN_SESSIONS.days_back(1))
WRITES = (EVENTS, REJECTS, OPEN_SESSIONS)
CONFIG = ("clean", "sessions", "shop")
# Copies stand where the rows of their visitor are: the default would shuffle both once more, by all columns of the join.
SPARK_CONF = {"spark.sql.requireAllClusterKeysForCoPartition": "false"}


def run(spark: job.SparkSession, conf: job.Config, days: job.Days, inputs: job.Inputs) -> job.Outputs:
    clean, zone, partitions = conf.clean, conf.shop.zone, int(spark.conf.get("spark.sql.shuffle.partitions"))
    rows = records.of_days(inputs[RAW_EVENTS], days, zone=zone, **clean.clocks())
    rows = inputs.before_split[EVENTS] = records.filled(rows, fill=clean.fill)
    rows = ranges.with_outliers(rows, ranges.bounds(inputs[VALUE_RANGES], days, range_days=clean.range_days, min_rows=clean.range_min_rows))
    rows = bots.with_verdict(rows, inputs[BOTS])
    kept, rejected = records.split(rows, quality.broken_rules(rows, EVENTS))
    carried = records.of_day(inputs[OPEN_SESSIONS], days.widened(back=1).first)
    windows = order.Windows(**clean.windows(), **conf.sessions.model_dump())
    looked_at = inputs.keep(copies.looked_at(kept, carried, windows, zone=zone, partitions=partitions))
    examined = inputs.keep(copies.examined(looked_at, windows))
    turned_away = copies.only_copies(examined)
    return {
        EVENTS: sessions.events(kept, carried, turned_away, windows, zone=zone, partitions=partitions),
        REJECTS: records.rejects(rejected, turned_away),
        OPEN_SESSIONS: lambda written: open_sessions.open_sessions(written[EVENTS], carried, examined, windows, zone=zone),
    }


def check(written: job.Written, inputs: job.Inputs) -> dict[str, int]:
    rows = records.of_days(inputs[RAW_EVENTS], inputs.days, zone=inputs.conf.shop.zone, **inputs.conf.clean.clocks())
    return identity.rows_are_all_there(written, rows)


if __name__ == "__main__":
    job.main(__name__)
