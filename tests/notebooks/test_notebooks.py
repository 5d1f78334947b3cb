"""Notebooks, run as they run on Databricks: a session that is given, widgets that are strings and start empty, plots that are shown."""

import re
import runpy
import shutil
import time
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import matplotlib
import pytest
from pyspark.sql import SparkSession

from clickmill import execution
from clickmill.contracts.days import Days
from released import publishes
from river.small_shop import DAYS, World, opened

matplotlib.use("Agg")
FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.py"))


class Ended(Exception):
    """What Databricks does when a notebook says that it ends."""


@pytest.fixture(scope="module")
def shop(spark, ran, tmp_path_factory) -> World:
    """The small shop, and a second release of the day after it."""
    folder = tmp_path_factory.mktemp("notebooks")
    shutil.copytree(ran[0].lake.root, folder / "lake")
    made = opened(spark, folder)
    day = DAYS.last + timedelta(days=1)
    execution.execute(publishes(3, without=2, day=day), made.conf, Days(day, day), spark)
    return made


def run(shop: World, name: str, capsys: pytest.CaptureFixture[str], **typed: str) -> tuple[str, list[Any]]:
    """Run a notebook with some widgets filled; what it printed, and the plots that it showed."""
    filled, shown = {"lake": shop.lake.root, "env": "test", **typed}, []
    asked: set[str] = set()

    def ended(line: str) -> None:
        raise Ended(line)

    widgets = SimpleNamespace(
        text=lambda name, default, label: asked.add(name), get=lambda name: filled.get(name, "") if name in asked else None
    )
    dbutils = SimpleNamespace(widgets=widgets, notebook=SimpleNamespace(exit=ended))
    capsys.readouterr()
    guest = shop.spark.newSession()
    guest.conf.set("spark.sql.session.timeZone", "America/New_York")
    before = settings(guest)
    monkey = pytest.MonkeyPatch()
    monkey.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        runpy.run_path(str(FOLDER / f"{name}.py"), init_globals={"spark": guest, "dbutils": dbutils, "display": shown.append})
    except Ended as end:
        print(end)
    finally:
        assert time.tzname == ("JST", "JST"), "Python goes on in the zone that it has"
        monkey.undo()
        time.tzset()
    assert filled.keys() <= asked, "a widget that the notebook does not have"
    assert settings(guest) == before and guest.range(3).count() == 3, "the session that was given is as it was"
    return capsys.readouterr().out, shown


def settings(spark: SparkSession) -> dict[str, str]:
    return {row.key: row.value for row in spark.sql("set").collect()}


def bars(figure: Any) -> list[float]:
    """Widths of the bars of a plot that lie."""
    return [bar.get_width() for bar in figure.axes[0].patches]


def test_the_funnel_of_the_newest_day_is_told_and_drawn(shop, capsys) -> None:
    said, shown = run(shop, "yesterdays_funnel", capsys)
    assert said.startswith("day is empty: the newest day of clean.sessions is 2024-05-18")
    assert re.search(r"sessions +10 +100.0%\nsaw an item +\d+", said)
    titles = [figure.axes[0].get_title() for figure in shown]
    assert titles[:2] == ["Sessions of people that closed on 2024-05-18", "Events by hour on 2024-05-18 (UTC)"]
    assert bars(shown[0])[0] == 10 and sum(bar.get_height() for bar in shown[1].axes[0].patches) == 10


def test_another_day_in_the_same_session_shows_its_rejects_and_a_bad_one_is_one_line(shop, capsys) -> None:
    said, shown = run(shop, "yesterdays_funnel", capsys, day="2024-05-17", limit="3")
    assert "bad_price" in said and len(re.findall(r"^(?:reject|copy) ", said, re.MULTILINE)) == 3
    assert any("Rejects (red) and copies (grey) of 2024-05-17" in figure.axes[0].get_title() for figure in shown)
    assert run(shop, "yesterdays_funnel", capsys, day="2024-13-01") == ("day: 2024-13-01 is no day; expected YYYY-MM-DD\n", [])
    assert run(shop, "yesterdays_funnel", capsys, day="2023-01-01") == (
        "day: clean.sessions has no day 2023-01-01; it has 2024-05-16 to 2024-05-18\n",
        [],
    )
    for limit in ("ten", "0", "3000000000", "9" * 5001):
        said = run(shop, "yesterdays_funnel", capsys, day="2024-05-17", limit=limit)[0].splitlines()[-1]
        assert said == f"limit: {limit[:20]} is no whole number from 1 to 999999"
    assert run(shop, "yesterdays_funnel", capsys, day="20240517")[0] == "day: 20240517 is no day; expected YYYY-MM-DD\n"
    assert run(shop, "yesterdays_funnel", capsys, env="nope")[0].startswith("no environment is called nope")
    assert run(shop, "yesterdays_funnel", capsys, lake="a*b")[0].endswith("cannot stand in the name of such a folder\n")


