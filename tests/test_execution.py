"""Running a job: what is read, replaced, admitted, undone and told."""

import json
import os
import re
import socket
from dataclasses import asdict, replace
from datetime import date, datetime, timedelta
from types import SimpleNamespace

import pytest
from pyspark.sql import functions as F

import clickmill
from builders import DAY, NEXT_DAY, at, frame
from clickmill import config, execution, locks, staleness
from clickmill.contracts import faults, suite
from clickmill.contracts.days import Days
from clickmill.contracts.errors import BadData, GateRefused, TableHeld, UsageError
from clickmill.contracts.tables import DAYS, IDENTITIES, IDS, ITEMS, RUNS, VALUE_RANGES
from clickmill.lake import Lake
from clickmill.ledger import Ledger

pytestmark = pytest.mark.usefixtures("no_gate")


@pytest.fixture
def conf(lake: Lake) -> config.Config:
    return config.load("test", {"lake.root": lake.root})


def identity(day: date, visitor: str = "v1", account: str = "a1") -> dict:
    return {
        "site_id": "shop",
        "event_date": day,
        "visitor_id": visitor,
        "account_id": account,
        "first_seen_at": datetime.combine(day, at("10:00").time()),
        "last_seen_at": datetime.combine(day, at("11:00").time()),
    }


def range_of(day: date, high: float) -> dict:
    return {"site_id": "shop", "event_date": day, "event_type": "purchase", "measure": "price", "row_count": 9, "low": 1.0, "high": high}


def writes(table, rows, reads=(), **more) -> SimpleNamespace:
    """A job that writes `rows` of its days into `table`."""

    def run(spark, conf, days, inputs):
        return {table: frame(spark, table, [row for row in rows if row[table.day] in days])}

    return SimpleNamespace(__name__="makes", READS=reads, WRITES=(table,), run=run, CONFIG=("shop",), **more)


def ranges_of_identities(factor: float = 1.0) -> SimpleNamespace:
    """A job that reads identities and writes one range a day: its high is the number of identities."""

    def run(spark, conf, days, inputs):
        counted = inputs[IDENTITIES].groupBy("site_id", "event_date").agg((F.count("*") * factor).cast("double").alias("high"))
        constants = {"event_type": F.lit("purchase"), "currency": F.lit(None).cast("string"), "measure": F.lit("price")}
        return {VALUE_RANGES: counted.withColumns({**constants, "row_count": F.lit(1).cast("long"), "low": F.lit(1.0)})}

    return SimpleNamespace(__name__="counts", READS=(IDENTITIES.same_days(),), WRITES=(VALUE_RANGES,), run=run, CONFIG=("sessions",))


def seen(lake: Lake, table=IDENTITIES) -> list[tuple]:
    return sorted((str(row.event_date), row[2 if table is IDENTITIES else 6]) for row in lake.read(table).collect())


def test_a_run_replaces_exactly_its_days_and_says_who_wrote_them(spark, lake, conf) -> None:
    both = writes(IDENTITIES, [identity(DAY), identity(NEXT_DAY)])
    execution.execute(both, conf, Days(DAY, NEXT_DAY), spark)
    files = {day: set(lake.read(IDENTITIES).where(F.col("event_date") == day).inputFiles()) for day in (DAY, NEXT_DAY)}
    again = writes(IDENTITIES, [identity(NEXT_DAY, "v2"), identity(NEXT_DAY, "v3")])
    result = execution.execute(again, conf, Days(NEXT_DAY, NEXT_DAY), spark)
    assert seen(lake) == [("2024-05-16", "v1"), ("2024-05-17", "v2"), ("2024-05-17", "v3")]
    assert {day: set(lake.read(IDENTITIES).where(F.col("event_date") == day).inputFiles()) for day in (DAY,)} == {DAY: files[DAY]}
    told = spark.sql(f"describe history delta.`{lake.path(IDENTITIES)}` limit 1").first().userMetadata
    assert json.loads(told)["run_id"] == result.run_id


def test_a_refused_write_is_undone_and_the_last_admitted_rows_stay(spark, lake, conf, real_gate) -> None:
    execution.execute(writes(IDENTITIES, [identity(DAY)]), conf, Days(DAY, DAY), spark)
    backwards = identity(DAY, "v9") | {"first_seen_at": at("12:00")}
    with pytest.raises(GateRefused, match=r"clean.identities 2024-05-16: .* the table is as it was before") as refusal:
        execution.execute(writes(IDENTITIES, [backwards]), conf, Days(DAY, DAY), spark)
    assert seen(lake) == [("2024-05-16", "v1")]
    assert "v9" not in str(refusal.value) and refusal.value.exit_code == 3


