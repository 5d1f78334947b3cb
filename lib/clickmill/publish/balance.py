"""What is counted when lists are published: whose lists there are, by which model, and what the rules took away."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from clickmill.contracts.errors import BadData
from clickmill.contracts.events import USER
from clickmill.publish.recommendations import NO_CONSENT, NOTHING_LEFT, POPULAR


def counts(lists: DataFrame, without: DataFrame, candidates: DataFrame, choice: DataFrame) -> dict[str, int]:
    """Count lists, the sites by the model chosen for them, those whose models were refused, what the rules took away, what was filled up.

    Needs   the published rows of one day, and users_without_list() of it; its candidates as judged() gives them; choice.chosen()
    Raises  BadData where a user that the models know has neither a list nor a reason for having none, or has both
    """
    rows = lists.groupBy(*USER).agg(F.count_if(F.col("source") == POPULAR).alias("filled"))
    published = rows.agg(
        F.count_if(F.col("user_id_kind") != "unknown").alias("personal"),
        F.count_if(F.col("user_id_kind") == "unknown").alias("unknown"),
        F.count_if((F.col("user_id_kind") != "unknown") & (F.col("filled") > 0)).alias("filled_up"),
    ).first()
    models = choice.groupBy("model").agg(F.count("*").alias("sites"), F.count_if("is_refused").alias("refused")).collect()
    sites = {f"sites with lists by {row.model}": row.sites for row in sorted(models)}
    sites |= {"sites whose models were all refused": sum(row.refused for row in models)}
    personal = candidates.where(F.col("source") != POPULAR).join(F.broadcast(choice), on="site_id", how="inner")
    is_chosen = F.col("source") == F.col("model")
    flags = personal.agg(
        F.count_distinct(*USER).alias("known"),
        F.count_if(is_chosen & F.col("is_barred")).alias("bought"),
        F.count_if(is_chosen & F.col("is_sold_out")).alias("sold_out"),
    ).first()
    reasons = {row.reason: row["count"] for row in without.groupBy("reason").count().collect()}
    assert published is not None
    assert flags is not None
    if flags.known != published.personal + sum(reasons.values()):
        told = f"{published.personal} with a list and {sum(reasons.values())} with a reason for having none"
        raise BadData(f"publish.users_without_list_v1: the models know {flags.known} users, {told}; they must be the same")
    return sites | {
        "personal lists": published.personal,
        "lists for unknown users": published.unknown,
        "personal lists filled up with popular items": published.filled_up,
        "users left with an empty list": reasons.get(NOTHING_LEFT, 0),
        "users without consent, without a list": reasons.get(NO_CONSENT, 0),
        "candidates taken away as bought": flags.bought,
        "candidates taken away as out of stock": flags.sold_out,
    }
