"""Smoothed rates as known at a step of time, against a slow reading; and that they learn from the past alone."""

import math
import random
from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from builders import DAY, at, frame
from clickmill.contracts.days import Days
from clickmill.contracts.tables import KNOWN_EVENTS, OUTCOMES
from clickmill.features import rates
from clickmill.features.rates import DIMENSIONS, Steps
from features.acts import Row, act

WINDOW_S = 1800
STEPS = Steps(step_s=900, prior_answer_rate=0.1, prior_conversion_rate=0.2, prior_weight=10.0)


def shown(event_id: str, when: str | datetime, **more: Any) -> Row:
    return act("impression", event_id, when, **{"placement": "home", "position": 1, "category": "c1", "campaign_id": None} | more)


def outcome(of: Row, known: datetime, kind: str = "answer") -> Row:
    names = {"shown_date": "event_date", "shown_event_id": "event_id", "shown_item_pos": "item_pos", "shown_at": "event_at"}
    row = {name: of[old] for name, old in names.items()} | {"shown_known_at": of["known_at"], "kind": kind}
    row |= {name: of[name] for name in ("site_id", "visitor_id", "user_id", "item_id", "category", "campaign_id", "placement", "position")}
    return row | {"outcome_at": known, "known_at": known, "known_date": known.date()}


def rated(spark: SparkSession, impressions: list[Row], outcomes: list[Row]) -> list[dict[str, Any]]:
    events = frame(spark, KNOWN_EVENTS, impressions).withColumn("step", STEPS.step(F.col("event_at")))
    counted = rates.changes(events, frame(spark, OUTCOMES, outcomes), STEPS, answer_window_s=WINDOW_S)
    days = Days(min(row["event_date"] for row in impressions), max(row["event_date"] for row in impressions))
    told = rates.rates(events, rates.states(counted, events, STEPS, days).cache(), STEPS)
    by_key = {row.event_id: row.asDict() for row in told.collect()}
    ordered = sorted(impressions, key=lambda row: (row["event_at"], row["event_id"]))
    return [by_key[row["event_id"]] | {"item_id": row["item_id"]} for row in ordered]


def test_an_impression_s_own_outcome_is_never_in_its_rates_and_is_in_those_of_an_hour_later(spark: SparkSession) -> None:
    first, second = shown("m1", "10:59"), shown("m2", "11:59")
    alone = rated(spark, [first, second], [])
    clicked = rated(spark, [first, second], [outcome(first, at("10:59:30")), outcome(second, at("11:59:10"))])
    assert [row["item_answer_rate"] for row in alone] == [0.1, (0 + 10 * 0.1) / (1 + 10)]
    assert [row["item_answer_rate"] for row in clicked] == [0.1, (1 + 10 * 0.1) / (1 + 10)]
    assert [row["item_shown_28d"] for row in clicked] == [0, 1]


def test_an_outcome_counts_from_the_step_after_it_became_known(spark: SparkSession) -> None:
    first = shown("m1", "09:00")
    later = [shown("m2", "11:44:59", item_id="i1"), shown("m3", "11:45", item_id="i1")]
    told = rated(spark, [first, *later], [outcome(first, at("11:30")), outcome(first, at("11:40"), "conversion")])
    assert [row["item_answer_rate"] > 0.1 for row in told] == [False, False, True]
    assert [row["item_conversion_rate"] for row in told] == [0.2, 0.2, (1 + 10 * 0.2) / (1 + 10)]


def stream(seed: int) -> tuple[list[Row], list[Row]]:
    draw, impressions, outcomes = random.Random(seed), [], []
    for number in range(300):
        when = at("00:00") - timedelta(days=30) + timedelta(minutes=draw.randrange(31 * 1440))
        item = draw.choice("ijk")
        more = {"item_id": item, "category": "c" + item if draw.random() < 0.9 else None, "campaign_id": draw.choice((None, "s"))}
        known = when + timedelta(minutes=draw.choice((0, 0, 700)))
        one = shown(f"m{number}", when, known=known, position=draw.randrange(1, 4), **more)
        impressions.append(one)
        if draw.random() < {"i": 0.6, "j": 0.3, "k": 0.05}[item]:
            answered = known + timedelta(minutes=draw.choice((0, 1, 29, 45)))
            outcomes.append(outcome(one, answered))
            if draw.random() < 0.5:
                outcomes.append(outcome(one, answered + timedelta(minutes=draw.choice((0, 5000))), "conversion"))
    return impressions, outcomes


