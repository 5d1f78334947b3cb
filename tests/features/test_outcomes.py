"""Which impression a click or a purchase belongs to, and that nothing known later moves it."""

import random
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from pyspark.sql import SparkSession

from builders import DAY, NEXT_DAY, at, frame
from clickmill.contracts.days import Days
from clickmill.contracts.tables import KNOWN_EVENTS
from clickmill.features import outcomes
from clickmill.features.outcomes import Rules
from features.acts import Row, act

RULES = Rules(shown="impression", answer="click", answer_window_s=1800, conversion_days=7)
A_WEEK = Days(DAY, DAY + timedelta(days=7))


def found(spark: SparkSession, acts: Iterable[Row], days: Days = A_WEEK, rules: Rules = RULES) -> list[str]:
    """`kind shown known` of each outcome, by kind and id of what was shown."""
    rows = outcomes.outcomes(frame(spark, KNOWN_EVENTS, acts), days, rules).orderBy("kind", "shown_date", "shown_event_id").collect()
    return [f"{row.kind} {row.shown_event_id} {row.known_at:%d %H:%M}" for row in rows]


def test_a_click_answers_the_impression_that_it_names_whichever_was_shown_last(spark: SparkSession) -> None:
    acts = [
        act("impression", "m1", "10:00", impression_id="x1"),
        act("impression", "m2", "10:05", impression_id="x2"),
        act("click", "c1", "10:06", impression_id="x1"),
    ]
    assert found(spark, acts) == ["answer m1 16 10:06"]
    assert found(spark, [*acts[:2], act("click", "c1", "10:06")]) == ["answer m2 16 10:06"]
    assert found(spark, [*acts[:2], act("click", "c1", "10:06", impression_id="lost")]) == []


@pytest.mark.parametrize(("click", "is_in_time"), [("09:59:59", False), ("10:00", True), ("10:30", True), ("10:30:00.000001", False)])
def test_an_answer_comes_within_the_window_both_ends_included(spark: SparkSession, click: str, is_in_time: bool) -> None:
    acts = [act("impression", "m1", "10:00", known="09:00"), act("click", "c1", click, known="12:00")]
    assert found(spark, acts) == (["answer m1 16 12:00"] if is_in_time else [])


def test_an_impression_known_after_the_click_takes_no_click_from_another_but_by_its_name(spark: SparkSession) -> None:
    acts = [act("impression", "m1", "10:00"), act("click", "c1", "10:06")]
    late = act("impression", "m2", "10:05", known="2024-05-17 08:00")
    assert found(spark, [*acts, late]) == ["answer m1 16 10:06"]
    named = [late | {"impression_id": "x2"}, acts[1] | {"impression_id": "x2"}]
    assert found(spark, [acts[0], *named]) == ["answer m2 17 08:00"]
    assert found(spark, [acts[0], *named], Days(NEXT_DAY, NEXT_DAY)) == ["answer m2 17 08:00"]
    assert found(spark, [acts[0], *named], Days(DAY, DAY)) == []


def test_an_impression_has_one_answer_and_one_conversion_those_first_known(spark: SparkSession) -> None:
    acts = [
        act("impression", "m1", "10:00"),
        act("click", "c1", "10:01", known="10:20"),
        act("click", "c2", "10:02"),
        act("purchase", "p1", "11:00", price=Decimal("2.50"), quantity=Decimal(3)),
        act("purchase", "p2", "12:00", price=Decimal(9)),
    ]
    events = frame(spark, KNOWN_EVENTS, acts)
    rows = outcomes.outcomes(events, A_WEEK, RULES).orderBy("kind").collect()
    assert [(row.kind, row.outcome_at, row.outcome_value) for row in rows] == [
        ("answer", at("10:02"), None),
        ("conversion", at("11:00"), Decimal("7.50")),
    ]


def test_a_purchase_belongs_to_the_last_answered_impression_of_its_item_within_days(spark: SparkSession) -> None:
    acts = [
        *(act("impression", "m1", "10:00"), act("click", "c1", "10:01")),
        *(act("impression", "m2", "11:00"), act("click", "c2", "11:01")),
        act("impression", "m3", "11:30"),  # nobody answered it
        act("impression", "m4", "11:30", item_id="i2"),
        act("purchase", "p1", "2024-05-23 11:01"),
        act("purchase", "p2", "2024-05-17 11:01", item_id="i2"),
        act("purchase", "p3", "2024-05-17 11:01", visitor="b"),
    ]
    answers = ["answer m1 16 10:01", "answer m2 16 11:01"]
    assert found(spark, acts) == [*answers, "conversion m2 23 11:01"]
    too_late = act("purchase", "p1", "2024-05-23 11:01:00.000001")
    assert found(spark, [*acts[:-3], too_late]) == answers


