"""True events of all users, on Spark: block after block of users, each the same whatever runs beside it."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
from numpy.typing import NDArray
from pyspark.sql import DataFrame, SparkSession

from clickmill.simulate import machines, people, responses
from clickmill.simulate.block import Columns
from clickmill.simulate.draws import Flags, Ints, bits, uniform
from clickmill.simulate.visits import DAY_S
from clickmill.simulate.world import World

USERS_A_BLOCK = 250
"""Users are made in whole blocks, so that the arithmetic of one never depends on how many there are."""
EVENTS_A_USER_DAY = 5.65
"""Measured: what 30,000 users of three shops make, machines included."""
_KINDS = ("page_view", "item_view", "search", "add_to_cart", "purchase", "refund", "review", "impression", "click")
_TYPES: dict[str, pa.DataType] = {
    "event_key": pa.int64(), "visitor_key": pa.int64(), "user_number": pa.int64(), "bot_family": pa.int32(), "has_account": pa.bool_(),
    "session_number": pa.int64(), "at_ms": pa.int64(), "source_order": pa.int32(), "event_type": pa.string(), "item": pa.int64(),
    "category": pa.int64(), "price": pa.float64(), "quantity": pa.int32(), "order_key": pa.int64(), "rating": pa.int32(),
    "request_key": pa.int64(), "position": pa.int32(), "propensity": pa.float64(), "campaign": pa.int64(),
    "variant": pa.string(), "chance_without": pa.float64(), "chance_with": pa.float64(), "is_treated": pa.bool_(),
    "outcome": pa.string(),
}  # fmt: skip


def users_for(events: int, days: int) -> int:
    """How many users make about so many events in so many days: whole blocks, at least one."""
    blocks = max(1, round(events / (EVENTS_A_USER_DAY * days) / USERS_A_BLOCK))
    return blocks * USERS_A_BLOCK


def true_events(spark: SparkSession, world: World, users: int) -> DataFrame:
    """What happened, without any dirt.

    Grain   one row per event: of a user (user_number), a machine's where bot_family is not 0, in the session that session_number
            counts for the user
    Needs   users: a multiple of USERS_A_BLOCK
    An event of which something comes or not says how likely that was: an impression to be clicked, a view to go into the cart,
    what is in the cart to be bought; without its treatment and with it (the campaign, the coupon), and which held.
    What is in the cart says what came of it, too (outcome): with just that probability it is other than not_bought, namely
    bought, or lost as acts.purchases says (no_visit, sold_out, in_order_already).

    Ties    the rows of a user depend on seed and number alone: of ten times the users the first tenth does the same
    """
    schema = pa.schema(list(_TYPES.items()))

    def made(batches: Iterable[pa.RecordBatch]) -> Iterable[pa.RecordBatch]:
        for batch in batches:
            for block in batch.column("id").to_pylist():
                columns = _block(world, block)
                yield pa.RecordBatch.from_arrays([pa.array(columns[name], type_) for name, type_ in _TYPES.items()], schema=schema)

    blocks = users // USERS_A_BLOCK
    parts = min(blocks, max(spark.sparkContext.defaultParallelism, blocks // 16))
    ddl = ", ".join(f"{name} {_ddl(type_)}" for name, type_ in _TYPES.items())
    return spark.range(0, blocks, 1, parts).mapInArrow(made, ddl)


def _ddl(type_: pa.DataType) -> str:
    return {"int64": "long", "int32": "int", "double": "double", "string": "string", "bool": "boolean"}[str(type_)]


def _block(world: World, block: int) -> Columns:
    users = np.arange(block * USERS_A_BLOCK, (block + 1) * USERS_A_BLOCK)
    family = world.bot_family(users)
    human = people.events(world, users)
    keep = family[human["user"]] == 0
    human = {name: values[keep] for name, values in human.items()}
    machine = machines.events(world, users, family)
    joined = {name: np.concatenate([human[name], machine[name]]) for name in human}
    inside = joined["at_s"] < world.days * DAY_S
    return _columns(world, users, family, {name: values[inside] for name, values in joined.items()})


def _columns(world: World, users: Ints, family: Ints, made: Columns) -> Columns:
    seed, user, item = world.seed, users[made["user"]], made["item"]
    has_item = item >= 0
    kind = np.array([_KINDS.index(name) for name in made["kind"]])
    moves = np.isin(made["kind"], ("add_to_cart", "purchase", "refund"))
    place = (user, made["number"], made["step"], kind * 1024 + made["order"] * 8 + made["position"])
    in_orders, in_requests = made["bought_in"] >= 0, made["request"] >= 0
    is_ad = np.isin(made["kind"], ("impression", "click"))
    campaign = world.campaigns[item]
    priced = has_item & (made["kind"] != "review")
    has_chance = ~np.isnan(made["chance_with"])
    return {
        "event_key": _key(seed, "event", *place),
        "visitor_key": visitor_key(world, user),
        "user_number": user,
        "bot_family": family[made["user"]],
        "has_account": has_account(world, user),
        "session_number": made["number"],
        "at_ms": np.rint(made["at_s"] * 1000).astype(np.int64),
        "source_order": made["order"],
        "event_type": made["kind"],
        "item": _masked(item, has_item),
        "category": _masked(world.categories[item], has_item),
        "price": _masked(world.prices[item], priced),
        "quantity": _masked(1 + (uniform(seed, "quantity", user, item) ** 6 * 3).astype(np.int64), moves),
        "order_key": _masked(_key(seed, "order", user, made["bought_in"]), in_orders),
        "rating": _masked(made["rating"], made["rating"] > 0),
        "request_key": _masked(_key(seed, "request", user, made["request"]), in_requests),
        "position": _masked(made["position"], in_requests),
        "propensity": _masked(made["propensity"], is_ad),
        "campaign": _masked(campaign, is_ad & responses.in_audience(world, user, campaign)),
        "variant": np.where(responses.treated(world, user), "coupon", "none"),
        "chance_without": _masked(made["chance_without"], has_chance),
        "chance_with": _masked(made["chance_with"], has_chance),
        "is_treated": _masked(made["is_treated"], has_chance),
        "outcome": _masked(made["outcome"], made["outcome"] != ""),
    }


def visitor_key(world: World, users: Ints) -> Ints:
    """The number behind the ids of a user. Shapes (n,)"""
    return _key(world.seed, "visitor", users)


def has_account(world: World, users: Ints) -> Flags:
    """Who signs in; no machine does. Shapes (n,)"""
    return np.asarray((uniform(world.seed, "has an account", users) < 0.6) & (world.bot_family(users) == 0))


def _key(seed: int, purpose: str, *ids: NDArray[Any]) -> Ints:
    return np.asarray((bits(seed, purpose, *ids) >> np.uint64(1)).astype(np.int64))


def _masked(values: NDArray[Any], known: Flags) -> Any:
    """Null where nothing is known."""
    return np.ma.array(values, mask=~known)  # type: ignore[no-untyped-call]
