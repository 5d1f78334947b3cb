"""What was found of a truth: counted by hand on a few deliveries."""

from datetime import date, datetime
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from builders import DAY
from clickmill.contracts.local import local_frame
from clickmill.simulate import found
from clickmill.simulate.found import Finding

TRUTH = (
    "event_id string, of_event_id string, delivery string, landing_date date, event_at timestamp, visitor_id string, "
    "user_number long, bot_family int, session_number long"
)
EVENT = "event_id string, item_pos int, session_id string, site_id string, visitor_id string, event_at timestamp, source_order int"


def delivery(event_id: str, kind: str = "original", of: str | None = None, **changes: Any) -> dict[str, Any]:
    row = {
        "event_id": event_id,
        "of_event_id": of or event_id,
        "delivery": kind,
        "landing_date": DAY,
        "event_at": datetime(2024, 5, 16, 10),
    }
    return row | {"visitor_id": "v1", "user_number": 1, "bot_family": 0, "session_number": 0} | changes


def truth(spark: SparkSession, *rows: dict[str, Any]) -> DataFrame:
    return local_frame(spark, [tuple(row.values()) for row in rows], TRUTH)


def shares(findings: list[Finding]) -> dict[str, tuple[float, int]]:
    return {one.what: (round(one.share, 3), one.count) for one in findings}


def rows_of(spark: SparkSession, schema: str, rows: list[dict[str, Any]]) -> DataFrame:
    names = [part.split()[0] for part in schema.split(", ")]
    return local_frame(spark, [tuple(row.get(name) for name in names) for row in rows], schema)


def own_ids(spark: SparkSession, *names: str) -> DataFrame:
    return local_frame(spark, [(f"lake {name}", name) for name in names], "event_id string, own_id string")


def test_copies_are_found_where_as_many_are_named_as_there_are(spark: SparkSession) -> None:
    told = truth(
        spark,
        *(delivery("a"), delivery("a", "exact_copy"), delivery("b"), delivery("b", "exact_copy"), delivery("c")),
        # Landed after four days: it is turned away as late, and not looked for among copies.
        delivery("d", "exact_copy", landing_date=date(2024, 5, 20)),
        *(delivery("n", "near_copy", of="c"), delivery("m", "near_copy", of="b")),
    )
    kinds = [("a", "exact_copy"), ("a", "exact_copy"), ("c", "conflicting_copy"), ("n", "near_copy")]
    row = {"kind": "copy", "event_date": DAY}
    rows = [row | {"event_id": f"lake {name}", "reasons": [reason], "ordinal": n} for n, (name, reason) in enumerate(kinds)]
    made = found.copies(
        told, rows_of(spark, "event_id string, kind string, reasons array<string>", rows), own_ids(spark, *"abcdnm"), lateness_days=2
    )
    assert shares(made) == {
        "exact copies, precision": (0.333, 3),
        "exact copies, recall": (0.5, 2),
        "near copies, precision": (1.0, 1),
        "near copies, recall": (0.5, 2),
    }
    assert [one.holds for one in made] == [False, False, True, False]


def test_machines_are_counted_by_visitor_and_the_other_family_beside(spark: SparkSession) -> None:
    families = {"v1": 1, "v2": 1, "v3": 0, "v4": 0, "v5": 2}
    told = truth(spark, *(delivery(f"e{name}", visitor_id=name, bot_family=family) for name, family in families.items()))
    rows = [{"site_id": "shop", "event_date": DAY, "visitor_id": name, "rules": ["rate"]} for name in ("v1", "v3")]
    made = found.machines(told, rows_of(spark, "visitor_id string", rows))
    assert shares(made) == {
        "bots, precision": (0.5, 2),
        "bots, recall": (0.5, 2),
        "people called bots": (0.5, 2),
        "bots of a family no rule was made for, recall": (0.0, 1),
    }
    assert [one.holds for one in made] == [False, False, False, True]


def test_boundaries_are_compared_between_neighbours_that_were_kept(spark: SparkSession) -> None:
    sessions = {"a": 0, "b": 0, "c": 1, "d": 1, "e": 2}
    told = truth(spark, *(delivery(name, session_number=number) for name, number in sessions.items()))
    # c is missing in the lake; d is called a session of its own rightly, b wrongly, and e not at all.
    named = {"a": "s1", "b": "s2", "d": "s3", "e": "s3"}
    row = {"item_pos": 0, "site_id": "shop", "visitor_id": "v1"}
    ids = {name: {"event_id": f"lake {name}", "session_id": session} for name, session in named.items()}
    rows = [row | ids[name] | {"event_at": datetime(2024, 5, 16, hour)} for hour, name in enumerate(named)]
    made = found.sessions(told, rows_of(spark, EVENT, rows), own_ids(spark, *sessions))
    assert shares(made) == {
        "session boundaries, all pairs of events": (0.333, 3),
        "session boundaries, precision": (0.5, 2),
        "session boundaries, recall": (0.5, 2),
    }


def test_the_chance_of_a_click_is_that_of_the_impression_as_it_came_first(spark: SparkSession) -> None:
    shown = {"a": 0.25, "b": 0.5, "gone": 0.75}
    rows = [(name, "original", "impression", chance) for name, chance in shown.items()]
    others = [("a", "exact_copy", "impression", 0.25), ("c", "original", "item_view", 0.125)]
    told = local_frame(spark, [*rows, *others], "event_id string, delivery string, event_type string, chance_with double")
    made = found.chances(told, own_ids(spark, "a", "b", "c")).collect()
    assert {row.event_id: row.chance for row in made} == {"lake a": 0.25, "lake b": 0.5} and len(made) == 2


def test_a_ceiling_holds_below_what_has_no_floor_always_and_what_nothing_was_measured_by_never() -> None:
    assert not Finding("x", 1.0, 0, 0.95).holds and not Finding("x", 0.0, 0, 0.005, is_ceiling=True).holds and Finding("x", 1.0, 0).holds
    assert Finding("x", 0.004, 10, 0.005, is_ceiling=True).holds and not Finding("x", 0.006, 10, 0.005, is_ceiling=True).holds
    assert Finding("x", 0.0, 10).holds and Finding("x", 0.95, 10, 0.95).holds and not Finding("x", 0.9499, 10, 0.95).holds


@pytest.mark.parametrize("barred", [[], ["0000000003"]])
def test_the_oracle_ranks_by_what_draws_the_user_and_leaves_out_what_is_barred(spark: SparkSession, barred: list[str]) -> None:
    shop = found.World(seed=3, days=2, items=40)
    odds = shop.odds(found.np.array([7]))[0]
    expected = [f"{item:010d}" for item in (-odds).argsort(kind="stable") if f"{item:010d}" not in barred][:39]
    told = truth(spark, delivery("a", visitor_id="v00000000000000aa", user_number=7))
    schema, user = "site_id string, user_id_kind string, user_id string", ("shop", "account", "a00000000000000aa")
    users = local_frame(spark, [user], schema)
    gone = local_frame(spark, [(*user, item) for item in barred], f"{schema}, item_id string")
    rows = found.oracle(shop, told, users, gone, k=39).orderBy("rank").collect()
    assert [row.item_id for row in rows] == expected and [row["rank"] for row in rows] == list(range(1, 40))
