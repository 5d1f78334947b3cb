"""What is known of a key before an instant, against a slow reading of the same words."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clickmill.features.histories import NEVER, Answers, Histories, Questions, within

WINDOWS = (1, 3, 10)
HALF_LIFE = 4

# key, instant, item, value: few of each, so that ties, repeats and edges of windows come by themselves
EVENTS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 25), st.integers(-1, 2), st.integers(0, 3)), max_size=40)
QUESTIONS = st.lists(st.tuples(st.integers(0, 4), st.integers(-3, 40), st.integers(-1, 3)), min_size=1, max_size=12)

Event = tuple[int, int, int, int]
Question = tuple[int, int, int]


def ints(values: list[int]) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def answers(events: list[Event], questions: list[Question]) -> Answers:
    return Histories(ints([e[0] for e in events]), ints([e[1] for e in events])).asked(
        Questions(ints([q[0] for q in questions]), ints([q[1] for q in questions]))
    )


def known(events: list[Event], question: Question, window: int) -> list[Event]:
    key, at, _ = question
    return [event for event in events if event[0] == key and at - window <= event[1] < at]


@settings(max_examples=200, deadline=None)
@given(EVENTS, QUESTIONS)
def test_windows_hold_what_a_slow_reading_finds(events: list[Event], questions: list[Question]) -> None:
    events = sorted(events, key=lambda event: event[:2])
    told, items, values = answers(events, questions), ints([e[2] for e in events]), ints([e[3] for e in events])
    for window in WINDOWS:
        seen = [known(events, question, window) for question in questions]
        assert told.sums(values, window)[0].tolist() == [sum(e[3] for e in one) for one in seen]
        assert told.distinct(items, window)[0].tolist() == [len({e[2] for e in one if e[2] >= 0}) for one in seen]
        wanted = [[e[1] for e in one if e[3] == 2] for one in seen]
        assert told.last_at(values == 2, window).tolist() == [one[-1] if one else NEVER for one in wanted]
        second = [events[place][1] if place >= 0 else NEVER for place in told.last(values == 2, window, nth=2)]
        assert second == [one[-2] if len(one) > 1 else NEVER for one in wanted]
        faded = [sum(e[3] * 0.5 ** ((q[1] - e[1]) / HALF_LIFE) for e in one) for one, q in zip(seen, questions, strict=True)]
        assert told.fading(values, HALF_LIFE, window) == pytest.approx(faded, abs=1e-6)


@settings(max_examples=200, deadline=None)
@given(EVENTS, QUESTIONS)
def test_a_part_of_a_key_has_a_history_of_its_own(events: list[Event], questions: list[Question]) -> None:
    events = sorted(events, key=lambda event: event[:2])
    key, at, item, value = (ints([event[n] for event in events]) for n in range(4))
    asked = Questions(ints([q[0] for q in questions]), ints([q[1] for q in questions]))
    order, histories, of_part = within(key, at, item, asked, ints([q[2] for q in questions]))
    found = histories.asked(of_part).sums(value[order], WINDOWS[1])[0].tolist()
    assert found == [sum(e[3] for e in known(events, q, WINDOWS[1]) if q[2] == e[2] >= 0) for q in questions]


def test_an_event_of_the_same_instant_is_not_known_and_one_of_exactly_a_window_before_is() -> None:
    told = answers([(0, 10, 0, 5), (0, 20, 0, 7)], [(0, 20, 0), (0, 21, 0)])
    assert told.sums(ints([5, 7]), 10)[0].tolist() == [5, 7]


@settings(max_examples=100, deadline=None)
@given(EVENTS, EVENTS, st.integers(0, 30))
def test_what_lies_before_the_window_and_beside_the_key_moves_no_value_by_a_bit(
    events: list[Event], others: list[Event], moved: int
) -> None:
    """A run over a month and a run over its last day read histories of different lengths, in blocks of other keys."""
    mine = sorted((0, e[1] + 30, *e[2:]) for e in events)
    older = sorted((0, e[1] - moved, *e[2:]) for e in others if e[1] - moved < 29)
    beside = sorted((key + 1, *rest) for key, *rest in others)
    questions = [(0, at, 0) for at in range(39, 60, 3)]
    told = {}
    for name, all_events in {"short": mine, "long": [*older, *mine, *beside]}.items():
        one, items, values = answers(all_events, questions), ints([e[2] for e in all_events]), ints([e[3] for e in all_events])
        in_window = (*one.sums(values, 9), *one.distinct(items, 9), one.last_at(values == 2, 9))
        told[name] = (*(part.tolist() for part in in_window), one.fading(values, HALF_LIFE, 9).tobytes())
    assert told["short"] == told["long"]


def test_events_out_of_order_and_spans_beyond_63_bits_are_refused() -> None:
    with pytest.raises(ValueError, match="not in the order"):
        answers([(0, 5, 0, 0), (0, 4, 0, 0)], [(0, 9, 0)])
    with pytest.raises(ValueError, match="too many for one block"):
        answers([(0, 0, 0, 0), (2**20, 2**45, 0, 0)], [(0, 9, 0)])
    with pytest.raises(ValueError, match="half-lives"):
        answers([], [(0, 9, 0)]).fading(ints([]), 1, 25)
