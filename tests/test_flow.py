"""A flow makes what is missing or stale, stops where nothing changed, and ends at the same tables whatever happened on the way."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from builders import frame
from clickmill import config, execution, flow, staleness
from clickmill.contracts import faults
from clickmill.contracts.days import Days
from clickmill.contracts.tables import BOTS, IDENTITIES, RECOMMENDATIONS, VALUE_RANGES
from clickmill.lake import Lake
from clickmill.ledger import Ledger
from released import publishes

FIRST = date(2024, 5, 10)
LATENESS = 2
NOON = datetime(2024, 5, 10, 12)
LANDED = replace(IDENTITIES, belongs="first_seen_at")
Landed = dict[date, set[tuple[str, date]]]
"""What landed on each day: events by id, each with its own day."""


def day(n: int) -> date:
    return FIRST + timedelta(days=n)


def lands(landed: Landed) -> SimpleNamespace:
    """A job that takes what has landed on each day: one row an event, under its landing day."""

    def run(spark, conf, days, inputs):
        base = {"site_id": "shop", "last_seen_at": NOON}
        rows = [
            base | {"event_date": one, "visitor_id": event, "account_id": str(of), "first_seen_at": datetime.combine(of, NOON.time())}
            for one in days
            for event, of in sorted(landed.get(one, ()))
        ]
        return {LANDED: frame(spark, LANDED, rows)}

    return SimpleNamespace(__name__="lands", READS=(), WRITES=(LANDED,), run=run, CONFIG=("shop",), TAKES="events")


def cleans() -> SimpleNamespace:
    """A job that counts the different events of each day, and carries a number from day to day as sessions are carried."""

    def run(spark, conf, days, inputs):
        found = {(row.visitor_id, row.account_id) for row in inputs[LANDED].collect()}
        carried = next((row.high for row in inputs[VALUE_RANGES].collect() if row.event_date == days.first - timedelta(days=1)), 0.0)
        rows = []
        for one in days:
            count = len([event for event, of in found if of == str(one)])
            carried = (2 * carried + count) % 97
            base = {"site_id": "shop", "event_date": one, "event_type": "purchase", "measure": "price"}
            rows.append(base | {"row_count": count, "low": 0.0, "high": carried})
        return {VALUE_RANGES: frame(spark, VALUE_RANGES, rows)}

    reads = (LANDED.landed(LATENESS), VALUE_RANGES.days_back(1))
    return SimpleNamespace(__name__="cleans", READS=reads, WRITES=(VALUE_RANGES,), run=run, CONFIG=("shop",))


def counts() -> SimpleNamespace:
    """A job whose rows depend on the parity of a day's count alone, so that not every change goes through it."""

    def run(spark, conf, days, inputs):
        rows = [(row.event_date, row.row_count % 2) for row in inputs[VALUE_RANGES].collect()]
        base = {"site_id": "shop", "visitor_id": "v", "rules": [], "peak_minute_count": 0, "active_hour_count": 0, "item_count": 0}
        return {BOTS: frame(spark, BOTS, [base | {"event_date": one, "event_count": parity} for one, parity in rows])}

    return SimpleNamespace(__name__="counts", READS=(VALUE_RANGES.same_days(),), WRITES=(BOTS,), run=run, CONFIG=("shop",))


pytestmark = pytest.mark.usefixtures("no_gate")


class World:
    """A lake, what has landed, and a dictionary that knows what must come of it."""

    def __init__(self, spark: SparkSession, root: str) -> None:
        self.lake = Lake(spark, root)
        self.conf = config.load("test", {"lake.root": root})
        self.landed: Landed = {}
        self.runs: list[str] = []

    def land(self, on: int, event: str, of: int) -> None:
        self.landed.setdefault(day(on), set()).add((event, day(of)))

    def flow(self, first: int, last: int) -> flow.Made:
        self.runs = []

        def shown(job: Any, result: execution.RunResult | str) -> None:
            self.runs.append(f"{job.__name__} {'idle' if isinstance(result, str) else result.days}".replace("2024-05-", ""))

        return flow.bring([lands(self.landed), cleans(), counts()], self.conf, Days(day(first), day(last)), self.lake.spark, print, shown)

    def made(self) -> dict[str, tuple[int, float]]:
        return {str(row.event_date): (row.row_count, row.high) for row in self.lake.read(VALUE_RANGES).collect()}

    def right(self, first: int, last: int) -> dict[str, tuple[int, float]]:
        """What a run over these days alone would make of all that has landed in them."""
        told, carried = {}, 0.0
        for one in Days(day(first), day(last)):
            seen = [on for on in self.landed if -1 <= (on - one).days <= LATENESS and day(first) <= on <= day(last)]
            count = len({event for on in seen for event, of in self.landed[on] if of == one})
            carried = (2 * carried + count) % 97
            told[str(one)] = (count, carried)
        return told


