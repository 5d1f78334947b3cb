"""The design holds: one writer a table, everything read stands upstream, jobs say what they depend on."""

import json
import re
from pathlib import Path

import pytest

from clickmill import config, execution, river
from clickmill.contracts import resources
from clickmill.contracts.errors import UsageError
from clickmill.contracts.tables import ALL

TOP = Path(__file__).resolve().parents[2]
JOBS = sorted(path.stem for path in (TOP / "jobs").glob("*.py"))


def test_every_table_has_one_writer_and_every_job_is_in_the_river() -> None:
    writers = river.writers_of(river.jobs())
    assert sorted(river.jobs()) == JOBS
    assert set(writers) == {table.name for table in ALL if table.layer != "ops"}


def test_everything_read_stands_upstream_or_is_the_job_s_own_of_earlier_days() -> None:
    seen: set[str] = set()
    for name, job in river.jobs().items():
        own = {table.name for table in job.WRITES}
        for read in job.READS:
            assert read.table.name in seen or (read.table.name in own and read.kind in ("earlier", "history", "before", "whole")), (
                f"{name} reads {read.table.name}"
            )
        seen |= own


@pytest.mark.parametrize("name", JOBS)
def test_a_job_names_the_sections_of_the_config_that_it_uses_and_is_short(name: str) -> None:
    text = (TOP / "jobs" / f"{name}.py").read_text()
    used = set(re.findall(r"conf\.([a-z]+)", text)) - {"landing", "source", "lake", "run"}
    assert set(river.jobs()[name].CONFIG) == used
    assert len(text.splitlines()) <= 40, "a job is transform and write; the rest belongs into lib"


def test_every_key_of_the_config_is_used_and_says_its_reason() -> None:
    code = "\n".join(path.read_text() for folder in ("lib", "jobs") for path in (TOP / folder).rglob("*.py"))
    for line in resources.text("conf/base.yaml").splitlines():
        key = re.match(r"\s+([a-z_]+):", line)
        if key and "weights" not in line and not re.match(r" {4}[a-z_]+: +-?\d+$", line):
            assert key[1] in code, f"{key[1]} is a key that nothing reads"
            assert "#" in line or line.rstrip().endswith(":"), f"{key[1]} has no reason"


@pytest.mark.parametrize("table", ALL, ids=lambda table: table.name)
def test_a_table_is_found_by_its_name_alone(table) -> None:
    schema = json.loads(resources.text(table.schema_path))
    assert set(table.key) <= set(table.columns)
    assert table.day is None or table.day in table.columns
    for column in schema["fields"]:
        assert column["metadata"]["comment"].strip(), f"{column['name']} has no comment"
        assert column["metadata"]["personal"] in ("direct", "linked", "none")
    if table.layer != "ops":
        assert json.loads(resources.text(table.suite_path))["table"] == table.name


def test_a_flow_that_shall_make_some_tables_makes_what_these_are_made_of_and_nothing_else() -> None:
    def names(*makes: str) -> list[str]:
        return [execution.name_of(one) for one in river.that_make(makes, river.flow("events_jsonl"))]

    assert names("features.item_days", "clean.sessions") == [
        *("ingest_events", "find_bots", "find_known_events", "find_value_ranges", "build_item_days", "clean_events", "build_sessions")
    ]
    assert names() == [execution.name_of(one) for one in river.flow("events_jsonl")]
    with pytest.raises(UsageError, match=r"run.makes: .*no job makes features.item_day;"):
        config.load("test", {"run.makes": ["features.item_day"]})


def test_the_picture_names_every_job_and_every_table() -> None:
    for drawn in (river.text(), river.mermaid()):
        assert all(name in drawn for name in JOBS)
        assert all(table.name in drawn for table in ALL if table.layer != "ops")


def test_every_source_parses_and_every_environment_is_valid() -> None:
    assert {"taobao", "eshop_clothing", "online_retail", "expedia", "completejourney", "events_jsonl"} <= set(config.source_names())
    for name in config.source_names():
        assert config.source(name).name == name
    for env in config.environments():
        assert config.load(env).lake.root


def test_the_readme_says_what_every_job_reads_and_writes() -> None:
    readme = (TOP / "README.md").read_text()
    told: list[str] = []
    for row in re.findall(r"^\| (`.*)\|$", readme, re.MULTILINE):
        names, reads, writes = (re.findall(r"`([\w.]+)`", cell) for cell in row.split("|"))
        jobs = [river.jobs()[name] for name in names]
        assert set(writes) == {table.name for job in jobs for table in job.WRITES}, names
        assert set(reads) == {read.table.name for job in jobs for read in job.READS if read.table not in job.WRITES}, names
        told += names
    assert sorted(told) == JOBS
    assert len(readme.splitlines()) <= 80
