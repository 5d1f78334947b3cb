"""Structured logs: one JSON object a line, with run id, job and table; quiet on the terminal."""

import logging
import re
import traceback
from pathlib import Path
from typing import Any

import structlog
from pyspark.logger import PySparkLogger

_FOLDER = Path("logs")
_FRAME = re.compile(r'\s+at \S+\.[^\s(]+(\(.*\))?$|  File "')
_QUOTED = re.compile(r"'[^\n]*(?:\n(?!== (?:SQL|DataFrame))[^\n]*)*'")  # the query that Spark shows below has quotes of its own
_LISTED = re.compile(r"^( - .+? : ).*(?:\n(?! - ).*)*", re.MULTILINE)


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
    backticks or double quotes), Delta lists a row as ` - column : value`. A value
    may have lines of its own: a message is taken whole, from frame to frame.
    """
    told: list[str] = []
    message: list[str] = []
    is_code = False
    for line in trace.split("\n"):
        # Under a frame of Python stands its line of the source.
        is_code = bool(_FRAME.match(line)) or (is_code and line.startswith("    "))
        if not is_code:
            message.append(line)
            continue
        told += [_masked(message)] if message else []
        told.append(line)
        message = []
    return "\n".join([*told, _masked(message)] if message else told)


def _masked(message: list[str]) -> str:
    return _LISTED.sub(r"\1…", _QUOTED.sub("'…'", "\n".join(message)))