@pytest.fixture
def world(spark: SparkSession, tmp_path) -> World:
    return World(spark, str(tmp_path / "lake"))


def test_a_second_flow_over_the_same_days_has_nothing_to_do(world) -> None:
    world.land(0, "a", 0)
    first = world.flow(0, 1)
    assert world.runs == ["lands 10 to 11", "cleans 10 to 11", "counts 10 to 11"]
    assert (first.day_count, first.new_count, first.factor) == (4, 4, 1.0)
    versions = [world.lake.head(table) for table in (VALUE_RANGES, BOTS)]
    second = world.flow(0, 1)
    assert world.runs == ["lands 10 to 11", "cleans idle", "counts idle"]
    assert (second.day_count, second.factor) == (0, None)
    assert [world.lake.head(table) for table in (VALUE_RANGES, BOTS)] == versions


def test_work_stops_where_a_hash_comes_out_unchanged(world) -> None:
    world.land(0, "a", 0)
    world.flow(0, 0)
    world.land(0, "b", 0)
    world.land(0, "c", 0)
    world.flow(0, 0)
    assert world.runs == ["lands 10", "cleans 10", "counts 10"], "two events more: the count changed, and what is made of it was looked at"
    world.flow(0, 0)
    assert world.runs == ["lands 10", "cleans idle", "counts idle"]
    before = {one.day: one.content_hash for one in Ledger(world.lake).admitted(VALUE_RANGES).values()}
    world.landed[day(0)] = {("b", day(0)), ("c", day(0)), ("d", day(0))}
    world.flow(0, 0)
    assert world.runs == ["lands 10", "cleans 10", "counts idle"], "other events, but as many: nothing further down is made"
    assert {one.day: one.content_hash for one in Ledger(world.lake).admitted(VALUE_RANGES).values()} == before


def test_a_day_whose_late_events_came_is_made_again_when_it_has_settled_and_waits_till_then(world) -> None:
    for n in range(4):
        world.land(n, f"e{n}", n)
        world.flow(n, n)
    assert world.runs == ["lands 13", "cleans 13", "counts 13"], "what landed on the 13th is of no day but the 13th"
    slow = world.conf.model_copy(update={"run": world.conf.run.model_copy(update={"settle_days": (2,)})})
    world.conf = slow
    world.land(4, "late", 3)
    made = world.flow(4, 4)
    assert world.runs == ["lands 14", "cleans 14", "counts 14"]
    assert [(one.table, one.day, one.reasons) for one in made.waiting] == [
        (VALUE_RANGES.name, day(3), ("clean.identities changed on 2024-05-14",))
    ]
    assert made.factor == 1.0
    made = world.flow(5, 5)
    assert world.runs == ["lands 15", "cleans 13", "cleans 15", "counts 13", "counts 15"] and world.made()["2024-05-13"][0] == 2
    assert made.factor == 2.0, "two days again for two new ones"


def test_what_the_days_before_carry_over_is_followed_to_the_newest_settled_day(world) -> None:
    for n in range(5):
        world.land(n, f"e{n}", n)
    world.flow(0, 4)
    world.land(1, "more", 0)
    world.flow(0, 1)
    assert world.runs == ["lands 10 to 11", "cleans 10", "cleans 11", "cleans 12", "cleans 13", "counts 10 to 13"]
    # The newest day has not settled; asked for, it is made at once.
    world.flow(4, 4)
    assert "cleans 14" in world.runs and world.made() == world.right(0, 4)


