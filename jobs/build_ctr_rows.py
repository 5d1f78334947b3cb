"""clean.known_events, features.outcomes, features.item_days -> features.ctr_rows: impressions, what was known before each, and its label.

The label of an impression is final `ctr.label_wait_days` days after it; until then it is null. All else is the same whenever it is made.
"""

from clickmill import job
from clickmill.contracts.tables import CTR_ROWS, ITEM_DAYS, KNOWN_EVENTS, OUTCOMES
from clickmill.features import ctr_rows, known_days, rates

READS = (
    KNOWN_EVENTS.recent("past_days"),
    OUTCOMES.around("rate_days", "ctr.label_wait_days"),
    ITEM_DAYS.days_back("past_days"),
)
WRITES = (CTR_ROWS,)
CONFIG = ("clean", "ctr", "outcomes", "rates", "shop")


def run(spark: job.SparkSession, conf: job.Config, days: job.Days, inputs: job.Inputs) -> job.Outputs:
    events, outcomes, zone = inputs[KNOWN_EVENTS], inputs[OUTCOMES], conf.shop.zone
    shown, steps = conf.outcomes.shown, rates.Steps(**conf.rates.model_dump())
    changes = rates.changes(events.where(events.event_type == shown), outcomes, steps, answer_window_s=conf.outcomes.answer_window_s)
    mine = ctr_rows.impressions(events, days, shown=shown)
    asked = mine.withColumn("step", steps.step(mine.event_at))
    states = inputs.keep(rates.states(changes, asked, steps, days.widened(back=conf.clean.known_days)))
    items = known_days.items_before(inputs[ITEM_DAYS], mine.select("site_id", "item_id", "event_date").dropna().distinct())
    rows = ctr_rows.ctr_rows(events, rates.rates(asked, states, steps), items, days, shown=shown, zone=zone)
    last_day, wait = inputs.last_days[OUTCOMES], conf.ctr.label_wait_days
    return {CTR_ROWS: ctr_rows.with_label(rows, outcomes, label_wait_days=wait, last_day=last_day, zone=zone)}


def check(written: job.Written, inputs: job.Inputs) -> dict[str, int]:
    mine = ctr_rows.impressions(inputs[KNOWN_EVENTS], inputs.days, shown=inputs.conf.outcomes.shown)
    return ctr_rows.counts(written[CTR_ROWS], mine)


if __name__ == "__main__":
    job.main(__name__)
