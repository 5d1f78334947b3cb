"""Impressions with what was known strictly before each: against a slow reading, and with a canary in every column."""

import random
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from builders import DAY, at, frame
from clickmill.contracts.days import Days
from clickmill.contracts.tables import CTR_ROWS, ITEM_DAYS, KNOWN_EVENTS, OUTCOMES
from clickmill.features import ctr_rows, known_days, outcomes, rates
from features import slow
from features.acts import Row, act, acts_by_lot

TODAY = Days(DAY, DAY)
PAST = DAY - timedelta(days=96)
RULES = outcomes.Rules(shown="impression", answer="click", answer_window_s=1800, conversion_days=7)
STEPS = rates.Steps(step_s=900, prior_answer_rate=0.1, prior_conversion_rate=0.2, prior_weight=10.0)
LABEL = {"answered", "label_known_at"}
FEATURES = [name for name in CTR_ROWS.columns if name not in {*CTR_ROWS.key, *LABEL}]
SLOW = [name for name in FEATURES if name.startswith("user_") and name not in ("user_id", "user_id_kind")]


def made(
    spark: SparkSession, acts: list[Row], days: Days = TODAY, last_day: date = DAY + timedelta(days=9), rules: outcomes.Rules = RULES
) -> dict[str, dict[str, Any]]:
    """Rows by event id, made as the jobs make them from what is known by the end of the last day."""
    acts = [one for one in acts if one["known_date"] <= last_day]
    events = frame(spark, KNOWN_EVENTS, acts).cache()
    came = outcomes.outcomes(events, Days(PAST, last_day), rules).cache()
    of_days = known_days.item_days(events, Days(PAST, days.last), zone="UTC")
    mine = ctr_rows.impressions(events, days, shown=rules.shown)
    items = known_days.items_before(of_days, mine.select("site_id", "item_id", "event_date").dropna().distinct())
    counted = rates.changes(events.where(events.event_type == rules.shown), came, STEPS, answer_window_s=1800)
    asked = mine.withColumn("step", STEPS.step(F.col("event_at")))
    states = rates.states(counted, asked, STEPS, days.widened(back=5)).cache()
    rows = ctr_rows.ctr_rows(events, rates.rates(asked, states, STEPS), items, days, shown=rules.shown, zone="UTC")
    told = ctr_rows.with_label(rows, came, label_wait_days=1, last_day=last_day, zone="UTC").collect()
    found = {row.event_id: row.asDict() for row in told}
    assert len(found) == len(told)
    return found


def pairs(acts: list[Row], shown: Row) -> dict[str, Any]:
    """What is known of the user of an impression with its item, its category and its hour, act by act."""
    instant, row = shown["event_at"], {}
    seen = slow.within(acts, instant, 90)
    for kind, plural in slow.PLURALS.items():
        with_item = [one for one in seen if one["event_type"] == kind and one["item_id"] == shown["item_id"] is not None]
        with_category = [one for one in seen if one["event_type"] == kind and one["category"] == shown["category"] is not None]
        for label, days in slow.DAYS.items():
            row[f"user_item_{plural}_sum_{label}"] = len(slow.within(with_item, instant, days))
            row[f"user_category_{plural}_sum_{label}"] = len(slow.within(with_category, instant, days))
        for name, mine in (("item", with_item), ("category", with_category)):
            row[f"user_{name}_since_{kind}_s"] = (instant - mine[-1]["known_at"]).total_seconds() if mine else None
    views = sum(one["event_type"] == "item_view" for one in seen)
    row["user_category_item_views_share_90d"] = slow.by(row["user_category_item_views_sum_90d"], views)
    same_hour = [one for one in seen if (one["event_at"].weekday(), one["event_at"].hour) == (instant.weekday(), instant.hour)]
    return row | {"user_hour_of_week_share_90d": slow.by(len(same_hour), len(seen))}


def test_every_column_of_the_user_is_what_a_slow_reading_of_the_past_finds(spark: SparkSession) -> None:
    acts = acts_by_lot(1, PAST, DAY, count=1500)
    shown = [one for one in acts if one["event_type"] == "impression" and one["known_date"] == DAY]
    told = made(spark, acts)
    assert set(told) == {one["event_id"] for one in shown}
    assert len(shown) > 20
    for one in shown:
        mine = [other for other in acts if other["user_id"] == one["user_id"]]
        expected = {f"user_{name}": value for name, value in slow.known(mine, one["event_at"]).items()} | pairs(mine, one)
        assert set(SLOW) <= set(expected)
        for name in SLOW:
            assert told[one["event_id"]][name] == pytest.approx(expected[name], abs=1e-6), (one["event_id"], name)