def test_a_broken_identity_of_counts_is_undone_too(spark, lake, conf) -> None:
    def check(written, inputs):
        raise BadData("rows are missing")

    with pytest.raises(BadData, match="rows are missing"):
        execution.execute(writes(IDENTITIES, [identity(DAY)], check=check), conf, Days(DAY, DAY), spark)
    assert seen(lake) == [] and Ledger(lake).admitted(IDENTITIES) == {}


def test_rows_that_were_never_admitted_are_not_read_and_undone_by_the_next_run(spark, lake, conf) -> None:
    execution.execute(writes(IDENTITIES, [identity(DAY)]), conf, Days(DAY, NEXT_DAY), spark)
    # As a run leaves it that is killed between write and admission.
    lake.write(frame(spark, IDENTITIES, [identity(DAY, "killed"), identity(DAY, "killed too")]), IDENTITIES, Days(DAY, DAY), {})
    execution.execute(ranges_of_identities(), conf, Days(DAY, DAY), spark)
    assert seen(lake, VALUE_RANGES) == [("2024-05-16", 1.0)]
    execution.execute(writes(IDENTITIES, [identity(NEXT_DAY, "v2")]), conf, Days(NEXT_DAY, NEXT_DAY), spark)
    assert seen(lake) == [("2024-05-16", "v1"), ("2024-05-17", "v2")]


def test_a_new_column_and_files_put_together_are_no_writes_that_a_run_undoes(spark, lake, conf) -> None:
    execution.execute(writes(IDENTITIES, [identity(DAY)]), conf, Days(DAY, DAY), spark)
    spark.sql(f"alter table delta.`{lake.path(IDENTITIES)}` add columns (more string)")
    spark.sql(f"optimize delta.`{lake.path(IDENTITIES)}`")
    execution.execute(writes(IDENTITIES, [identity(NEXT_DAY)]), conf, Days(NEXT_DAY, NEXT_DAY), spark)
    assert "more" in spark.read.format("delta").load(lake.path(IDENTITIES)).columns and len(seen(lake)) == 2


def test_a_day_that_is_not_there_stops_the_job_that_needs_it(spark, lake, conf) -> None:
    execution.execute(writes(IDENTITIES, [identity(DAY)]), conf, Days(DAY, DAY), spark)
    with pytest.raises(BadData, match="day 2024-05-17 is not there yet"):
        execution.execute(ranges_of_identities(), conf, Days(DAY, NEXT_DAY), spark)


def test_a_window_may_begin_before_the_first_day_but_its_last_day_must_be_there(spark, lake, conf) -> None:
    execution.execute(writes(IDENTITIES, [identity(DAY)]), conf, Days(DAY, DAY), spark)
    job = writes(VALUE_RANGES, [range_of(DAY, 1.0)], reads=(IDENTITIES.window(30),))
    execution.execute(job, conf, Days(DAY, DAY), spark)
    with pytest.raises(BadData, match=r"clean.identities: day 2024-05-17 is not there yet; run the job that writes it first"):
        execution.execute(job, conf, Days(DAY, NEXT_DAY), spark)


def test_a_long_range_in_slices_gives_the_rows_of_one_run(spark, lake, conf) -> None:
    rows = [identity(DAY + timedelta(days=n), f"v{n}") for n in range(5)]
    sliced = conf.model_copy(update={"run": conf.run.model_copy(update={"slice_days": 2})})

    def check(written, inputs):
        return {"rows": written[IDENTITIES].count(), "left": (DAY + timedelta(days=4) - inputs.days.last).days}

    job = writes(IDENTITIES, rows, check=check, STANDING=("left",))
    result = execution.execute(job, sliced, Days(DAY, DAY + timedelta(days=4)), spark)
    assert result.counts == {"rows": 5, "left": 0}, "rows add up over slices, what is left stands as the last slice says"
    assert [(one.table, one.row_count, one.day_count) for one in result.tables] == [(IDENTITIES, 5, 5)]
    assert [visitor for _, visitor in seen(lake)] == ["v0", "v1", "v2", "v3", "v4"]
    assert lake.head(IDENTITIES) == 3, "three writes after the one that made the table"


def test_a_day_made_of_the_day_before_it_in_the_same_run_is_stale_only_when_that_day_changes(spark, lake, conf) -> None:
    def carrying(visitor: str) -> SimpleNamespace:
        rows = [identity(DAY, visitor), identity(NEXT_DAY)]
        return writes(IDENTITIES, rows, reads=(IDENTITIES.days_back(1),))

    execution.execute(carrying("v1"), conf, Days(DAY, NEXT_DAY), spark)
    assert staleness.stale({"carries": carrying("v1")}, conf, Ledger(lake)) == []
    execution.execute(carrying("v2"), conf, Days(DAY, DAY), spark)
    found = staleness.stale({"carries": carrying("v2")}, conf, Ledger(lake))
    assert [(one.day, one.reasons) for one in found] == [(NEXT_DAY, ("clean.identities changed on 2024-05-16",))]


