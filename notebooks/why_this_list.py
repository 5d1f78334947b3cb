# Databricks notebook source
# MAGIC %md
# MAGIC # Why did this user get this list?
# MAGIC The list as it is served, what the user did before, and what became of every candidate: which rule took it away, or
# MAGIC which place it got. `user` is the id as the source writes it, with all its zeros.
# MAGIC
# MAGIC As a program: `python notebooks/why_this_list.py user=00123 lake=<root>`

# COMMAND ----------

import matplotlib.pyplot as plt
from pyspark.sql import functions as F

from clickmill import notebook
from clickmill.contracts.tables import CANDIDATES, INTERACTIONS, ITEMS, RECOMMENDATIONS, USERS, USERS_WITHOUT_LIST
from clickmill.publish import recommendations

page = notebook.opened(
    globals(),
    {
        "user": "User, as the source writes it",
        "site": "Site; empty: every site",
        "day": "Day of the list; empty: the newest",
        "limit": "Rows; empty: 20",
    },
)
user, limit = page.text("user"), page.count("limit", 20)
if not user:
    page.stop("user is empty: say whose list")
day = page.day("day", RECOMMENDATIONS)
whose = F.col("user_id") == F.lit(user)
if page.text("site"):
    whose = whose & (F.col("site_id") == F.lit(page.text("site")))
of_day = F.col("as_of_date") == F.lit(day)

# COMMAND ----------

# MAGIC %md
# MAGIC ## The list
# MAGIC `policy` says which model made it, how that was judged, and which rules held.

# COMMAND ----------

lists = page.table(RECOMMENDATIONS).where(of_day & whose)
served = lists.orderBy("site_id", "user_id_kind", "rank").limit(limit).collect()
if served:
    print(f"{user} on {day}, release {served[0].release_id}")
    for policy in sorted({row.policy for row in served}):
        print(f"policy: {policy}")
    for row in served:
        print(f"  {row['rank']:>3} {row.item_id:<24} {row.score:>9.4f}  {row.source:<15} {row.reason}")
else:
    without = page.table(USERS_WITHOUT_LIST).where(of_day & whose).collect()
    why = without[0].reason if without else "no model knows this user: it gets the list of its site for unknown users"
    print(f"{user} has no list of its own on {day}: {why}")

# COMMAND ----------

# MAGIC %md
# MAGIC ## What the user did
# MAGIC Signs of taste of the days that models see, the newest first; weights are those of the config, before they fade with time.

# COMMAND ----------

interactions = page.table(INTERACTIONS).where(F.col("event_date") <= F.lit(day))
own = interactions.where(whose)
page.tell(
    own.select("event_date", "item_id", "weight", "event_count", "purchased_quantity", "refunded_quantity").orderBy(
        F.desc("event_date"), "item_id"
    ),
    limit,
)

# COMMAND ----------

# MAGIC %md
# MAGIC ## What became of the candidates
# MAGIC Every model's candidates for this user, and the popular items that fill up. One that is shown by another model, or lies
# MAGIC behind the end of the list, says so.

# COMMAND ----------

conf, candidates = page.conf, page.table(CANDIDATES).where(of_day)
for_user = candidates.where(whose | ((F.col("user_id_kind") == "unknown") & F.lit(bool(served))))
judged = recommendations.under_rules(
    for_user,
    interactions,
    page.table(ITEMS),
    page.table(USERS),
    as_of=day,
    zone=conf.shop.zone,
    excludes_bought=conf.publish.excludes_bought,
)
place = lists.select("site_id", "item_id", F.col("rank").alias("place"), F.col("source").alias("placed_by"))
fate = (
    F.when(F.col("is_silenced"), "the user refuses personal lists")
    .when(F.col("place").isNotNull() & (F.col("source") == F.col("placed_by")), F.format_string("place %d", "place"))
    .when(F.col("place").isNotNull(), F.format_string("place %d, by %s", "place", "placed_by"))
    .when(F.col("is_barred"), "bought, and not offered again")
    .when(F.col("is_sold_out"), "out of stock")
    .otherwise("behind the end of the list, or of a model that was not chosen")
)
told = judged.join(place, on=["site_id", "item_id"], how="left").withColumn("fate", fate)
page.tell(told.select("source", "candidate_rank", "item_id", "score", "because_item_id", "fate").orderBy("source", "candidate_rank"), limit)
by_fate = (
    told.groupBy(F.regexp_replace("fate", r"^place \d+", "on the list").alias("fate")).count().orderBy(F.desc("count"), "fate").collect()
)
if by_fate:
    figure, axes = plt.subplots(figsize=(8, 0.8 + 0.35 * len(by_fate)))
    axes.barh([row.fate for row in by_fate], [row["count"] for row in by_fate], color="#4c78a8")
    axes.invert_yaxis()
    axes.bar_label(axes.containers[0], padding=3)
    axes.set_title(f"What became of the candidates of {user}")
    axes.set_xlabel("candidates")
    axes.margins(x=0.12)
    page.show(figure, "candidates")