def test_another_config_makes_nothing_again_but_the_days_that_are_asked_for(world) -> None:
    world.flow(0, 1)
    world.conf = world.conf.model_copy(update={"shop": world.conf.shop.model_copy(update={"zone": "Europe/Berlin"})})
    made = world.flow(1, 1)
    assert world.runs == ["lands 11", "cleans 11", "counts 11"]
    assert {(one.table, one.day) for one in made.older} == {(table.name, day(0)) for table in (IDENTITIES, VALUE_RANGES, BOTS)}


def test_lists_are_made_once_a_day_and_never_for_a_day_before_the_one_that_is_served(world) -> None:
    def publish(n: int) -> list[str]:
        told: list[str] = []

        def shown(_: Any, result: execution.RunResult | str) -> None:
            told.append(result if isinstance(result, str) else "made")

        flow.bring([publishes(1, day=day(n))], world.conf, Days(day(n), day(n)), world.lake.spark, print, shown)
        return told

    older = "the release of 2024-05-11 is served; lists of 2024-05-10 would be older"
    assert (publish(1), publish(1), publish(0), publish(2)) == (["made"], ["up to date"], [older], ["made"])
    assert sorted(Ledger(world.lake).admitted(RECOMMENDATIONS)) == [day(1), day(2)]


class Dead(BaseException):
    """The process is gone: whatever it would still have done, it does not do."""


POINTS = ("locks.taken", "lake.writing", "lake.written", "run.checked", "ledger.admitting", "ledger.admitted")
events = st.tuples(st.just("land"), st.integers(0, 3), st.sampled_from("abcdef"), st.integers(0, LATENESS))
runs = st.tuples(st.just("run"), st.integers(0, 3), st.integers(0, 3), st.just(0))
kills = st.tuples(st.just("kill"), st.integers(1, 3), st.sampled_from(POINTS), st.integers(1, 3))
rounds = st.tuples(st.lists(events, min_size=1, max_size=3), kills, st.lists(events, min_size=1, max_size=3), runs)
sequences = st.lists(rounds, min_size=1, max_size=2)
deaths: list[str] = []


def dies_at(point: str, passes: int) -> Callable[[], None]:
    """Die when a point is passed for the n-th time, and pass no other one from then on."""
    left = [passes]

    def die() -> None:
        left[0] -= 1
        if left[0] <= 0:
            for one in (*POINTS, "lake.restoring", "lake.restored"):
                faults.armed[one] = die
            raise Dead

    return die


@settings(max_examples=4, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(sequence=sequences)
def test_after_any_sequence_of_landings_runs_and_deaths_the_tables_are_those_of_one_run(spark, tmp_path_factory, sequence) -> None:
    ends_well(World(spark, str(tmp_path_factory.mktemp("world") / "lake")), sequence)


def test_runs_did_die_in_these_sequences() -> None:
    assert len(deaths) >= 4 and len(set(deaths)) >= 3, deaths


def ends_well(world: World, sequence: list[tuple[Any, ...]]) -> None:
    """Go through a sequence, and see that what comes of it is what the dictionary says."""
    steps = [step for landed, death, more_landed, run in sequence for step in (*landed, death, *more_landed, run)]
    for kind, n, what, more in steps:
        if kind == "land":
            world.land(n, str(what), max(0, n - int(more)))  # on its day, late, or what had landed before
        elif kind == "run":
            world.flow(min(n, int(what)), max(n, int(what)))
        else:
            faults.armed[str(what)] = dies_at(str(what), int(more))
            try:
                world.flow(0, n)
            except Dead:
                deaths.append(str(what))
            finally:
                faults.armed.clear()
    world.flow(0, 3)
    assert world.made() == world.right(0, 3)
    jobs = {"cleans": cleans(), "counts": counts()}
    assert staleness.stale(jobs, world.conf, Ledger(world.lake)) == []
    assert {str(row.event_date): row.event_count for row in world.lake.read(BOTS).collect()} == {
        one: count % 2 for one, (count, _) in world.right(0, 3).items()
    }
