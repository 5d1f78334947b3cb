"""The definition of cleaning in plain Python, compared with the jobs' own on random streams, cut at midnight or not."""

import random
from collections import defaultdict
from datetime import date, datetime, timedelta

import pytest
from pyspark.sql import SparkSession

from builders import frame, raw_event
from clean.pipeline import GAP_S, HORIZON_S, NEAR_S, ORDER_S, clean
from clickmill.contracts.days import Days
from clickmill.contracts.tables import OPEN_SESSIONS

DAYS = Days(date(2024, 5, 16), date(2024, 5, 18))


def random_stream(seed: int, visitors: int = 120) -> list[dict]:
    """Short streams of many visitors, crowded around midnights, with copies of every kind."""
    rng, rows = random.Random(seed), []
    for number in range(visitors):
        second = rng.choice([0, 80_000, 84_000]) + rng.randrange(3000)
        for n in range(rng.randrange(1, 9)):
            second += rng.choice([0, 0, 1, 2, 600, 1800, 1801, 3000, 30_000])
            when = datetime(2024, 5, 16) + timedelta(seconds=second)
            if when.date() not in DAYS:
                break
            kind = rng.choice(["item_view", "item_view", "purchase"])
            visitor = rng.choice([f"v{number}", f"v{number}", f"v{number}", None])
            rows.append(
                raw_event(
                    str(when),
                    visitor=visitor,
                    event_id=f"e{number}_{visitor}_{rng.choice([n, n, n, 0])}",
                    event_type=kind,
                    item_id=rng.choice(["i1", "i2"]),
                    order_id=f"o{rng.randrange(2)}" if kind == "purchase" else None,
                    source_session_id=rng.choice([None, None, None, "s1"]),
                    source_order=rng.choice([None, 1, 2]),
                    file=f"f{rng.randrange(3)}",
                )
            )
    return rows


def order(row: dict) -> tuple:
    return row["event_at"], row["source_order"] or -1, row["event_id"]


def place(row: dict) -> tuple:
    return str(row["landing_date"]), row["file"], row["ordinal"]


def what(row: dict) -> tuple:
    return tuple(row[name] for name in ("event_type", "event_at", "item_id", "order_id", "source_session_id", "source_order"))


def defined(rows: list[dict]) -> dict[str, object]:
    """What cleaning means. Returns event -> session of what is kept, and the kind of each copy by its place."""
    kept, copies, sessions = [], {}, {}
    same_id = defaultdict(list)
    for row in rows:
        same_id[row["visitor_id"], row["event_id"]].append(row)
    for group in same_id.values():
        seen_at, before = None, None
        for day in sorted({row["event_date"] for row in group}):
            of_day = sorted((row for row in group if row["event_date"] == day), key=lambda row: (row["winner_key"], place(row)))
            goes_on = seen_at is not None and (of_day[0]["event_at"] - seen_at).total_seconds() <= HORIZON_S
            winner = before if goes_on else what(of_day[0])
            kept += [] if goes_on else of_day[:1]
            copies |= {place(row): "exact_copy" if what(row) == winner else "conflicting_copy" for row in of_day[0 if goes_on else 1 :]}
            seen_at, before = of_day[-1]["event_at"], what(of_day[-1])
    seen, streams = {}, defaultdict(list)
    for row in sorted(kept, key=order):
        window = ORDER_S if row["order_id"] else NEAR_S
        key = (row["visitor_id"] or row["event_id"], row["event_type"], row["order_id"], row["item_id"])
        if key in seen and (row["event_at"] - seen[key]).total_seconds() <= window:
            copies[place(row)] = "near_copy"
        elif row["visitor_id"]:
            streams[row["visitor_id"], row["source_session_id"]].append(row)
        else:
            sessions[row["event_id"], row["event_at"]] = None
        seen[key] = row["event_at"]
    for stream in streams.values():
        name, last = None, None
        for row in stream:
            if last is None or (row["event_at"] - last).total_seconds() > GAP_S:
                name = f"{row['event_id']}-{row['event_date']:%Y%m%d}"
            sessions[row["event_id"], row["event_at"]] = name
            last = row["event_at"]
    return {"sessions": sessions, "copies": copies}


def found(*parts) -> dict[str, object]:
    return {
        "sessions": {(row.event_id, row.event_at): row.session_id for part in parts for row in part.events.collect()},
        "copies": {(str(row.landing_date), row.file, row.ordinal): row.reasons[0] for part in parts for row in part.copies.collect()},
    }


@pytest.mark.parametrize("seed", [3, 11])
def test_one_pass_and_day_by_day_give_what_the_definition_gives(spark: SparkSession, seed: int) -> None:
    rows = random_stream(seed)
    expected = defined(rows)
    assert len(expected["copies"]) > 50 and len(set(expected["sessions"].values())) > 50
    assert found(clean(spark, rows, DAYS, partitions=5)) == expected
    parts, carried = [], frame(spark, OPEN_SESSIONS, [])
    for day in DAYS:
        parts.append(clean(spark, rows, Days(day, day), carried=carried))
        carried = parts[-1].open_sessions.localCheckpoint()
    assert found(*parts) == expected
