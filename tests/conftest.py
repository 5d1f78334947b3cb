"""One Spark session for each process of the run, and a lake of its own for each test that asks for one."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from clickmill import log, session
from clickmill.lake import Lake

TEST_PROPERTIES = {
    "spark.master": "local[2]",
    "spark.driver.memory": "3g",
    # A third of the time of both processes would go into compiling Java for the last bit of speed: only what runs for long is.
    "spark.driver.defaultJavaOptions": "-XX:Tier4InvocationThreshold=100000 -XX:Tier4MinInvocationThreshold=20000"
    " -XX:Tier4CompileThreshold=200000 -XX:Tier4BackEdgeThreshold=600000 -XX:ReservedCodeCacheSize=512m",
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.adaptive.coalescePartitions.parallelismFirst": "false",
    "spark.databricks.delta.snapshotPartitions": "1",
    "spark.ui.enabled": "false",
    # Tiny frames: compiling a plan costs more than running it. The demo and the river run compiled.
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.ui.showConsoleProgress": "false",
    # Each query is written out for a page that nobody opens; in full that takes as long as to optimise it.
    "spark.sql.ui.explainMode": "simple",
    "spark.sql.debug.maxToStringFields": "1",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest modules first, so that no process is left alone with one at the end."""
    items.sort(key=lambda item: "river" not in item.path.parts)


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    folder = tmp_path_factory.mktemp("spark")
    log.configure(str(folder / "logs"))
    built = session.build("tests", {**TEST_PROPERTIES, "spark.sql.warehouse.dir": str(folder / "warehouse")})
    yield built
    built.stop()


@pytest.fixture
def lake(spark: SparkSession, tmp_path: Path) -> Lake:
    return Lake(spark, str(tmp_path / "lake"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real files; a test that uses it says what it skips without it."""
    return Path(os.environ.get("CLICKMILL_SHARED", Path(__file__).resolve().parents[2] / "shared" / "data"))
