"""Is this machine fit to run jobs? One line a question, with what was found and what to do."""

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from importlib import metadata
from pathlib import Path

import psutil
from pyspark.sql import SparkSession

from clickmill.config import cache_folder
from clickmill.contracts.errors import ClickmillError
from clickmill.lake import Lake
from clickmill.ledger import Admission, Ledger

_PINNED = {
    "pyspark": "4.0.5",
    "delta-spark": "4.0.1",
    "pyarrow": "14.0.2",
    "numpy": "1.26.4",
    "pandas": "2.3.3",
    "great-expectations": "1.24.1",
}


@dataclass(frozen=True)
class Finding:
    """One question and its answer."""

    question: str
    answer: str
    is_well: bool


def before_spark(lake_root: str) -> list[Finding]:
    """What can be asked without a session: Java, Python, versions, jars, disk, memory."""
    return [_java(), _python(), *_packages(), _jars(), _disk(lake_root), _memory()]


def with_spark(spark: SparkSession) -> list[Finding]:
    """What needs a session: time zones of session and JVM, and a Delta write and read."""
    zone = spark.conf.get("spark.sql.session.timeZone")
    jvm = spark._jvm.java.util.TimeZone.getDefault().getID()  # type: ignore[union-attr]
    return [
        Finding("time zone", f"session {zone}, JVM {jvm}", zone == "UTC" and jvm in ("UTC", "Etc/UTC")),
        _asked("Delta round trip", lambda: round_trip(spark)),
    ]


def not_started(kind: str, trace: object) -> Finding:
    """What there is to say where no session could be started."""
    return Finding("Spark", f"does not start: {kind}; the whole trace is in {trace}", False)


def _asked(question: str, answer: Callable[[], str]) -> Finding:
    """The answer, or the error as the answer: a doctor tells what is wrong and goes on."""
    try:
        return Finding(question, answer(), True)
    except Exception as error:
        return Finding(question, f"{type(error).__name__}: {str(error).splitlines()[0][:160]}", False)


def _java() -> Finding:
    home = os.environ.get("JAVA_HOME")  # Spark starts this one, and the first of the path only where there is none
    found = f"{home}/bin/java" if home else shutil.which("java")
    if found is None or not Path(found).is_file():
        where = f"not found{f' at {found}' if found else ''}"
        return Finding("Java", f"{where}; install a full JRE 17 or 21, such as openjdk-17-jre-headless", False)
    told = subprocess.run([found, "-version"], capture_output=True, text=True, check=False).stderr.splitlines()[0]
    return Finding("Java", told, any(f'"{major}' in told for major in ("17", "21")))


def _python() -> Finding:
    return Finding("Python", platform.python_version(), sys.version_info[:2] == (3, 11))


def _packages() -> list[Finding]:
    versions = {name: metadata.version(name) for name in _PINNED}
    return [
        Finding(name, f"{have}" if have == _PINNED[name] else f"{have}, expected {_PINNED[name]}", have == _PINNED[name])
        for name, have in versions.items()
    ]


def _jars() -> Finding:
    jars = sorted(path.name for path in (cache_folder() / "ivy").glob("jars/*delta*.jar"))
    return Finding("Delta jars", ", ".join(jars) or "not there yet: the first session fetches them", bool(jars))


def _disk(lake_root: str) -> Finding:
    here = Path(lake_root) if "://" not in lake_root else Path(tempfile.gettempdir())
    while not here.exists():
        here = here.parent
    free_gib = shutil.disk_usage(here).free / 2**30
    return Finding("disk", f"{free_gib:.0f} GiB free", free_gib >= 5)


def _memory() -> Finding:
    free_gib = psutil.virtual_memory().available / 2**30
    return Finding("memory", f"{free_gib:.0f} GiB free", free_gib >= 4)


def round_trip(spark: SparkSession) -> str:
    """Admit a day in a lake of its own, read it back, and say so."""
    day = Admission("t", date(2024, 2, 29), "1", 1, 1, "j", "r", "0", "0", {}, datetime(2024, 2, 29, 23, 30))
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(spark, folder)
        Ledger(lake).admit([day], day.run_id)
        back = list(Ledger(lake).days.values())
    if back != [day]:
        raise ClickmillError("the row that was read is not the row that was written")
    return "a row was written and read"
