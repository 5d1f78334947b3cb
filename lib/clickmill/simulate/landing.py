"""Deliveries -> landing files, as a shop's systems would write them, and the truth beside them in a folder of its own."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

import clickmill
from clickmill.contracts import hadoop
from clickmill.contracts.local import local_frame
from clickmill.simulate import dirt, facts, stream
from clickmill.simulate.world import World

CURRENCY = "EUR"
FULL_STOCK = 100
_LINES_A_FILE = 2_000_000
REVIEWS = ("awful, sent back at once", "rather poor", "it is all right", "good, I would buy it again", "wonderful, could not be better")
"""What is said with each rating, the worst first."""
_TRUTH = (
    "event_id", "of_event_id", "delivery", "fate", "broken_kind", "is_late", "landing_date", "event_at", "event_type", "item_id",
    "visitor_id", "user_number", "bot_family", "session_number", "order_id", "impression_id", "chance_without", "chance_with", "is_treated",
    "outcome",
)  # fmt: skip


@dataclass(frozen=True)
class Written:
    """Where a simulation lies, and how much of it there is."""

    landing: str
    truth: str
    users: int
    deliveries: int


def truth_beside(out: str) -> str:
    """The folder of the truth of what is written to `out`: beside it, so that no job that is given `out` finds it."""
    return f"{out.rstrip('/')}-truth"


def write(spark: SparkSession, *, seed: int, days: int, events: int, out: str, site: str = "shop") -> Written:
    """Write landing files of about `events` events in `days` days to `<out>/landing`, the truth to `<out>-truth`.

    Each day has a file, some a second one with what came late; one day's file is
    delivered twice. Nothing in a line says what is true of it.

    The truth is in `deliveries` (one row a delivery: whose it is, what became of
    it, which impression led to it, how likely what could come of it was, what came
    of a cart), `users` and `items` (facts.py), and `world` (what the simulator was
    given).

    Raises  Spark's error where one of the folders is there already
    """
    world = World(seed=seed, days=days)
    users = stream.users_for(events, days)
    told = _told(dirt.deliveries(stream.true_events(spark, world, users), world), world)
    truth, landing = truth_beside(out), f"{out.rstrip('/')}/landing"
    # The truth holds the lines too, so that all is made once and the files are only another order of it.
    told.select(F.lit(site).alias("site_id"), *_TRUTH, "received_at", _line(world, site).alias("line")).write.parquet(f"{truth}/deliveries")
    facts.users(spark, world, users).write.parquet(f"{truth}/users")
    facts.items(spark, world).coalesce(1).write.parquet(f"{truth}/items")
    told_world = local_frame(spark, [(seed, days, users, clickmill.__version__)], "seed long, days int, users long, version string")
    told_world.coalesce(1).write.json(f"{truth}/world")
    made = spark.read.parquet(f"{truth}/deliveries")
    count = made.count()
    file = F.when(F.col("is_late"), "late").otherwise("events")
    order = ("landing_date", "file", "received_at", "event_id", "delivery")
    ordered = made.withColumn("file", file).repartitionByRange(max(1, -(-count // _LINES_A_FILE)), *order).sortWithinPartitions(*order)
    ordered.select("landing_date", "file", "line").write.partitionBy("landing_date", "file").text(f"{landing}-parts")
    _named(spark, f"{landing}-parts", landing)
    _delivered_again(spark, landing)
    items = f"{out.rstrip('/')}/items"
    _items(spark, world, site).coalesce(1).write.partitionBy("landing_date", "file").text(f"{items}-parts")
    _named(spark, f"{items}-parts", items)
    for folder in (landing, items):
        _without_checksums(spark, folder)
    return Written(landing, truth, users, count)


def _told(deliveries: DataFrame, world: World) -> DataFrame:
    """Ids in the form in which a shop writes them."""
    return deliveries.withColumns(
        {
            "event_id": _hex("e", F.col("own_key")),
            "of_event_id": _hex("e", F.col("event_key")),
            "visitor_id": _hex("v", F.col("visitor_key")),
            "item_id": F.when(F.col("item").isNotNull(), item_id(F.col("item"))),
            "order_id": _hex("o", F.col("order_key")),
            "impression_id": F.concat(_hex("r", F.col("request_key")), F.lit("-"), F.col("position")),
            "broken_kind": F.when(F.col("fate") == "malformed", dirt.broken_kind(world)),
        }
    )


def item_id(item: Column) -> Column:
    """An item's id as the shop writes it: text with leading zeros, which no reader may take for a number."""
    return F.lpad(item.cast("string"), 10, "0")


def _hex(letter: str, key: Column) -> Column:
    return F.concat(F.lit(letter), F.lpad(F.lower(F.hex(key)), 16, "0"))


