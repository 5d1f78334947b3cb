"""What is true of users and items, as tables of the truth: tastes, habits, and what ads and offers do to whom."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
from pyspark.sql import DataFrame, SparkSession

from clickmill.contracts.local import local_frame
from clickmill.simulate import responses, stream, visits
from clickmill.simulate.world import CAMPAIGNS, World

_USERS = (
    "user_number long, visitor_id string, has_account boolean, bot_family int, taste array<double>, peak_hour double, "
    "keeps_weekends boolean, purse double, gets_coupon boolean, coupon_uplift_log_odds double, "
    "campaign_reaches array<boolean>, campaign_uplift_log_odds array<double>"
)
_ITEMS = (
    "item_id string, category int, campaign int, taste array<double>, popularity double, price double, followers array<string>, "
    "sold_out_from_day int, sold_out_to_day int"
)


def users(spark: SparkSession, world: World, count: int) -> DataFrame:
    """What moves each user.

    Grain   one row per user_number below `count`; the arrays of campaigns are by the number of the campaign
    Needs   count: a multiple of stream.USERS_A_BLOCK
    """

    def told(batches: Iterable[pa.RecordBatch]) -> Iterable[pa.RecordBatch]:
        for batch in batches:
            yield _users(world, batch.column("id").to_numpy())

    return spark.range(count).mapInArrow(told, _USERS)


def _users(world: World, number: np.ndarray) -> pa.RecordBatch:  # type: ignore[type-arg]
    campaigns = np.tile(np.arange(CAMPAIGNS), len(number))
    each = np.repeat(number, CAMPAIGNS)
    columns = {
        "user_number": number,
        "visitor_id": [f"v{key:016x}" for key in stream.visitor_key(world, number)],
        "has_account": stream.has_account(world, number),
        "bot_family": world.bot_family(number).astype(np.int32),
        "taste": list(world.user_vectors(number)),
        "peak_hour": visits.peak_hour(world, number),
        "keeps_weekends": visits.keeps_weekends(world, number),
        "purse": responses.purse(world, number),
        "gets_coupon": responses.treated(world, number),
        "coupon_uplift_log_odds": responses.coupon_uplift(world, number),
        "campaign_reaches": list(responses.in_audience(world, each, campaigns).reshape(-1, CAMPAIGNS)),
        "campaign_uplift_log_odds": list(responses.campaign_uplift(world, each, campaigns).reshape(-1, CAMPAIGNS)),
    }
    return pa.RecordBatch.from_pydict({name: pa.array(values) for name, values in columns.items()})


def items(spark: SparkSession, world: World) -> DataFrame:
    """What draws people to each item.

    Grain   one row per item; campaign is -1 where none advertises it; days count from 0, and are equal where it never sells out
    """
    first, end = world.sold_out
    rows = [
        (
            f"{item:010d}",
            int(world.categories[item]),
            int(world.campaigns[item]),
            world.vectors[item].tolist(),
            float(world.popularity[item]),
            float(world.prices[item]),
            [f"{one:010d}" for one in world.followers[item]],
            int(first[item]),
            int(end[item]),
        )
        for item in range(world.items)
    ]
    return local_frame(spark, rows, _ITEMS)
