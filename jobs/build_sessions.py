"""clean.events, clean.open_sessions -> clean.sessions, for a range of closing days.

A session that lasted for days is its state at the end of the day before, plus the events of the days.
"""

from pyspark.sql import SparkSession

from clickmill import job
from clickmill.clean import sessions
from clickmill.config import Config
from clickmill.contracts.days import Days
from clickmill.contracts.tables import EVENTS, OPEN_SESSIONS, SESSIONS
from clickmill.job import Inputs, Outputs

READS = (EVENTS.same_days(), OPEN_SESSIONS.days_back(1))
WRITES = (SESSIONS,)
CONFIG = ("sessions", "shop")


def run(spark: SparkSession, conf: Config, days: Days, inputs: Inputs) -> Outputs:
    closed = sessions.sessions(inputs[EVENTS], inputs[OPEN_SESSIONS], days, gap_s=conf.sessions.gap_s, zone=conf.shop.zone)
    return {SESSIONS: closed}


if __name__ == "__main__":
    job.main(__name__)
