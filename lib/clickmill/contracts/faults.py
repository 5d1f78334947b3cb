"""Named points between the steps of a run, at which a test may let it fail.

Outside of tests a point does nothing. What holds after a failure at one of them
is tested for each: a point stands wherever something of a run is already on disk
and something is not yet.
"""

import os
import signal
from collections.abc import Callable

armed: dict[str, Callable[[], None]] = {}
"""What happens at which point; empty but in tests."""


def faultpoint(name: str) -> None:
    """Do what a test armed this point with: kill the run, or raise."""
    if name in armed:
        armed[name]()


def arm(text: str) -> None:
    """Let the run be killed when it passes a point for the n-th time; `text` is `<point> <n>`."""
    name, passes = text.rsplit(" ", 1)
    left = [int(passes)]

    def passed() -> None:
        left[0] -= 1
        if left[0] == 0:
            kill()

    armed.setdefault(name, passed)


def kill() -> None:
    """End the process group of the driver, its Java and its Python workers too, as a machine that loses power does."""
    os.killpg(0, signal.SIGKILL)
