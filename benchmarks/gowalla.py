"""Recommenders on Gowalla check-ins (NGCF/LightGCN split), beside published rows: Recall@20 and NDCG@20, all items ranked.

python -m benchmarks.gowalla FOLDER [RANK ...]     FOLDER holds train.txt.gz and test.txt.gz: `user item item ...` a line

ALS's parameters are chosen on a tenth of the training pairs, which no model saw; then all models are trained on the whole
training part and judged once on the test part. Nothing else looks at the test part.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any

from pyspark.sql import DataFrame, Row, SparkSession, Window
from pyspark.sql import functions as F

from benchmarks import results
from clickmill import config, session
from clickmill.contracts.conform import conform
from clickmill.contracts.events import USER
from clickmill.contracts.local import local_frame
from clickmill.contracts.tables import IDS, INTERACTIONS
from clickmill.metrics import ranking
from clickmill.models import als, candidates, ids, neighbours

DAY = date(2024, 1, 1)
K = 20
ALPHAS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
REGULARISATIONS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
GRID = {"alpha": ALPHAS, "regularisation": REGULARISATIONS}
GRID_RANK, ITERATIONS, HALF_LIFE_DAYS = 64, 10, 90  # all is of one day: nothing fades
RANKS = (64, 128, 256)
WHOLE_HISTORY = 100_000  # a check-in has no time: the latest would be any
VALIDATION_SHARE, JUDGED_SHARE = 0.1, 0.25
PUBLISHED = {
    "ItemCF": (0.1570, 0.1214),
    "MF-BPR": (0.1627, 0.1378),
    "EASE^R": (0.1765, 0.1467),
    "LightGCN": (0.1820, 0.1547),
    "SimpleX": (0.1872, 0.1557),
}


@dataclass(frozen=True)
class Past:
    """A training part as the models take it, made once however many are trained: features.interactions, numbers, strengths, histories."""

    interactions: DataFrame
    ids: DataFrame
    pairs: DataFrame
    histories: DataFrame


def main(folder: str, *ranks: str) -> None:
    """Choose, train, judge, and write the section."""
    conf = config.load("local")
    with session.started("clickmill benchmark") as spark:
        train, test = (pairs(spark, f"{folder}/{part}.txt.gz").persist() for part in ("train", "test"))
        best, tried = _chosen(train, [int(rank) for rank in ranks] or list(RANKS))
        past = _past(train)
        models = {
            "popular": partial(_popular, past, test),
            "item_neighbours": partial(_neighbours, past, history_items=WHOLE_HISTORY, neighbours=conf.models.item_neighbours.neighbours),
            "als": partial(_als, past, **best),
        }
        rows = [_row(name, make, train, test) for name, make in models.items()]
        users = test.select("user_id").distinct().count()
    rows += [[f"{name}, published", *(f"{value:.4f}" for value in values), ""] for name, values in PUBLISHED.items()]
    about = (
        f"{users:,} test users, intervals of 95 % by user. Published rows: BARS leaderboard, gowalla_m1. ALS is Spark MLlib's, with {best}."
    )
    trials = "; ".join(f"rank {rank}, alpha {alpha:g}, regularisation {one:g}: {ndcg:.4f}" for (rank, alpha, one), ndcg in tried.items())
    results.write(
        "Gowalla",
        ["model", f"Recall@{K}", f"NDCG@{K}", "trained, ranked and judged in"],
        rows,
        [about, f"NDCG@{K} on the validation part: {trials}."],
    )


def pairs(spark: SparkSession, path: str) -> DataFrame:
    """One row per user and item: user_id, item_id."""
    words = F.split("value", " ")
    told = spark.read.text(path).select(words[0].alias("user_id"), F.explode(F.slice(words, 2, 100_000)).alias("item_id"))
    return told.where("item_id != ''").distinct().withColumns({"site_id": F.lit("gowalla"), "user_id_kind": F.lit("account")})


def interactions(train: DataFrame) -> DataFrame:
    """features.interactions of one day: each pair is one thing that was bought, so that none is offered again."""
    counts = {"event_count": 1, "purchased_quantity": 1, "refunded_quantity": 0}
    known = {name: F.lit(count).cast(INTERACTIONS.schema[name].dataType) for name, count in counts.items()} | {
        "rating": F.lit(None).cast("double")
    }
    known |= {"event_date": F.lit(DAY), "weight": F.lit(1.0), "last_event_at": F.lit(DAY).cast("timestamp")}
    return conform(train.withColumns(known), INTERACTIONS)


def _row(name: str, make: Any, train: DataFrame, test: DataFrame) -> list[str]:
    started = time.monotonic()
    judged = _judged(make(), train, test)
    told = [f"{judged[metric].value:.4f} ± {judged[metric].value - judged[metric].low:.4f}" for metric in ("recall", "ndcg")]
    print(name, told, flush=True)
    return [f"{name}, ours", *told, f"{time.monotonic() - started:.0f} s"]


def _judged(found: DataFrame, train: DataFrame, targets: DataFrame) -> dict[str, Row]:
    """Recall and NDCG of lists without the items of the training part, as means over the users of `targets`."""
    rank = F.row_number().over(Window.partitionBy(*USER).orderBy("candidate_rank"))
    new = found.join(train, on=[*USER, "item_id"], how="left_anti").withColumn("rank", rank).where(F.col("rank") <= K)
    lists = new.select(F.lit("one").alias("model"), *USER, "rank", "item_id")
    nothing = targets.select("site_id", "item_id").limit(0)
    user_rows = ranking.by_user(lists, targets.select(*USER, "item_id"), nothing, k=K)
    return {row.metric: row for row in ranking.means(user_rows, {"recall": "recall", "ndcg": "ndcg"}, ("model",)).collect()}


def _chosen(train: DataFrame, ranks: list[int]) -> tuple[dict[str, float], dict[tuple[float, ...], float]]:
    """The parameters of ALS with the best NDCG on pairs that were held out.

    Alpha and regularisation come first, at a small rank, by climbing a grid on log scales; then the rank; then regularisation again.
    """
    is_held = _lot("user_id", "item_id") < VALIDATION_SHARE
    held, kept = train.where(is_held & (_lot("user_id") < JUDGED_SHARE)).persist(), train.where(~is_held).persist()
    users, past, tried = held.select(*USER).distinct().persist(), _past(kept), {}

    def ndcg(params: dict[str, float]) -> float:
        key = tuple(params.values())
        if key not in tried:
            started = time.monotonic()
            tried[key] = _judged(_als(past, **params, users=users), kept, held)["ndcg"].value
            print(f"{params}: NDCG@{K} {tried[key]:.4f}, {time.monotonic() - started:.0f} s", flush=True)
        return tried[key]

    start = {"rank": GRID_RANK, "alpha": 10.0, "regularisation": 0.3}
    best = _climbed(start, ("alpha", "regularisation"), ndcg)
    best = max(({**best, "rank": rank} for rank in ranks), key=ndcg)
    return _climbed(best, ("regularisation",), ndcg), tried


def _climbed(best: dict[str, float], names: tuple[str, ...], ndcg: Callable[[dict[str, float]], float]) -> dict[str, float]:
    """Go from a point of the grid to the best of its neighbours, until none is better."""
    while True:
        steps = [{**best, name: value} for name in names for value in _beside(best[name], GRID[name])]
        nearby = max(steps, key=ndcg)
        if ndcg(nearby) <= ndcg(best):
            return best
        best = nearby


def _beside(value: float, values: tuple[float, ...]) -> tuple[float, ...]:
    place = values.index(value)
    return values[max(0, place - 1) : place] + values[place + 1 : place + 2]


def _lot(*names: str) -> Any:
    return F.pmod(F.xxhash64(*names), F.lit(1_000_000)) / 1e6


def _past(train: DataFrame) -> Past:
    known = interactions(train).persist()
    numbers = ids.new_ids(known, local_frame(known.sparkSession, [], IDS.schema)).persist()
    strengths = als.strengths(known, as_of=DAY, half_life_days=HALF_LIFE_DAYS)
    return Past(
        known, numbers, als.with_numbers(strengths, numbers).persist(), candidates.histories(known, recent_items=WHOLE_HISTORY).persist()
    )


def _als(past: Past, *, rank: float, alpha: float, regularisation: float, users: DataFrame | None = None) -> DataFrame:
    fit: dict[str, Any] = {"rank": int(rank), "alpha": alpha, "regularisation": regularisation, "iterations": ITERATIONS, "seed": 20240501}
    made = als.factors(past.pairs, past.ids, as_of=DAY, model_run_id="als", feedback="implicit", **fit).persist()
    items = candidates.items_by_site(made, max_broadcast_bytes=2**30)
    wanted = made if users is None else made.join(users.withColumnRenamed("user_id", "source_id"), on="source_id", how="left_semi")
    return candidates.from_factors(wanted, past.histories, items, as_of=DAY, per_user=K)


def _neighbours(past: Past, **params: int) -> DataFrame:
    near = neighbours.item_neighbours(past.interactions, past.ids, as_of=DAY, model_run_id="item_neighbours", **params)
    by_site = candidates.neighbours_by_site(near, max_broadcast_bytes=2**30)
    return candidates.from_neighbours(past.histories, by_site, as_of=DAY, per_user=K)


def _popular(past: Past, test: DataFrame) -> DataFrame:
    """As many popular items for each user as the largest history takes away."""
    most = past.interactions.groupBy(*USER).count().agg(F.max("count")).first()
    assert most is not None
    top = candidates.popular(past.interactions, as_of=DAY, popular_days=1, per_site=K + most[0]).select("item_id", "candidate_rank")
    return test.select(*USER).distinct().crossJoin(F.broadcast(top))


if __name__ == "__main__":
    main(*sys.argv[1:])
