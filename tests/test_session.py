"""The executors' Python: what differs is told in one line, before any table is touched."""

import os
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import psutil
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from clickmill import notebook, session
from clickmill.contracts.local import local_frame
from clickmill.contracts.properties import set_for

AN_OLDER_PYTHON = """
import collections, sys
sys.version_info = collections.namedtuple("Version", "major minor micro releaselevel serial")(3, 10, 13, "final", 0)
"""
WITHOUT_PANDAS = "import sys; sys.modules['pandas'] = None"


def run_with_executors(sitecustomize: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a job whose executors start a Python that is changed by `sitecustomize`."""
    (folder / "sitecustomize.py").write_text(sitecustomize)
    python = folder / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{folder}:$PYTHONPATH" exec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    words = ["run", "find_bots", "--date", "2024-05-16", "--env", "test", "--lake", str(folder / "lake")]
    return subprocess.run(
        [sys.executable, "-m", "clickmill.cli", *words],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYSPARK_PYTHON": str(python), "PYSPARK_DRIVER_PYTHON": sys.executable},
        cwd=Path(__file__).resolve().parents[1],
    )


@pytest.mark.parametrize(
    ("sitecustomize", "said"),
    [
        (AN_OLDER_PYTHON, "the executors run another Python than the driver's 3.11"),
        (WITHOUT_PANDAS, "the executors cannot import pandas (Python 3.11"),
    ],
)
def test_executors_that_differ_stop_the_run_in_one_line_before_a_table_is_touched(sitecustomize: str, said: str, tmp_path: Path) -> None:
    ended = run_with_executors(sitecustomize, tmp_path)
    errors = [line for line in ended.stderr.splitlines() if line.startswith("error")]
    assert ended.returncode == 1 and len(errors) == 1 and said in errors[0]
    assert "Traceback" not in ended.stderr + ended.stdout
    assert not (tmp_path / "lake").exists()


def test_java_starts_from_the_classes_that_set_up_noted(spark: SparkSession) -> None:
    noted = Path(sys.prefix) / "spark.jsa"
    if not noted.exists():
        pytest.skip("the classes were not noted: this environment was not made by the set-up, or its Java cannot note them")
    assert str(noted) in spark.conf.get("spark.driver.extraJavaOptions")
    java = next(one for one in psutil.Process().children() if one.name() == "java")
    assert str(noted.resolve()) in {one.path for one in java.memory_maps()}


def test_a_session_and_a_process_that_live_in_another_zone_are_brought_to_utc(spark: SparkSession, monkeypatch) -> None:
    spark.conf.set("spark.sql.session.timeZone", "America/New_York")
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    noon = local_frame(spark, [(datetime(2024, 5, 16, 12),)], "at timestamp")
    assert noon.select(F.unix_seconds("at")).first()[0] == 1_715_875_200, "what would be stored: 16:00 in UTC"
    monkeypatch.setattr(sys, "argv", ["notebook.py"])
    for begins in (lambda: session.started("x").__enter__(), lambda: notebook.opened({"spark": spark}, {}).spark):
        spark.conf.set("spark.sql.session.timeZone", "America/New_York")
        opened = begins()
        noon = local_frame(opened, [(datetime(2024, 5, 16, 12),)], "at timestamp")
        assert noon.select(F.unix_seconds("at")).first()[0] == 1_715_860_800
        assert opened.sql("select timestamp '2024-05-16 12:00:00' as at").select(F.unix_seconds("at")).first()[0] == 1_715_860_800
    assert spark.conf.get("spark.sql.session.timeZone") == "America/New_York", "a notebook leaves the session that it was given as it was"
    session.in_utc(spark)


@pytest.mark.parametrize(("row_count", "expected"), [(0, 1), (2_000_000, 1), (2_200_000, 2), (10_000_000_000, 5)])
def test_rows_are_shuffled_into_no_more_partitions_than_they_fill(spark: SparkSession, row_count: int, expected: int) -> None:
    with set_for(spark, {"spark.sql.shuffle.partitions": "5"}):
        assert session.partitions(spark.range(row_count)) == expected, "eight bytes a row, 16 MiB a partition"


def test_properties_of_a_job_hold_for_its_length_and_are_put_back(spark: SparkSession) -> None:
    before = spark.conf.get("spark.sql.files.openCostInBytes")
    with set_for(spark, {"spark.sql.files.openCostInBytes": "7", "spark.clickmill.unknown": "x"}):
        assert spark.conf.get("spark.sql.files.openCostInBytes") == "7"
    assert spark.conf.get("spark.sql.files.openCostInBytes") == before
    assert spark.conf.get("spark.clickmill.unknown", "gone") == "gone"


def test_a_session_that_is_there_is_used_and_left_alive(spark: SparkSession) -> None:
    with session.started("guest") as used:
        assert used.sparkContext is spark.sparkContext
    assert spark.range(3).count() == 3
