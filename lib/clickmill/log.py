"""Structured logs: one JSON object a line, with run id, job and table; quiet on the terminal."""

import logging
import traceback
from pathlib import Path
from typing import Any

import structlog

_FOLDER = Path("logs")


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
    """Write the whole trace of an unexpected error to the log file, and return where."""
    path = _FOLDER / "errors.log"
    with path.open("a", encoding="utf-8") as out:
        out.write("".join(traceback.format_exception(error)) + "\n")
    return str(path)