def slowly(impressions: list[Row], outcomes: list[Row], one: Row, dimension: str) -> dict[str, float]:
    """The rates of one impression, by reading all that became known in the 28 days before its step."""

    def names(row: Row) -> tuple:
        return tuple(row[name] for name in DIMENSIONS[dimension])

    def seconds(when: datetime) -> float:
        return (when - datetime(1970, 1, 1)).total_seconds()

    def counts(start: float) -> dict[tuple, list[int]]:
        found: dict[tuple, list[int]] = defaultdict(lambda: [0, 0, 0])
        for place, rows in enumerate((impressions, *([row for row in outcomes if row["kind"] == k] for k in ("answer", "conversion")))):
            for row in rows:
                ripe = row.get("shown_known_at", row["known_at"]) + timedelta(seconds=WINDOW_S)
                known = ripe if place == 0 else max(ripe, row["known_at"]) if place == 1 else row["known_at"]
                first_step = (seconds(known) // 900 + 1) * 900
                if start - 28 * 86_400 < first_step <= start:
                    found[names(row)][place] += 1
        return found

    start = seconds(one["event_at"]) // 900 * 900
    mine, all_values = counts(start)[names(one)], counts(start // 86_400 * 86_400)
    told = {"shown_28d": mine[0]}
    for name, whole, part, prior in (("answer_rate", 0, 1, 0.1), ("conversion_rate", 1, 2, 0.2)):
        seen = [(v[whole], min(v[part], v[whole])) for v in all_values.values() if v[whole]]
        total, parts, strength = sum(n for n, _ in seen), sum(c for _, c in seen), 10.0
        rest = total - sum(n * n for n, _ in seen) / total - (len(seen) - 1) if total else 0
        if len(seen) > 1 and rest > 0 and 0 < parts < total:
            p = parts / total
            spread = sum(n * (c / n - p) ** 2 for n, c in seen)
            rho = (spread / (p * (1 - p)) - (len(seen) - 1)) / rest
            strength = min(100_000.0, max(1.0, 1 / max(rho, 1e-9) - 1))
        mean = (parts + prior * 10) / (total + 10)
        told[name] = (min(mine[part], mine[whole]) + strength * mean) / (mine[whole] + strength)
    return told


@pytest.mark.parametrize("seed", [1, 2])
def test_every_rate_is_what_a_slow_reading_finds(spark: SparkSession, seed: int) -> None:
    impressions, outcomes = stream(seed)
    by_id = {row["event_id"]: row for row in impressions}
    told = rated(spark, impressions, outcomes)
    assert len(told) == len(impressions)
    for row in told[-120:]:
        for dimension in DIMENSIONS:
            for name, expected in slowly(impressions, outcomes, by_id[row["event_id"]], dimension).items():
                assert math.isclose(row[f"{dimension}_{name}"], expected, rel_tol=1e-4), (row["event_id"], dimension, name)


def test_values_that_differ_are_smoothed_less_than_values_that_do_not(spark: SparkSession) -> None:
    def last(rate_of: dict[str, int]) -> dict[str, float]:
        impressions, outcomes = [], []
        for item, answers in rate_of.items():
            for number in range(20):
                one = shown(f"{item}{number}", f"2024-05-15 0{number % 8}:00", item_id=item)
                impressions.append(one)
                outcomes += [outcome(one, at("2024-05-15 09:00"))] if number < answers else []
        asked = [shown(f"z{item}", "12:00", item_id=item) for item in rate_of]
        return {row["item_id"]: row["item_answer_rate"] for row in rated(spark, impressions + asked, outcomes)[-len(rate_of) :]}

    apart, alike = last({"i": 16, "j": 1, "k": 9}), last({"i": 9, "j": 9, "k": 9})
    assert apart["i"] > 0.7
    assert apart["j"] < 0.15
    assert max(alike.values()) - min(alike.values()) < 0.001
    assert DAY.day == 16