def test_nothing_of_the_impression_itself_nor_of_its_own_instant_is_in_its_columns_and_the_item_is_known_by_the_day_before(spark) -> None:
    shown = act("impression", "m1", "10:00", price=Decimal("2.50"), category="c", placement="home", position=1)
    beside = act("click", "c0", "10:00", item_id="i2", category="c")
    before = act("item_view", "v0", "09:59:59.999999", item_id="i2", category="c", price=Decimal(5))
    of_item = [act("item_view", "v1", "09:00", visitor="b"), act("item_view", "v2", "2024-05-15 23:59", visitor="b")]
    nobody = [act("impression", f"n{n}", f"1{n}:00", visitor=None, item_id="i3") for n in range(3)]
    told = made(spark, [shown, beside, before, *of_item, *nobody, act("click", "c1", "09:00", visitor=None)])
    row = told["m1"]
    assert (row["user_impressions_sum_90d"], row["user_clicks_sum_90d"], row["user_item_views_sum_90d"]) == (0, 0, 1)
    assert (row["item_answer_rate"], row["position_answer_rate"], row["item_impressions_sum_1d"]) == (0.1, 0.1, 0)
    assert (row["price"], row["price_to_viewed_mean"], row["hour"], row["weekday"]) == (2.5, 0.5, 10, 4)
    assert (row["item_item_views_sum_7d"], row["item_days_since_item_views"], row["item_days_since_clicks"]) == (1, 0, None)
    # Users without a name have no past, and are not lost.
    unnamed = [told[f"n{n}"] for n in range(3)]
    assert {(one["user_id"], one["user_id_kind"], one["user_impressions_sum_90d"]) for one in unnamed} == {(None, None, 0)}


def test_a_booking_of_the_instant_of_its_click_is_its_label_and_in_none_of_its_columns(spark: SparkSession) -> None:
    rules = outcomes.Rules(shown="click", answer="purchase", answer_window_s=1800, conversion_days=7)
    told_of = {"category": "c", "campaign_id": "k", "placement": "hotel"}
    past = [act(kind, f"{kind}0", "2024-05-12 09:00", impression_id="r0", **told_of) for kind in ("click", "purchase")]
    clicks = [act("click", f"c{n}", when, impression_id=f"r{n}", **told_of) for n, when in ((1, "10:00"), (2, "11:00"))]
    booking = act("purchase", "p1", "10:00", impression_id="r1", price=Decimal(80), **told_of)
    booked, not_booked = (made(spark, [*past, *clicks, *more], rules=rules) for more in ([booking], []))
    assert [(one["c1"]["answered"], one["c2"]["answered"]) for one in (booked, not_booked)] == [(True, False), (False, False)]
    for name in FEATURES:
        assert booked["c1"][name] == not_booked["c1"][name], name
    rows = (booked["c1"], booked["c2"], not_booked["c2"])
    assert [row["user_purchases_sum_90d"] for row in rows] == [1, 2, 1], "the next click knows of it"
    assert booked["c2"]["item_answer_rate"] > not_booked["c2"]["item_answer_rate"]


def test_a_label_is_final_when_its_days_are_over_and_null_until_then(spark: SparkSession) -> None:
    acts = [
        *(act("impression", f"m{n}", f"1{n}:00", item_id=f"i{n}") for n in range(4)),
        act("click", "c0", "10:10", item_id="i0"),
        act("click", "c1", "11:10", item_id="i1", known="2024-05-17 11:00"),
        act("click", "c2", "12:10", item_id="i2", known="2024-05-17 12:00:01"),
    ]
    told = made(spark, acts)
    assert [told[f"m{n}"]["answered"] for n in range(4)] == [True, True, False, False]
    assert told["m3"]["label_known_at"] == at("2024-05-17 13:00")
    assert {row["answered"] for row in made(spark, acts, last_day=DAY).values()} == {None}


def canaries(acts: list[Row], instant: datetime) -> list[Row]:
    """The same past, and another future: acts known at or after the instant are edited, deleted, and many are added, late ones too."""
    draw, after = random.Random(3), []
    for one in acts:
        if one["known_at"] < instant or one["event_type"] == "impression":
            after.append(one)
        elif draw.random() < 0.5:
            changes = {"event_type": draw.choice(("click", "purchase")), "item_id": "i1", "price": Decimal(77), "category": "c1"}
            after.append(one | changes)
    late = [act("item_view", f"x{n}", "2024-05-10 10:00", known=instant, visitor="a", item_id=f"i{n % 4}") for n in range(300)]
    return [*after, *late]


def test_no_column_at_or_before_an_instant_moves_with_anything_known_from_it_on(spark: SparkSession) -> None:
    """The canary looks at every column but the label, by the names of the contract: a new one cannot escape it."""
    acts, instant = acts_by_lot(3, PAST, DAY, count=1500), at("14:00")
    told, changed = made(spark, acts), made(spark, canaries(acts, instant))
    early = [one["event_id"] for one in acts if one["event_id"] in told and one["event_at"] <= instant]
    later = set(told) - set(early)
    assert min(len(early), len(later)) > 5
    for name in FEATURES:
        assert [told[one][name] for one in early] == [changed[one][name] for one in early], name
    moved = {name for name in FEATURES if any(told[one][name] != changed[one][name] for one in later)}
    assert len(moved) > 80, "the canary sings only where the future differs"


def test_days_made_one_by_one_with_what_is_known_by_their_ends_are_those_made_at_once(spark: SparkSession) -> None:
    acts, days = acts_by_lot(5, PAST, DAY), Days(DAY - timedelta(days=1), DAY)
    at_once = made(spark, acts, days)
    one_by_one: dict[str, dict[str, Any]] = {}
    for day in sorted(days, reverse=True):
        one_by_one |= made(spark, acts, Days(day, day), last_day=day)
    assert set(one_by_one) == set(at_once)
    for name in FEATURES:
        assert {key: row[name] for key, row in one_by_one.items()} == {key: row[name] for key, row in at_once.items()}, name


def test_outcomes_know_no_column_that_later_landings_can_restate() -> None:
    restated = {"is_bot", "session_id", "gap_s", "dwell_s"}
    assert not restated & {*CTR_ROWS.columns, *OUTCOMES.columns, *ITEM_DAYS.columns}
