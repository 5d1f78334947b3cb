"""What is counted when lists are published: whose lists there are, by which model, and what the rules took away."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from clickmill.contracts.events import USER
from clickmill.publish.recommendations import POPULAR


def counts(lists: DataFrame, candidates: DataFrame, choice: DataFrame) -> dict[str, int]:
    """Count lists, the sites by the model that was chosen for them, what the rules took away, and what was filled up.

    Needs   the published rows of one day; its candidates as judged() gives them; choice.chosen()
    """
    rows = lists.groupBy(*USER).agg(F.count_if(F.col("source") == POPULAR).alias("filled"))
    published = rows.agg(
        F.count_if(F.col("user_id_kind") != "unknown").alias("personal"),
        F.count_if(F.col("user_id_kind") == "unknown").alias("unknown"),
        F.count_if((F.col("user_id_kind") != "unknown") & (F.col("filled") > 0)).alias("filled_up"),
    ).first()
    sites = {f"sites with lists by {row.model}": row["count"] for row in choice.groupBy("model").count().orderBy("model").collect()}
    personal = candidates.where(F.col("source") != POPULAR).join(F.broadcast(choice), on="site_id", how="inner")
    is_chosen = F.col("source") == F.col("model")
    flags = personal.groupBy(*USER).agg(
        F.bool_or("is_silenced").alias("silenced"),
        F.count_if(is_chosen & F.col("is_bought")).alias("bought"),
        F.count_if(is_chosen & F.col("is_sold_out")).alias("sold_out"),
    )
    judged = flags.agg(
        F.count_if("silenced").alias("silenced"),
        F.count_if(~F.col("silenced")).alias("known"),
        F.coalesce(F.sum("bought"), F.lit(0)).alias("bought"),
        F.coalesce(F.sum("sold_out"), F.lit(0)).alias("sold_out"),
    ).first()
    assert published is not None
    assert judged is not None
    return sites | {
        "personal lists": published.personal,
        "lists for unknown users": published.unknown,
        "personal lists filled up with popular items": published.filled_up,
        "users left with an empty list": judged.known - published.personal,
        "users without consent, without a list": judged.silenced,
        "candidates taken away as bought": judged.bought,
        "candidates taken away as out of stock": judged.sold_out,
    }
