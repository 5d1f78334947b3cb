"""How exposure is spread over the items of a shop: coverage and Gini's coefficient, with intervals by user.

Both follow from how many items were shown how often. Users are dealt into groups
by a hash; counts by item and group add up, and leaving out one group after the
other gives the interval (jackknife, with groups for points: Efron and Tibshirani,
An Introduction to the Bootstrap, 1993, formula 11.5).
"""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from clickmill.contracts.events import USER
from clickmill.metrics.ranking import Z_95

GROUPS = 20
_ALL = -1


def of_items(shown: DataFrame, items: DataFrame, by: tuple[str, ...]) -> DataFrame:
    """Coverage (share of the items that anyone was shown) and Gini (0: all alike, towards 1: all exposure on one item).

    Grain   one row per (`by`, metric) with value, low, high and user_count
    Needs   shown: `by` with site_id, USER, item_id; items: site_id, item_id, distinct, the items that could be shown; what was
            shown beside them counts for nothing
    """
    group = F.pmod(F.xxhash64(*USER), F.lit(GROUPS)).cast("int")
    counts = shown.withColumn("_group", group).groupBy(*by, "item_id", "_group").agg(F.count("*").alias("_n"))
    counts = counts.join(items, on=["site_id", "item_id"], how="left_semi")
    left_out = _each_group_left_out(counts, by)
    # Few different counts stand for many items: a histogram, small enough to be put in order.
    seen = left_out.groupBy(*by, "_left_out", "_shown").agg(F.count("*").alias("_items"))
    whole = items.groupBy("site_id").agg(F.count("*").alias("_catalogue"))
    facts = _facts(seen, by).join(F.broadcast(whole), on="site_id", how="inner")
    users = shown.groupBy(*by).agg(F.count_distinct(*USER).alias("user_count"))
    measured = facts.withColumns({"coverage": F.col("_seen") / F.col("_catalogue"), "gini": _gini()})
    return _with_interval(measured, by).join(users, on=list(by), how="inner").select(*by, "metric", "value", "low", "high", "user_count")


def _each_group_left_out(counts: DataFrame, by: tuple[str, ...]) -> DataFrame:
    """How often each item was shown to all users, and to all but one group; items that nobody is left for are dropped."""
    total = counts.groupBy(*by, "item_id").agg(
        F.sum("_n").alias("_total"), F.map_from_entries(F.collect_list(F.struct("_group", "_n"))).alias("_by_group")
    )
    groups = F.array(F.lit(_ALL), *(F.lit(group) for group in range(GROUPS)))
    each = total.withColumn("_left_out", F.explode(groups))
    rest = F.col("_total") - F.coalesce(F.try_element_at("_by_group", F.col("_left_out")), F.lit(0))
    return each.withColumn("_shown", rest).where(F.col("_shown") > 0)


def _facts(seen: DataFrame, by: tuple[str, ...]) -> DataFrame:
    """Items seen, exposures, and the sum of (place from the least shown) x (exposures) over the items seen."""
    in_order = Window.partitionBy(*by, "_left_out").orderBy("_shown")
    # Items of one count take the places _before + 1 .. _before + _items, on average the middle of them.
    before = F.coalesce(F.sum("_items").over(in_order.rowsBetween(Window.unboundedPreceding, -1)), F.lit(0))
    middle = before + (F.col("_items") + 1) / F.lit(2)
    placed = seen.withColumn("_placed", (middle * F.col("_items") * F.col("_shown")).cast("decimal(38,1)"))
    return placed.groupBy(*by, "_left_out").agg(
        F.sum("_items").alias("_seen"),
        F.sum(F.col("_items") * F.col("_shown")).alias("_exposures"),
        F.sum("_placed").cast("double").alias("_sum_placed"),
    )


def _gini() -> Column:
    """Gini = sum over items of (2 place - n - 1) x exposures / (n x all exposures); unseen items take the first places."""
    n, unseen = F.col("_catalogue"), F.col("_catalogue") - F.col("_seen")
    placed = F.col("_sum_placed") + unseen * F.col("_exposures")
    return (2 * placed - (n + 1) * F.col("_exposures")) / (n * F.col("_exposures"))


def _with_interval(measured: DataFrame, by: tuple[str, ...]) -> DataFrame:
    names = ("coverage", "gini")
    pairs = F.explode(F.array(*(F.struct(F.lit(name).alias("metric"), F.col(name).alias("_x")) for name in names)))
    long = measured.select(*by, "_left_out", pairs.alias("_pair")).select(*by, "_left_out", "_pair.metric", "_pair._x")
    is_whole = F.col("_left_out") == _ALL
    value = Window.partitionBy(*by, "metric")
    apart = long.withColumn("value", F.max(F.when(is_whole, F.col("_x"))).over(value))
    off = F.when(~is_whole, F.col("_x") - F.col("value")).cast("decimal(24,15)")
    state = apart.groupBy(*by, "metric").agg(
        F.max("value").alias("value"),
        F.count(off).alias("_groups"),
        F.sum(off).cast("double").alias("_off"),
        F.sum((off * off).cast("decimal(24,15)")).cast("double").alias("_squares"),
    )
    groups = F.col("_groups")
    spread = F.greatest(F.col("_squares") - F.col("_off") * F.col("_off") / groups, F.lit(0.0))
    error = F.sqrt(F.coalesce(F.try_divide((groups - 1) * spread, groups), F.lit(0.0)))
    return state.withColumns({"low": F.col("value") - Z_95 * error, "high": F.col("value") + Z_95 * error})
