"""How much of the truth of a simulation a lake has found: for the demo, tests and benchmarks. No job knows of it."""

from datetime import date

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from clickmill.config import Config
from clickmill.contracts.errors import BadData
from clickmill.contracts.events import USER
from clickmill.contracts.tables import BOTS, CTR_EVALUATIONS, CTR_ROWS, EVALUATIONS, EVENTS, EXPORTS, INTERACTIONS, RAW_EVENTS, REJECTS
from clickmill.lake import Lake
from clickmill.metrics import ctr_evaluation, evaluation, ranking
from clickmill.metrics.ctr import CLOSEST, Losses, gap_closed
from clickmill.models import splits
from clickmill.publish import recommendations as lists
from clickmill.simulate import found
from clickmill.simulate.found import Finding

_READ = (RAW_EVENTS, REJECTS, BOTS, EVENTS, INTERACTIONS, EVALUATIONS)
ORACLE_SHARE = 0.5
"""What the model to be published must reach of the recall of one that knows the tastes."""


def findings(lake: Lake, truth: str, conf: Config, last: date) -> list[Finding]:
    """Copies, machines, sessions, tastes and chances of clicks of a simulated shop, as far as the lake found them.

    Needs   a lake that holds the simulated site, in our plain form, through `evaluate_models` as of `last`; of clicks through
            `evaluate_ctr_models`, where it holds models of clicks
    """
    told = lake.spark.read.parquet(f"{truth}/deliveries")
    site = told.select("site_id").first()
    assert site is not None, "a simulation holds events"
    of_site = {table: lake.read(table).where(F.col("site_id") == site.site_id) for table in _READ}
    own_ids = found.own_ids(of_site[RAW_EVENTS]).persist()
    made = [
        *found.copies(told, of_site[REJECTS], own_ids, lateness_days=conf.clean.lateness_days),
        *found.machines(told, of_site[BOTS]),
        *found.sessions(told, of_site[EVENTS], own_ids),
        *_tastes(told, of_site[INTERACTIONS], of_site[EVALUATIONS], truth, conf, last),
    ]
    if lake.exists(CTR_EVALUATIONS):
        rows, judged = (lake.read(table).where(F.col("site_id") == site.site_id) for table in (CTR_ROWS, CTR_EVALUATIONS))
        judged, exports = (of.where(F.col("as_of_date") == F.lit(last)) for of in (judged, lake.read(EXPORTS)))
        made += clicks(found.chances(told, own_ids), rows, judged, exports)
    own_ids.unpersist()
    return made


def clicks(chances: DataFrame, rows: DataFrame, evaluations: DataFrame, exports: DataFrame) -> list[Finding]:
    """How far the log loss of each model of clicks went, from that of the rate of answers to that of the true chances.

    The rate is that of the very rows that judge. Of few rows a share depends on the luck of the answers, for all models alike.

    Needs   found.chances(); features.ctr_rows of a site; models.ctr_evaluations of the site and day; models.exports of the day
    Raises  BadData when models were judged by other rows than those that have a chance
    """
    export = exports.first()
    by_loss = evaluations.where("slice = 'all' and metric = 'log_loss'").where(F.col("model") != ctr_evaluation.BASE_RATE)
    models = by_loss.orderBy("model", "model_run_id").collect()
    if export is None or not models:
        return []
    told = rows.where(ctr_evaluation.labelled(export, "test")).join(chances, on="event_id", how="inner")
    chance, answer = F.greatest(F.least("chance", F.lit(1 - CLOSEST)), F.lit(CLOSEST)), F.col("answered").cast("int")
    loss = -F.ln(F.when(F.col("answered"), chance).otherwise(1 - chance))
    sums = told.agg(F.count("*"), F.count("*"), F.sum(answer), F.sum("chance"), F.sum(loss)).first()
    assert sums is not None
    count, judged_by = sums[0], {one.row_count for one in models}
    if judged_by != {count}:
        raise BadData(f"{CTR_EVALUATIONS.name}: models were judged by {sorted(judged_by)} impressions, {count} have a true chance")
    true = Losses(np.array(sums, float)).measures()
    closed = [(one.model, gap_closed(true["base_log_loss"], one.value, true["log_loss"])) for one in models]
    what = "log loss of clicks by {}, of the way from the rate of answers to the true chances"
    return [Finding(what.format(model), share, count) for model, share in closed if share is not None]


def _tastes(told: DataFrame, interactions: DataFrame, evaluations: DataFrame, truth: str, conf: Config, last: date) -> list[Finding]:
    """Recall of the models beside that of an oracle which knows what draws each user to each item, and of chance.

    What is popular is drawn to by many: the popular list alone reaches half of the oracle's recall. So it is also told how
    far a model went from there to the oracle. The oracle knows tastes and no habits of what comes after what, which a model
    may learn.
    """
    k, excludes = conf.publish.list_length, conf.publish.excludes_bought
    cut = splits.trained_to(last, test_days=conf.evaluation.test_days)
    interactions = interactions.where(F.col("event_date") <= F.lit(last))
    kept = lists.bought(splits.before(interactions, cut))
    targets = splits.targets(interactions, kept, cut, excludes_bought=excludes).where("is_known").drop("is_known")
    users, shop = targets.select(*USER).distinct(), found.world(told.sparkSession, truth)
    barred = kept if excludes else kept.limit(0)
    best = found.oracle(shop, told, users, barred, k=k).withColumn("model", F.lit("oracle"))
    nothing = targets.select("site_id", "item_id").limit(0)
    row = ranking.by_user(best, targets, nothing, k=k).agg(F.avg("recall").alias("recall"), F.count("*").alias("users")).first()
    assert row is not None
    known = evaluation.by_known_users(evaluations, last)
    recalls, ndcgs = ({one.model: one.value for one in known.where(f"metric = '{name}'").collect()} for name in ("recall", "ndcg"))
    # Publishing takes the best by NDCG, and never the popular list for a model.
    best_model = max(ndcgs.keys() - {lists.POPULAR}, key=lambda model: (ndcgs[model], model), default="")
    best_recall, popular = recalls.get(best_model, 0.0), recalls.get(lists.POPULAR, 0.0)
    way = (best_recall - popular) / (row.recall - popular) if row.recall > popular else 0.0
    return [
        Finding(f"recall@{k} of the model with the best NDCG, of the oracle's", best_recall / row.recall, row.users, ORACLE_SHARE),
        Finding(f"recall@{k} of that model, of the way from the popular list to the oracle", way, row.users),
        *(Finding(f"recall@{k} of {model}, of the oracle's", value / row.recall, row.users) for model, value in sorted(recalls.items())),
        Finding(f"recall@{k} of chance, of the oracle's", k / shop.items / row.recall, row.users),
    ]
