"""Locks: one holder at a time, whoever else is there, and none that a dead one keeps."""

import json
import multiprocessing
import os
import socket
import subprocess
import sys
import threading
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from clickmill import locks
from clickmill.contracts.errors import TableHeld
from clickmill.folders import Folder, HadoopFolder, LocalFolder

TABLE = "clean.sessions"


@pytest.fixture(params=["local", "hadoop"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    if request.param == "local":
        return LocalFolder(str(tmp_path / "locks"))
    return HadoopFolder(request.getfixturevalue("spark"), f"file://{tmp_path}/locks")


@pytest.fixture(autouse=True)
def a_short_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "_WATCHED_S", 0.3)


def left(folder: Folder, **differs) -> None:
    """A lock as another run left it."""
    folder.replace(f"{TABLE}.00000007.json", json.dumps(asdict(locks._me("other")) | differs))


def takes(folder: Folder) -> bool:
    with locks.held(folder, [TABLE], "mine"):
        return True


def test_a_lock_is_given_back_and_taken_again_and_leaves_one_file(folder) -> None:
    assert takes(folder) and takes(folder)
    assert folder.names(TABLE) == [f"{TABLE}.00000002.json"]


def test_of_all_or_none_what_was_taken_is_given_back(folder) -> None:
    left(folder)
    with pytest.raises(TableHeld, match="run other"), locks.held(folder, ["clean.events", TABLE], "mine"):
        pass
    with locks.held(folder, ["clean.events"], "next"):
        pass


def test_the_lock_of_a_process_that_ended_is_taken_over_at_once(folder) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left(folder, pid=ended.pid)
    assert takes(folder)


def test_a_process_that_took_over_the_number_of_a_dead_one_does_not_hold_its_lock(folder) -> None:
    left(folder, process=locks._started(os.getpid()) - 3600)
    assert takes(folder)


def test_a_corpse_that_nobody_buried_holds_no_lock(folder) -> None:
    killed = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    left(folder, pid=killed.pid, process=locks._started(killed.pid))
    with pytest.raises(TableHeld):
        takes(folder)
    killed.kill()
    os.waitid(os.P_PID, killed.pid, os.WEXITED | os.WNOWAIT)  # dead, and still in the list of processes
    assert takes(folder)
    killed.wait()


@pytest.mark.parametrize(("age_s", "is_taken"), [(locks.LEASE_S - 60, False), (locks.LEASE_S + 60, True), (-locks.LEASE_S - 60, True)])
def test_a_run_of_another_machine_is_dead_when_it_has_not_renewed_for_a_lease(folder, age_s: int, is_taken: bool) -> None:
    renewed = (datetime.now(UTC) - timedelta(seconds=age_s)).isoformat(timespec="seconds")
    left(folder, host="elsewhere", machine="elsewhere", renewed_at=renewed)
    if is_taken:
        assert takes(folder)
    else:
        with pytest.raises(TableHeld, match=r"clean.sessions: run other on elsewhere \(pid \d+\) holds it since"):
            takes(folder)


def test_one_whose_clock_is_wrong_and_which_renews_is_alive(folder, monkeypatch) -> None:
    long_ago = (datetime.now(UTC) - timedelta(days=365)).isoformat(timespec="seconds")
    left(folder, host="elsewhere", machine="elsewhere", renewed_at=long_ago)
    monkeypatch.setattr(locks.time, "sleep", lambda _: left(folder, machine="elsewhere", renewed_at=long_ago[:-7] + "7+00:00"))
    with pytest.raises(TableHeld):
        takes(folder)


def test_a_file_that_a_killed_run_left_empty_is_taken_over(folder) -> None:
    folder.replace(f"{TABLE}.00000007.json", "")
    assert takes(folder)


def test_a_lock_is_renewed_while_it_is_held(folder, monkeypatch) -> None:
    monkeypatch.setattr(locks, "RENEWED_EVERY_S", 0.05)
    stamps = iter(range(10_000))
    monkeypatch.setattr(locks, "_now", lambda: str(next(stamps)))
    with locks.held(folder, [TABLE], "mine") as hold:
        first = folder.read(f"{TABLE}.00000001.json")
        for _ in range(100):
            hold._ended.wait(0.05)
            if folder.read(f"{TABLE}.00000001.json") not in (first, ""):
                break
        else:
            pytest.fail("it was never renewed")


def test_a_lock_is_still_ours_in_the_middle_of_its_renewal(folder, monkeypatch) -> None:
    halfway, goes_on = threading.Event(), threading.Event()
    whole = folder.replace

    def slowly(name: str, text: str) -> None:
        whole(name, "")  # as a store shows it that replaces no file at once
        halfway.set()
        goes_on.wait(60)
        whole(name, text)

    with locks.held(folder, [TABLE], "mine") as hold:
        monkeypatch.setattr(locks, "RENEWED_EVERY_S", 0.01)
        monkeypatch.setattr(folder, "replace", slowly)
        threading.Thread(target=hold.renew, daemon=True).start()
        assert halfway.wait(60)
        threading.Timer(0.2, goes_on.set).start()
        hold.confirm()
        monkeypatch.setattr(folder, "replace", whole)


def test_a_renewal_that_failed_halfway_loses_no_lock(folder) -> None:
    with locks.held(folder, [TABLE], "mine") as hold:
        folder.replace(f"{TABLE}.00000001.json", "")
        hold.confirm()


def test_one_who_lost_a_lock_learns_it_before_it_writes_and_does_not_break_the_new_one(folder) -> None:
    with locks.held(folder, [TABLE], "slow") as hold:
        hold.confirm()
        assert folder.create(f"{TABLE}.00000002.json", json.dumps(asdict(replace(locks._me("quick"), pid=1))))
        with pytest.raises(TableHeld, match=f"run quick on {socket.gethostname()}"):
            hold.confirm()
    assert "quick" in (folder.read(folder.names(TABLE)[-1]) or "")


def _tries(path: str, many: int, queue) -> None:
    folder = LocalFolder(path)
    for _ in range(many):
        with locks.waited_for(folder, TABLE, "mine"):
            counter = Path(path) / "counter"
            counter.write_text(str(int(counter.read_text()) + 1))
    queue.put(many)


def test_of_many_processes_one_at_a_time_gets_in(tmp_path: Path) -> None:
    (tmp_path / "counter").write_text("0")
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    several = [context.Process(target=_tries, args=(str(tmp_path), 40, queue)) for _ in range(4)]
    for one in several:
        one.start()
    for one in several:
        one.join()
    assert (tmp_path / "counter").read_text() == "160"
