"""What a histogram of probabilities tells: bounds that hold for any order within bins, and calibration."""

from functools import reduce
from operator import add

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score  # type: ignore[import-untyped]

from clickmill.metrics.auc import Scores
from clickmill.metrics.ctr import Floats, Rows
from clickmill.metrics.histogram import Histogram, bin_count, bin_of
from metrics.rows import drawn_rows, shards

PROBABILITY = st.floats(0, 1)
ROUNDING = 1e-12


def places(*probability: float) -> list[int]:
    return [int(place) for place in bin_of(np.array(probability), 5)]


@settings(max_examples=300, deadline=None)
@given(PROBABILITY, PROBABILITY)
@example(0.5, np.nextafter(0.5, 1))
@example(2.0**-20, np.nextafter(2.0**-20, 0))
def test_bins_ascend_with_the_probability_and_hold_only_what_is_nearly_the_same(one: float, other: float) -> None:
    low, high = sorted((one, other))
    below, above = places(low, high)
    assert 0 <= below <= above < bin_count(5)
    if below == above:
        nearer = min(low, 1 - high)
        assert high - low <= nearer / 32 or max(min(low, 1 - low), min(high, 1 - high)) < 2.0**-20


def test_the_ends_and_the_middle_have_bins_of_their_own() -> None:
    last = bin_count(5) - 1
    assert places(0.0, 2.0**-21, 2.0**-20, 0.5, 1 - 2.0**-20, 1.0) == [0, 0, 1, last // 2, last - 1, last]


def within_bounds(probability: Floats, answered: list[int]) -> tuple[Histogram, dict[str, float | None]]:
    rows = Rows.of(probability, answered)
    told, exact = Histogram.of(rows), Scores.of(rows).measures()
    for name, bounds in (("auc", told.auc()), ("average_precision", told.average_precision())):
        value = exact[name]
        assert bounds is not None
        assert value is not None
        assert bounds.low - ROUNDING <= value <= bounds.high + ROUNDING
        assert bounds.low - ROUNDING <= bounds.value <= bounds.high + ROUNDING
    return told, exact


@pytest.mark.parametrize("seed", range(20))
def test_bounds_hold_for_scores_that_crowd_into_few_bins(seed: int) -> None:
    draw = np.random.default_rng(seed)
    centre = draw.choice([0.02, 0.0201, 0.3, 0.97], 40)
    within_bounds(centre + draw.integers(0, 8, 40) * 2.0**-30, [0, 1, *draw.integers(0, 2, 38)])


@pytest.mark.parametrize("seed", range(5))
def test_bounds_hold_and_are_narrow_for_clicks(seed: int) -> None:
    rows = drawn_rows(seed, 4000)
    told = Histogram.of(rows)
    about = {"y_true": rows.answered, "y_score": rows.probability, "sample_weight": rows.weight}
    for bounds, exact in ((told.auc(), roc_auc_score(**about)), (told.average_precision(), average_precision_score(**about))):
        assert bounds is not None
        assert bounds.low <= exact <= bounds.high
        assert bounds.value == pytest.approx(exact, abs=1e-3)


def test_scores_that_are_all_the_same_tie() -> None:
    told, exact = within_bounds(np.full(5, 0.03), [1, 0, 0, 0, 1])
    assert told.auc() == (0.5, 0, 1)
    assert exact == {"auc": 0.5, "average_precision": pytest.approx(0.4)}


def test_scores_a_hair_apart_reach_the_bounds() -> None:
    apart = 0.03 + np.arange(5) * 2.0**-40
    for answered, area in (([0, 0, 0, 1, 1], 1), ([1, 1, 0, 0, 0], 0)):
        told, exact = within_bounds(apart, answered)
        assert told.auc() == (0.5, 0, 1)
        assert exact["auc"] == area
    least = (2 - 3 * np.log(5 / 3)) / 2  # below (1 / 4 + 2 / 5) / 2, which two rows of one weight can reach
    assert told.average_precision() == pytest.approx((0.4, least, 1))


def test_scores_in_bins_apart_leave_no_area_open_and_have_the_precision_of_the_scores() -> None:
    told, exact = within_bounds(np.array([0.1, 0.2, 0.3, 0.4]), [0, 1, 0, 1])
    assert told.auc() == (0.75, 0.75, 0.75)
    precision = told.average_precision()
    assert precision is not None
    assert precision.value == exact["average_precision"] == pytest.approx((1 + 2 / 3) / 2)


def test_rows_of_one_class_have_no_area_and_no_precision() -> None:
    for rows in ([], []), ([0.5, 0.7], [1, 1]), ([0.5, 0.7], [0, 0]):
        told = Histogram.of(Rows.of(*rows))
        assert (told.auc(), told.average_precision()) == (None, None)


@pytest.mark.parametrize("seed", range(3))
def test_shards_add_up_to_the_same_bits_and_go_through_arrays(seed: int) -> None:
    rows = drawn_rows(seed)
    summed = reduce(add, (Histogram.of(shard) for shard in shards(rows, seed)))
    assert summed.to_array().tobytes() == Histogram.of(rows).to_array().tobytes()
    assert Histogram.from_array(summed.to_array()).auc() == summed.auc()


def test_calibration_by_width_by_hand() -> None:
    told = Histogram.of(Rows.of([0.01, 0.03, 0.07, 0.97], [0, 1, 0, 1], [3, 1, 1, 1])).by_width()
    assert told.weight.tolist() == [4, 1, *[0] * 13, 1]
    assert told.predicted[[0, 1, 15]] == pytest.approx([0.015, 0.07, 0.97], abs=1e-8)
    assert told.observed[[0, 1, 15]].tolist() == [0.25, 0, 1]
    assert np.isnan(told.observed[2:15]).all()
    assert told.error() == pytest.approx((4 * 0.235 + 0.07 + 0.03) / 6, abs=1e-8)


def test_calibration_by_width_is_what_cutting_the_probabilities_finds() -> None:
    rows = drawn_rows(3)
    group = np.minimum((rows.probability * 16).astype(int), 15)
    group = np.where((rows.probability >= 0.5) & (rows.probability * 16 == group), np.maximum(group - 1, 0), group)
    told, off = Histogram.of(rows).by_width(), 0.0
    for one in range(16):
        mine, weight = group == one, rows.weight[group == one]
        assert told.weight[one] == pytest.approx(weight.sum())
        off += abs((weight * (rows.probability[mine] - rows.answered[mine])).sum())
    assert told.error() == pytest.approx(off / rows.weight.sum(), abs=1e-7)


def test_every_edge_of_the_widths_goes_to_the_side_of_one_half() -> None:
    told = [Histogram.of(Rows.of([edge / 16], [1])).by_width().weight.tolist().index(1) for edge in range(17)]
    assert told == [0, 1, 2, 3, 4, 5, 6, 7, 7, 8, 9, 10, 11, 12, 13, 14, 15]


def test_deciles_hold_about_a_tenth_each_and_all_rows_together() -> None:
    probability = np.linspace(0.001, 0.2, 2000)
    told = Histogram.of(Rows.of(probability, np.arange(2000) % 10 == 0)).by_decile()
    assert told.weight.sum() == 2000
    assert told.weight == pytest.approx(np.full(10, 200), abs=10)
    assert told.predicted == pytest.approx(probability.reshape(10, 200).mean(axis=1), abs=0.001)
    assert told.observed == pytest.approx(np.full(10, 0.1), abs=0.005)


def test_one_probability_for_all_is_one_group_and_off_by_what_it_is_off() -> None:
    told = Histogram.of(Rows.of(np.full(8, 0.25), [1, 0, 0, 0, 0, 0, 0, 0]))
    assert told.by_decile().weight.tolist() == [0, 0, 0, 0, 0, 8, 0, 0, 0, 0]
    assert told.by_decile().error() == told.by_width().error() == 0.125
    assert Histogram.of(Rows.of([], [])).by_decile().error() is None
