"""True events -> deliveries, as they come from a real shop: copies, late ones, broken ones; each with what is true of it."""

from datetime import UTC, datetime

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from clickmill.simulate.world import World

EXACT_COPIES, NEAR_COPIES, RELOADED = 0.03, 0.012, 0.05  # of events; of acts; of purchases
MALFORMED, OUTLIERS, NO_ITEM, NO_VISITOR, NO_TIME = 0.003, 0.001, 0.003, 0.003, 0.001
LATE, TOO_LATE = 0.02, 0.0005
_ACTS = ("page_view", "item_view", "search", "add_to_cart")
_BROKEN = ("cut_off", "unknown_event_type", "bad_price", "bad_event_at")


def deliveries(events: DataFrame, world: World) -> DataFrame:
    """Every delivery of every event, with its fate.

    Grain   one row per delivery; `delivery` is original, exact_copy or near_copy; `fate` what became of the original's
            content (kept, or the kind of its dirt); `own_key` the event's id as delivered, `event_key` that of the true event
    Needs   the columns of stream.true_events
    """
    fated = events.withColumn("fate", _fate(world)).withColumn("_delay_ms", _delay_ms(world))
    copied = F.when(F.col("fate").isin("exact_copy", "near_copy"), F.array(F.lit("original"), F.col("fate")))
    each = fated.withColumn("delivery", F.explode(F.coalesce(copied, F.array(F.lit("original")))))
    is_near, is_again = F.col("delivery") == "near_copy", F.col("delivery") == "exact_copy"
    reload_ms, double_ms = 60_000 + _draw(world, "reload") * 1_400_000, 200 + _draw(world, "near") * 700
    shift_ms = F.when(F.col("event_type") == "purchase", reload_ms).otherwise(double_ms).cast("long")
    again_ms = 500 + (_draw(world, "again") * 3_000_000).cast("long")
    other_key = F.xxhash64("event_key", F.lit("near")).bitwiseAND(F.lit(2**63 - 1))
    moved = each.withColumns(
        {
            "own_key": F.when(is_near, other_key).otherwise(F.col("event_key")),
            "at_ms": F.when(is_near, F.col("at_ms") + shift_ms).otherwise(F.col("at_ms")),
            "_delay_ms": F.when(is_again, F.col("_delay_ms") + again_ms).otherwise(F.col("_delay_ms")),
        }
    )
    landed = moved.withColumn("received_ms", F.col("at_ms") + F.col("_delay_ms"))
    day_ms, first_ms = 86_400_000, _first_ms(world)
    last_ms = world.days * day_ms - 1
    # A stream ends with its last day: what would land after it lands at its end.
    clipped = landed.withColumn("received_ms", F.least("received_ms", F.lit(last_ms))).where(F.col("at_ms") <= last_ms)
    landing = F.timestamp_millis(F.col("received_ms") + first_ms).cast("date")
    return clipped.withColumns(
        {
            "landing_date": landing,
            "event_at": F.timestamp_millis(F.col("at_ms") + first_ms),
            "received_at": F.timestamp_millis(F.col("received_ms") + first_ms),
            "is_late": F.col("_delay_ms") > 3_600_000 * 2,
        }
    ).drop("_delay_ms")


def _fate(world: World) -> Column:
    """One fate an event: shares of one draw, so that none has two."""
    draw, type_ = _draw(world, "fate"), F.col("event_type")
    shares = {
        "malformed": (MALFORMED, F.lit(True)),
        "outlier": (OUTLIERS, F.col("price").isNotNull()),
        "no_item": (NO_ITEM, type_ == "item_view"),
        "no_visitor": (NO_VISITOR, F.lit(True)),
        "no_time": (NO_TIME, F.lit(True)),
        "exact_copy": (EXACT_COPIES, F.lit(True)),
        "near_copy": (NEAR_COPIES, type_.isin(*_ACTS)),
    }
    found, low = F.when((type_ == "purchase") & (_draw(world, "reloaded") < RELOADED), "near_copy"), 0.0
    for fate, (share, fits) in shares.items():
        found = found.when((draw >= low) & (draw < low + share) & fits, fate)
        low += share
    return found.otherwise("kept")


def _delay_ms(world: World) -> Column:
    """From the act to its arrival: seconds, hours for late ones, days for those that are too late."""
    draw = _draw(world, "delay")
    late = 3 * 3_600_000 + _draw(world, "how late") * 33 * 3_600_000
    return (
        F.when(draw < TOO_LATE, 5 * 86_400_000 + _draw(world, "how late") * 86_400_000)
        .when(draw < TOO_LATE + LATE, late)
        .otherwise(200 + _draw(world, "how late") * 2_800)
        .cast("long")
    )


def broken_kind(world: World) -> Column:
    """What is wrong with a malformed line."""
    place = F.floor(_draw(world, "how broken") * len(_BROKEN)).cast("int")
    return F.element_at(F.array(*(F.lit(name) for name in _BROKEN)), place + 1)


def _draw(world: World, purpose: str) -> Column:
    """A number in [0, 1) for each event."""
    return F.pmod(F.xxhash64(F.lit(world.seed), F.lit(purpose), "event_key"), F.lit(2**40)) / F.lit(float(2**40))


def _first_ms(world: World) -> int:
    return int(datetime.combine(world.first_day, datetime.min.time(), UTC).timestamp() * 1000)
