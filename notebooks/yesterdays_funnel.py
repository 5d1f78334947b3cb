# Databricks notebook source
# MAGIC %md
# MAGIC # Yesterday's funnel
# MAGIC What came of a day: how far sessions went, when people came, what was turned away and why, what machines did.
# MAGIC
# MAGIC `day` is a day of the shop's zone; left empty it is the newest one. All numbers are of what cleaning let through;
# MAGIC machines are told apart everywhere. As a program: `python notebooks/yesterdays_funnel.py day=2024-05-16 lake=<root>`

# COMMAND ----------

import matplotlib.pyplot as plt
from pyspark.sql import functions as F

from clickmill import notebook
from clickmill.contracts.tables import BOTS, EVENTS, REJECTS, SESSIONS

page = notebook.opened(globals(), {"day": "Day, YYYY-MM-DD; empty: the newest", "limit": "Reasons and rules to show; empty: 12"})
day, limit = page.day("day", SESSIONS), page.count("limit", 12)
of_day = F.col("event_date") == F.lit(day)

# COMMAND ----------

# MAGIC %md
# MAGIC ## How far sessions went
# MAGIC Sessions of people that closed on this day. A step counts whether or not the one before it was seen.

# COMMAND ----------

sessions = page.table(SESSIONS).where(of_day & ~F.col("is_bot"))
steps = {
    "sessions": F.count("*"),
    "saw an item": F.count_if(F.col("item_view_count") > 0),
    "filled a cart": F.count_if(F.col("add_to_cart_count") > 0),
    "bought": F.count_if("has_purchase"),
}
funnel = sessions.agg(*(step.alias(name) for name, step in steps.items())).first().asDict()
for name, count in funnel.items():
    print(f"{name:<15} {count:>10,}  {count / max(1, funnel['sessions']):>7.1%}")
figure, axes = plt.subplots(figsize=(7, 3))
axes.barh(list(funnel), list(funnel.values()), color="#4c78a8")
axes.invert_yaxis()
axes.bar_label(axes.containers[0], [f"{count:,}" for count in funnel.values()], padding=3)
axes.set_title(f"Sessions of people that closed on {day}")
axes.set_xlabel("sessions")
axes.margins(x=0.12)
page.show(figure, "funnel")

# COMMAND ----------

# MAGIC %md
# MAGIC ## When they came
# MAGIC Events by hour of the shop's zone, people and machines apart.

# COMMAND ----------

zone = page.conf.shop.zone
hour = F.hour(F.from_utc_timestamp("event_at", F.coalesce("zone", F.lit(zone))))
by_hour = page.table(EVENTS).where(of_day).groupBy(hour.alias("hour"))
by_hour = by_hour.agg(F.count_if(~F.col("is_bot")).alias("people"), F.count_if("is_bot").alias("machines")).orderBy("hour").collect()
figure, axes = plt.subplots(figsize=(8, 3))
hours = [row.hour for row in by_hour]
axes.bar(hours, [row.people for row in by_hour], label="people", color="#4c78a8")
axes.bar(hours, [row.machines for row in by_hour], bottom=[row.people for row in by_hour], label="machines", color="#f58518")
axes.set_xlim(-0.7, 23.7)
axes.set_xticks(range(0, 24, 2))
axes.set_title(f"Events by hour on {day} ({zone})")
axes.set_xlabel("hour")
axes.set_ylabel("events")
axes.legend(frameon=False)
page.show(figure, "hours")

# COMMAND ----------

# MAGIC %md
# MAGIC ## What was turned away
# MAGIC Rows by reason; a row with several reasons stands under each. Copies were seen and are counted, not lost.

# COMMAND ----------

rejects = page.table(REJECTS).where(of_day)
reasons = rejects.select("kind", F.explode("reasons").alias("reason")).groupBy("kind", "reason").agg(F.count("*").alias("rows"))
told = reasons.orderBy(F.desc("rows"), "reason").limit(limit).collect()
for row in told:
    print(f"{row.kind:<8} {row.reason:<28} {row['rows']:>10,}")
if told:
    figure, axes = plt.subplots(figsize=(7, 0.6 + 0.3 * len(told)))
    colours = {"reject": "#e45756", "copy": "#9d9da1"}
    axes.barh([row.reason for row in told], [row["rows"] for row in told], color=[colours.get(row.kind, "#9d9da1") for row in told])
    axes.invert_yaxis()
    axes.set_title(f"Rejects (red) and copies (grey) of {day}, by reason")
    axes.set_xlabel("rows")
    page.show(figure, "rejects")
else:
    print("nothing was turned away")

# COMMAND ----------

# MAGIC %md
# MAGIC ## What machines did
# MAGIC Visitors of the day that a rule took for machines, by rule, and their share of all events.

# COMMAND ----------

bots = page.table(BOTS).where(of_day & (F.size("rules") > 0))
rules = bots.select(F.explode("rules").alias("rule"), "event_count").groupBy("rule")
rules = rules.agg(F.count("*").alias("visitors"), F.sum("event_count").alias("events")).orderBy(F.desc("visitors"), "rule").limit(limit)
found = rules.collect()
events = page.table(EVENTS).where(of_day).agg(F.count("*").alias("all"), F.count_if("is_bot").alias("of_machines")).first()
print(f"{events.of_machines:,} of {events['all']:,} events are of machines")
if found:
    figure, axes = plt.subplots(figsize=(7, 0.8 + 0.4 * len(found)))
    axes.barh([row.rule for row in found], [row.visitors for row in found], color="#f58518")
    axes.invert_yaxis()
    axes.bar_label(axes.containers[0], [f"{row.visitors:,} visitors, {row.events:,} events" for row in found], padding=3)
    axes.set_title(f"Machines of {day}, by the rule that found them")
    axes.set_xlabel("visitors")
    axes.margins(x=0.35)
    page.show(figure, "machines")
