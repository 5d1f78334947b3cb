"""Which model's lists a site gets, and why: the best of those that are proven to beat popularity."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from clickmill.contracts.events import USER
from clickmill.contracts.reached import Reached
from clickmill.publish.recommendations import POPULAR

ENOUGH_USERS = 20
"""Users from which on equal rankings can be no chance."""

ALIKE_SHARE = 0.95
"""Share of users with one and the same ranking from which on a model tells nobody apart, whatever the few others get."""

_COMPARED_ITEMS = 10


def chosen(evaluations: DataFrame, candidates: DataFrame, *, min_users: int) -> DataFrame:
    """Choose for each site the model with the highest NDCG among those that pass.

    A model passes where at least `min_users` users with a history judged it, the
    interval of its gain over the popular list lies above zero, and it does not
    rank the items alike for (nearly) everyone. Where a site has judges and no model
    passes, all are refused and `why` says what each reached: its lists are the
    popular items then, which nothing was proven to beat, as where it has too few judges.

    Grain   one row per site of `candidates`: site_id, model, why, is_refused
    Needs   models.evaluations and models.candidates of one day
    Ties    equal NDCG by the name of the model
    """
    verdicts = _verdicts(evaluations, candidates, min_users)
    best = F.max_by(F.struct("model", "_told"), F.when(F.col("_passes"), F.struct(F.col("_ndcg"), F.col("model"))))
    sites = verdicts.groupBy("site_id").agg(
        best.alias("_best"),
        F.max("_users").alias("_users"),
        F.concat_ws("; ", F.lit("popular: no model is proven better"), F.array_sort(F.collect_list("_told"))).alias("_all_told"),
    )
    everywhere = candidates.select("site_id").distinct().join(sites, on="site_id", how="left")
    is_judged = F.coalesce(F.col("_users") >= min_users, F.lit(False))
    too_few = F.format_string(f"popular: %d users with a history judge the models, {min_users} are needed", F.coalesce("_users", F.lit(0)))
    why = F.when(F.col("_best").isNotNull(), F.col("_best._told")).when(is_judged, F.col("_all_told")).otherwise(too_few)
    return everywhere.select(
        "site_id",
        F.coalesce("_best.model", F.lit(POPULAR)).alias("model"),
        why.alias("why"),
        (F.col("_best").isNull() & is_judged).alias("is_refused"),
    )


def reached(evaluations: DataFrame, choice: DataFrame) -> list[Reached]:
    """What the lists that each site gets reached for users with a history; sites that nobody could judge are left out.

    Needs   models.evaluations of one day; chosen() of it
    """
    ndcg = evaluations.where("is_current and slice = 'known' and metric = 'ndcg'").select("site_id", "model", "value", "high")
    told = ndcg.join(F.broadcast(choice), on=["site_id", "model"], how="inner").orderBy("site_id")
    return [Reached(row.site_id, row.value, row.high) for row in told.collect()]


def _verdicts(evaluations: DataFrame, candidates: DataFrame, min_users: int) -> DataFrame:
    """One row per site and model but the popular list: what it reached, in numbers and in words."""
    known = evaluations.where("is_current and slice = 'known'")
    ndcg = known.where("metric = 'ndcg'")
    popular = ndcg.where(F.col("model") == POPULAR).select("site_id", F.col("value").alias("_popular"))
    gain = known.where("metric = 'ndcg_gain'").select(
        "site_id", "model", F.col("low").alias("_gain_low"), F.col("high").alias("_gain_high")
    )
    told = ndcg.where(F.col("model") != POPULAR).join(gain, on=["site_id", "model"], how="inner").join(popular, on="site_id", how="inner")
    alike = _alike(candidates).withColumnRenamed("source", "model")
    told = told.join(alike, on=["site_id", "model"], how="left").withColumn("_alike", F.coalesce("_alike", F.lit(0)))
    beats = F.col("_gain_low") > 0
    return told.select(
        "site_id",
        "model",
        F.col("value").alias("_ndcg"),
        F.col("user_count").alias("_users"),
        ((F.col("user_count") >= min_users) & beats & (F.col("_alike") == 0)).alias("_passes"),
        _words(beats).alias("_told"),
    )


def _words(beats: Column) -> Column:
    reached = F.format_string("%s: NDCG@%d %.4f of %d users", "model", "list_length", "value", "user_count")
    against = F.format_string(
        "%s popular %.4f by [%.4f, %.4f]", F.when(beats, "beats").otherwise("does not beat"), "_popular", "_gain_low", "_gain_high"
    )
    same = F.when(F.col("_alike") > 0, F.format_string("ranks the items in the same order for %d of %d users", "_alike", "_ranked"))
    return F.concat_ws(", ", reached, against, same)


def _alike(candidates: DataFrame) -> DataFrame:
    """Sites and sources whose items are ranked in one order for nearly all users, for how many, and of how many.

    Such a model has learnt what is popular and nothing about anyone: a score of
    the form a(user) + b(item) does that. Candidates are compared, not lists,
    since rules make lists differ; a ranking of one item says nothing.
    """
    top = candidates.where((F.col("source") != POPULAR) & (F.col("candidate_rank") <= _COMPARED_ITEMS))
    order = F.array_sort(F.collect_list(F.struct("candidate_rank", "item_id")))["item_id"]
    rankings = top.groupBy(*USER, "source").agg(order.alias("_ranking")).where(F.size("_ranking") > 1)
    by_ranking = rankings.groupBy("site_id", "source", "_ranking").count()
    sites = by_ranking.groupBy("site_id", "source").agg(F.max("count").alias("_alike"), F.sum("count").alias("_ranked"))
    return sites.where((F.col("_alike") >= ENOUGH_USERS) & (F.col("_alike") >= ALIKE_SHARE * F.col("_ranked")))
