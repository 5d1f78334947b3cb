"""What a day is made of: of landing days the rows alone that may belong to it, and all of those."""

from datetime import date, timedelta

from builders import DAY, frame, raw_event
from clickmill import config
from clickmill.clean import records
from clickmill.contracts.days import Days
from clickmill.contracts.tables import RAW_EVENTS
from clickmill.facts import facts_by_day
from clickmill.inputs import seen_of
from clickmill.ledger import Admission, Ledger, now


def day(n: int) -> date:
    return DAY + timedelta(days=n)


def row(landed: int, of: int | None, hour: int = 12) -> dict:
    """A raw event that landed on one day, and happened on another by its clock."""
    return raw_event(None if of is None else f"{day(of)} {hour:02d}:00", event_id=f"{landed} {of} {hour}", landing_date=day(landed))


def seen(lake, rows: list[dict]) -> dict[date, dict[date, str]]:
    """What each day around them sees of the landing days that hold these rows."""
    conf, facts = config.load("test", {"lake.root": lake.root}), facts_by_day(frame(lake.spark, RAW_EVENTS, rows), RAW_EVENTS)
    made = ("ingest_events", "r", "0", "c", {}, now())
    ledger = Ledger(lake).after(Admission("raw.events", one.day, one.content_hash, one.row_count, 1, *made, one.parts) for one in facts)
    return {day(n): seen_of(RAW_EVENTS.landed("clean.lateness_days"), day(n), conf, ledger) for n in range(-1, 6)}


def test_one_row_more_makes_the_day_stale_that_it_belongs_to_and_no_other(lake) -> None:
    more = [row(3, of) for of in (None, 3, 2, 1, 0, -80, 6)]
    ahead = [row(3, 4, hour) for hour in (0, 20)]  # a clock that runs ahead a little, and one that is wrong
    punctual = [row(n, n) for n in range(5)]
    clocks, raw = config.load("test").clean.clocks(), frame(lake.spark, RAW_EVENTS, [*more, *ahead])
    belongs: dict[str, set[date]] = {}
    for one in (day(n) for n in range(-1, 6)):
        for found in records.of_days(raw, Days(one, one), zone="UTC", **clocks).collect():
            belongs.setdefault(found.event_id, set()).add(one)
    before = seen(lake, punctual)
    for extra in (*more, *ahead):
        after = seen(lake, [*punctual, extra])
        stale = {one for one in before if after[one] != before[one]}
        expected = {day(3), day(4)} if extra in ahead else belongs[extra["event_id"]]
        assert stale == expected and belongs[extra["event_id"]] <= stale, extra["event_id"]
    assert [sorted(one.day - DAY.day for one in belongs[row["event_id"]]) for row in (*more, *ahead)] == [
        [3], [3], [2], [1], [3], [3], [3], [4], [3]
    ]  # fmt: skip


def test_of_a_landing_day_that_was_admitted_before_its_parts_were_told_all_rows_count(lake) -> None:
    made = ("ingest_events", "r", "0", "c", {}, now())
    ledger = Ledger(lake).after([Admission("raw.events", day(3), "77", 5, 1, *made), Admission("raw.events", day(4), "0", 0, 1, *made)])
    found = seen_of(RAW_EVENTS.landed("clean.lateness_days"), day(2), config.load("test"), ledger)
    assert found == {day(3): "77"}, "and of one on which nothing landed there is nothing to see"
