"""benchmarks/RESULTS.md: one section a benchmark, rewritten by the benchmark that it tells of."""

import os
import platform
import re
import sys
from datetime import date
from importlib.metadata import version
from pathlib import Path

import psutil

RESULTS = Path(__file__).with_name("RESULTS.md")
_VERSIONS = ("pyspark", "delta-spark", "numpy", "scipy", "pyarrow")
_HEAD = (
    "# What was measured\n\nEach section is written by the command it names; remarks in italics are by hand. Times drift on a shared"
    " machine; shares and metrics do not.\n"
)


def write(title: str, columns: list[str], rows: list[list[str]], notes: list[str]) -> None:
    """Put a section in place of the one of the same title, or at the end."""
    command = f"python -m benchmarks.{Path(sys.argv[0]).stem} {' '.join(sys.argv[1:])}".strip()
    table = [columns, [":--", *("--:" for _ in columns[1:])], *rows]
    lines = [f"## {title}", "", f"`{command}`, {date.today()}, {_machine()}", "", *(f"| {' | '.join(row)} |" for row in table), ""]
    section = "\n".join(lines + [f"{note}\n" for note in notes])
    text = RESULTS.read_text() if RESULTS.exists() else _HEAD
    others = [part for part in re.split(r"(?m)^(?=## )", text) if not part.startswith(f"## {title}\n")]
    RESULTS.write_text("\n".join(part.strip() + "\n" for part in [*others, section]))


def met(holds: bool) -> str:
    """A goal that is reached, or not."""
    return "yes" if holds else "**no**"


def _machine() -> str:
    memory = round(psutil.virtual_memory().total / 2**30)
    versions = ", ".join(f"{name} {version(name)}" for name in _VERSIONS)
    return f"{os.cpu_count()} cores, {memory} GiB, {platform.machine()}; Python {platform.python_version()}, {versions}"
