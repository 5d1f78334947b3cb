"""What came of what was shown: answers (clicks) and conversions (purchases), each under the day on which it became known.

Attribution is causal: it looks at nothing that became known after the outcome, so no later landing moves one. An answer
belongs to the impression that it names; one that names none, to the impression of its item to its visitor that was known
last before it. A purchase belongs to the answered impression of its item that was known last before it. Each comes within a
window, and each impression has at most one answer and one conversion: those first known. Where purchases are the answers, a
conversion is a later purchase of the item: none converts what it answers.
"""

from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from clickmill.contracts.conform import conform
from clickmill.contracts.days import Days
from clickmill.contracts.tables import OUTCOMES
from clickmill.features.acts import paid

SHOWN_KEY = ("site_id", "shown_date", "shown_event_id", "shown_item_pos")
"""The columns that name what was shown."""

_ABOUT = ("user_id", "user_id_kind", "item_id", "category", "campaign_id", "placement", "position")
_VISITOR = ("site_id", "visitor_id")
_DAY_S = 86_400


@dataclass(frozen=True)
class Rules:
    """What is shown and what answers it (event types), and how long after it an outcome may come; conf/base.yaml gives reasons."""

    shown: str
    answer: str
    answer_window_s: int
    conversion_days: int


def outcomes(events: DataFrame, days: Days, rules: Rules) -> DataFrame:
    """Attribute the answers and purchases that became known on the days of a run.

    Where the impression that an answer names became known after it, the outcome is known when both are.

    Grain   one row per impression (SHOWN_KEY) and kind of outcome, answer or conversion
    Needs   clean.known_events from as many days before the first as an outcome may become known after what was shown
    Ties    of equal instants an impression is known before what answers it, a purchase that is an answer before what it answers is
            answered; others by event time, then by event id
    """
    acts = events.where(F.col("visitor_id").isNotNull()).withColumn("_when", F.struct("known_at", "known_date"))
    of_run = F.col("known_date").between(F.lit(days.first), F.lit(days.last))
    shown, answers, bought = (acts.where(F.col("event_type") == type_) for type_ in (rules.shown, rules.answer, "purchase"))
    # Whoever did nothing in these days has no new outcome: hardly any of the impressions of earlier days is moved.
    named_later = shown.where(F.col("impression_id").isNotNull())
    busy = answers.unionByName(bought).unionByName(named_later).where(of_run).select(*_VISITOR).distinct()
    shown, answers, bought = (one.join(busy, on=list(_VISITOR), how="left_semi") for one in (shown, answers, bought))
    answered = _attributed(_as_shown(shown), _as_acts(answers, _by_id_or_item()), rules.answer_window_s)
    # From here on an impression stands where its answer does.
    converted = _attributed(
        _answered(answered), _as_acts(bought, _by_item()), rules.conversion_days * _DAY_S, first=rules.answer == "purchase"
    )
    kinds = {"answer": answered, "conversion": converted}
    both = [one.withColumn("kind", F.lit(kind)).select("*", "_shown.*", "_when.*") for kind, one in kinds.items()]
    return conform(both[0].unionByName(both[1]).where(of_run), OUTCOMES)


def _by_item() -> Column:
    return F.when(F.col("item_id").isNotNull(), F.struct(F.lit(None).cast("string").alias("impression_id"), "item_id"))


def _by_id_or_item() -> Column:
    return F.when(F.col("impression_id").isNotNull(), F.struct("impression_id", "item_id")).otherwise(_by_item())


def _as_shown(shown: DataFrame) -> DataFrame:
    """Impressions, once under their item and once under their id where they have one."""
    names = {"shown_date": "event_date", "shown_event_id": "event_id", "shown_item_pos": "item_pos", "shown_at": "event_at"}
    told = F.struct(*(F.col(name).alias(alias) for alias, name in names.items()), F.col("known_at").alias("shown_known_at"), *_ABOUT)
    links = F.array_compact(F.array_distinct(F.array(_by_id_or_item(), _by_item())))
    return shown.select(*_VISITOR, "_when", F.col("event_at").alias("_at"), told.alias("_shown"), F.explode(links).alias("_link"))


def _answered(answered: DataFrame) -> DataFrame:
    link = F.struct(F.lit(None).cast("string").alias("impression_id"), F.col("_shown.item_id"))
    return answered.where("_shown.item_id IS NOT NULL").select(
        *_VISITOR, "_when", F.col("outcome_at").alias("_at"), "_shown", link.alias("_link")
    )


def _as_acts(acts: DataFrame, link: Column) -> DataFrame:
    value = paid().cast("decimal(28,4)")
    place = F.struct("event_date", "event_id", "item_pos")
    told = acts.select(
        *_VISITOR, "_when", F.col("event_at").alias("_at"), place.alias("_act"), value.alias("outcome_value"), link.alias("_link")
    )
    return told.where("_link IS NOT NULL")


def _attributed(shown: DataFrame, acts: DataFrame, window_s: int, *, first: bool = False) -> DataFrame:
    """Each impression with the first known act that belongs to it and comes within the window; `first`: of equal instants acts are."""
    meeting = [*_VISITOR, "_link"]
    both = shown.unionByName(acts, allowMissingColumns=True)
    order = [F.col("_when"), F.col("_act").isNull() if first else F.col("_act").isNotNull(), F.col("_at"), F.col("_act"), F.col("_shown")]
    in_time = Window.partitionBy(*meeting).orderBy(*order)
    mark = F.when(F.col("_act").isNull(), F.struct("_at", "_when", "_shown"))
    before = F.last(mark, ignorenulls=True).over(in_time.rowsBetween(Window.unboundedPreceding, Window.currentRow))
    # An id names one impression, whenever that becomes known: where none is before, the first of all is the first after. (A frame
    # that only looks ahead would go through the rest of the rows for each row.)
    ever = F.first(mark, ignorenulls=True).over(in_time.rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing))
    found = F.coalesce(before, F.when(F.col("_link.impression_id").isNotNull(), ever))
    met = both.withColumn("_found", found).where("_act IS NOT NULL AND _found IS NOT NULL")
    after_us = F.unix_micros("_at") - F.unix_micros("_found._at")
    within = met.where((after_us >= 0) & (after_us <= window_s * 1_000_000))
    told = within.select(
        *_VISITOR,
        F.col("_found._shown").alias("_shown"),
        F.greatest("_when", "_found._when").alias("_when"),
        F.col("_at").alias("outcome_at"),
        "outcome_value",
        "_act",
    )
    earliest = Window.partitionBy(*_VISITOR, *(f"_shown.{name}" for name in SHOWN_KEY[1:])).orderBy("_when", "outcome_at", "_act")
    return told.withColumn("_rank", F.row_number().over(earliest)).where("_rank = 1").drop("_rank")
