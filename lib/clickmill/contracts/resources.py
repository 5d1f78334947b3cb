"""Where the data files of the package lie: schemas, expectations, conf and jobs.

In a wheel they ride inside the package under private names (`clickmill/_schemas`);
in a checkout they stand at the top of the tree. This is the one place that knows.
"""

from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parents[3]


def checkout() -> Path | None:
    """The top of the checkout that the package runs from; None where it was installed."""
    return _CHECKOUT if (_CHECKOUT / "jobs").is_dir() else None


def folder(name: str) -> Traversable:
    """The data folder `name` (schemas, expectations, conf or jobs): the package's, else the checkout's.

    Raises  FileNotFoundError when neither has it
    """
    packaged = resources.files("clickmill").joinpath(f"_{name}")
    if packaged.is_dir():
        return packaged
    if (_CHECKOUT / name).is_dir():
        return _CHECKOUT / name
    raise FileNotFoundError(f"{name}/ is neither in the installed package nor in the checkout {_CHECKOUT}")


def text(path: str) -> str:
    """Text of one data file, by its path from the top of the tree, such as `schemas/clean/events.json`."""
    first, *rest = path.split("/")
    found = folder(first)
    for part in rest:
        found = found.joinpath(part)
    if not found.is_file():
        raise FileNotFoundError(path)
    return found.read_text(encoding="utf-8")
