"""Secrets and personal data reach no log, report, error, plan or file name: canaries are put into input and environment, and looked for."""

import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest

from river.small_shop import USERS, line

TOP = Path(__file__).resolve().parents[2]
PEOPLE = ("canary.visitor@mail.example", "canary.account@mail.example", "canary.buyer@mail.example", "canary review", "canary query")
SECRETS = {"AWS_SECRET_ACCESS_KEY": "canary-aws-4711", "CLICKMILL_TOKEN": "canary-token-4711", "DB_PASSWORD": "canary-password-4711"}


def events() -> list[str]:
    visitor, account, buyer, review, query = PEOPLE
    at = "2024-05-16T10:00:0{}Z"
    whole = [
        line("e1", at.format(1), visitor, item_id="i1", page_url=f"https://shop.example/?mail={visitor}"),
        line("e2", at.format(2), visitor, "review", item_id="i1", rating="5", review_text=review, account_id=account),
        line("e3", at.format(3), visitor, "search", query=query),
        line("e4", at.format(4), buyer, "purchase", order_id=buyer, items=[{"item_id": "i1", "price": "9.90"}]),
        line("e0", at.format(0), visitor, item_id="i1")[:-1] + f', "{buyer}": "1", "{query}{"x" * 40}": "1"}}',
        # Each of these is turned away, for a value of a person.
        line("e5", buyer, buyer, item_id="i1"),
        line("e6", at.format(6), buyer, item_id="i1", price=buyer),
        line("e7", at.format(7), buyer, buyer, item_id="i1"),
        line("e8", at.format(8), buyer, item_id="i1")[:-1] + f', "visitor_id": "{visitor}"}}',
        f'{{"event_id": "{visitor}',
    ]
    views = [
        line(f"v{n}", f"2024-05-16T11:{n:02d}:00Z", visitor, item_id=f"i{n}", page_url=f"https://shop.example/{buyer}") for n in range(60)
    ]
    return whole + views


def bad_day() -> list[str]:
    """Lines of the day after, of which nearly none is good: the gate refuses it."""
    return [line(f"b{n}", f"2024-05-17T10:00:{n % 60:02d}Z", PEOPLE[0], item_id="i1", price=PEOPLE[2]) for n in range(150)]


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder after all runs, and what stood on the terminal."""
    folder = tmp_path_factory.mktemp("leaks")
    text, bad = ("\n".join(lines).encode() for lines in (events(), bad_day()))
    files = {
        "good/events-2024-05-16.jsonl": text,
        "good/events-2024-05-17.jsonl": bad,
        "cut/events-2024-05-16.jsonl.gz": gzip.compress(text)[:-30],
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    env = os.environ | SECRETS | {"PYTHONPATH": f"{TOP}/lib:{TOP}/tests"}
    ended = subprocess.run(
        [sys.executable, str(TOP / "tests/river/leaks.py"), str(folder)], env=env, cwd=folder, capture_output=True, check=False
    )
    said = (ended.stdout + ended.stderr).decode(errors="replace")
    assert ended.returncode == 0, said[-3000:]
    return folder, said


def test_the_runs_ended_as_they_should(left) -> None:
    _, said = left
    codes = [
        words.rsplit(" ", 1)[1] for words in said.splitlines() if words.startswith(("run ", "sources ", "lineage ", "status ", "sql "))
    ]
    assert codes == ["0", "5", "0", "0", "3", "5", "0", "0", "0", "0", "2"], said[-3000:]
    assert "a value that does not fit Exit" in said


def test_no_canary_stands_on_the_terminal_or_in_a_log_a_report_a_plan_or_the_name_of_a_file(left) -> None:
    folder, said = left
    names = "\n".join(str(one.relative_to(folder)) for one in folder.rglob("*"))
    told = {"terminal": said, "names of files": names}
    logs = [one for one in (folder / "logs").rglob("*") if one.is_file()]
    assert {"clickmill.log", "errors.log", "spark.log", "clean.events.html"} <= {one.name for one in logs}
    told |= {one.name: one.read_text(encoding="utf-8", errors="replace") for one in logs}
    plans = {f"plans {one.name}": one.read_text(encoding="utf-8") for one in (folder / "plans_of_runs").glob("*/events*")}
    assert any("FileScan" in text and "SparkListenerSQLExecutionEnd" in text for text in plans.values()), "Spark wrote its plans down"
    told |= plans
    commits = list((folder / "lake").rglob("_delta_log/*.json"))
    ledger = [one for one in commits if one.parts[-4] == "ops"]
    assert ledger
    told |= {str(one.relative_to(folder)): one.read_text(encoding="utf-8") for one in ledger}
    canaries = (*PEOPLE, *SECRETS.values())
    assert {(where, canary) for where, text in told.items() for canary in canaries if canary in text} == set()


def test_what_the_ledger_keeps_of_runs_holds_no_canary(left, spark) -> None:
    folder, _ = left
    for table in ("runs", "days"):
        text = str(spark.read.format("delta").load(f"{folder}/lake/ops/{table}").collect())
        assert not [canary for canary in (*PEOPLE, *SECRETS.values()) if canary in text]


def test_what_models_and_lists_are_made_of_stands_in_no_log_and_no_report(ran, tmp_path_factory: pytest.TempPathFactory) -> None:
    base = tmp_path_factory.getbasetemp()
    folders = [*base.glob("spark*/logs"), *base.parent.glob("popen-*/spark*/logs")]  # of each process of the tests
    told = {one: one.read_text(encoding="utf-8", errors="replace") for folder in folders for one in folder.rglob("*") if one.is_file()}
    assert {"train_als_factors", "publish_recommendations"} <= {job for job in ran[1] if any(job in text for text in told.values())}
    people = [user for users in USERS.values() for user in users if len(user) > 8]
    assert people and {(one.name, user) for one, text in told.items() for user in people if user in text or user in str(one)} == set()
