"""Impressions with what was known strictly before each, and with their label once it is known: what click networks learn from."""

from collections.abc import Iterator
from datetime import date

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from clickmill.contracts.conform import conform
from clickmill.contracts.days import Days
from clickmill.contracts.errors import BadData
from clickmill.contracts.events import USER
from clickmill.contracts.tables import CTR_ROWS, ITEM_DAYS
from clickmill.features import known_pairs, known_user
from clickmill.features.acts import MONEY, acts
from clickmill.features.blocks import by_key
from clickmill.features.histories import Flags, Floats, Ints, Questions
from clickmill.features.known_user import Acts, codes
from clickmill.features.rates import IMPRESSION
from clickmill.features.user_days import ORDER

_NOBODY = "nobody"
_HANDED_ON = (
    *("known_date", "known_at", "event_date", "event_id", "item_pos", "site_id", "zone", "item_id", "category"),
    *("campaign_id", "placement", "position", "propensity", "device", "country"),
)
_OF_SHOWN = ("shown_at", "hour", "weekday", "price", "price_to_viewed_mean")
_CONTEXT = ("campaign_id", "placement", "position", "propensity", "device", "country", "known_at", "event_at")
_OF_ITEM = tuple(name for name in ITEM_DAYS.columns if f"item_{name}" in CTR_ROWS.columns)


def ctr_rows(events: DataFrame, rates: DataFrame, items: DataFrame, days: Days, *, shown: str, zone: str) -> DataFrame:
    """Say of every impression that became known on the days of a run what was known strictly before it was shown.

    What became known at the very instant at which it was shown is not known before it. The user is known to the instant,
    with what is shown; rates by the start of the step (rates.py); the item by the end of the day before.

    Grain   one row per impression (site_id, event_date, event_id, item_pos); without its label
    Needs   events: clean.known_events of the days and of the 90 before the first; rates: those of
            these impressions (rates.py); items: what was known of their items before the
            days on which they were shown (known_days.py)
    Ties    acts of the same instant by event day, event id and place in its list
    """
    mine = impressions(events, days, shown=shown)
    # Each who is nobody is a user without a past.
    named = mine.withColumns(
        {
            "user_id": F.coalesce("user_id", F.concat_ws(" ", "event_date", "event_id", "item_pos")),
            "user_id_kind": F.coalesce("user_id_kind", F.lit(_NOBODY)),
        }
    )
    asked = acts(named, USER, zone=zone, more=_CONTEXT).withColumn("asked_us", F.unix_micros("event_at"))
    told = acts(events, USER, zone=zone).unionByName(asked, allowMissingColumns=True)
    known = by_key(told, USER, ORDER, _answered, _known_schema())
    return _with_item(known.join(rates, on=list(IMPRESSION), how="left"), items)


def impressions(events: DataFrame, days: Days, *, shown: str) -> DataFrame:
    """The impressions that became known on the days of a run.

    Grain   one row per impression
    """
    return events.where((F.col("event_type") == shown) & F.col("known_date").between(F.lit(days.first), F.lit(days.last)))


def with_label(rows: DataFrame, outcomes: DataFrame, *, label_wait_days: int, last_day: date, zone: str) -> DataFrame:
    """Add `answered`: whether the impression's answer became known within `label_wait_days` days of it; null while nobody knows.

    Grain   one row per row of ctr_rows(), as in features.ctr_rows
    Needs   features.outcomes of the days up to `last_day`
    """
    answers = outcomes.where("kind = 'answer'").select(
        "site_id",
        F.col("shown_date").alias("event_date"),
        F.col("shown_event_id").alias("event_id"),
        F.col("shown_item_pos").alias("item_pos"),
        F.col("known_at").alias("_answer_known_at"),
    )
    joined = rows.join(answers, on=list(IMPRESSION), how="left")
    final_at = F.col("known_at") + F.make_dt_interval(days=F.lit(label_wait_days))
    is_final = F.to_date(F.from_utc_timestamp(final_at, F.coalesce("zone", F.lit(zone)))) <= F.lit(last_day)
    answered = F.coalesce(F.col("_answer_known_at") <= final_at, F.lit(False))
    return conform(joined.withColumns({"label_known_at": final_at, "answered": F.when(is_final, answered)}), CTR_ROWS)


