"""The tables of evaluation: what each model reached for each user, and what that comes to, with intervals."""

from dataclasses import dataclass
from datetime import date

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from clickmill.contracts.conform import conform
from clickmill.contracts.errors import BadData
from clickmill.contracts.events import USER
from clickmill.contracts.tables import EVALUATIONS, USER_EVALUATIONS
from clickmill.metrics import exposure, ranking

MEASURES = {"recall": "recall", "ndcg": "ndcg", "mrr": "reciprocal_rank", "tail_share": "tail_share"}
HEAD_SHARE = 0.01
"""Share of the items, those with the most users, that are not the tail."""
_BASELINE = "popular"
_SLICED = ("model", "site_id", "slice")


@dataclass(frozen=True)
class Trial:
    """Lists that were made as of one day, and what users took to after it.

    shown       what each user of the targets was shown by each model, as ranking.shown() gives it
    targets     USER, item_id, is_known: distinct, what each user took to, and whether it had a history
    catalogue   site_id, item_id, item_users: the items that could be shown
    model_runs  model, model_run_id, params: one row a model
    trained_to  the day of the lists;  as_of  the last day of the targets;  k  items of a list that count
    """

    shown: DataFrame
    targets: DataFrame
    catalogue: DataFrame
    model_runs: DataFrame
    trained_to: date
    as_of: date
    k: int

    def users(self) -> DataFrame:
        return self.targets.select(*USER, "is_known").distinct()


def user_evaluations(trial: Trial) -> DataFrame:
    """Judge the lists of each model by what each user took to.

    Grain   one row per model and user of the targets
    Ties    items with as many users: the smaller id is nearer the head
    """
    judged = ranking.by_user(trial.shown, trial.targets.select(*USER, "item_id"), tail(trial.catalogue), k=trial.k)
    told = judged.join(trial.users(), on=list(USER), how="inner").join(F.broadcast(trial.model_runs), on="model", how="inner")
    return conform(told.withColumns({"as_of_date": F.lit(trial.as_of), "list_length": F.lit(trial.k)}), USER_EVALUATIONS)


def evaluations(user_rows: DataFrame, trial: Trial) -> DataFrame:
    """Add up what each model reached: over all users, over those with a history, and over those without.

    `ndcg_gain` is the mean over users of the NDCG of their list minus that of the
    popular list: the difference is paired, so its interval says whether the model beats popularity.

    Grain   one row per (model, site, slice, metric)
    Needs   user_evaluations() of the same trial
    """
    sliced = _sliced(user_rows)
    baseline = user_rows.where(F.col("model") == _BASELINE).select(*USER, F.col("ndcg").alias("_baseline"))
    gains = sliced.where(F.col("model") != _BASELINE).join(baseline, on=list(USER), how="inner")
    gains = gains.withColumn("_gain", F.col("ndcg") - F.col("_baseline"))
    shown = _sliced(trial.shown.join(trial.users(), on=list(USER), how="inner"))
    rows = (
        ranking.means(sliced, MEASURES, _SLICED)
        .unionByName(ranking.means(gains, {"ndcg_gain": "_gain"}, _SLICED))
        .unionByName(exposure.of_items(shown, trial.catalogue.select("site_id", "item_id"), _SLICED))
    )
    about = {"as_of_date": trial.as_of, "trained_to_date": trial.trained_to, "list_length": trial.k, "is_current": True}
    told = rows.withColumns({name: F.lit(value) for name, value in about.items()})
    return conform(told.join(F.broadcast(trial.model_runs), on="model", how="inner"), EVALUATIONS)


def earlier(evaluations: DataFrame, model_runs: DataFrame, *, as_of: date) -> DataFrame:
    """The evaluations of a day that had other parameters: they stay beside the new ones, so that both can be compared.

    Grain   one row per (model, site, slice, metric)
    Needs   models.evaluations as it stands; model_runs: model, params, those of the new evaluation
    """
    others = evaluations.where(F.col("as_of_date") == F.lit(as_of)).join(F.broadcast(model_runs), on=["model", "params"], how="left_anti")
    return conform(others.withColumn("is_current", F.lit(False)), EVALUATIONS)


