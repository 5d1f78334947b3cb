"""Deliveries -> landing files, as a shop's systems would write them, and the truth beside them in a folder of its own."""

from dataclasses import dataclass
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from clickmill.simulate import dirt, stream
from clickmill.simulate.world import World

SITE = "shop"
CURRENCY = "EUR"
_LINES_A_FILE = 2_000_000
_REVIEWS = ("awful, sent back at once", "rather poor", "it is all right", "good, I would buy it again", "wonderful, could not be better")
_TRUTH = (
    "event_id", "of_event_id", "delivery", "fate", "broken_kind", "is_late", "landing_date", "event_at", "event_type", "item_id",
    "visitor_id", "user_number", "bot_family", "session_number",
)  # fmt: skip


@dataclass(frozen=True)
class Written:
    """Where a simulation lies, and how much of it there is."""

    landing: str
    truth: str
    users: int
    deliveries: int


def write(spark: SparkSession, *, seed: int, days: int, events: int, out: str) -> Written:
    """Write landing files of about `events` events in `days` days to `<out>/landing`, the truth to `<out>-truth`.

    Each day has a file, some a second one with what came late; one day's file is
    delivered twice. Nothing in a line says what is true of it.

    Raises  Spark's error where one of the folders is there already
    """
    world = World(seed=seed, days=days)
    users = stream.users_for(events, days)
    told = _told(dirt.deliveries(stream.true_events(spark, world, users), world), world)
    truth, landing = f"{out.rstrip('/')}-truth", f"{out.rstrip('/')}/landing"
    told.select(*_TRUTH).write.parquet(f"{truth}/deliveries")
    count = spark.read.parquet(f"{truth}/deliveries").count()
    parts = max(1, -(-count // _LINES_A_FILE))
    file = F.when(F.col("is_late"), "late").otherwise("events")
    lines = told.select("landing_date", file.alias("file"), "received_at", "event_id", "delivery", _line(world).alias("value"))
    ordered = lines.repartitionByRange(parts, "landing_date", "file", "received_at", "event_id", "delivery")
    sorted_lines = ordered.sortWithinPartitions("landing_date", "file", "received_at", "event_id", "delivery")
    sorted_lines.select("landing_date", "file", "value").write.partitionBy("landing_date", "file").text(f"{landing}-parts")
    _named(spark, f"{landing}-parts", landing)
    _delivered_again(spark, landing)
    _items(spark, world).coalesce(1).write.text(f"{landing}-items")
    _named(spark, f"{landing}-items", f"{out.rstrip('/')}/items", f"items-{world.first_day}")
    return Written(landing, truth, users, count)


def _told(deliveries: DataFrame, world: World) -> DataFrame:
    """Ids in the form in which a shop writes them."""
    return deliveries.withColumns(
        {
            "event_id": _hex("e", F.col("own_key")),
            "of_event_id": _hex("e", F.col("event_key")),
            "visitor_id": _hex("v", F.col("visitor_key")),
            "item_id": F.when(F.col("item").isNotNull(), item_id(F.col("item"))),
            "broken_kind": F.when(F.col("fate") == "malformed", dirt.broken_kind(world)),
        }
    )


def item_id(item: Column) -> Column:
    """An item's id as the shop writes it: text with leading zeros, which no reader may take for a number."""
    return F.lpad(item.cast("string"), 10, "0")


def visitor_id(key: Column) -> Column:
    """A visitor's id as the shop writes it."""
    return _hex("v", key)


def _hex(letter: str, key: Column) -> Column:
    return F.concat(F.lit(letter), F.lpad(F.lower(F.hex(key)), 16, "0"))


def _line(world: World) -> Column:
    """One JSON object, in our plain form; a broken one where that is its fate."""
    kind, is_broken = F.col("broken_kind"), F.col("fate") == "malformed"
    price = F.when(F.col("fate") == "outlier", F.col("price") * 1000).otherwise(F.col("price")).cast("decimal(18,2)").cast("string")
    session = F.col("session_number")
    fields = {
        "event_id": F.col("event_id"),
        "site_id": F.lit(SITE),
        "event_type": F.when(kind == "unknown_event_type", "teleport").otherwise(F.col("event_type")),
        "event_at": F.when(kind == "bad_event_at", "yesterday").when(F.col("fate") != "no_time", _iso("event_at")),
        "received_at": _iso("received_at"),
        "source_order": F.col("source_order"),
        "visitor_id": F.when(F.col("fate") != "no_visitor", F.col("visitor_id")),
        "account_id": F.when(F.col("has_account") & (F.col("fate") != "no_visitor"), _hex("a", F.col("visitor_key"))),
        "item_id": F.when(F.col("fate") != "no_item", F.col("item_id")),
        "quantity": F.col("quantity"),
        "price": F.when(kind == "bad_price", "cheap").otherwise(price),
        "currency": F.when(F.col("price").isNotNull(), CURRENCY),
        "order_id": _hex("o", F.col("order_key")),
        "rating": F.col("rating"),
        "review_text": _review(F.col("rating")),
        "query": F.when(F.col("event_type") == "search", F.concat(F.lit("things like "), F.pmod("event_key", F.lit(500)).cast("string"))),
        "page_url": F.when(F.col("event_type") == "page_view", F.concat(F.lit("/page/"), F.pmod("event_key", F.lit(30)).cast("string"))),
        "category": F.when(F.col("category").isNotNull(), F.concat(F.lit("category "), F.col("category").cast("string"))),
        "device": F.when(F.pmod("visitor_key", F.lit(3)) == 0, "desktop").otherwise("mobile"),
        "request_id": _hex("r", F.col("request_key")),
        "impression_id": F.when(F.col("request_key").isNotNull(), F.concat(_hex("r", F.col("request_key")), F.lit("-"), F.col("position"))),
        "placement": F.when(F.col("request_key").isNotNull(), "home"),
        "position": F.col("position"),
        "propensity": F.col("propensity"),
        "experiment": F.when(session >= 0, "spring coupon"),
        "variant": F.col("variant"),
    }
    text = F.to_json(F.struct(*(column.alias(name) for name, column in fields.items())))
    return F.when(is_broken & (kind == "cut_off"), F.substring(text, 1, 60)).otherwise(text)


def _review(rating: Column) -> Column:
    """Words that carry the rating."""
    words = F.array(*(F.lit(one) for one in _REVIEWS))
    return F.when(rating.isNotNull(), F.element_at(words, rating))


def _iso(name: str) -> Column:
    return F.date_format(name, "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'")


def _items(spark: SparkSession, world: World) -> DataFrame:
    """The state of every item on the first day, one JSON object a line."""
    rows = [
        (f"{item:010d}", f"category {category}", f"thing {item}", f"{price:.2f}", 100)
        for item, (category, price) in enumerate(zip(world.categories.tolist(), world.prices.tolist(), strict=True))
    ]
    frame = spark.createDataFrame(rows, "item_id string, category string, title string, price string, stock int")
    return frame.select(F.to_json(F.struct(F.lit(SITE).alias("site_id"), *frame.columns, F.lit(CURRENCY).alias("currency"))).alias("value"))


def _named(spark: SparkSession, parts: str, landing: str, stem: str | None = None) -> None:
    """Move Spark's part files to names that say what they are: `<file>-<day>.jsonl`, numbered where a day has several."""
    folders = _Folders(spark)
    numbers: dict[str, int] = {}
    for path in folders.found(f"{parts}/part-*" if stem else f"{parts}/*/*/part-*"):
        names = dict(part.split("=", 1) for part in path.split("/") if "=" in part)
        name = stem or f"{names['file']}-{names['landing_date']}"
        numbers[name] = numbers.get(name, 0) + 1
        folders.move(path, f"{landing}/{name}{f'.{numbers[name]}' if numbers[name] > 1 else ''}.jsonl")
    folders.delete(parts)


def _delivered_again(spark: SparkSession, landing: str) -> None:
    """The file of the second day comes a second time under another name, as after a retry."""
    folders = _Folders(spark)
    day = sorted(folders.found(f"{landing}/events-*.jsonl"))[1:2]
    for path in day:
        folders.copy(path, path.removesuffix(".jsonl") + ".again.jsonl")


class _Folders:
    """Hadoop's file system, which reaches wherever the landing files are to lie."""

    def __init__(self, spark: SparkSession) -> None:
        java: Any = spark._jvm
        context: Any = spark.sparkContext._jsc
        self._hadoop, self._conf = java.org.apache.hadoop.fs, context.hadoopConfiguration()

    def _at(self, path: str) -> tuple[Any, Any]:
        there = self._hadoop.Path(path)
        files = there.getFileSystem(self._conf)
        if hasattr(files, "setWriteChecksum"):
            files.setWriteChecksum(False)
        return files, there

    def found(self, glob: str) -> list[str]:
        files, there = self._at(glob)
        return sorted(str(one.getPath()) for one in files.globStatus(there) or ())

    def move(self, path: str, target: str) -> None:
        self.copy(path, target)
        self.delete(path)

    def copy(self, path: str, target: str) -> None:
        (files, there), (others, new) = self._at(path), self._at(target)
        others.mkdirs(new.getParent())
        self._hadoop.FileUtil.copy(files, there, others, new, False, self._conf)
        # A file that stands beside each on a local disk, and on no shop's.
        others.delete(self._hadoop.Path(new.getParent(), f".{new.getName()}.crc"), False)

    def delete(self, path: str) -> None:
        files, there = self._at(path)
        files.delete(there, True)
