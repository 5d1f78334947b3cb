"""What is looked at before lists are published: that the model tells users apart, and what the rules took away."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from clickmill.contracts.errors import GateRefused
from clickmill.publish.recommendations import USER

ENOUGH_USERS = 20
"""Users from which on equal rankings can be no chance."""

_COMPARED_ITEMS = 10


def refuse_equal_rankings(candidates: DataFrame) -> None:
    """Refuse a model that ranks the items of a site in the same order for every user.

    Such a model has learnt what is popular and nothing about anyone: a score of
    the form a(user) + b(item) does that. Candidates are compared, not lists,
    since rules make lists differ; a ranking of one item says nothing.

    Needs   models.candidates of one day
    Raises  GateRefused that names models.candidates
    """
    top = candidates.where((F.col("source") == "als") & (F.col("candidate_rank") <= _COMPARED_ITEMS))
    order = F.array_sort(F.collect_list(F.struct("candidate_rank", "item_id")))["item_id"]
    rankings = top.groupBy(*USER).agg(order.alias("_ranking")).where(F.size("_ranking") > 1)
    sites = rankings.groupBy("site_id").agg(F.count("*").alias("_users"), F.count_distinct("_ranking").alias("_rankings"))
    equal = sites.where((F.col("_users") >= ENOUGH_USERS) & (F.col("_rankings") == 1)).agg(F.max("_users").alias("users")).first()
    if equal is not None and equal.users is not None:
        raise GateRefused(
            f"models.candidates: the model ranks the items in the same order for all {equal.users} users of a site; train another"
        )


def counts(lists: DataFrame, candidates: DataFrame) -> dict[str, int]:
    """Count lists, what the rules took away, and what was filled up.

    Needs   the published rows of one day; its candidates as judged() gives them
    """
    rows = lists.groupBy(*USER).agg(F.count_if(F.col("source") == "popular").alias("filled"))
    published = rows.agg(
        F.count_if(F.col("user_id_kind") != "unknown").alias("personal"),
        F.count_if(F.col("user_id_kind") == "unknown").alias("unknown"),
        F.count_if((F.col("user_id_kind") != "unknown") & (F.col("filled") > 0)).alias("filled_up"),
    ).first()
    personal = candidates.where("source = 'als'").groupBy(*USER)
    flags = personal.agg(
        F.bool_or("is_silenced").alias("silenced"), F.count_if("is_bought").alias("bought"), F.count_if("is_sold_out").alias("sold_out")
    )
    judged = flags.agg(
        F.count_if("silenced").alias("silenced"),
        F.count_if(~F.col("silenced")).alias("known"),
        F.coalesce(F.sum("bought"), F.lit(0)).alias("bought"),
        F.coalesce(F.sum("sold_out"), F.lit(0)).alias("sold_out"),
    ).first()
    assert published is not None
    assert judged is not None
    return {
        "personal lists": published.personal,
        "lists for unknown users": published.unknown,
        "personal lists filled up with popular items": published.filled_up,
        "users left with an empty list": judged.known - published.personal,
        "users without consent, without a list": judged.silenced,
        "candidates taken away as bought": judged.bought,
        "candidates taken away as out of stock": judged.sold_out,
    }