def _line(world: World, site: str) -> Column:
    """One JSON object, in our plain form; a broken one where that is its fate."""
    kind, is_broken = F.col("broken_kind"), F.col("fate") == "malformed"
    is_ad, is_page = F.col("event_type").isin("impression", "click"), F.col("event_type") == "item_view"
    # A confirmation that is loaded again comes through another door: its price is written in full, its place in the visit unknown.
    is_reloaded = (F.col("delivery") == "near_copy") & (F.col("event_type") == "purchase")
    price = F.when(F.col("fate") == "outlier", F.col("price") * 1000).otherwise(F.col("price"))
    price = F.when(is_reloaded, price.cast("decimal(18,4)").cast("string")).otherwise(price.cast("decimal(18,2)").cast("string"))
    fields = {
        "event_id": F.col("event_id"),
        "site_id": F.lit(site),
        "event_type": F.when(kind == "unknown_event_type", "teleport").otherwise(F.col("event_type")),
        "event_at": F.when(kind == "bad_event_at", "yesterday").when(F.col("fate") != "no_time", _iso("event_at")),
        "received_at": _iso("received_at"),
        "source_order": F.when(~is_reloaded, F.col("source_order")),
        "visitor_id": F.when(F.col("fate") != "no_visitor", F.col("visitor_id")),
        "account_id": F.when(F.col("has_account") & (F.col("fate") != "no_visitor"), _hex("a", F.col("visitor_key"))),
        "item_id": F.when(F.col("fate") != "no_item", F.col("item_id")),
        "quantity": F.col("quantity"),
        "price": F.when(kind == "bad_price", "cheap").otherwise(price),
        "currency": F.when(F.col("price").isNotNull(), CURRENCY),
        "order_id": F.col("order_id"),
        "rating": F.col("rating"),
        "review_text": _review(F.col("rating")),
        "query": F.when(F.col("event_type") == "search", F.concat(F.lit("things like "), F.pmod("event_key", F.lit(500)).cast("string"))),
        "page_url": F.when(F.col("event_type") == "page_view", F.concat(F.lit("/page/"), F.pmod("event_key", F.lit(30)).cast("string"))),
        "category": F.when(F.col("category").isNotNull(), F.concat(F.lit("category "), F.col("category").cast("string"))),
        "campaign_id": F.when(F.col("campaign").isNotNull(), F.concat(F.lit("campaign "), F.col("campaign").cast("string"))),
        "device": F.when(F.pmod("visitor_key", F.lit(3)) == 0, "desktop").otherwise("mobile"),
        "request_id": F.when(is_ad, _hex("r", F.col("request_key"))),
        "impression_id": F.when(is_ad | is_page, F.col("impression_id")),
        "placement": F.when(is_ad, "home"),
        "position": F.when(is_ad, F.col("position")),
        "propensity": F.col("propensity"),
        "experiment": F.lit("spring coupon"),
        "variant": F.col("variant"),
    }
    text = F.to_json(F.struct(*(column.alias(name) for name, column in fields.items())))
    return F.when(is_broken & (kind == "cut_off"), F.substring(text, 1, 60)).otherwise(text)


def _review(rating: Column) -> Column:
    """Words that carry the rating."""
    words = F.array(*(F.lit(one) for one in REVIEWS))
    return F.when(rating.isNotNull(), F.element_at(words, rating))


def _iso(name: str) -> Column:
    return F.date_format(name, "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'")


def _items(spark: SparkSession, world: World, site: str) -> DataFrame:
    """The state of every item on the first day, and of those that were sold out or came again on the days after; one JSON object a line."""
    first, end = world.sold_out
    changes = [
        (int(item), int(day), stock)
        for days, stock in ((first, 0), (end, FULL_STOCK))
        for item, day in enumerate(days)
        if first[item] < end[item]
    ]
    states = [(item, 0, FULL_STOCK) for item in range(world.items)] + [one for one in changes if one[1] < world.days]
    rows = [
        (
            world.first_day + timedelta(days=day),
            f"{item:010d}",
            f"category {world.categories[item]}",
            f"thing {item}",
            f"{world.prices[item]:.2f}",
            stock,
        )
        for item, day, stock in sorted(states)
    ]
    frame = local_frame(spark, rows, "landing_date date, item_id string, category string, title string, price string, stock int")
    told = F.struct(F.lit(site).alias("site_id"), *frame.columns[1:], F.lit(CURRENCY).alias("currency"))
    return frame.select("landing_date", F.lit("items").alias("file"), F.to_json(told).alias("line"))


def _named(spark: SparkSession, parts: str, landing: str) -> None:
    """Move Spark's part files to names that say what they are: `<file>-<day>.jsonl`, numbered where a day has several."""
    files, folder = hadoop.at(spark, parts)
    files.mkdirs(hadoop.at(spark, landing)[1])
    numbers: dict[str, int] = {}
    for path in _found(spark, f"{parts}/*/*/part-*"):
        names = dict(part.split("=", 1) for part in path.split("/") if "=" in part)
        name = f"{names['file']}-{names['landing_date']}"
        numbers[name] = numbers.get(name, 0) + 1
        target = f"{landing}/{name}{f'.{numbers[name]}' if numbers[name] > 1 else ''}.jsonl"
        files.rename(hadoop.at(spark, path)[1], hadoop.at(spark, target)[1])
    files.delete(folder, True)


def _delivered_again(spark: SparkSession, landing: str) -> None:
    """The file of the second day comes a second time under another name, as after a retry."""
    for path in _found(spark, f"{landing}/events-*.jsonl")[1:2]:
        files, there = hadoop.at(spark, path)
        again = hadoop.at(spark, path.removesuffix(".jsonl") + ".again.jsonl")[1]
        java: Any = spark._jvm
        java.org.apache.hadoop.fs.FileUtil.copy(files, there, files, again, False, files.getConf())


def _without_checksums(spark: SparkSession, folder: str) -> None:
    """Take away the files that Hadoop puts beside each on a local disk, and lists to nobody; a shop's systems leave none."""
    for path in _found(spark, f"{folder}/*.jsonl"):
        files, beside = hadoop.at(spark, f"{folder}/.{path.rsplit('/', 1)[1]}.crc")
        files.delete(beside, False)


def _found(spark: SparkSession, glob: str) -> list[str]:
    files, there = hadoop.at(spark, glob)
    return sorted(str(one.getPath()) for one in files.globStatus(there) or ())