def test_where_clicks_are_what_is_shown_a_booking_of_the_same_instant_answers_them(spark: SparkSession) -> None:
    rules = Rules(shown="click", answer="purchase", answer_window_s=1800, conversion_days=7)
    acts = [act("click", "c1", "10:00"), act("purchase", "p1", "10:00"), act("click", "c2", "10:10")]
    assert found(spark, acts, rules=rules) == ["answer c1 16 10:00"], "a booking converts nothing that it answers itself"
    again = [act("click", "c3", "2024-05-18 09:00"), act("purchase", "p2", "2024-05-18 09:00")]
    assert found(spark, [*acts, *again], rules=rules) == ["answer c1 16 10:00", "answer c3 18 09:00", "conversion c1 18 09:00"]


def test_of_two_clicks_of_one_instant_the_one_that_the_booking_names_is_answered(spark: SparkSession) -> None:
    rules = Rules(shown="click", answer="purchase", answer_window_s=1800, conversion_days=7)
    acts = [act("click", name, "10:00", impression_id=name) for name in ("c1", "c2", "c3")]
    assert found(spark, [*acts, act("purchase", "p1", "10:00", impression_id="c2")], rules=rules) == ["answer c2 16 10:00"]


def test_acts_of_nobody_and_about_nothing_meet_nothing(spark: SparkSession) -> None:
    acts = [act("impression", "m1", "10:00", visitor=None), act("click", "c1", "10:01", visitor=None)]
    acts += [act("impression", "m2", "10:00", item_id=None), act("click", "c2", "10:01", item_id=None)]
    assert found(spark, acts) == []


def stream(seed: int) -> list[Row]:
    draw, rows = random.Random(seed), []
    for number in range(400):
        event_at = at("00:00") + timedelta(minutes=draw.randrange(4 * 24 * 60))
        wait = timedelta(minutes=draw.choice((0, 0, 1, 20, 700, 2000)))
        kind = draw.choice(("impression", "impression", "click", "click", "purchase"))
        name = draw.choice((None, None, f"x{number}")) if kind == "impression" else None
        more = {"item_id": draw.choice("ij"), "impression_id": name}
        rows.append(act(kind, f"{kind[0]}{number}", event_at, known=event_at + wait, visitor=draw.choice("abcd"), **more))
    for row in rows:  # some clicks name an impression, and come soon after it
        shown = draw.choice([one for one in rows if one["impression_id"] and one["event_type"] == "impression"])
        if row["event_type"] == "click" and draw.random() < 0.5:
            event_at = shown["event_at"] + timedelta(minutes=draw.choice((0, 3, 40)))
            known_at = event_at + timedelta(minutes=draw.choice((0, 1, 900)))
            row |= {name: shown[name] for name in ("impression_id", "item_id", "visitor_id")}
            row |= {"event_at": event_at, "event_date": event_at.date(), "known_at": known_at, "known_date": known_at.date()}
    return rows


def slowly(rows: list[Row]) -> list[str]:
    """The same words, act by act."""

    def order(row: Row) -> tuple:
        return (row["known_at"], row["event_at"], row["event_date"], row["event_id"])

    shown = sorted((row for row in rows if row["event_type"] == "impression"), key=order)
    answers, conversions = [], []
    for click in (row for row in rows if row["event_type"] == "click"):
        same = [m for m in shown if m["visitor_id"] == click["visitor_id"] and m["item_id"] == click["item_id"]]
        if click["impression_id"]:
            of_click = [m for m in same if m["impression_id"] == click["impression_id"]][:1]
        else:
            of_click = [m for m in same if m["known_at"] <= click["known_at"]][-1:]
        answers += [
            (max(m["known_at"], click["known_at"]), click["event_at"], click["event_id"], m)
            for m in of_click
            if timedelta(0) <= click["event_at"] - m["event_at"] <= timedelta(seconds=RULES.answer_window_s)
        ]
    firsts: dict[str, tuple] = {}
    for one in sorted(answers, key=lambda one: one[:3]):
        firsts.setdefault(one[3]["event_id"], one)
    told = [f"answer {name} {one[0]:%d %H:%M}" for name, one in firsts.items()]
    for bought in sorted((row for row in rows if row["event_type"] == "purchase"), key=order):
        before = [
            one
            for one in firsts.values()
            if one[3]["visitor_id"] == bought["visitor_id"] and one[3]["item_id"] == bought["item_id"] and one[0] <= bought["known_at"]
        ]
        last = max(before, key=lambda one: (one[0], one[1], one[3]["event_id"]), default=None)
        if last and timedelta(0) <= bought["event_at"] - last[1] <= timedelta(days=RULES.conversion_days):
            conversions.append((last[3]["event_id"], bought["known_at"]))
    converted: dict[str, datetime] = {}
    for name, known_at in conversions:
        converted.setdefault(name, known_at)
    return sorted(told + [f"conversion {name} {known_at:%d %H:%M}" for name, known_at in converted.items()])


def test_outcomes_are_those_of_a_slow_reading_day_by_day_and_whatever_becomes_known_later(spark: SparkSession) -> None:
    rows = stream(1)
    at_once = found(spark, rows)
    assert sorted(at_once) == slowly(rows)
    assert len(at_once) > 40
    so_far = [found(spark, [row for row in rows if row["known_date"] <= day], Days(day, day)) for day in A_WEEK]
    assert sorted(one for day in so_far for one in day) == sorted(at_once)