def test_a_changed_input_another_config_other_rules_and_nothing_else_make_a_day_stale(spark, lake, conf, monkeypatch) -> None:
    days = Days(DAY, NEXT_DAY)
    execution.execute(writes(IDENTITIES, [identity(DAY), identity(NEXT_DAY)]), conf, days, spark)
    job = ranges_of_identities()
    execution.execute(job, conf, days, spark)
    assert staleness.stale({"counts": job}, conf, Ledger(lake)) == []
    # The same rows again change no content hash; other rows of one day do.
    execution.execute(writes(IDENTITIES, [identity(DAY), identity(NEXT_DAY)]), conf, days, spark)
    assert staleness.stale({"counts": job}, conf, Ledger(lake)) == []
    execution.execute(writes(IDENTITIES, [identity(NEXT_DAY, "v2")]), conf, Days(NEXT_DAY, NEXT_DAY), spark)
    found = staleness.stale({"counts": job}, conf, Ledger(lake))
    assert [(one.day, one.reasons) for one in found] == [(NEXT_DAY, ("clean.identities changed on 2024-05-17",))]
    other = conf.model_copy(update={"sessions": conf.sessions.model_copy(update={"gap_s": 60})})
    changed = ("the config or the rules of its tables changed",)
    assert changed in [one.reasons for one in staleness.stale({"counts": job}, other, Ledger(lake))]
    rules = suite.text
    monkeypatch.setattr(suite, "text", lambda table: rules(table).replace('"quarantine"', '"warn"') + " ")
    assert changed in [one.reasons for one in staleness.stale({"counts": job}, conf, Ledger(lake))]


def test_what_is_read_whole_holds_later_days_too_and_makes_nothing_stale(spark, lake, conf) -> None:
    execution.execute(writes(IDENTITIES, [identity(DAY), identity(NEXT_DAY, "v2")]), conf, Days(DAY, NEXT_DAY), spark)
    seen_rows = []

    def run(spark, conf, days, inputs):
        seen_rows.append(inputs[IDENTITIES].count())
        return {VALUE_RANGES: frame(spark, VALUE_RANGES, [range_of(DAY, 9.0)])}

    job = SimpleNamespace(__name__="looks", READS=(IDENTITIES.whole(),), WRITES=(VALUE_RANGES,), run=run, CONFIG=("shop",))
    execution.execute(job, conf, Days(DAY, DAY), spark)
    execution.execute(writes(IDENTITIES, [identity(NEXT_DAY, "v3")]), conf, Days(NEXT_DAY, NEXT_DAY), spark)
    assert seen_rows == [2] and staleness.stale({"looks": job}, conf, Ledger(lake)) == []


def test_a_second_run_is_turned_away_while_the_first_lives_and_is_entered_as_held(spark, lake, conf) -> None:
    with locks.held(lake.locks(), [IDENTITIES.name], "run1"), pytest.raises(TableHeld) as refusal:
        execution.execute(writes(IDENTITIES, [identity(DAY)]), conf, Days(DAY, DAY), spark)
    who = rf"clean.identities: run run1 on {socket.gethostname()} \(pid {os.getpid()}\) holds it since \d{{4}}-"
    assert re.match(who, str(refusal.value)) and refusal.value.exit_code == 4
    assert [(row.status, row.exit_code) for row in lake.read(RUNS).collect()] == [("held", 4)]
    execution.execute(writes(IDENTITIES, [identity(DAY)]), conf, Days(DAY, DAY), spark)
    assert seen(lake) == [("2024-05-16", "v1")]


def test_a_run_that_lost_its_lock_admits_and_undoes_nothing(spark, lake, conf, monkeypatch) -> None:
    def lost() -> None:
        other = replace(locks._me("other"), since="just now")
        assert lake.locks().create(f"{IDENTITIES.name}.00000002.json", json.dumps(asdict(other)))

    monkeypatch.setitem(faults.armed, "run.checked", lost)
    with pytest.raises(TableHeld, match=r"run other .* this run had not renewed its lock"):
        execution.execute(writes(IDENTITIES, [identity(DAY)]), conf, Days(DAY, DAY), spark)
    assert Ledger(lake).admitted(IDENTITIES) == {}
    assert lake.head(IDENTITIES) == 1, "what lies there now is the other run's, to keep or to undo"


def test_every_run_is_entered_with_its_end(spark, lake, conf) -> None:
    execution.execute(writes(IDENTITIES, [identity(DAY)]), conf, Days(DAY, DAY), spark)
    with pytest.raises(BadData):
        execution.execute(ranges_of_identities(), conf, Days(NEXT_DAY, NEXT_DAY), spark)
    rows = lake.read(RUNS).orderBy("started_at").collect()
    assert [(row.job, row.status, row.exit_code) for row in rows] == [("makes", "done", 0), ("counts", "failed", 5)]
    assert "not there yet" in rows[1].message


