"""What the tests of ingestion share: Spark as an ingest job has it, and landing files written for one test."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from clickmill.contracts.days import Days
from clickmill.contracts.local import local_frame
from clickmill.contracts.properties import set_for
from clickmill.contracts.tables import RAW_FILES
from clickmill.ingest import guess_text, ingest
from clickmill.ingest.source import TABLES, parse
from ingest.shop import Ingested, Read, yaml

Ingest = Callable[..., Ingested]


@pytest.fixture(autouse=True)
def _as_in_a_job(spark: SparkSession) -> Iterator[None]:
    with set_for(spark, ingest.SPARK_CONF):
        yield


@pytest.fixture
def land(tmp_path: Path) -> Callable[[Mapping[str, bytes | str]], str]:
    """Write landing files, by name, and give their folder."""

    def write(contents: Mapping[str, bytes | str]) -> str:
        for name, content in contents.items():
            path = tmp_path / "landing" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(tmp_path / "landing")

    return write


@pytest.fixture
def run(spark: SparkSession) -> Ingest:
    """Ingest what lies in a folder, as the jobs do."""

    def ingested(
        source_text: str,
        folder: str,
        *,
        first: date = date(2024, 3, 1),
        last: date | None = None,
        known: DataFrame | None = None,
        zone: str = "UTC",
        name: str = "shop",
    ) -> Ingested:
        source = parse(source_text, f"{name}.yaml")
        table = TABLES[source.table]
        before = local_frame(spark, [], RAW_FILES.schema) if known is None else known
        landed = ingest.landed(
            spark,
            source,
            folder,
            Days(first, last or first),
            table=table,
            zone=zone,
            known=before,
            keep=lambda frame: frame.localCheckpoint(),
        )
        return Ingested(landed.rows, landed.files, before, source)

    return ingested


@pytest.fixture
def read(run, land) -> Read:
    """Ingest lines, or whole files by name, by a shipped source; the days run from 2016 to 2024."""

    def ingested(
        name: str, *lines: Any, text: str | None = None, files: dict[str, bytes | str] | None = None, zone: str = "UTC"
    ) -> Ingested:
        told = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        folder = land(files or {"landed": "".join(f"{line}\n" for line in told)})
        return run(text or yaml(name), folder, first=date(2016, 1, 1), last=date(2024, 12, 31), name=name, zone=zone)

    return ingested


@pytest.fixture
def draft(tmp_path: Path) -> Callable[..., guess_text.Draft]:
    """The draft of a file of this content, as a source called `mine`."""

    def made(content: bytes | str, name: str = "file.csv") -> guess_text.Draft:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return guess_text.draft(path, "mine", {})

    return made
