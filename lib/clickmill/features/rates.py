"""Smoothed rates of answers and conversions by item, category, campaign and position, and by their crosses, as known at a step of time.

A position of a shop has a large part of all impressions, so nothing here sorts impressions: changes are counted by step of
some minutes first, and an impression gets the state at the start of its own step, by one equal join. What the state holds was
known strictly before that start.

A rate is that of a beta distribution with what was counted: (answers + strength x mean) / (shown + strength). Mean and strength are
those of its dimension, fitted to the state at the start of the day by moments: the strength is 1 / rho - 1, with rho the share of
variance that lies between values (Ridout, Demetrio and Firth, Estimating intraclass correlation for binary data, Biometrics 1999,
the analysis of variance estimator weighted by size).

Shapes  C changes of the block, Q questions
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import reduce

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DecimalType, LongType, StringType, StructField, StructType

from clickmill.contracts.days import RATE_DAYS, Days
from clickmill.features.blocks import by_key
from clickmill.features.histories import Histories, Ints, Questions

DIMENSIONS = {
    "item": ("item_id",),
    "category": ("category",),
    "campaign": ("campaign_id",),
    "position": ("placement", "position"),
    "item_campaign": ("item_id", "campaign_id"),
    "item_position": ("item_id", "placement", "position"),
    "category_campaign": ("category", "campaign_id"),
    "category_position": ("category", "placement", "position"),
    "campaign_position": ("campaign_id", "placement", "position"),
}
OF_POSITION = tuple(name for name in DIMENSIONS if name.endswith("position"))
"""Those that know where something was shown: inputs of training alone."""

IMPRESSION = ("site_id", "event_date", "event_id", "item_pos")
"""The columns that name an impression."""

_KEY = ("site_id", "dimension", "value")
_DAY_S = 86_400
_FRACTION = 2**20  # squares of answers by shown are kept as whole parts of this, so that they add up the same in any order
_STRONGEST = 100_000.0
_COUNTS = ("shown", "answers", "conversions")


@dataclass(frozen=True)
class Steps:
    """How time is cut; what a rate is before anything is known, and how many impressions that is worth."""

    step_s: int
    prior_answer_rate: float
    prior_conversion_rate: float
    prior_weight: float

    @property
    def a_day(self) -> int:
        return _DAY_S // self.step_s

    def step(self, instant: Column) -> Column:
        """The number of the step in which an instant lies."""
        return F.floor(F.unix_micros(instant) / F.lit(self.step_s * 1_000_000)).cast("long")


def changes(shown: DataFrame, outcomes: DataFrame, steps: Steps, *, answer_window_s: int) -> DataFrame:
    """Count what became known of each value of each dimension, by the step from whose start on it is known.

    An impression counts once its window for an answer is over, with the answer that has come by then; an answer that becomes
    known later counts from then on. A conversion counts when it becomes known.

    Grain   one row per (site_id, dimension, value, step)
    Needs   shown: impressions of clean.known_events; features.outcomes
    """
    window = F.make_dt_interval(secs=F.lit(answer_window_s))
    columns = ["site_id", "item_id", "category", "campaign_id", "placement", "position"]
    known = shown.select(*columns, (F.col("known_at") + window).alias("at"), F.lit("shown").alias("what"))
    since = F.greatest("known_at", F.col("shown_known_at") + window)
    is_answer = F.col("kind") == "answer"
    at, what = F.when(is_answer, since).otherwise(F.col("known_at")), F.when(is_answer, "answers").otherwise("conversions")
    each = known.unionByName(outcomes.select(*columns, at.alias("at"), what.alias("what")))
    counted = [F.count_if(F.col("what") == name).alias(name) for name in _COUNTS]
    return _by_dimension(each.withColumn("step", steps.step(F.col("at")) + 1)).groupBy(*_KEY, "step").agg(*counted)


def value(dimension: str) -> Column:
    """The value of an impression in a dimension; what is unknown is a value of its own."""
    return F.concat_ws("\x1f", *(F.coalesce(F.col(name).cast("string"), F.lit("")) for name in DIMENSIONS[dimension]))


def _by_dimension(rows: DataFrame) -> DataFrame:
    pairs = F.array(*(F.struct(F.lit(name).alias("dimension"), value(name).alias("value")) for name in DIMENSIONS))
    return rows.select("*", F.explode(pairs).alias("_pair")).select("*", "_pair.*")


_MOMENTS = {"keys": LongType(), "whole": LongType(), "part": LongType(), "squares": DecimalType(38, 0), "ratio": LongType()}
_STATE = StructType(
    [StructField(name, StringType()) for name in _KEY]
    + [StructField(name, LongType()) for name in ("step", *_COUNTS)]
    + [StructField(f"{kind}_{name}", type_) for kind in ("answer", "conversion") for name, type_ in _MOMENTS.items()]
)


def states(counted: DataFrame, shown: DataFrame, steps: Steps, days: Days) -> DataFrame:
    """What is known at the steps of some impressions, and of all values of a dimension together at the starts of days (no value).

    Grain   one row per (site_id, dimension, value, step) of `shown`; several partial sums per site, dimension and start of a day
    Needs   counted: the frame of changes() over the window before the first step; shown: impressions, with `step`; days: all on
            which one of these was shown
    """
    asked = _by_dimension(shown).select(*_KEY, "step").distinct().withColumn("is_asked", F.lit(True))
    rows = counted.withColumn("is_asked", F.lit(False)).unionByName(asked, allowMissingColumns=True)
    window, starts = RATE_DAYS * steps.a_day, [(day - date(1970, 1, 1)).days * steps.a_day for day in days]
    return by_key(rows, _KEY, ("step", "is_asked"), lambda table, code: _answered(table, code, window, starts), _STATE)


def _answered(table: pa.Table, code: Ints, window: int, starts: Sequence[int]) -> Iterator[pa.Table]:
    is_asked = table["is_asked"].to_numpy()
    step, asked = table["step"].to_numpy(), np.flatnonzero(is_asked)
    past = table.filter(pa.array(~is_asked))
    histories, numbers = Histories(code[~is_asked], step[~is_asked]), {name: past[name].to_numpy() for name in _COUNTS}

    def counts(keys: Ints, at: Ints) -> dict[str, Ints]:
        told = histories.asked(Questions(keys, at + 1))  # what changes with a step is known at its start
        return {name: told.sums(numbers[name], window)[0] for name in _COUNTS}

    names = table.select([*_KEY, "step"]).take(asked)
    yield _whole(pa.table({**{name: names[name] for name in names.column_names}, **counts(code[asked], step[asked])}))
    groups = table.select(["site_id", "dimension"]).take(np.flatnonzero(np.diff(code, prepend=-1))).to_pandas()
    group = groups.groupby(["site_id", "dimension"])
    for start in starts:
        of_keys = counts(np.arange(len(groups)), np.full(len(groups), start))
        for (site, dimension), places in group.indices.items():
            yield _whole(_moments(site, dimension, start, {name: of_keys[name][places] for name in _COUNTS}))


def _moments(site: str, dimension: str, start: int, counts: dict[str, Ints]) -> pa.Table:
    """The sums over the values of a dimension from which mean and strength follow."""
    row: dict[str, list[object]] = {"site_id": [site], "dimension": [dimension], "step": [start]}
    for kind, wholes, parts in (("answer", "shown", "answers"), ("conversion", "answers", "conversions")):
        there = counts[wholes] > 0
        whole, part = counts[wholes][there], np.minimum(counts[parts], counts[wholes])[there]
        if len(whole) and int(whole.max()) > 2**20:
            whole, part = whole.astype(object), part.astype(object)  # whole numbers of any size
        row[f"{kind}_keys"], row[f"{kind}_whole"], row[f"{kind}_part"] = [len(whole)], [int(whole.sum())], [int(part.sum())]
        row[f"{kind}_squares"] = [Decimal(int((whole * whole).sum()))]
        row[f"{kind}_ratio"] = [int((part * part * _FRACTION // whole).sum())]
    return pa.table(row)


def _whole(some: pa.Table) -> pa.Table:
    """All columns of a state; those that are not there are null."""
    missing = [name for name in _STATE.names if name not in some.column_names]
    return reduce(lambda table, name: table.append_column(name, pa.nulls(some.num_rows)), missing, some)


def rates(shown: DataFrame, states: DataFrame, steps: Steps) -> DataFrame:
    """The smoothed rates of the values of every impression, and how many impressions those of answers rest on.

    Grain   one row per impression, by its key alone
    Needs   shown: impressions, with `step`; states: the frame of states() of these, read twice: keep it
    """
    fitted = _fitted(states.where("value IS NULL"), steps)
    known = states.where("value IS NOT NULL").withColumn("_start", F.col("step") - F.col("step") % steps.a_day)
    rated = known.join(F.broadcast(fitted), on=["site_id", "dimension", "_start"], how="left").select(
        *_KEY,
        "step",
        F.col("shown").alias(f"shown_{RATE_DAYS}d"),
        _smoothed("answers", "shown", "answer", steps.prior_answer_rate, steps.prior_weight),
        _smoothed("conversions", "answers", "conversion", steps.prior_conversion_rate, steps.prior_weight),
    )
    # One narrow row a dimension, joined once: a join a dimension would move the impressions nine times.
    each = _by_dimension(shown).select(*IMPRESSION, *_KEY[1:], "step").join(rated, on=[*_KEY, "step"], how="inner")
    told = ("answer_rate", "conversion_rate", f"shown_{RATE_DAYS}d")
    columns = [F.max(F.when(F.col("dimension") == of, F.col(name))).alias(f"{of}_{name}") for of in DIMENSIONS for name in told]
    return each.groupBy(*IMPRESSION).agg(*columns)


def _smoothed(part: str, whole: str, kind: str, rate: float, weight: float) -> Column:
    mean, strength = F.coalesce(F.col(f"{kind}_mean"), F.lit(rate)), F.coalesce(F.col(f"{kind}_strength"), F.lit(weight))
    return ((F.least(part, whole) + strength * mean) / (F.col(whole) + strength)).alias(f"{kind}_rate")


def _fitted(moments: DataFrame, steps: Steps) -> DataFrame:
    """Mean and strength of each dimension at the start of each day.

    Grain   one row per (site_id, dimension, _start)
    """
    names = [f"{kind}_{name}" for kind in ("answer", "conversion") for name in _MOMENTS]
    summed = moments.groupBy("site_id", "dimension", F.col("step").alias("_start")).agg(*(F.sum(name).alias(name) for name in names))
    told = []
    for kind, rate in (("answer", steps.prior_answer_rate), ("conversion", steps.prior_conversion_rate)):
        keys, whole, part, squares = (F.col(f"{kind}_{name}").cast("double") for name in ("keys", "whole", "part", "squares"))
        mean = (part + rate * steps.prior_weight) / (whole + steps.prior_weight)
        own = F.try_divide(part, whole)
        spread = F.col(f"{kind}_ratio") / F.lit(float(_FRACTION)) - part * own
        rest = whole - F.try_divide(squares, whole) - (keys - 1)
        rho = F.try_divide(F.try_divide(spread, own * (1 - own)) - (keys - 1), rest)
        strength = F.least(F.lit(_STRONGEST), F.greatest(F.lit(1.0), 1 / F.greatest(rho, F.lit(1e-9)) - 1))
        told += [mean.alias(f"{kind}_mean"), F.when((keys > 1) & (rest > 0) & rho.isNotNull(), strength).alias(f"{kind}_strength")]
    return summed.select("site_id", "dimension", "_start", *told)
