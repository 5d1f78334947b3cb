"""Items and users as histories: what was said of them, since when it holds, and since when it is known."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from clickmill.contracts import reasons
from clickmill.contracts.conform import conform
from clickmill.contracts.errors import BadData
from clickmill.contracts.table import Table
from clickmill.contracts.tables import ITEMS, USERS

_PLACE = ("source", "file", "delivery_id", "block", "ordinal")
_TIMES = ("landing_date", "valid_from", "known_from")


def items(raw: DataFrame, known: DataFrame, *, zone: str) -> DataFrame:
    """States of items that landed on the days of the run and say something new; see _new_states().

    Grain   one row per (site_id, item_id, valid_from, known_from)
    Needs   raw.items of the days of the run; clean.items of the days before
    Ties    of two states of one day that hold from the same instant, the one further down its file, or in the later file name
    """
    return _new_states(raw, known, ITEMS, "item_id", zone)


def users(raw: DataFrame, known: DataFrame, *, zone: str) -> DataFrame:
    """States of users that landed on the days of the run and say something new; see _new_states().

    Grain   one row per (site_id, user_id, valid_from, known_from)
    Needs   raw.users of the days of the run; clean.users of the days before
    Ties    as in items()
    """
    return _new_states(raw, known, USERS, "user_id", zone)


def counts(written: DataFrame, raw: DataFrame, key: str) -> dict[str, int]:
    """What became of the records that landed, each counted once: `records` = `unreadable` + `repeated` + `states`.

    unreadable  records with a problem or without an id; each problem is counted too, as a reason
    repeated    records that say what was in force already, or that a later one of the day took the place of

    Raises  BadData when more states were written than readable records landed
    """
    is_bad = (F.size("problems") > 0) | F.col(key).isNull()
    landed = raw.agg(F.count("*").alias("records"), F.count_if(is_bad).alias("unreadable")).first()
    assert landed is not None
    states = written.count()
    repeated = landed.records - landed.unreadable - states
    if repeated < 0:
        raise BadData(f"{states} states were made of {landed.records - landed.unreadable} readable records")
    named = {f"reason {row.reason}": row["count"] for row in sorted(reasons.counted(raw, "problems").collect())}
    return {"records": landed.records, "unreadable": landed.unreadable, "repeated": repeated, "states": states, **named}


def _new_states(raw: DataFrame, known: DataFrame, table: Table, key: str, zone: str) -> DataFrame:
    """Walk through the states of each key in the order in which they became known, and keep those that say something new.

    A state says nothing new where the state in force at its `valid_from`, as far
    as it was known then, says the same. It is known from the start of its
    landing day, and holds from then on where the source does not say. Records
    with problems are left out.
    """
    day, midnight = F.col("landing_date"), F.lit(0)
    known_from = F.make_timestamp(F.year(day), F.month(day), F.day(day), midnight, midnight, midnight, F.lit(zone))
    readable = raw.where((F.size("problems") == 0) & F.col(key).isNotNull())
    told = readable.withColumns({"known_from": known_from, "valid_from": F.coalesce("valid_from", known_from)})
    said = [name for name in table.columns if name not in ("site_id", key, *_TIMES)]
    last_told = told.groupBy("site_id", key, "landing_date", "valid_from", "known_from").agg(
        F.max_by(F.struct(*said), F.struct(*_PLACE)).alias("said"), F.lit(True).alias("is_new")
    )
    touched = told.select("site_id", key).distinct()
    before = known.join(touched, on=["site_id", key], how="left_semi").select(
        "site_id", key, *_TIMES, F.struct(*said).alias("said"), F.lit(False).alias("is_new")
    )
    state = F.struct("known_from", "valid_from", "is_new", "landing_date", "said")
    in_order = before.unionByName(last_told).groupBy("site_id", key).agg(F.array_sort(F.collect_list(state)).alias("_states"))
    kept = F.aggregate("_states", F.slice("_states", 1, 0), _with_state)
    new = in_order.select("site_id", key, F.explode(F.filter(kept, lambda one: one["is_new"])).alias("_state"))
    return conform(new.select("site_id", key, *(f"_state.{name}" for name in _TIMES), "_state.said.*"), table)


def _with_state(kept: Column, state: Column) -> Column:
    earlier = F.filter(kept, lambda one: one["valid_from"] <= state["valid_from"])
    in_force = F.array_max(F.transform(earlier, lambda one: F.struct(one["valid_from"], one["known_from"], one["said"])))
    says_nothing_new = F.coalesce(in_force["said"].eqNullSafe(state["said"]), F.lit(False))
    return F.when(state["is_new"] & says_nothing_new, kept).otherwise(F.concat(kept, F.array(state)))