def of_runs(user_rows: DataFrame, evaluations: DataFrame) -> DataFrame:
    """The rows of users that stand behind some evaluations.

    Grain   as in `user_rows`
    Needs   models.user_evaluations as it stands; earlier()
    """
    runs = evaluations.select("as_of_date", "model_run_id").distinct()
    return conform(user_rows.join(F.broadcast(runs), on=["as_of_date", "model_run_id"], how="left_semi"), USER_EVALUATIONS)


def by_known_users(evaluations: DataFrame, as_of: date) -> DataFrame:
    """What the current models of a day reached for users with a history.

    Grain   one row per (site, model, metric)
    """
    return evaluations.where("is_current and slice = 'known'").where(F.col("as_of_date") == F.lit(as_of))


def paired(first: DataFrame, second: DataFrame) -> DataFrame:
    """What two runs reached for the same users on the same days, and the mean of the second minus the first.

    Grain   one row per (site, slice, metric) with first, second, and value, low, high and user_count of the difference
    Needs   models.user_evaluations of one run each; users that are not in both, or were judged by other targets, are left out
    """
    names, judge = [*MEASURES.values()], ("as_of_date", *USER, "target_count")
    other = second.select(*judge, *(F.col(name).alias(f"_{name}") for name in names))
    both = first.join(other, on=list(judge), how="inner")
    sliced = _sliced(both.withColumns({f"_off_{name}": F.col(f"_{name}") - F.col(name) for name in names}))
    by = ("site_id", "slice")
    told = ranking.means(sliced, {metric: f"_off_{name}" for metric, name in MEASURES.items()}, by)
    for column, prefix in (("first", ""), ("second", "_")):
        own = ranking.means(sliced, {metric: f"{prefix}{name}" for metric, name in MEASURES.items()}, by)
        told = told.join(own.select(*by, "metric", F.col("value").alias(column)), on=[*by, "metric"], how="inner")
    return told


def counts(user_rows: DataFrame, evaluations: DataFrame) -> dict[str, int]:
    """Count the models and users of the newest evaluation.

    Needs   the rows of a day
    Raises  BadData when a model was not judged by the same users as the others
    """
    current = evaluations.where("is_current").select("model_run_id").distinct()
    by_model = user_rows.join(F.broadcast(current), on="model_run_id", how="left_semi").groupBy("model")
    rows = by_model.agg(F.count("*").alias("users"), F.count_if("is_known").alias("known")).collect()
    if len({row.users for row in rows}) > 1:
        raise BadData(f"models.user_evaluations: models were judged by {sorted(row.users for row in rows)} users; they must be the same")
    users, known = (rows[0].users, rows[0].known) if rows else (0, 0)
    return {"models judged": len(rows), "users that judge": users, "users with a history": known, "new users": users - known}


def tail(catalogue: DataFrame) -> DataFrame:
    """The items outside the HEAD_SHARE with the most users.

    Grain   one row per (site_id, item_id)
    Needs   site_id, item_id, item_users
    """
    in_order = Window.partitionBy("site_id").orderBy(F.desc("item_users"), "item_id")
    head = F.ceil(F.count("*").over(Window.partitionBy("site_id")) * F.lit(HEAD_SHARE))
    return (
        catalogue.withColumns({"_place": F.row_number().over(in_order), "_head": head}).where("_place > _head").select("site_id", "item_id")
    )


def _sliced(rows: DataFrame) -> DataFrame:
    """Each row in the slice of all users and in that of its own kind."""
    own: Column = F.when(F.col("is_known"), "known").otherwise("new")
    return rows.withColumn("slice", F.explode(F.array(F.lit("all"), own)))