def test_a_list_is_explained_by_what_the_user_did_and_what_became_of_each_candidate(shop, capsys) -> None:
    said, shown = run(shop, "why_this_list", capsys, user="u3", day="2024-05-18", site="shop")
    assert "u3 on 2024-05-18, release" in said and "policy: " in said
    assert "bought, and not offered again" in said and re.search(r"\|place 1", said.replace(" ", "").replace("place1", "place 1"))
    assert len(shown) == 1 and sum(bars(shown[0])) > 3


def test_ids_keep_their_zeros_and_who_is_not_known_gets_the_list_for_unknown_users(shop, capsys) -> None:
    said, _ = run(shop, "why_this_list", capsys, user="00123", day="2024-05-18")
    assert "00123 has no list of its own on 2024-05-18: no model knows this user" in said
    assert run(shop, "why_this_list", capsys) == ("user is empty: say whose list\n", [])


def test_two_releases_are_compared_at_their_versions(shop, capsys) -> None:
    said, shown = run(shop, "what_changed", capsys)
    assert re.search(r"before: \w+ of 2024-05-18\nafter:  \w+ of 2024-05-19", said)
    # Users u0 to u2 got a list of one item; of the small shop's eight users none is called u0 to u2.
    assert "0 users have a list in both, 3 gained one, 8 lost theirs" in said
    assert re.search(r"publish.users_without_list_v1 +\d+ -> +2 rows", said) and [f.axes[0].get_title() for f in shown][-1].startswith(
        "Items"
    )
    first = re.findall(r"before: (\w+)", said)[0]
    same, shown = run(shop, "what_changed", capsys, before=first, after=first)
    assert "8 users have a list in both, 0 gained one, 0 lost theirs\n100.0% of a list stayed" in same
    assert "every item is shown to as many users as before" in same and [bar.get_height() for bar in shown[0].axes[0].patches] == [
        0
    ] * 9 + [8]
    assert "no release is called r9" in run(shop, "what_changed", capsys, before="r9")[0]


def test_a_notebook_runs_as_a_program_too_and_writes_its_plots(shop, capsys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["yesterdays_funnel.py", f"lake={shop.lake.root}", "env=test"])
    runpy.run_path(str(FOLDER / "yesterdays_funnel.py"))
    assert "plot: notebooks/plots/funnel.png" in capsys.readouterr().out and (tmp_path / "notebooks/plots/hours.png").stat().st_size > 5000
    monkeypatch.setattr("sys.argv", ["yesterdays_funnel.py", "dy=2024-05-16"])
    with pytest.raises(SystemExit, match="dy=2024-05-16: expected day=<Day"):
        runpy.run_path(str(FOLDER / "yesterdays_funnel.py"))


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda one: one.stem)
def test_a_notebook_is_in_the_form_of_databricks_and_reads_tables_through_the_lake(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    cells = text.split("\n# COMMAND ----------\n")
    assert text.startswith("# Databricks notebook source\n# MAGIC %md\n") and len(cells) > 5
    for cell in cells[1:]:
        lines = [line for line in cell.strip().splitlines() if line]
        assert lines and (all(line.startswith("# MAGIC") for line in lines) or not any(line.startswith("# MAGIC") for line in lines))
    assert not re.search(r"spark\.read|\.stop\(\)|read_parquet|RAW_|spark\.conf\.set", text)
    imports = set(re.findall(r"^(?:from|import) (\w+)", text, re.MULTILINE))
    assert imports <= {"clickmill", "matplotlib", "pyspark"}
