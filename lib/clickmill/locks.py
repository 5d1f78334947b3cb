"""Who holds a table: one run at a time, told by a file that lies with the lake, not on one machine.

A lock is a row of files `<name>.<number>.json`; the one with the highest number
says how it stands. To take it is to make the next number, which only one of
several can do, so a lock is never broken twice and no file of a living run is
ever removed by another. The holder renews its file; a run of this machine is
dead when its process is gone, one of another machine when it has not renewed for
a lease's length. Clocks that differ do not matter: a lease that looks over is
watched for a while before it is believed.
"""

import json
import os
import re
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import psutil
import tenacity

from clickmill.contracts.errors import TableHeld
from clickmill.contracts.faults import faultpoint
from clickmill.folders import Folder

LEASE_S = 120
"""Seconds without a renewal after which a run of another machine is looked at as dead: longer than a driver ever pauses."""
RENEWED_EVERY_S = 15
_WATCHED_S = 2 * RENEWED_EVERY_S


@dataclass(frozen=True)
class State:
    """What a lock's newest file says: who took it and since when, when it was last renewed, and whether it was given back.

    machine  tells apart machines, and containers, of one name: within one a process is found by its number
    process  when the process was started, seconds, which tells it from a later one of the same number
    """

    run_id: str
    host: str
    machine: str
    pid: int
    process: float
    since: str
    renewed_at: str
    is_free: bool = False


class Hold:
    """Locks that a run has taken."""

    def __init__(self, folder: Folder, me: State) -> None:
        self._folder, self._me = folder, me
        self._taken: dict[str, int] = {}
        self._ended = threading.Event()
        # A store may show a file that is being replaced as an empty one: nobody looks at ours while it is renewed.
        self._renewing = threading.Lock()

    def take(self, name: str) -> None:
        """Take one lock.

        Raises  TableHeld naming the run that holds it
        """
        number, other = _newest(self._folder, name)
        if number and _is_alive(self._folder, name, (number, other)):
            raise TableHeld(_told(name, _newest(self._folder, name)[1]))
        mine = _file(name, number + 1)
        is_made = self._folder.create(mine, _text(self._me))
        # A number that was freed and taken again meanwhile could be made a second time: who is not the newest has none. A store
        # that lets two make one file keeps the text of one.
        if is_made and _numbers(self._folder, name)[-1:] != [number + 1]:
            self._folder.delete(mine)
            is_made = False
        if not is_made or self._folder.read(mine) != _text(self._me):
            raise TableHeld(_told(name, _newest(self._folder, name)[1]))
        self._taken[name] = number + 1
        for old in _numbers(self._folder, name):
            if old <= number:
                self._folder.delete(_file(name, old))

    def confirm(self) -> None:
        """Make sure that the locks are still ours, before something is written that others will read.

        Raises  TableHeld where a run took one over, because this one had not renewed it for long
        """
        for name, number in self._taken.items():
            with self._renewing:
                newest, other = _newest(self._folder, name)
            # Without a text it is one that was not renewed to its end: who takes a lock over makes a file of the next number.
            is_mine = other is None or (other.run_id, other.machine, other.pid) == (self._me.run_id, self._me.machine, self._me.pid)
            if newest != number or not is_mine:
                raise TableHeld(f"{_told(name, other)}; this run had not renewed its lock for more than {LEASE_S} s")

    def renew(self) -> None:
        """Go on renewing until the locks are given back."""
        while not self._ended.wait(RENEWED_EVERY_S):
            now = replace(self._me, renewed_at=_now())
            for name, number in list(self._taken.items()):
                # A store that fails now is asked again soon; whether the lock was lost meanwhile, confirm() finds out.
                with suppress(Exception), self._renewing:
                    if _newest(self._folder, name)[0] == number:
                        self._folder.replace(_file(name, number), _text(now))

    def end(self) -> None:
        """Renew no more."""
        self._ended.set()

    def give_back(self) -> None:
        for name, number in self._taken.items():
            # Said, not removed: a number that were used twice could be taken over by one who looked at its first holder.
            self._folder.replace(_file(name, number), _text(replace(self._me, is_free=True)))


@contextmanager
def held(folder: Folder, names: Sequence[str], run_id: str) -> Iterator[Hold]:
    """Hold some locks for the length of a run, all or none.

    Raises  TableHeld naming the run that holds one, its host, pid and since when
    """
    hold = Hold(folder, _me(run_id))
    renewing = threading.Thread(target=hold.renew, daemon=True, name="locks")
    renewing.start()
    try:
        for name in sorted(names):
            hold.take(name)
            faultpoint("locks.taken")
        yield hold
    finally:
        hold.end()
        renewing.join()  # a renewal under way would write over what is given back
        hold.give_back()


@contextmanager
def waited_for(folder: Folder, name: str, run_id: str, *, seconds: float = 300) -> Iterator[None]:
    """Hold one lock that is only ever held for a moment, as soon as it is free.

    Raises  TableHeld when it was not free for so long
    """
    hold = Hold(folder, _me(run_id))
    patient = tenacity.Retrying(
        stop=tenacity.stop_after_delay(seconds),
        wait=tenacity.wait_random(0.05, 0.3),
        retry=tenacity.retry_if_exception_type(TableHeld),
        reraise=True,
    )
    patient(hold.take, name)
    try:
        yield
    finally:
        hold.give_back()


def _newest(folder: Folder, name: str) -> tuple[int, State | None]:
    """The highest number of a lock, 0 where it was never taken, and what its file says; None where that is nothing yet."""
    while numbers := _numbers(folder, name):
        text = folder.read(_file(name, numbers[-1]))
        if text is None:
            continue  # the next holder has just removed it
        try:
            return numbers[-1], State(**json.loads(text))
        except (TypeError, ValueError):
            return numbers[-1], None
    return 0, None


def _is_alive(folder: Folder, name: str, found: tuple[int, State | None]) -> bool:
    """Whether the holder that was found lives. Where it cannot be asked, it is watched for a while."""
    other = found[1]
    if other is not None:
        if other.is_free:
            return False
        if other.machine == _machine():
            # The clock that both are told by may have been set anew between the two; a number comes back much later.
            return abs(_started(other.pid) - other.process) < LEASE_S
        if abs((datetime.now(UTC) - datetime.fromisoformat(other.renewed_at)).total_seconds()) < LEASE_S:
            return True
    time.sleep(_WATCHED_S)
    return _newest(folder, name) != found


def _me(run_id: str) -> State:
    pid = os.getpid()
    return State(run_id, socket.gethostname(), _machine(), pid, _started(pid), _now(), _now())


def _machine() -> str:
    """This machine since it was started and, where there are containers, this one; other machines have other names."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
        return f"{socket.gethostname()} {boot} {os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return socket.gethostname()


def _started(pid: int) -> float:
    """When a process of this machine was started, in seconds; 0 where there is none, or only its corpse."""
    try:
        process = psutil.Process(pid)
        return 0 if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.Error:
        return 0


def _told(name: str, other: State | None) -> str:
    if other is None:
        return f"{name}: another run took it just now; wait for it to end"
    return f"{name}: run {other.run_id} on {other.host} (pid {other.pid}) holds it since {other.since}; wait for it to end"


def _numbers(folder: Folder, name: str) -> list[int]:
    found = (re.fullmatch(rf"{re.escape(name)}\.(\d+)\.json", one) for one in folder.names(f"{name}."))
    return sorted(int(one[1]) for one in found if one)


def _file(name: str, number: int) -> str:
    return f"{name}.{number:08d}.json"


def _text(state: State) -> str:
    return json.dumps(asdict(state))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
