"""What could be recommended: the best items of each user by a model, and the popular ones of each site."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, timedelta

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from clickmill.contracts.conform import conform
from clickmill.contracts.errors import BadData
from clickmill.contracts.events import UNKNOWN_USER
from clickmill.contracts.tables import CANDIDATES
from clickmill.models import topitems
from clickmill.models.topitems import Items

_USER = ("site_id", "user_id_kind", "user_id")
_RECENT_ITEMS = 100
"""Items of a user's history, the latest, among which the one that speaks for a candidate is looked for."""

_FOUND = pa.schema(
    [
        ("site_id", pa.string()),
        ("user_id", pa.string()),
        ("user_id_kind", pa.string()),
        ("model_run_id", pa.string()),
        ("item_id", pa.string()),
        ("score", pa.float64()),
        ("candidate_rank", pa.int32()),
        ("because_item_id", pa.string()),
    ]
)
_FOUND_DDL = (
    "site_id string, user_id string, user_id_kind string, model_run_id string, "
    "item_id string, score double, candidate_rank int, because_item_id string"
)


def histories(interactions: DataFrame) -> DataFrame:
    """Gather what each user liked lately, and what it bought and kept.

    Grain   one row per user, with `_recent` (items whose weights sum to more than zero, the latest ones)
            and `_kept` (items bought more often than given back)
    Needs   features.interactions
    Ties    items of the same last instant by id
    """
    items = interactions.groupBy(*_USER, "item_id").agg(
        F.sum("weight").alias("_weight"),  # whole numbers: exact in any order
        F.max("last_event_at").alias("_last_event_at"),
        F.sum(F.col("purchase_count") - F.col("refund_count")).alias("_pieces"),
    )
    latest_first = F.struct((-F.unix_micros("_last_event_at")).alias("order"), F.col("item_id"))
    return items.groupBy(*_USER).agg(
        F.slice(F.array_sort(F.collect_list(F.when(F.col("_weight") > 0, latest_first))), 1, _RECENT_ITEMS)["item_id"].alias("_recent"),
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
            site: topitems.items_of(part["source_id"].to_pylist(), _matrix(part["factors"], size.rank)) for site, part in _by_site(table)
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
    with_history = users.join(liked, on=list(_USER), how="left").repartition(*_USER)
    found = with_history.mapInArrow(_scorer(items, per_user), _FOUND_DDL)
    return conform(found.withColumns({"as_of_date": F.lit(as_of), "source": F.lit("als")}), CANDIDATES)


def popular(interactions: DataFrame, *, as_of: date, popular_days: int, per_site: int) -> DataFrame:
    """Rank the items of each site by how many users took to them in the days that end with `as_of`.

    Grain   one row per site and item, under the user id for unknown users
    Needs   features.interactions
    Ties    by item id
    """
    is_recent = F.col("event_date").between(F.lit(as_of - timedelta(days=popular_days - 1)), F.lit(as_of))
    took_to = interactions.where(is_recent & ((F.col("weight") > 0) | F.col("rating").isNotNull()))
    counted = (
        took_to.select("site_id", "item_id", "user_id_kind", "user_id")
        .distinct()
        .groupBy("site_id", "item_id")
        .agg(F.count("*").alias("_users"))
    )
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


def _scorer(items: Mapping[str, Items], per_user: int) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def score(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for site, users in _by_site(pa.Table.from_batches([batch])):
                for block in topitems.blocks(users.num_rows, len(items[site].ids)):
                    yield _found(users.slice(block.start, block.stop - block.start), items[site], per_user)

    return score


def _found(users: pa.Table, items: Items, per_user: int) -> pa.RecordBatch:
    known = pa.array(items.ids, pa.string())
    recent, kept = _places(users["_recent"], known), _places(users["_kept"], known)
    ranked = topitems.best(_matrix(users["factors"], items.vectors.shape[1]), items, [per_user + len(bought) for bought in kept])
    owners, places, scores, ranks, because = [], [], [], [], []
    for user, (found, score) in enumerate(ranked):
        is_new = ~np.isin(found, kept[user])
        length = int(np.searchsorted(np.cumsum(is_new), per_user)) + 1  # up to the last new one that is wanted
        found, score = found[:length], score[:length]
        owners.append(np.full(len(found), user))
        places.append(found)
        scores.append(score)
        ranks.append(np.arange(1, len(found) + 1, dtype=np.int32))
        because.append(topitems.nearest(items, found, recent[user]))
    owner, reasons = pa.array(np.concatenate(owners)), np.concatenate(because)
    columns = [users[name].combine_chunks().take(owner) for name in ("site_id", "user_id", "user_id_kind", "model_run_id")]
    columns += [known.take(pa.array(np.concatenate(places))), pa.array(np.concatenate(scores)), pa.array(np.concatenate(ranks))]
    columns.append(known.take(pa.array(reasons, mask=reasons < 0)))
    return pa.RecordBatch.from_arrays(columns, schema=_FOUND)


def _by_site(table: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    for site in sorted(pc.unique(table["site_id"]).to_pylist()):
        yield site, table.filter(pc.equal(table["site_id"], site))


def _matrix(column: pa.ChunkedArray, rank: int) -> topitems.Floats:
    flat: topitems.Floats = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return flat.reshape(len(column), rank)


def _places(column: pa.ChunkedArray, known: pa.Array) -> list[topitems.Places]:
    """Places of the ids of each row's list among the items; ids without factors are left out."""
    lists = column.combine_chunks()
    found = pc.index_in(lists.flatten(), value_set=known)
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    places = pc.fill_null(found, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    return [part[part >= 0] for part in np.split(places, np.cumsum(lengths)[:-1])]
