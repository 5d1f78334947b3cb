"""What could be recommended: the best items of each user by each model, and the popular ones of each site."""

from collections.abc import Mapping
from datetime import date, timedelta

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F
from scipy import sparse  # type: ignore[import-untyped]

from clickmill.contracts.conform import conform
from clickmill.contracts.errors import BadData
from clickmill.contracts.events import UNKNOWN_USER, USER
from clickmill.contracts.tables import CANDIDATES
from clickmill.models import scoring, splits, topitems
from clickmill.models.scoring import Factors, Neighbours, matrix
from clickmill.models.topitems import Items

_RECENT_ITEMS = 100
"""Items of a user's history, the latest, by which it is known, and among which the one that speaks for a candidate is looked for."""


def histories(interactions: DataFrame, *, recent_items: int = _RECENT_ITEMS) -> DataFrame:
    """Gather what each user liked lately, and what it bought and kept.

    Grain   one row per user, with `_recent` (the latest `recent_items` items whose weights sum to more than zero)
            and `_kept` (items of which more pieces were bought than given back)
    Needs   features.interactions
    Ties    items of the same last instant by id
    """
    items = interactions.groupBy(*USER, "item_id").agg(
        F.sum("weight").alias("_weight"),  # whole numbers: exact in any order
        F.max("last_event_at").alias("_last_event_at"),
        F.sum(F.col("purchased_quantity") - F.col("refunded_quantity")).alias("_pieces"),
    )
    latest_first = F.struct((-F.unix_micros("_last_event_at")).alias("order"), F.col("item_id"))
    return items.groupBy(*USER).agg(
        F.slice(F.array_sort(F.collect_list(F.when(F.col("_weight") > 0, latest_first))), 1, recent_items)["item_id"].alias("_recent"),
        F.collect_set(F.when(F.col("_pieces") > 0, F.col("item_id"))).alias("_kept"),
    )


def items_by_site(factors: DataFrame, *, max_broadcast_bytes: int) -> dict[str, Items]:
    """Bring the item factors to the driver, from where they go to every worker; their size is bounded.

    Needs   the rows of models.als_factors of one day
    Raises  BadData when there are none, when they are larger than `max_broadcast_bytes`, or when one is not finite
    """
    items = factors.where("entity = 'item'").select("site_id", "source_id", "factors")
    size = items.agg(
        F.sum(F.size("factors") * 4 + F.octet_length("source_id")).alias("bytes"), F.max(F.size("factors")).alias("rank")
    ).first()
    assert size is not None
    if size.bytes is None:
        raise BadData("models.als_factors: no factors for the last day of the run; run train_als_factors for it first")
    if size.bytes > max_broadcast_bytes:
        raise BadData(
            f"models.als_factors: item factors take {size.bytes} bytes, more than models.max_broadcast_bytes = {max_broadcast_bytes}"
        )
    table = items.toArrow()
    try:
        return {
            site: topitems.items_of(part["source_id"].to_pylist(), matrix(part["factors"], size.rank))
            for site, part in scoring.by_site(table)
        }
    except ValueError as error:
        raise BadData(f"models.als_factors: {error}; train again with another models.als.regularisation") from None


def from_factors(factors: DataFrame, liked: DataFrame, items: Mapping[str, Items], *, as_of: date, per_user: int) -> DataFrame:
    """Rank the items of the site for each user, and name the item of its history that speaks for each.

    Nothing is left out here. A list goes on until it holds `per_user` items that
    the user did not buy, so that rules on bought items still leave a whole list.

    Grain   one row per user and item
    Needs   the rows of models.als_factors of one day, `liked` as histories() gives it, `items` as items_by_site()
    Ties    equal scores and equal cosines by item id
    """
    users = factors.where("entity = 'user'").select(
        "site_id", "user_id_kind", F.col("source_id").alias("user_id"), "model_run_id", "factors"
    )
    with_history = users.join(liked, on=list(USER), how="left").repartition(*USER)
    found = with_history.mapInArrow(scoring.scorer({site: Factors(one) for site, one in items.items()}, per_user), scoring.FOUND_DDL)
    return conform(found.withColumns({"as_of_date": F.lit(as_of), "source": F.lit("als")}), CANDIDATES)


