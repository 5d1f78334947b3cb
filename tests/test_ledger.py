"""The ledger is read anew when somebody entered something, and only then."""

import shutil
from datetime import date

import pytest

from builders import DAY, NEXT_DAY
from clickmill import ledger
from clickmill.contracts.tables import DAYS, RUNS
from clickmill.lake import Lake
from clickmill.ledger import Admission, Ledger


def admission(day: date, content_hash: str = "h", version: int = 1) -> Admission:
    made = ("find_bots", "r1", "0", "c", {"raw.events": "h0"}, ledger.now())
    return Admission("clean.bots", day, content_hash, 3, version, *made, {"a": "1"})


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is read of a lake from here on."""
    found, read = [], Lake.read

    def noted(lake: Lake, table, version=None):
        found.append(table.name)
        return read(lake, table, version)

    monkeypatch.setattr(Lake, "read", noted)
    return found


def forgotten(lake: Lake) -> dict:
    """The days as a process tells them that opens the ledger for the first time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ledger, "_last", None)
        return Ledger(lake).days


def test_who_opens_it_again_reads_nothing_and_knows_what_was_admitted_meanwhile(lake, reads) -> None:
    Ledger(lake).admit([admission(DAY)], "r1")
    Ledger(lake).admit([admission(DAY, "h2", 2), admission(NEXT_DAY)], "r2")
    reads.clear()
    known = Ledger(lake)
    assert (known.days[("clean.bots", DAY)].content_hash, len(known.days), reads) == ("h2", 2, [])
    assert known.days == forgotten(lake), "what is remembered is what the table says"
    lake.append_rows(RUNS, [], {"run_id": "of another table"})
    reads.clear()
    assert (Ledger(lake).days, reads) == (known.days, [])


def test_what_another_process_entered_is_seen_also_by_who_admits_after_it(lake, reads) -> None:
    first = Ledger(lake)
    row = ledger._row(admission(DAY))
    lake.append_rows(DAYS, [row], {"run_id": "another process"})
    assert set(Ledger(lake).days) == {("clean.bots", DAY)}
    first.admit([admission(NEXT_DAY)], "r1")
    assert set(Ledger(lake).days) == {("clean.bots", DAY), ("clean.bots", NEXT_DAY)}
    assert reads.count(DAYS.name) == 3


def test_a_lake_that_took_the_place_of_another_is_read(lake) -> None:
    Ledger(lake).admit([admission(DAY)], "r1")
    assert Ledger(lake).days
    shutil.rmtree(lake.root)
    assert Ledger(lake).days == {}
    for name in ("h3", "h4"):
        lake.append_rows(DAYS, [ledger._row(admission(DAY, name))], {"run_id": name})
        assert Ledger(lake).days[("clean.bots", DAY)].content_hash == name
        shutil.rmtree(lake.root)
