"""The commands of docs/operations.md, run as they stand there, one section after the other, in the lake of the small shop."""

import json
import re
import shlex
import shutil
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import functions as F
from pyspark.sql.types import DoubleType, StructField, StructType
from typer.testing import CliRunner

from clickmill import cli, config, execution, locks, terminal
from clickmill.clean import sessions
from clickmill.contracts.conform import conform
from clickmill.contracts.days import Days
from clickmill.contracts.errors import GateRefused
from clickmill.contracts.tables import EVENTS, IDENTITIES, INTERACTIONS, SESSIONS
from clickmill.lake import Lake
from clickmill.ledger import Ledger
from clickmill.releases import Releases
from released import publishes
from river.small_shop import CHANGES, line

PAGE = Path(__file__).resolve().parents[2] / "docs" / "operations.md"
DAY = date(2024, 5, 19)
# What the flows of the page make again and again; what is made of it, lists and models and all, is made once, in `ran`.
SETTINGS = CHANGES | {"run.makes": [SESSIONS.name, IDENTITIES.name, INTERACTIONS.name]}


@dataclass
class Told:
    """What the commands of each section printed, how each ended, and the release that was served after it."""

    lake: Lake
    lines: dict[str, list[str]] = field(default_factory=dict)
    codes: dict[str, list[int]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    served: dict[str, str] = field(default_factory=dict)


def prepared(heading: str, lake: Lake, folder: Path, names: dict[str, str], patch: pytest.MonkeyPatch) -> None:
    """What has happened before a person turns to a section."""
    if heading == "A late landing":
        events = [line("late-2", "2024-05-18T21:00:00Z", "u4", item_id="t3"), line("new", "2024-05-19T09:00:00Z", "u4", item_id="t4")]
        (folder / "landing" / f"events-{DAY}.jsonl").write_text("\n".join(events) + "\n")
    if heading == "A failed gate":
        names["RELEASE"] = Releases(lake).current.release_id
        with pytest.raises(GateRefused):
            execution.execute(
                publishes(300, without=1, day=DAY), config.load("local", {"lake.root": lake.root}), Days(DAY, DAY), lake.spark
            )
        names["REFUSED"] = Releases(lake).rows[-1].release_id
    if heading == "A stuck lock":
        newest = lake.locks().names("clean.bots.")[-1]
        lake.locks().replace(newest, json.dumps(asdict(locks._me("killed")) | {"pid": 2**22 + 1}))
    if heading == "Upgrading a contract":
        added = StructField("mean_gap_s", DoubleType(), True, {"comment": "Seconds between its events; null before", "personal": "none"})
        patch.setitem(SESSIONS.__dict__, "schema", StructType([*SESSIONS.schema.fields, added]))
        gap_s = F.col("duration_s") / F.col("event_count")
        patch.setattr(sessions, "conform", lambda rows, table: conform(rows.withColumn("mean_gap_s", gap_s), table))


@pytest.fixture(scope="module")
def told(spark, ran, tmp_path_factory) -> Told:
    folder = tmp_path_factory.mktemp("operations")
    root = Path(ran[0].lake.root)
    shutil.copytree(root, folder / "lake")
    shutil.copytree(root.parent / "landing", folder / "landing")
    # Java, which reads the files, stays in the folder that the tests were started in.
    found, lines = Told(Lake(spark, str(folder / "lake")), names={"landing": str(folder / "landing")}), []
    load = config.load
    with pytest.MonkeyPatch.context() as patch:
        # The shop was run under the settings of the tests: under others each of its days would be stale.
        patch.setattr(config, "load", lambda env, changes=None: load("test", {**SETTINGS, **(changes or {})}))
        patch.setattr(terminal.out, "print", lambda text="", **_: lines.append(str(text)))
        patch.setattr(terminal.err, "print", lambda text="", **_: lines.append(str(text)))
        patch.setenv("CLICKMILL_LAKE", str(folder / "lake"))
        patch.chdir(folder)
        for section in PAGE.read_text(encoding="utf-8").split("\n## ")[1:]:
            heading = section.splitlines()[0]
            prepared(heading, found.lake, folder, found.names, patch)
            lines.clear()
            for command in "".join(re.findall(r"```sh\n(.*?)```", section, re.DOTALL)).splitlines():
                words = [found.names.get(word, word) for word in shlex.split(command)]
                assert words[0] == "clickmill"
                found.codes.setdefault(heading, []).append(CliRunner().invoke(cli.app, words[1:]).exit_code)
            found.lines[heading] = list(lines)
            found.served[heading] = Releases(found.lake).current.release_id
    return found


def test_every_command_of_the_page_ends_well(told) -> None:
    assert {heading for heading, codes in told.codes.items() if any(codes)} == set(), told.lines
    assert len(told.codes) == 9 and sum(map(len, told.codes.values())) >= 18


def test_a_day_that_is_up_to_date_makes_nothing_and_a_named_run_is_done_once(told) -> None:
    lines = told.lines["A day's run"]
    assert "clean_events 2024-05-18: up to date" in lines and "0 days of tables made, 0 of them new" in lines
    assert sum("run nightly-2024-05-18 was done before" in one for one in lines) == 1


def test_a_late_event_is_taken_into_its_day_and_what_is_made_of_it(told) -> None:
    lines = "\n".join(told.lines["A late landing"])
    assert "clean_events 2024-05-18 to 2024-05-19" in lines and re.search(r"\d+ of them new, \d\.\d made for each new one", lines)
    late = told.lake.read(EVENTS).where("landing_date > event_date and event_date = date'2024-05-18'").collect()
    assert [row.item_id for row in late] == ["t3"]


def test_a_refused_release_is_explained_and_accepted_and_rolled_back(told) -> None:
    lines = "\n".join(told.lines["A failed gate"])
    assert f"release {told.names['REFUSED']} of 2024-05-19: refused" in lines and "at most 2 times more or fewer are allowed" in lines
    assert "is served: accepted by hand: the shop took in a second warehouse" in lines
    lines = "\n".join(told.lines["A rollback"])
    assert f"release {told.names['RELEASE']} of 2024-05-18 is served: rolled back from {told.names['REFUSED']}" in lines
    assert told.served["A rollback"] == told.names["RELEASE"]


def test_lineage_leads_to_the_files(told) -> None:
    lines = "\n".join(told.lines["What made these rows?"])
    assert "clean.events 2024-05-17: version" in lines and "landed 2024-05-17 in events-2024-05-17.jsonl" in lines


def test_the_lock_of_a_dead_run_is_taken_over(told) -> None:
    assert "find_bots 2024-05-18:" in told.lines["A stuck lock"][0]


def test_a_column_that_a_contract_gained_is_there_for_the_days_that_were_made_anew(told) -> None:
    rows = told.lake.spark.read.format("delta").load(told.lake.path(SESSIONS))
    has_it = {row.event_date.day: row.n for row in rows.groupBy("event_date").agg(F.count("mean_gap_s").alias("n")).collect()}
    assert has_it[16] == has_it[17] == 0 and has_it[18] > 0
    assert any(one.startswith("build_sessions 2024-05-18 to 2024-05-19: ") for one in told.lines["Upgrading a contract"])


def test_vacuum_leaves_what_is_read(told) -> None:
    lines = told.lines["Vacuum"]
    assert any(one.startswith("publish.recommendations_v1") and "are kept for releases and readers" in one for one in lines)
    assert Ledger(told.lake).days and told.lake.read(EVENTS).count() > 0