def test_a_day_that_is_only_added_to_goes_on_telling_how_its_oldest_rows_were_made(spark, lake, conf) -> None:
    first = {"entity": "user", "site_id": "shop", "user_id_kind": "visitor", "source_id": "u1", "number": 1, "first_date": DAY}
    other = conf.model_copy(update={"shop": conf.shop.model_copy(update={"zone": "Europe/Berlin"})})
    for config_of_run, rows in ((conf, [first]), (other, [first | {"source_id": "u2", "number": 2}]), (other, [])):
        execution.execute(writes(IDS, rows), config_of_run, Days(DAY, DAY), spark)
    found = staleness.stale({"makes": writes(IDS, [])}, other, Ledger(lake))
    assert [(one.day, one.reasons, one.frozen) for one in found] == [
        (DAY, ("some of its rows were made under another config or other rules",), True)
    ]


def test_a_day_of_a_history_is_stale_when_one_before_it_changed_and_not_by_its_own_rows(spark, lake, conf) -> None:
    def state(day: date, stock: int) -> dict:
        since = datetime.combine(day, at("00:00").time())
        return {"landing_date": day, "site_id": "shop", "item_id": "i1", "stock": stock, "valid_from": since, "known_from": since}

    def job(*rows: dict) -> SimpleNamespace:
        return writes(ITEMS, rows, reads=(ITEMS.before(),))

    execution.execute(job(state(NEXT_DAY, 5)), conf, Days(NEXT_DAY, NEXT_DAY), spark)
    assert staleness.stale({"makes": job()}, conf, Ledger(lake)) == []
    execution.execute(job(state(DAY, 0)), conf, Days(DAY, DAY), spark)
    found = staleness.stale({"makes": job()}, conf, Ledger(lake))
    assert [(one.day, one.reasons, one.frozen) for one in found] == [(NEXT_DAY, ("clean.items changed on 2024-05-16",), False)]


def test_a_run_that_a_scheduler_starts_again_under_its_id_is_done_once_and_never_with_other_data(spark, lake, conf, real_gate) -> None:
    one, both = Days(DAY, DAY), Days(DAY, NEXT_DAY)
    execution.execute(writes(IDENTITIES, [identity(DAY), identity(NEXT_DAY)]), conf, both, spark)

    def count(days: Days = one, factor: float = 1.0) -> execution.RunResult:
        return execution.execute(ranges_of_identities(factor), conf, days, spark, run_id="nightly__2024-05-16T00:00+00:00")

    with pytest.raises(GateRefused):
        count(factor=-1.0)  # a range that ends before it begins: the run failed, and may be tried again
    assert not count().is_repeated
    head = lake.head(VALUE_RANGES)
    assert count().is_repeated and lake.head(VALUE_RANGES) == head
    with pytest.raises(
        UsageError, match=r"run nightly__2024-05-16T00:00\+00:00 is one of counts 2024-05-16; counts 2024-05-16 to 2024-05-17 needs"
    ):
        count(both)
    execution.execute(writes(IDENTITIES, [identity(DAY, "other")]), conf, one, spark)
    with pytest.raises(UsageError, match="was done with other data or another config; give the new one an id of its own"):
        count()
    assert lake.head(VALUE_RANGES) == head


def test_a_run_over_days_that_are_made_of_each_other_is_known_again(spark, lake, conf) -> None:
    job = writes(IDENTITIES, [identity(DAY), identity(NEXT_DAY)], reads=(IDENTITIES.days_back(1),))
    for is_repeated in (False, True):
        assert execution.execute(job, conf, Days(DAY, NEXT_DAY), spark, run_id="nightly").is_repeated is is_repeated


def test_every_commit_of_every_table_says_which_run_made_it(spark, lake, conf, real_gate) -> None:
    execution.execute(writes(IDENTITIES, [identity(DAY)]), conf, Days(DAY, DAY), spark)
    with pytest.raises(GateRefused):
        execution.execute(ranges_of_identities(-1.0), conf, Days(DAY, DAY), spark)
    result = execution.execute(ranges_of_identities(), conf, Days(DAY, DAY), spark)
    for table in (IDENTITIES, VALUE_RANGES, RUNS, DAYS):
        told = spark.sql(f"describe history delta.`{lake.path(table)}`").select("operation", "userMetadata").collect()
        assert all(json.loads(row.userMetadata)["run_id"] for row in told), table.name
    last = lake.note(VALUE_RANGES)
    assert last == {
        "run_id": result.run_id,
        "code_version": clickmill.__version__,
        "config_hash": result.config_hash,
        "inputs": {IDENTITIES.name: lake.head(IDENTITIES)},
    }
