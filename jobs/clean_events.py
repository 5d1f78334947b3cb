"""raw.events -> clean.events, clean.rejects and the sessions left open, for a range of event days.

Row rules need no order, so rejects leave before the one shuffle by visitor that serves copies and sessions.
Sessions that the day before left open go on; what landed up to `clean.lateness_days` later is included.
"""

from clickmill import job, quality
from clickmill.clean import bots, identity, ranges, records, sessions, stream
from clickmill.contracts.tables import BOTS, EVENTS, OPEN_SESSIONS, RAW_EVENTS, REJECTS, VALUE_RANGES

READS = (RAW_EVENTS.landed("clean.lateness_days"), VALUE_RANGES.days_back("clean.range_days"), BOTS.same_days(), OPEN_SESSIONS.days_back(1))
WRITES = (EVENTS, REJECTS, OPEN_SESSIONS)
CONFIG = ("clean", "sessions", "shop")


def run(spark: job.SparkSession, conf: job.Config, days: job.Days, inputs: job.Inputs) -> job.Outputs:
    clean, zone = conf.clean, conf.shop.zone
    rows = records.of_days(inputs[RAW_EVENTS], days, zone=zone, **clean.clocks())
    inputs.before_split[EVENTS] = records.filled(rows, fill=clean.fill)
    rows = quality.with_broken_rules(inputs.before_split[EVENTS], EVENTS, column="_rules")
    rows = ranges.with_outliers(rows, ranges.bounds(inputs[VALUE_RANGES], days, range_days=clean.range_days, min_rows=clean.range_min_rows))
    kept, rejected = records.split(bots.with_flood(rows, inputs[BOTS]))
    carried = records.of_day(inputs[OPEN_SESSIONS], days.widened(back=1).first)
    windows = stream.Windows(**clean.windows(), **conf.sessions.model_dump())
    events = inputs.keep(stream.marked(bots.with_bot_flag(kept, inputs[BOTS]), carried, windows, zone=zone))
    left_open = sessions.still_open(events, copy_horizon_s=clean.copy_horizon_s, zone=zone)
    return {EVENTS: sessions.only_kept(events), REJECTS: records.rejects(rejected, events), OPEN_SESSIONS: left_open}


def check(written: job.Written, inputs: job.Inputs) -> dict[str, int]:
    rows = records.of_days(inputs[RAW_EVENTS], inputs.days, zone=inputs.conf.shop.zone, **inputs.conf.clean.clocks())
    return identity.rows_are_all_there(written, rows)


if __name__ == "__main__":
    job.main(__name__)
