"""Losses and calibration of probabilities: worked by hand, beside scikit-learn, and from any shards."""

import math
from functools import reduce
from operator import add
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import log_loss  # type: ignore[import-untyped]

from clickmill.metrics.ctr import CLOSEST, Losses, Rows, gap_closed
from metrics.rows import drawn, drawn_rows, shards

NAN = float("nan")


def measures(*rows: Any) -> dict[str, float | None]:
    return Losses.of(Rows.of(*rows)).measures()


def test_four_rows_by_hand() -> None:
    told = measures([0.5, 0.25, 0.8, 0.25], [1, 0, 1, 0])
    loss = -(math.log(0.5) + 2 * math.log(0.75) + math.log(0.8)) / 4
    expected = {"log_loss": loss, "base_log_loss": math.log(2), "normalised_entropy": loss / math.log(2), "predicted_to_observed": 0.9}
    assert told == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("seed", range(5))
def test_measures_are_those_of_scikit_learn(seed: int) -> None:
    probability, answered, weight = drawn(seed)
    told = measures(probability, answered, weight)
    clipped, rate = np.clip(probability, CLOSEST, 1 - CLOSEST), np.average(answered, weights=weight)
    loss, base = (log_loss(answered, of, sample_weight=weight) for of in (clipped, np.full(len(answered), rate)))
    predicted = np.average(probability, weights=weight)
    expected = {"log_loss": loss, "base_log_loss": base, "normalised_entropy": loss / base, "predicted_to_observed": predicted / rate}
    assert told == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize("seed", range(5))
def test_shards_add_up_to_the_same_bits_in_any_order_and_grouping(seed: int) -> None:
    rows = drawn_rows(seed)
    first, *others = (Losses.of(shard) for shard in shards(rows, seed))
    whole = Losses.of(rows).to_array().tobytes()
    assert reduce(add, others, first).to_array().tobytes() == whole
    assert (reduce(add, others) + first).to_array().tobytes() == whole


def test_a_state_goes_through_an_array_and_arrays_add_up_as_states_do() -> None:
    first, second = Losses.of(drawn_rows(1)), Losses.of(drawn_rows(2))
    summed = first.to_array() + second.to_array()
    assert summed.dtype == np.float64
    assert Losses.from_array(summed).measures() == (first + second).measures()
    with pytest.raises(ValueError, match="reshape"):
        Losses.from_array(summed[:-1])


def test_what_is_done_to_the_array_leaves_the_state_as_it_is() -> None:
    state = Losses.of(drawn_rows(1))
    before = state.measures()
    state.to_array()[:] = 0
    assert state.measures() == before


def test_a_weight_of_two_is_the_row_twice() -> None:
    once, twice = measures([0.3, 0.6], [0, 1], [2, 1]), measures([0.3, 0.3, 0.6], [0, 0, 1])
    assert once == twice


def test_nine_of_ten_unanswered_dropped_and_the_rest_weighing_ten_are_calibrated_at_one_in_eleven() -> None:
    told = measures([1 / 11, 1 / 11], [1, 0], [1, 10])
    assert told["predicted_to_observed"] == pytest.approx(1, abs=1e-7)
    assert told["normalised_entropy"] == pytest.approx(1, abs=1e-7)


def test_certainty_costs_next_to_nothing_when_right_and_a_bounded_loss_when_wrong() -> None:
    assert measures([0.0, 1.0], [0, 1])["log_loss"] == pytest.approx(2.0**-24, abs=2e-9)
    assert measures([1.0, 0.0], [0, 1])["log_loss"] == pytest.approx(24 * math.log(2), abs=2e-9)


def test_no_rows_have_no_measures() -> None:
    assert set(measures([], []).values()) == {None}
    assert set(measures([0.5], [1], [0]).values()) == {None}


def test_rows_of_one_class_have_a_loss_but_no_entropy_to_compare_it_with() -> None:
    none = measures([0.5, 0.5], [0, 0])
    assert (none["base_log_loss"], none["normalised_entropy"], none["predicted_to_observed"]) == (0, None, None)
    every = measures([0.5, 0.5], [1, 1])
    assert (every["base_log_loss"], every["normalised_entropy"], every["predicted_to_observed"]) == (0, None, 0.5)
    assert none["log_loss"] == every["log_loss"] == pytest.approx(math.log(2), abs=1e-8)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (([NAN, 0.5, math.inf], [0, 1, 0]), "2 of 3 probabilities are not finite"),
        (([-0.1, 0.5, 1.1], [0, 1, 0]), "2 of 3 probabilities lie outside 0 to 1"),
        (([0.5, 0.5], [None, 1]), "1 of 2 answers are neither 0 nor 1"),
        (([0.5, 0.5], [0, 1], [-1, NAN]), "2 of 2 weights are negative or not finite"),
        (([0.5, 0.5], [0]), "shapes"),
    ],
)
def test_rows_that_say_nothing_are_refused_and_counted(rows: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Rows.of(*rows)


def test_the_gap_closed_is_the_share_of_the_way_from_the_rate_to_the_truth() -> None:
    assert gap_closed(0.5, 0.4, 0.3) == pytest.approx(0.5)
    assert gap_closed(0.5, 0.3, 0.3) == 1
    assert gap_closed(0.5, 0.6, 0.3) == pytest.approx(-0.5)


def test_without_a_gap_none_of_it_can_be_closed() -> None:
    assert gap_closed(0.3, 0.3, 0.3) is None
    assert gap_closed(0.3, 0.2, 0.4) is None
    assert gap_closed(None, 0.2, 0.4) is None
