"""Vacuum takes what nothing can ask for any more, and nothing else."""

import os
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from pyspark.sql import SparkSession

from builders import DAY, frame
from clickmill import commits, config, execution, locks, releases, vacuum
from clickmill.contracts import faults
from clickmill.contracts.days import Days
from clickmill.contracts.errors import GateRefused, TableHeld
from clickmill.contracts.tables import CTR_MODELS, EXPORTS, RECOMMENDATIONS, SERVED, USERS_WITHOUT_LIST, VALUE_RANGES
from clickmill.folders import LocalFolder
from clickmill.lake import Lake
from clickmill.ledger import Admission, Ledger, now
from clickmill.releases import Releases
from released import listed, publishes

pytestmark = pytest.mark.usefixtures("no_gate")


@pytest.fixture
def conf(lake: Lake) -> config.Config:
    return config.load("test", {"lake.root": lake.root, "lake.keep_hours": 0, "releases.keep": 3})


def publish(lake: Lake, conf: config.Config, n: int, users: int = 2) -> str:
    day = DAY + timedelta(days=n)
    return execution.execute(publishes(users, without=1, day=day), conf, Days(day, day), lake.spark).run_id


@pytest.fixture(scope="module")
def five(spark: SparkSession, no_gate: None, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Releases of one user, of two, and so on to five, each of the same day: it replaces the files of the one before. To be copied."""
    made = Lake(spark, str(tmp_path_factory.mktemp("five") / "lake"))
    for n in range(5):
        publish(made, config.load("test", {"lake.root": made.root}), 0, users=n + 1)
    return made


@pytest.fixture
def published(five: Lake, lake: Lake) -> Lake:
    """The five releases in a lake of the test's own, of which Spark remembers nothing yet."""
    shutil.copytree(five.root, lake.root)
    return lake


def parquet(lake: Lake, table=RECOMMENDATIONS) -> set[str]:
    return {one.name for one in Path(lake.path(table)).rglob("*.parquet") if "_delta_log" not in one.parts}


def rows(lake: Lake, release: releases.Release, table=RECOMMENDATIONS) -> set[str]:
    return {f"{row.release_id} {row.user_id}" for row in lake.read(table, release.versions[table.name]).collect()}


def test_every_release_that_is_listed_can_be_restored_after_it_and_the_others_are_gone(published: Lake, conf) -> None:
    lake = published
    kept = Releases(lake).listed()[:3]
    before = {row.release_id: {table.name: rows(lake, row, table) for table in SERVED} for row in kept}
    assert [row.row_counts[RECOMMENDATIONS.name] for row in kept] == [5, 4, 3]
    swept = {one.table.name: one for one in vacuum.sweep(lake, conf, "sweep")}
    needed = {one.rsplit("/", 1)[1] for row in kept for one in lake.read(RECOMMENDATIONS, row.versions[RECOMMENDATIONS.name]).inputFiles()}
    assert parquet(lake) == needed and swept[RECOMMENDATIONS.name].file_count >= 2
    assert lake.head(RECOMMENDATIONS) == 5, "sweeping makes no version"
    listed_now = Releases(lake).listed()
    assert [row.release_id for row in listed_now] == [row.release_id for row in kept]
    fresh = Lake(lake.spark, shutil.copytree(lake.root, f"{lake.root}-copy"))  # nothing that Spark remembers of the log helps
    for row in listed_now:
        assert {table.name: rows(fresh, row, table) for table in SERVED} == before[row.release_id]
        with locks.held(fresh.locks(), [table.name for table in SERVED], "by hand") as hold:
            known = Releases(fresh)
            if known.current.release_id != row.release_id:
                releases.rollback(known, hold, row.release_id)
        assert {f"{one.release_id} {one.user_id}" for one in fresh.read(RECOMMENDATIONS).collect()} == before[row.release_id][
            RECOMMENDATIONS.name
        ]


def test_a_log_is_shortened_to_the_checkpoint_that_the_oldest_needed_version_is_told_by(lake) -> None:
    lake.ensure(RECOMMENDATIONS, {})
    for n in range(1, 13):
        lake.write(
            frame(lake.spark, RECOMMENDATIONS, [listed(f"u{n}", release_id="r")]), RECOMMENDATIONS, Days(DAY, DAY), {"run_id": str(n)}
        )
    log = lake.log(RECOMMENDATIONS)
    assert commits.shorten(log, 9) == 0, "there is no checkpoint before the tenth version"
    assert commits.shorten(log, 11) > 0 and commits.versions(log) == [10, 11, 12]
    fresh = Lake(lake.spark, shutil.copytree(lake.root, f"{lake.root}-copy"))  # nothing that Spark remembers of the log helps
    assert [[row.user_id for row in fresh.read(RECOMMENDATIONS, n).collect()] for n in (10, 11, 12)] == [["u10"], ["u11"], ["u12"]]


def test_a_checkpoint_of_which_a_part_is_missing_shortens_no_log(tmp_path: Path) -> None:
    names = [f"{version:020d}.json" for version in range(4)]
    parts = [f"{3:020d}.checkpoint.{part:010d}.{2:010d}.parquet" for part in (1, 2)]
    log = LocalFolder(str(tmp_path))
    for name in (*names, f"{1:020d}.checkpoint.parquet", parts[0]):
        log.create(name, "")
    assert commits.shorten(log, 3) == 1 and log.names("0")[0] == f"{1:020d}.checkpoint.parquet"
    log.create(parts[1], "")
    assert commits.shorten(log, 3) == 3 and log.names("0") == [*parts, names[3]]


def test_a_table_of_which_every_run_was_refused_can_still_be_written_after_it(lake, conf) -> None:
    lake.ensure(VALUE_RANGES, {})
    bounds = {"site_id": "shop", "event_date": DAY, "event_type": "purchase", "measure": "price", "row_count": 9, "low": 1.0, "high": 9.0}
    for n in range(11):  # so many that there is a checkpoint, from which on the log would do
        lake.write(frame(lake.spark, VALUE_RANGES, [bounds]), VALUE_RANGES, Days(DAY, DAY), {"run_id": str(n)})
    vacuum.sweep(lake, conf, "sweep")
    assert Ledger(lake).recover(VALUE_RANGES, {"run_id": "next"}) and lake.read(VALUE_RANGES).count() == 0


def test_a_sweep_that_fails_on_the_way_is_brought_to_its_end_by_the_next(five: Lake, tmp_path: Path, conf, monkeypatch) -> None:
    def left(of: Lake) -> list[tuple[int, str]]:
        return [(row.number, row.release_id) for row in Releases(of).rows]

    whole, *failed = (Lake(five.spark, shutil.copytree(five.root, str(tmp_path / f"lake-{n}"))) for n in range(3))
    vacuum.sweep(whole, conf, "sweep")

    def fails() -> None:
        raise OSError(5, "Input/output error")

    for point, one in zip(("vacuum.expired", "vacuum.swept"), failed, strict=True):
        with monkeypatch.context() as armed, pytest.raises(OSError, match="Input/output"):
            armed.setitem(faults.armed, point, fails)
            vacuum.sweep(one, conf, "fails")
        vacuum.sweep(one, conf, "again")
        assert left(one) == left(whole)
        for table in SERVED:
            assert parquet(one, table) == parquet(whole, table)
            assert commits.versions(one.log(table)) == commits.versions(whole.log(table))


def test_files_that_a_killed_run_left_go_when_they_are_old_enough_and_by_nothing_else(published: Lake, conf) -> None:
    lake = published
    a_file = next(Path(lake.path(RECOMMENDATIONS)).rglob("part-*.parquet"))
    old, young = a_file.with_name("part-00000-old.parquet"), a_file.with_name("part-00000-young.parquet")
    for one in (old, young):
        shutil.copy(a_file, one)
    os.utime(old, (1.6e9, 1.6e9))
    publish(lake, conf, 1)
    assert {old.name, young.name} <= parquet(lake)
    day = conf.model_copy(update={"lake": conf.lake.model_copy(update={"keep_hours": 24})})
    vacuum.sweep(lake, day, "sweep")
    assert old.name not in parquet(lake) and young.name in parquet(lake)
    assert lake.read(RECOMMENDATIONS).count() == 5 + 2


def test_rows_of_a_refused_release_stay_to_be_looked_at_also_after_rollbacks(lake, conf) -> None:
    first, second = publish(lake, conf, 0), publish(lake, conf, 1)
    with pytest.raises(GateRefused):
        publish(lake, conf, 1, users=300)
    refused = Releases(lake).rows[-1]
    for one in (first, second):
        with locks.held(lake.locks(), [table.name for table in SERVED], "by hand") as hold:
            releases.rollback(Releases(lake), hold, one)
    publish(lake, conf, 1)
    assert [row.release_id for row in Releases(lake).refused()] == [refused.release_id]
    vacuum.sweep(lake, conf, "sweep")
    staged = lake.read(RECOMMENDATIONS.staging(), refused.staged_versions[RECOMMENDATIONS.name])
    assert staged.where(f"release_id = '{refused.release_id}'").count() == 300


def test_nothing_is_removed_under_a_run(published: Lake, conf) -> None:
    with locks.held(published.locks(), [USERS_WITHOUT_LIST.name], "a run"), pytest.raises(TableHeld, match="run a run"):
        vacuum.sweep(published, conf, "sweep")


def test_who_was_erased_is_in_no_file_once_no_release_that_knew_it_is_kept(lake, conf) -> None:
    last = conf.model_copy(update={"releases": conf.releases.model_copy(update={"keep": 1})})
    publish(lake, conf, 0, users=3)
    without = frame(lake.spark, RECOMMENDATIONS, [listed(user, as_of_date=DAY, release_id="r") for user in ("u0", "u1")])
    lake.write(without, RECOMMENDATIONS, Days(DAY, DAY), {"run_id": "erasure"})
    publish(lake, conf, 1)

    def files_with_the_user() -> list[str]:
        files = [one for one in Path(lake.root).rglob("*.parquet") if "_delta_log" not in one.parts and "ops" not in one.parts]
        return [
            one.name
            for one in files
            if "u2" in pyarrow.parquet.read_table(one, columns=["user_id"], partitioning=None)["user_id"].to_pylist()
        ]

    assert files_with_the_user(), "erased rows lie in the folder until they are swept"
    vacuum.sweep(lake, last, "sweep")
    assert files_with_the_user() == [] and lake.read(RECOMMENDATIONS).count() == 4


def test_the_newest_exports_stay_with_what_was_trained_over_them_and_all_others_go(lake: Lake, conf: config.Config) -> None:
    values: dict[str, Any] = {"date": DAY, "string": "", "double": 0.0}
    for n in range(4):
        day = DAY + timedelta(days=n)
        told = {"as_of_date": day, "export_id": f"e{n}", "model_run_id": f"m{n}"}
        for table, path in ((EXPORTS, f"exports/ctr_rows/e{n}"), (CTR_MODELS, f"networks/dcn_v2/m{n}")):
            row = {of.name: values.get(of.dataType.typeName(), 0) for of in table.schema.fields} | told | {"path": path}
            lake.ensure(table, {})
            mine = {name: value for name, value in row.items() if name in table.columns}
            version = lake.write(frame(lake.spark, table, [mine]), table, Days(day, day), {}).version
            Ledger(lake).admit([Admission(table.name, day, "h", 1, version, "by hand", "r", "1", "c", {}, now())], "r")
    folders = [f"exports/ctr_rows/{name}" for name in ("e0", "e1", "e2", "e3", "killed")]
    folders += [f"networks/dcn_v2/{name}" for name in ("m0", "m1", "m2", "m3", "killed")]
    for folder in folders:
        (Path(lake.root) / folder / "split=train").mkdir(parents=True)
    swept = {one.table.name: one.folder_count for one in vacuum.sweep(lake, conf, "sweep")}
    assert (swept[EXPORTS.name], swept[CTR_MODELS.name]) == (2, 2)
    left = [folder for folder in folders if (Path(lake.root) / folder).exists()]
    assert left == [f"{top}{n}" for top in ("exports/ctr_rows/e", "networks/dcn_v2/m") for n in (1, 2, 3)]
