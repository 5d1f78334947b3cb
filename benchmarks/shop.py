"""raw.events of any size, from Spark's own range: what benchmarks of cleaning read. Nothing is planted that is not said here."""

from datetime import date, timedelta

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from clickmill.contracts.conform import conform
from clickmill.contracts.tables import RAW_EVENTS

FIRST = date(2024, 5, 1)
_VISIT_EVENTS = 10
_VISITOR_EVENTS = 20
_BUYS_ONE_IN = 5
_COPIES = {"exact": 0.02, "near": 0.01, "conflicting": 0.002}
_TYPES = ("item_view", "page_view", "item_view", "page_view", "search", "item_view", "add_to_cart", "page_view", "item_view", "purchase")


def raw_events(spark: SparkSession, rows: int, days: int, *, giant_share: float = 0.0) -> DataFrame:
    """Visits of ten events, half a minute apart, two visits a visitor, one visit in five ends with a purchase; 2 % exact, 1 % near
    and 0.2 % conflicting copies, 0.5 % rows without an item that need one.

    Grain   one row per event; about `rows` of them, spread evenly over `days` days from FIRST on
    giant_share  share of all rows that one visitor sends
    """
    own = round(rows / (1 + sum(_COPIES.values())))
    ids = spark.range(rows).withColumn("_copy", _copy_of(own, rows))
    of_event = F.when(F.col("id") < own, F.col("id")).otherwise(_random("copied", F.col("id"), own))
    events = ids.withColumn("_event", of_event).withColumns(
        {"_visit": F.floor(F.col("_event") / _VISIT_EVENTS), "_step": F.col("_event") % _VISIT_EVENTS}
    )
    return conform(_told(events, max(1, own // _VISITOR_EVENTS), days, giant_share), RAW_EVENTS)


def _copy_of(own: int, rows: int) -> Column:
    """Which kind of copy a row is; null for an event of its own."""
    share = _random("kind", F.col("id"), 1_000_000) / 1_000_000 * sum(_COPIES.values())
    exact, near = _COPIES["exact"], _COPIES["exact"] + _COPIES["near"]
    kind = F.when(share < exact, "exact").when(share < near, "near").otherwise("conflicting")
    return F.when(F.col("id") >= own, kind)


def _told(rows: DataFrame, visitors: int, days: int, giant_share: float) -> DataFrame:
    event, visit, step = F.col("_event"), F.col("_visit"), F.col("_step")
    is_giant = _random("giant", visit, 1_000_000) < round(giant_share * 1_000_000)
    visitor = F.when(is_giant, F.lit("giant")).otherwise(F.concat(F.lit("v-"), F.md5(_random("visitor", visit, visitors).cast("string"))))
    day = _random("day", visit, days)
    start_s = _random("start", visit, 86_400 - 400)
    first_us = F.lit((FIRST - date(1970, 1, 1)).days) * 86_400_000_000
    shift_us = F.when(F.col("_copy") == "near", 300_000).when(F.col("_copy") == "conflicting", 2_000_000).otherwise(0)
    at_us = first_us + (day * 86_400 + start_s + step * 30) * 1_000_000 + _random("jitter", event, 5_000_000) + shift_us
    told = F.element_at(F.array(*map(F.lit, _TYPES)), (step + 1).cast("int"))
    kind = F.when((told == "purchase") & (_random("buys", visit, _BUYS_ONE_IN) > 0), "page_view").otherwise(told)
    is_about_item = kind.isin("item_view", "add_to_cart", "purchase")
    item = F.concat(F.lit("item-"), F.floor(F.pow(_random("item", event, 1_000_000) / 1_000_000, 2) * 20_000).cast("long"))
    is_bad = (_random("bad", event, 200) == 0) & (kind == "item_view")
    is_bought = kind == "purchase"
    price = F.when(is_about_item, (_random("price", event, 20_000) + 99) / 100).cast("decimal(18,4)")
    event_id = F.when(F.col("_copy") == "near", F.concat(F.lit("near"), F.col("id"))).otherwise(event.cast("string"))
    url = F.concat(F.lit("/shop/"), kind, F.lit("/"), _random("page", event, 5_000))
    told = {
        "source": F.lit("bench"),
        "file": F.when(F.col("_copy").isNull(), "events.jsonl").otherwise("again.jsonl"),
        "block": F.lit(0).cast("long"),
        "ordinal": F.col("id"),
        "item_pos": F.lit(0),
        "problems": F.array().cast("array<string>"),
        "delivery_rank": F.lit(0),
        "delivery_id": F.md5(F.col("_copy").isNull().cast("string")),
        "site_id": F.lit("shop"),
        "event_id": F.md5(event_id),
        "visitor_id": visitor,
        "account_id": F.when(_random("known", visit, 10) == 0, F.concat(F.lit("a-"), visitor)),
        "user_id_kind": F.when(_random("known", visit, 10) == 0, "account").otherwise("visitor"),
        "person_hash": F.md5(visitor),
        "event_type": kind,
        "event_at": F.timestamp_micros(at_us.cast("long")),
        "event_date": F.date_add(F.lit(FIRST), day.cast("int")),
        "landing_date": F.date_add(F.lit(FIRST), day.cast("int")),
        "received_at": F.timestamp_micros((at_us + 2_000_000).cast("long")),
        "is_day_only": F.lit(False),
        "item_id": F.when(is_about_item & ~is_bad, item),
        "quantity": F.when(is_bought, 1 + _random("pieces", event, 3)).cast("decimal(18,3)"),
        "price": F.when(F.col("_copy") == "conflicting", price + 1).otherwise(price).cast("decimal(18,4)"),
        "currency": F.when(is_about_item, "EUR"),
        "order_id": F.when(is_bought, F.concat(F.lit("o-"), event)),
        "query": F.when(kind == "search", F.concat(F.lit("words "), _random("words", event, 3_000))),
        "page_url": url,
        "category": F.when(is_about_item, F.concat(F.lit("c"), _random("item", event, 50))),
        "device": F.when(_random("device", visit, 2) == 0, "desktop").otherwise("mobile"),
        "country": F.when(_random("country", visit, 3) == 0, "NL").otherwise("DE"),
        "has_near_copies": F.lit(True),
    }
    told["user_id"] = F.coalesce(told["account_id"], visitor)
    unsaid = {one.name: F.lit(None).cast(one.dataType) for one in RAW_EVENTS.schema.fields if one.name not in told}
    return rows.withColumns({**told, **unsaid})


def _random(what: str, of: Column, below: int) -> Column:
    """A whole number from 0 to below - 1 that hangs on what it is of, and on nothing else."""
    return F.pmod(F.xxhash64(F.lit(what), of), F.lit(below))


def last_day(days: int) -> date:
    """The last of the days."""
    return FIRST + timedelta(days=days - 1)
