# Databricks notebook source
# MAGIC %md
# MAGIC # What changed between two releases?
# MAGIC Sizes, users who gained or lost a list, how alike the lists are, and the items that rose and fell. Every table is read at
# MAGIC the version that the release names, so it does not matter what has been published since.
# MAGIC
# MAGIC `before` and `after` are releases of `clickmill releases`; left empty they are the last two.
# MAGIC As a program: `python notebooks/what_changed.py before=<release> after=<release> lake=<root>`

# COMMAND ----------

import matplotlib.pyplot as plt
from pyspark.sql import functions as F

from clickmill import notebook
from clickmill.contracts.errors import UsageError
from clickmill.contracts.events import USER
from clickmill.contracts.tables import RECOMMENDATIONS, SERVED
from clickmill.releases import Releases

page = notebook.opened(
    globals(), {"before": "Release; empty: the one before", "after": "Release; empty: the newest", "limit": "Items; empty: 10"}
)
known, limit = Releases(page.lake), page.count("limit", 10)
try:
    newest = [row.release_id for row in known.listed()]
    if len(newest) < 2:
        page.stop(f"two releases are needed, there are {len(newest)}")
    after = known.restorable(page.text("after") or newest[0])
    older = newest[newest.index(after.release_id) + 1 :]
    before = known.restorable(page.text("before") or (older[0] if older else after.release_id))
except UsageError as error:
    page.stop(str(error))
print(f"before: {before.release_id} of {before.as_of_date}\nafter:  {after.release_id} of {after.as_of_date}")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Sizes, and what the lists reach
# MAGIC NDCG of users with a history, by site, as it was measured for each release.

# COMMAND ----------

for table in SERVED:
    counts = [row.row_counts.get(table.name, 0) for row in (before, after)]
    print(f"{table.name:<32} {counts[0]:>10,} -> {counts[1]:>10,} rows")
for site in sorted({*before.reached, *after.reached}):
    told = [f"{row.reached[site]:.4f}" if site in row.reached else "unknown" for row in (before, after)]
    print(f"site {site:<27} {told[0]:>10} -> {told[1]:>10} NDCG")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Whose lists changed
# MAGIC Of users with a list in both, the share of items that stayed: shared items over the longer list.

# COMMAND ----------

old, new = (
    page.table(RECOMMENDATIONS, row).where((F.col("as_of_date") == F.lit(row.as_of_date)) & (F.col("user_id_kind") != "unknown"))
    for row in (before, after)
)
lengths = [rows.groupBy(*USER).agg(F.count("*").alias(name)) for rows, name in ((old, "before"), (new, "after"))]
shared = old.select(*USER, "item_id").join(new.select(*USER, "item_id"), on=[*USER, "item_id"], how="inner")
stayed = shared.groupBy(*USER).agg(F.count("*").alias("shared"))
users = lengths[0].join(lengths[1], on=list(USER), how="full").join(stayed, on=list(USER), how="left").fillna(0, subset=["shared"])
users = users.withColumn("kept", F.col("shared") / F.greatest("before", "after"))
both = F.col("before").isNotNull() & F.col("after").isNotNull()
summary = users.agg(
    F.count_if(both).alias("both"),
    F.count_if(F.col("before").isNull()).alias("gained"),
    F.count_if(F.col("after").isNull()).alias("lost"),
    F.avg(F.when(both, F.col("kept"))).alias("kept"),
).first()
print(f"{summary.both:,} users have a list in both, {summary.gained:,} gained one, {summary.lost:,} lost theirs")
if summary.both:
    print(f"{summary.kept:.1%} of a list stayed, on average")
    tenths = users.where(both).groupBy(F.least(F.lit(9), F.floor(F.col("kept") * 10)).alias("tenth")).count().collect()
    bars = {row.tenth: row["count"] for row in tenths}
    figure, axes = plt.subplots(figsize=(7, 3))
    axes.bar([10 * tenth + 5 for tenth in range(10)], [bars.get(tenth, 0) for tenth in range(10)], width=9, color="#4c78a8")
    axes.set_title("How much of a user's list stayed")
    axes.set_xlabel("items that stayed, %")
    axes.set_ylabel("users")
    page.show(figure, "stayed")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Items that rose and fell
# MAGIC By the number of users to whom an item is shown.

# COMMAND ----------

shown = [rows.groupBy("site_id", "item_id").agg(F.count("*").alias(name)) for rows, name in ((old, "before"), (new, "after"))]
moved = shown[0].join(shown[1], on=["site_id", "item_id"], how="full").fillna(0, subset=["before", "after"])
moved = moved.withColumn("change", F.col("after") - F.col("before")).where("change <> 0")
told = moved.orderBy(F.desc(F.abs("change")), "site_id", "item_id").limit(limit).collect()
for row in told:
    print(f"{row.site_id} {row.item_id:<24} {row.before:>8,} -> {row.after:>8,}")
if told:
    figure, axes = plt.subplots(figsize=(7, 0.8 + 0.3 * len(told)))
    axes.barh(
        [row.item_id for row in told], [row.change for row in told], color=["#54a24b" if row.change > 0 else "#e45756" for row in told]
    )
    axes.invert_yaxis()
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_title("Items that are shown to more or fewer users")
    axes.set_xlabel("users")
    page.show(figure, "items")
else:
    print("every item is shown to as many users as before")
