"""Structured logs: one JSON object a line, with run id, job and table; quiet on the terminal."""

import logging
import re
import traceback
from pathlib import Path
from typing import Any

import structlog
from pyspark.logger import PySparkLogger

_FOLDER = Path("logs")
_CODE = re.compile(r'\s+at |  File "|    ')
_QUOTED = re.compile(r"'.*'")
_LISTED = re.compile(r"^( - .+? : ).*")


def configure(folder: str) -> None:
    """Send logs to `<folder>/clickmill.log`. Called once by whoever starts a process."""
    global _FOLDER
    _FOLDER = Path(folder)
    _FOLDER.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(_FOLDER / "clickmill.log")
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("clickmill")
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(logging.INFO)
    # Spark repeats the message of an error, with the value it is about, on the terminal.
    for name in ("SQLQueryContextLogger", "DataFrameQueryContextLogger"):
        PySparkLogger.getLogger(name).disabled = True
    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(sort_keys=True),
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=lambda *_: logger,
        cache_logger_on_first_use=False,
    )


def bound(**fields: Any) -> Any:
    """A logger that puts `fields` into each of its lines."""
    return structlog.get_logger().bind(**fields)


def folder() -> str:
    return str(_FOLDER)


def trace(error: BaseException) -> str:
    """Write the whole trace of an unexpected error, Java's too, to the log file, without the values it quotes, and return where."""
    _FOLDER.mkdir(parents=True, exist_ok=True)  # the error may come before anything was configured
    path = _FOLDER / "errors.log"
    of_java = getattr(error, "_stackTrace", None) or ""
    with path.open("a", encoding="utf-8") as out:
        out.write(without_values("".join(traceback.format_exception(error)) + of_java) + "\n")
    return str(path)


def without_values(trace: str) -> str:
    """A trace whose messages hold no value of a row; frames and source lines stay as they are.

    Spark and Python put values between single quotes (names stand between
    backticks or double quotes), Delta lists a row as ` - column : value`.
    """
    lines = (line if _CODE.match(line) else _LISTED.sub(r"\1…", _QUOTED.sub("'…'", line)) for line in trace.split("\n"))
    return "\n".join(lines)