def _with_item(rows: DataFrame, items: DataFrame) -> DataFrame:
    """Add what was known of the item at the end of the day before the one on which it was shown."""
    named = items.select("site_id", "item_id", "event_date", *(F.col(name).alias(f"item_{name}") for name in _OF_ITEM))
    joined = rows.join(named, on=["site_id", "item_id", "event_date"], how="left")
    counts = [field.name for field in ITEM_DAYS.schema.fields if not field.nullable and field.name in _OF_ITEM]
    return joined.withColumns({f"item_{name}": F.coalesce(f"item_{name}", F.lit(0)) for name in counts})


def _answered(table: pa.Table, key: Ints) -> Iterator[pa.Table]:
    is_asked = table["asked_us"].is_valid().to_numpy()
    mine, past = table.filter(pa.array(is_asked)), Acts(table.filter(pa.array(~is_asked)), key[~is_asked])
    if not mine.num_rows:
        return
    questions = Questions(key[is_asked], mine["asked_us"].to_numpy())
    item, category = (codes(table[name]) for name in ("item_id", "category"))
    of_user = known_user.known(past, questions)
    pairs = {"items": (item[~is_asked], item[is_asked]), "categories": (category[~is_asked], category[is_asked])}
    with_user = known_pairs.known(past, questions, **pairs, hours=mine["hour_of_week"].to_numpy().astype(np.int64))
    hour, price = mine["hour_of_week"].to_numpy(), mine["price"].to_numpy()
    viewed = of_user["viewed_price_mean_28d"]
    of_shown = {
        "shown_at": mine["event_at"],
        "hour": pa.array(hour % 24),
        "weekday": pa.array(hour // 24 + 1),
        "price": pa.array(price / MONEY, mask=price == 0),
        "price_to_viewed_mean": _by(price / MONEY, viewed, price == 0),
        **{name: pc.if_else(pc.equal(mine["user_id_kind"], _NOBODY), None, mine[name]) for name in ("user_id", "user_id_kind")},
    }
    handed_on = {name: mine[name] for name in _HANDED_ON}
    yield pa.table({**handed_on, **of_shown, **{f"user_{name}": values for name, values in of_user.items()}, **with_user})


def _by(part: Floats, whole: pa.Array, is_unknown: Flags) -> pa.Array:
    by = whole.to_numpy(zero_copy_only=False)  # null is not a number there
    return pa.array(part / np.where(by > 0, by, 1), mask=is_unknown | ~(by > 0))


def _known_schema() -> StructType:
    """The columns of features.ctr_rows that the kernel makes, and the zone of the days of each."""
    made = [field for field in CTR_ROWS.schema.fields if field.name in (*_HANDED_ON, *_OF_SHOWN) or field.name.startswith("user_")]
    return StructType([*made, StructField("zone", StringType())])


def counts(rows: DataFrame, shown: DataFrame) -> dict[str, int]:
    """Count the impressions by what is known of their label.

    Needs   rows: features.ctr_rows; shown: the impressions() that it was made of
    Raises  BadData when an impression is missing, or is there twice
    """
    told = rows.agg(
        F.count("*").alias("rows"), F.count_if("answered").alias("answered"), F.count_if(F.col("answered").isNull()).alias("open")
    ).first()
    there = shown.count()
    assert told is not None
    if told.rows != there:
        raise BadData(f"{CTR_ROWS.name}: {there} impressions came in, but {told.rows} rows went out")
    return {"impressions": there, "answered": told.answered, "labels that nobody can know yet": told.open}
