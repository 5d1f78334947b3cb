"""Named points between the steps of a run, at which a test may let it fail.

Outside of tests a point does nothing. What holds after a failure at one of them
is tested for each: a point stands wherever something of a run is already on disk
and something is not yet.
"""

from collections.abc import Callable

armed: dict[str, Callable[[], None]] = {}
"""What happens at which point; empty but in tests."""


def faultpoint(name: str) -> None:
    """Do what a test armed this point with."""
    if name in armed:
        armed[name]()
