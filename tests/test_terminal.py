"""What a person sees: text of people and of data as it is, brackets and all."""

from collections.abc import Callable

import pytest

from builders import DAY
from clickmill import job, terminal
from clickmill.contracts.days import Days
from clickmill.contracts.errors import UsageError
from clickmill.contracts.tables import BOTS
from clickmill.execution import RunResult, TableResult

HOSTILE = r"stock [/sales] [red] :warning: \[x]"


def in_a_grid() -> None:
    made = terminal.grid(f"head {HOSTILE}")
    made.add_row(HOSTILE)
    terminal.out.print(made)


def as_a_result() -> None:
    terminal.show_result(RunResult("j", Days(DAY, DAY), tables=[TableResult(BOTS, 1, 1, (HOSTILE,))]), 1.0)


@pytest.mark.parametrize(
    "show",
    [
        in_a_grid,
        as_a_result,
        lambda: terminal.show_idle("a job", Days(DAY, DAY), HOSTILE),
        lambda: terminal.show_rows(["few"], [(HOSTILE,)]),
        lambda: terminal.show_rows([f"c{n}" for n in range(11)], [(HOSTILE,) * 11]),
        lambda: terminal.out.print(HOSTILE),
        lambda: terminal.out.rule(HOSTILE),
    ],
)
def test_text_that_looks_like_markup_is_shown_as_it_is(show: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal.out, "width", 200)
    with terminal.out.capture() as shown:
        show()
    assert HOSTILE in shown.get()


def test_an_error_that_looks_like_markup_is_told_as_it_is() -> None:
    def fails() -> None:
        raise UsageError(HOSTILE)

    with terminal.err.capture() as shown, pytest.raises(job.typer.Exit):
        job.told(fails)
    assert shown.get() == f"error {HOSTILE}\n"
