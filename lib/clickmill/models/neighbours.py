"""Items that go together: how many users took to both, against how many took to each (item-item co-visitation).

Cosine of two items over users, where a user counts less the more items it has
(Deshpande and Karypis, Item-Based Top-N Recommendation Algorithms, 2004, section
4.1.1: a row of unit length is a user whose pairs weigh 1 / items).

Items are dealt into blocks, and each block gets the baskets that hold one of its
items. So the pairs of an item are counted, ranked and cut in one place, by sparse
products over Arrow batches: no pair is ever a row of Spark.

Shapes  B users of a batch, J items of a block, I items of a batch
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import date

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from clickmill.contracts.conform import conform
from clickmill.contracts.events import USER
from clickmill.contracts.tables import ITEM_NEIGHBOURS
from clickmill.models.covisits import FOUND_DDL, Block, Totals
from clickmill.models.scoring import OverArrow, by_site
from clickmill.models.splits import liked

_WEIGHT_UNIT = 2**20  # a user with one item weighs so much, one with n items the n-th part: sums of whole numbers have no order
PAIRS_A_BLOCK = 20_000_000  # pairs that the baskets of a block may hold: some hundred MB
_FEWEST_BLOCKS = 8


def item_neighbours(
    interactions: DataFrame, ids: DataFrame, *, as_of: date, model_run_id: str, history_items: int, neighbours: int
) -> DataFrame:
    """The `neighbours` most similar items of each item, by the latest `history_items` items of each user.

    Only liked items count: those whose weights sum to more than zero, or that were rated. Sums are whole numbers, so
    nothing depends on how users and items are dealt. This looks at the data before it returns: how many pairs there are,
    and the weight of each item, a list as long as the catalogue.

    Grain   one row per item and neighbour; an item that nobody shares with another has none
    Needs   features.interactions of days up to `as_of`; models.ids with a number for each of their items
    Ties    equal similarities by the number of the neighbour
    Raises  a Spark error that names models.ids when an item has no number
    """
    numbers = ids.where("entity = 'item'").select("site_id", F.col("source_id").alias("item_id"), F.col("number").alias("_number"))
    baskets = _baskets(interactions, numbers, history_items)
    totals, pairs = _totals(baskets)
    blocks = max(_FEWEST_BLOCKS, math.ceil(pairs / PAIRS_A_BLOCK))
    touched = F.array_distinct(F.transform("_items", lambda item: item % F.lit(blocks)))
    dealt = baskets.withColumn("_block", F.explode(touched)).repartition(blocks, "_block").sortWithinPartitions("_block", "site_id")
    found = dealt.mapInArrow(_counter(totals, blocks, neighbours), FOUND_DDL)
    other = numbers.withColumnsRenamed({"_number": "_other", "item_id": "neighbour_id"})
    named = found.join(numbers, on=["site_id", "_number"], how="inner").join(other, on=["site_id", "_other"], how="inner")
    return conform(named.withColumns({"as_of_date": F.lit(as_of), "model_run_id": F.lit(model_run_id)}), ITEM_NEIGHBOURS)


def _baskets(interactions: DataFrame, numbers: DataFrame, history_items: int) -> DataFrame:
    """The latest liked items of each user, as numbers in ascending order, and the whole number that the user weighs."""
    named = liked(interactions).join(numbers, on=["site_id", "item_id"], how="left")
    missing = F.raise_error(F.lit("models.ids: an item of features.interactions lacks a number; run number_ids for its day first"))
    latest = F.struct((-F.unix_micros("_last_event_at")).alias("order"), F.coalesce("_number", missing.cast("int")).alias("number"))
    items = F.slice(F.array_sort(F.collect_list(latest)), 1, history_items)["number"]
    baskets = named.groupBy(*USER).agg(F.array_sort(items).alias("_items"))
    return baskets.select("site_id", "_items", F.rint(F.lit(_WEIGHT_UNIT) / F.size("_items")).cast("long").alias("_weight"))


def _totals(baskets: DataFrame) -> tuple[dict[str, Totals], int]:
    """The weight of all users of each item, and how many pairs the baskets hold."""
    each = baskets.select("site_id", "_weight", F.size("_items").alias("_size"), F.explode("_items").alias("_number"))
    # An item of a basket makes as many pairs as the basket has items.
    summed = each.groupBy("site_id", "_number").agg(F.sum("_weight").alias("_weight"), F.sum("_size").alias("_pairs"))
    table = summed.orderBy("site_id", "_number").toArrow()
    totals = {site: Totals(part["_number"].to_numpy(), part["_weight"].to_numpy()) for site, part in by_site(table)}
    return totals, pc.sum(table["_pairs"]).as_py() or 0


def _counter(totals: Mapping[str, Totals], blocks: int, neighbours: int) -> OverArrow:
    def count(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        block: Block | None = None
        for batch in batches:
            for number, site, part in _parts(pa.Table.from_batches([batch])):
                if block is None or (block.number, block.site) != (number, site):
                    yield from block.nearest(neighbours) if block else ()
                    block = Block(number, blocks, site, totals[site])
                block.add(part["_items"].combine_chunks(), part["_weight"].to_numpy())
        yield from block.nearest(neighbours) if block else ()

    return count


def _parts(table: pa.Table) -> Iterator[tuple[int, str, pa.Table]]:
    """Baskets of one block and site after the other, in the order in which they come."""
    for number in sorted(pc.unique(table["_block"]).to_pylist()):
        for site, part in by_site(table.filter(pc.equal(table["_block"], number))):
            yield number, site, part
