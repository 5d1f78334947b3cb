"""The commands that the documentation shows are run as they stand there."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from typer.testing import CliRunner

from clickmill import cli, river, terminal
from clickmill.contracts.tables import EVENTS, REJECTS
from clickmill.lake import Lake

TOP = Path(__file__).resolve().parents[1]


def commands(page: str) -> list[str]:
    """The lines of the shell blocks of a page."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def test_the_way_from_an_unknown_file_to_a_clean_table_goes_as_it_is_told(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []
    monkeypatch.setattr(terminal.out, "print", lambda text="", **_: shown.append(str(text)))
    # As far as the page goes: what the models make of clean tables is tested with the river.
    monkeypatch.setattr(river, "flow", lambda _: [river.job(name) for name in ("ingest_events", "find_bots", "clean_events")])
    monkeypatch.setenv("CLICKMILL_SOURCES", "")
    monkeypatch.chdir(tmp_path)
    shutil.copytree(TOP / "docs", tmp_path / "docs")
    page = (TOP / "docs" / "sources.md").read_text(encoding="utf-8")
    for line in commands(page):
        words = shlex.split(line)
        if words[0] == "clickmill":
            assert CliRunner().invoke(cli.app, words[1:]).exit_code == 0, (line, shown[-1:])
        elif words[0] == "export":
            monkeypatch.setenv(*words[1].split("=", 1))
        else:
            subprocess.run(["bash", "-ec", line], check=True)
    told = [line.strip() for line in re.findall(r"^ {4}(\S.*)$", page, re.MULTILINE)]
    assert len(told) == 4 and set(told) <= set(shown)
    lake = Lake(spark, "my_lake")
    rows = lake.read(EVENTS).orderBy("event_at", "event_type").collect()
    assert [(row.user_id, row.event_type, row.item_id, str(row.price), str(row.event_at)) for row in rows] == [
        ("u1", "item_view", "0108", "9.5000", "2024-05-16 07:00:00"),
        ("u1", "add_to_cart", "0108", "9.5000", "2024-05-16 07:01:30"),
        ("u1", "purchase", "0108", "9.5000", "2024-05-16 07:05:00"),
        ("u2", "item_view", "0109", "12.0000", "2024-05-16 08:00:00"),
        ("u2", "favourite", "0109", "12.0000", "2024-05-16 08:00:20"),
        ("u3", "item_view", "0108", "9.5000", "2024-05-16 09:30:00"),
        ("u3", "purchase", "0110", "4.2500", "2024-05-16 09:41:10"),
    ]
    assert sorted(row.reasons for row in lake.read(REJECTS).collect()) == [["bad_event_at"], ["bad_price"], ["exact_copy"]]
