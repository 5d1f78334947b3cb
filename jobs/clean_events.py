"""raw.events -> clean.events, clean.rejects and the sessions left open, for a range of event days.

Row rules need no order, so rejects leave before the one shuffle by visitor that serves copies and sessions.
Sessions that the day before left open go on; what landed up to `clean.lateness_days` later is included.
"""

from collections.abc import Mapping

from pyspark.sql import DataFrame, SparkSession

from clickmill import job, quality
from clickmill.clean import bots, copies, identity, order, ranges, records, sessions
from clickmill.config import Config
from clickmill.contracts.days import Days
from clickmill.contracts.table import Table
from clickmill.contracts.tables import BOTS, EVENTS, OPEN_SESSIONS, RAW_EVENTS, REJECTS, VALUE_RANGES
from clickmill.job import Inputs, Outputs

READS = (RAW_EVENTS.landed("clean.lateness_days"), VALUE_RANGES.days_back("clean.range_days"), BOTS.same_days(), OPEN_SESSIONS.days_back(1))
WRITES = (EVENTS, REJECTS, OPEN_SESSIONS)


def run(spark: SparkSession, conf: Config, days: Days, inputs: Inputs) -> Outputs:
    clean, zone, gap_s = conf.clean, conf.shop.zone, conf.sessions.gap_s
    rows = records.of_days(inputs[RAW_EVENTS], days, zone=zone, **clean.clocks())
    inputs.before_split[EVENTS] = records.filled(rows, fill=clean.fill)
    rows = quality.with_broken_rules(inputs.before_split[EVENTS], EVENTS, column="_rules")
    rows = ranges.with_outliers(rows, ranges.bounds(inputs[VALUE_RANGES], days, range_days=clean.range_days, min_rows=clean.range_min_rows))
    kept, rejected = records.split(bots.with_flood(rows, inputs[BOTS]))
    kept = bots.with_bot_flag(kept, inputs[BOTS])
    carried = records.of_day(inputs[OPEN_SESSIONS], days.widened(back=1).first)
    events = order.by_visitor(kept, carried, near_copy_s=clean.near_copy_s, order_copy_s=clean.order_copy_s)
    events = copies.marked(events, horizon_s=clean.copy_horizon_s)
    events = inputs.keep(sessions.with_session_id(events, gap_s=gap_s, dwell_cap_s=clean.dwell_cap_s, zone=zone))
    rejects = records.rejects(rejected, kind="reject").unionByName(records.rejects(copies.only_copies(events), kind="copy"))
    left_open = sessions.still_open(events, copy_horizon_s=clean.copy_horizon_s, zone=zone)
    return {EVENTS: sessions.only_kept(events), REJECTS: rejects, OPEN_SESSIONS: left_open}


def check(written: Mapping[Table, DataFrame], inputs: Inputs) -> dict[str, int]:
    return identity.rows_are_all_there(
        written, records.of_days(inputs[RAW_EVENTS], inputs.days, zone=inputs.conf.shop.zone, **inputs.conf.clean.clocks())
    )


if __name__ == "__main__":
    job.main(__name__)