def neighbours_by_site(neighbours: DataFrame, *, max_broadcast_bytes: int) -> dict[str, Neighbours]:
    """Bring the neighbours of all items to the driver, from where they go to every worker; their size is bounded.

    A site of which no two items share a user is not among them.

    Needs   the rows of models.item_neighbours of one day
    Raises  BadData when they are larger than `max_broadcast_bytes`
    """
    rows = neighbours.select("site_id", "item_id", "neighbour_id", "similarity", "model_run_id")
    size = rows.agg(F.sum(F.octet_length("item_id") + F.octet_length("neighbour_id") + 12).alias("bytes")).first()
    assert size is not None
    if (size.bytes or 0) > max_broadcast_bytes:
        raise BadData(
            f"models.item_neighbours: neighbours take {size.bytes} bytes, more than models.max_broadcast_bytes = {max_broadcast_bytes}; "
            "keep fewer by models.item_neighbours.neighbours"
        )
    found = {}
    for site, part in scoring.by_site(rows.toArrow()):
        ids = sorted(pc.unique(pa.concat_arrays([*part["item_id"].chunks, *part["neighbour_id"].chunks])).to_pylist(), key=str.encode)
        known = pa.array(ids, pa.string())
        at = tuple(pc.index_in(part[name], value_set=known).to_numpy() for name in ("item_id", "neighbour_id"))
        similar = sparse.csr_matrix((part["similarity"].to_numpy(), at), shape=(len(ids), len(ids)))
        largest = similar.max(axis=1).toarray().ravel()
        scaled = sparse.diags(1 / np.where(largest > 0, largest, 1.0)) @ similar
        found[site] = Neighbours(ids, scaled.tocsr(), part["model_run_id"][0].as_py())
    return found


def from_neighbours(liked: DataFrame, neighbours: Mapping[str, Neighbours], *, as_of: date, per_user: int) -> DataFrame:
    """Rank the neighbours of each user's latest items by the sum of their similarities, and name the nearest of these items.

    The similarities of an item are divided by its largest, so that items with near neighbours do not outweigh the others
    (normalised as in Deshpande and Karypis, 2004, section 4.2, by the largest in place of the sum).

    As from_factors(): nothing is left out, and a list goes on past what the user bought. A user whose items have no
    neighbours gets none.

    Grain   one row per user and item
    Needs   `liked` as histories() gives it, `neighbours` as neighbours_by_site()
    Ties    equal scores and equal similarities by item id
    """
    users = liked.where(F.col("site_id").isin(*neighbours)) if neighbours else liked.where(F.lit(False))
    stamped = users.withColumn("model_run_id", F.lit(next(iter(neighbours.values())).model_run_id if neighbours else ""))
    found = stamped.repartition(*USER).mapInArrow(scoring.scorer(neighbours, per_user), scoring.FOUND_DDL)
    return conform(found.withColumns({"as_of_date": F.lit(as_of), "source": F.lit("item_neighbours")}), CANDIDATES)


def popular(interactions: DataFrame, *, as_of: date, popular_days: int, per_site: int) -> DataFrame:
    """Rank the items of each site by how many users took to them in the days that end with `as_of`.

    Grain   one row per site and item, under the user id for unknown users
    Needs   features.interactions
    Ties    by item id
    """
    is_recent = F.col("event_date").between(F.lit(as_of - timedelta(days=popular_days - 1)), F.lit(as_of))
    counted = splits.catalogue(interactions.where(is_recent)).withColumnRenamed("item_users", "_users")
    rank = F.row_number().over(Window.partitionBy("site_id").orderBy(F.desc("_users"), "item_id"))
    top = counted.withColumn("candidate_rank", rank).where(F.col("candidate_rank") <= per_site)
    none = F.lit(None).cast("string")
    stamped = top.withColumns(
        {
            "as_of_date": F.lit(as_of),
            "user_id": F.lit(UNKNOWN_USER),
            "user_id_kind": F.lit("unknown"),
            "source": F.lit("popular"),
            "score": F.col("_users").cast("double"),
            "because_item_id": none,
            "model_run_id": none,
        }
    )
    return conform(stamped, CANDIDATES)
