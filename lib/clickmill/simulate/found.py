"""How much of the planted truth a lake has found: copies, machines, sessions, tastes; each beside its floor."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from clickmill.contracts.events import USER
from clickmill.simulate.landing import item_id
from clickmill.simulate.world import World

_PAIR = ("site_id", "visitor_id")
_BOUNDARIES = 0.999  # floor of session boundaries: of those called so, of those there are, and of all pairs, which are mostly none


@dataclass(frozen=True)
class Finding:
    """One share that was measured, and the floor it must reach; None where there is none, and a ceiling where it must stay below."""

    what: str
    share: float
    count: int
    floor: float | None = None
    is_ceiling: bool = False

    @property
    def holds(self) -> bool:
        """Whether the floor is reached; what has none always holds, and what nothing was there to measure by never does."""
        if self.floor is None:
            return True
        return self.count > 0 and (self.share <= self.floor if self.is_ceiling else self.share >= self.floor)

    @property
    def bound(self) -> str:
        """The floor in words; empty where there is none."""
        return "" if self.floor is None else f"{'<=' if self.is_ceiling else '>='} {self.floor:.3%}"


def own_ids(raw: DataFrame) -> DataFrame:
    """The id that the shop gave to each event of the lake.

    Grain   one row per event_id, with own_id
    Needs   raw.events, of lines in our plain form
    """
    told = raw.select("event_id", F.get_json_object("record_text", "$.event_id").alias("own_id"))
    return told.where("own_id is not null and event_id is not null").distinct()


def copies(truth: DataFrame, rejects: DataFrame, own_ids: DataFrame, *, lateness_days: int) -> list[Finding]:
    """Exact and near copies among what landed in time.

    A copy is found where one delivery more of its event (exact), or itself or its original (near), is a reject with that
    reason. `conflicting_copy` counts as found: it says that one of two copies is broken.

    Needs   truth: the deliveries of a simulation; clean.rejects; own_ids()
    """
    in_time = truth.where(F.datediff("landing_date", F.to_date("event_at")) <= lateness_days)
    named = rejects.where("kind = 'copy'").join(own_ids, on="event_id", how="inner")
    told = named.select(F.col("own_id").alias("event_id"), F.element_at("reasons", 1).alias("reason"))
    exact = told.where("reason in ('exact_copy', 'conflicting_copy')")
    true_exact = in_time.where("delivery = 'exact_copy'").select(F.col("of_event_id").alias("event_id"))
    near = told.where("reason = 'near_copy'").select("event_id")
    original = F.when(F.col("delivery") == "near_copy", F.col("of_event_id"))
    pairs = in_time.where("delivery = 'near_copy'").select("event_id", original.alias("_of"))
    named = near.join(pairs, on="event_id", how="left").select(F.coalesce("_of", "event_id").alias("event_id"))
    true_near = pairs.select(F.col("_of").alias("event_id"))
    return [*_agreement("exact copies", exact, true_exact, 1.0), *_agreement("near copies", named, true_near, 0.95)]


def machines(truth: DataFrame, bots: DataFrame) -> list[Finding]:
    """Visitors called machines on any day: of the family that rules were made for, of another one, and of people."""
    flagged = bots.select("visitor_id").distinct().withColumn("_flagged", F.lit(1))
    visitors = truth.select("visitor_id", "bot_family").distinct().join(flagged, on="visitor_id", how="left")
    row = visitors.agg(*(_counts(family) for family in (0, 1, 2)), *(_counts(family, flagged=True) for family in (0, 1, 2))).first()
    assert row is not None
    people, first, second, people_called, first_called, second_called = row
    return [
        Finding("bots, precision", _ratio(first_called, first_called + people_called), first_called + people_called, 0.95),
        Finding("bots, recall", _ratio(first_called, first), first, 0.90),
        Finding("people called bots", _ratio(people_called, people), people, 0.005, is_ceiling=True),
        Finding("bots of a family no rule was made for, recall", _ratio(second_called, second), second),
    ]


def sessions(truth: DataFrame, events: DataFrame, own_ids: DataFrame) -> list[Finding]:
    """Boundaries between the neighbouring events of people in clean.events: where a session ends, and where none does."""
    known = truth.where("bot_family = 0 and delivery = 'original'").select(F.col("event_id").alias("own_id"), "session_number")
    kept = events.where("item_pos <= 1 and session_id is not null").join(own_ids, on="event_id", how="inner")
    kept = kept.join(known, on="own_id", how="inner")
    in_time = Window.partitionBy(*_PAIR).orderBy("event_at", F.coalesce("source_order", F.lit(-1)), "event_id")
    beside = kept.select(
        (F.col("session_id") != F.lag("session_id").over(in_time)).alias("_found"),
        (F.col("session_number") != F.lag("session_number").over(in_time)).alias("_true"),
    ).where("_true is not null")
    row = beside.agg(F.count("*"), F.count_if("_found"), F.count_if("_true"), F.count_if(F.expr("_found and _true"))).first()
    assert row is not None
    pairs, found, true, both = row
    return [
        Finding("session boundaries, all pairs of events", _ratio(pairs - found - true + 2 * both, pairs), pairs, _BOUNDARIES),
        Finding("session boundaries, precision", _ratio(both, found), found, _BOUNDARIES),
        Finding("session boundaries, recall", _ratio(both, true), true, _BOUNDARIES),
    ]


def chances(truth: DataFrame, own_ids: DataFrame) -> DataFrame:
    """How likely each impression of the lake was to be clicked.

    Grain   one row per event_id, with chance
    Needs   truth: the deliveries of a simulation; own_ids()
    """
    shown = truth.where("event_type = 'impression' and delivery = 'original'")
    return own_ids.join(shown.select(F.col("event_id").alias("own_id"), F.col("chance_with").alias("chance")), on="own_id", how="inner")


def world(spark: SparkSession, truth: str) -> World:
    """The shop behind a simulation, by the folder of its truth."""
    row = spark.read.schema("seed long, days int").json(f"{truth}/world").first()
    assert row is not None
    return World(seed=row.seed, days=row.days)


def oracle(shop: World, truth: DataFrame, users: DataFrame, barred: DataFrame, *, k: int) -> DataFrame:
    """The lists of one that knows the tastes of users: the items with the highest odds, without those that are barred.

    Grain   one row per user and rank
    Needs   truth: the deliveries; users: USER, distinct; barred: USER, item_id, distinct
    Ties    equal odds by item
    """
    # Accounts and visitors are the same key behind another letter.
    numbers = truth.where("visitor_id is not null").select(F.substring("visitor_id", 2, 16).alias("_key"), "user_number").distinct()
    gone = barred.groupBy(*USER).agg(F.collect_set("item_id").alias("_gone"))
    known = users.withColumn("_key", F.substring("user_id", 2, 16)).join(numbers, on="_key", how="inner")

    def ranked(batches: Iterable[pd.DataFrame]) -> Iterable[pd.DataFrame]:
        for batch in batches:
            odds = shop.odds(batch["user_number"].to_numpy())
            for row, items in enumerate(batch["_gone"]):
                odds[row, [int(item) for item in ([] if items is None else items)]] = -1.0
            top = np.argsort(-odds, axis=1, kind="stable")[:, :k]
            keys = batch[list(USER)]
            made = keys.loc[keys.index.repeat(k)].reset_index(drop=True)
            yield made.assign(rank=np.tile(np.arange(1, k + 1, dtype=np.int32), len(keys)), item=top.ravel())

    schema = "site_id string, user_id_kind string, user_id string, rank int, item long"
    lists = known.join(gone, on=list(USER), how="left").select(*USER, "user_number", "_gone").mapInPandas(ranked, schema)
    return lists.withColumn("item_id", item_id(F.col("item"))).drop("item")


def _agreement(what: str, found: DataFrame, true: DataFrame, floor: float) -> list[Finding]:
    """Precision and recall of events that are named as often as they were copied."""
    counted = found.groupBy("event_id").agg(F.count("*").alias("_found"))
    expected = true.groupBy("event_id").agg(F.count("*").alias("_true"))
    joined = counted.join(expected, on="event_id", how="full").fillna(0, ["_found", "_true"])
    row = joined.agg(F.sum("_found"), F.sum("_true"), F.sum(F.least("_found", "_true"))).first()
    assert row is not None
    named, there, both = (value or 0 for value in row)
    return [
        Finding(f"{what}, precision", _ratio(both, named), named, floor),
        Finding(f"{what}, recall", _ratio(both, there), there, floor),
    ]


def _counts(family: int, *, flagged: bool = False) -> Column:
    is_one = F.col("bot_family") == family
    return F.count_if(is_one & F.col("_flagged").isNotNull() if flagged else is_one)


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 1.0
