"""One Spark session for each process of the run, a lake of its own for each test that asks for one, and one small shop for all."""

import os
import pickle
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from clickmill import execution, log, quality, session
from clickmill.lake import Lake
from clickmill.quality import gating
from river.small_shop import DAYS, World, landings, opened, world
from ungated import passes

TEST_PROPERTIES = {
    "spark.master": "local[2]",
    "spark.driver.memory": "4g",  # lines of 10 MB are among what is tried, at the end of a thousand lakes
    # To compile Java for the last bit of speed takes long: only what runs often is, four times as often as Java itself would have it.
    "spark.driver.defaultJavaOptions": "-XX:Tier4InvocationThreshold=20000 -XX:Tier4MinInvocationThreshold=3000"
    " -XX:Tier4CompileThreshold=40000 -XX:Tier4BackEdgeThreshold=120000 -XX:ReservedCodeCacheSize=512m",
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.adaptive.coalescePartitions.parallelismFirst": "false",
    "spark.databricks.delta.snapshotPartitions": "1",
    # Each sort and each sum takes a page first, of 64 MB by default: for tables of ten rows they filled the heap.
    "spark.buffer.pageSize": "1m",
    # Delta renames the files of its log by a file system that starts a process for each look at a link: here, not for checksums, too.
    "spark.hadoop.fs.AbstractFileSystem.file.impl": "org.apache.hadoop.fs.local.RawLocalFs",
    "spark.ui.enabled": "false",
    # Tiny frames: compiling a plan costs more than running it. Compiled, as in production, run tests/river/leaks.py and the demo.
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.ui.showConsoleProgress": "false",
    # Each query is written out for a page that nobody opens; in full that takes as long as to optimise it.
    "spark.sql.ui.explainMode": "simple",
    "spark.sql.debug.maxToStringFields": "1",
    # A thousand lakes in one process: what Delta and the status of past queries remember of them fills the heap to the brim, and
    # a tenth of the time went into collecting it.
    "spark.databricks.delta.delta.log.cacheSize": "80",
    "spark.sql.ui.retainedExecutions": "20",
    "spark.ui.retainedJobs": "100",
    "spark.ui.retainedStages": "200",
    "spark.ui.retainedTasks": "2000",
}

SHORT_LIVED = "-XX:TieredStopAtLevel=1"
"""Of Java that runs for less than two minutes: what it would compile for the last bit of speed it hardly uses."""

# The first one makes the small shop; beside it runs what needs none, so that nobody waits for the shop.
LONGEST = ("test_operations.py", "faults", "river", "golden", "test_flow.py", "test_vacuum.py", "test_releases.py", "test_execution.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest modules first, so that no process is left alone with one at the end."""
    items.sort(key=lambda item: next((place for place, name in enumerate(LONGEST) if name in item.path.parts), len(LONGEST)))


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    folder = tmp_path_factory.mktemp("spark")
    log.configure(str(folder / "logs"))
    built = session.build("tests", {**TEST_PROPERTIES, "spark.sql.warehouse.dir": str(folder / "warehouse")})
    yield built
    built.stop()


@pytest.fixture(scope="module")
def no_gate() -> Iterator[None]:
    """Every gate passes; the gate has tests of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quality, "gate", passes)
        yield


@pytest.fixture
def real_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gate as it is, for a test about it in a module whose others leave it out."""
    monkeypatch.setattr(quality, "gate", gating.gate)


@pytest.fixture
def lake(spark: SparkSession, tmp_path: Path) -> Lake:
    return Lake(spark, str(tmp_path / "lake"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real files; a test that uses it says what it skips without it."""
    return Path(os.environ.get("CLICKMILL_SHARED", Path(__file__).resolve().parents[2] / "shared" / "data"))


@pytest.fixture(scope="session")
def ran(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> tuple[World, dict[str, execution.RunResult]]:
    """The shop after its three days, and what each job did. Who changes anything takes a copy."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "small_shop"
    results = folder / "results"
    try:
        folder.mkdir()
    except FileExistsError:
        _wait_for(results)
    else:
        told = world(spark, folder, landings()).flow(DAYS)
        (folder / "written").write_bytes(pickle.dumps(told))
        (folder / "written").rename(results)
    return opened(spark, folder), pickle.loads(results.read_bytes())


def _wait_for(file: Path) -> None:
    """Another process is at it."""
    for _ in range(3000):
        if file.exists():
            return
        time.sleep(0.2)
    pytest.fail("the shop was never finished by the process that began it")
