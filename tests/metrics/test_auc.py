"""Area and average precision, over all rows and within users, beside slow readings and scikit-learn."""

from functools import reduce
from operator import add

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score  # type: ignore[import-untyped]

from clickmill.metrics.auc import GroupedAuc, Scores
from clickmill.metrics.ctr import Ints, Rows
from metrics.rows import drawn_rows, part, shards

# Probability in eighths, answer, weight: few of each, so that ties and rows of one class come by themselves.
ROWS = st.lists(st.tuples(st.integers(0, 8), st.booleans(), st.integers(0, 3)), max_size=12)


def auc(rows: Rows) -> float | None:
    return Scores.of(rows).measures()["auc"]


@settings(max_examples=200, deadline=None)
@given(ROWS)
def test_measures_are_what_a_slow_reading_of_pairs_finds(few: list[tuple[int, bool, int]]) -> None:
    answered, others = ([(score, weight) for score, came, weight in few if came is kind for _ in range(weight)] for kind in (True, False))
    wins = [1 if a > b else 0.5 if a == b else 0 for a, _ in answered for b, _ in others]
    seen = [[came for other, came, weight in few for _ in range(weight) if other >= score] for score, _ in answered]
    told = Scores.of(Rows.of([score / 8 for score, *_ in few], [came for _, came, _ in few], [weight for *_, weight in few])).measures()
    assert told["auc"] == (pytest.approx(np.mean(wins)) if wins else None)
    assert told["average_precision"] == (pytest.approx(np.mean([np.mean(one) for one in seen])) if wins else None)


@pytest.mark.parametrize("seed", range(5))
def test_measures_are_those_of_scikit_learn(seed: int) -> None:
    rows = drawn_rows(seed)
    about = {"y_true": rows.answered, "y_score": rows.probability, "sample_weight": rows.weight}
    expected = {"auc": roc_auc_score(**about), "average_precision": average_precision_score(**about)}
    assert Scores.of(rows).measures() == pytest.approx(expected, abs=1e-12)


def test_the_area_over_ranks_is_not_the_mean_of_their_areas() -> None:
    ranks = [Rows.of([0.9, 0.8], [1, 0]), Rows.of([0.3, 0.2, 0.1], [1, 0, 0]), Rows.of([0.7], [0])]
    assert [auc(rank) for rank in ranks] == [1, 1, None]
    first, second, third = (Scores.of(rank) for rank in ranks)
    assert (first + second).measures()["auc"] == pytest.approx(5 / 6)
    assert (first + second + third).measures()["auc"] == pytest.approx(6 / 8)


@pytest.mark.parametrize("seed", range(5))
def test_shards_add_up_to_the_same_bits(seed: int) -> None:
    rows = drawn_rows(seed)
    first, *others = (Scores.of(shard) for shard in shards(rows, seed))
    whole = Scores.of(rows).to_array().tobytes()
    assert reduce(add, others, first).to_array().tobytes() == whole
    assert Scores.from_array((reduce(add, others) + first).to_array()).to_array().tobytes() == whole


def test_rows_of_one_class_have_no_area_and_no_precision() -> None:
    for rows in ([], []), ([0.5, 0.7], [1, 1]), ([0.5, 0.7], [0, 0]), ([0.5, 0.7], [0, 1], [1, 0]):
        assert Scores.of(Rows.of(*rows)).measures() == {"auc": None, "average_precision": None}


def test_the_area_within_users_by_hand() -> None:
    """User 7 has it right (1, of 2 impressions), user 8 half (of 4), user 9 was never answered, and nobody's score is another's."""
    rows = Rows.of([0.9, 0.1, 0.2, 0.2, 0.8, 0.5, 0.3, 0.4], [0, 0, 1, 0, 0, 1, 1, 0])
    state = GroupedAuc.of(rows, np.array([9, 7, 7, 8, 8, 8, 8, 9]))
    assert state.measures() == {"gauc": pytest.approx((2 * 1 + 4 * 0.5) / 6, abs=1e-8)}
    assert (state.users, state.users_left_out) == (2, 1)


def some_users(seed: int, count: int) -> Ints:
    draw = np.random.default_rng(seed)
    return np.asarray(draw.integers(-(2**63), 2**63 - 1, 60)[np.minimum(draw.geometric(0.05, count) - 1, 59)])


@pytest.mark.parametrize("seed", range(5))
def test_the_area_within_users_is_what_a_loop_over_users_finds(seed: int) -> None:
    rows = drawn_rows(seed)
    user, areas, impressions, left_out = some_users(seed, 400), [], [], 0
    for one in set(user.tolist()):
        mine = part(rows, (user == one) & (rows.weight > 0))
        if len(set(mine.answered.tolist())) < 2:
            left_out += 1
            continue
        areas.append(roc_auc_score(mine.answered, mine.probability, sample_weight=mine.weight))
        impressions.append(mine.weight.sum())
    state = GroupedAuc.of(rows, user)
    assert state.measures() == {"gauc": pytest.approx(np.average(areas, weights=impressions), abs=1e-8)}
    assert (state.users, state.users_left_out) == (len(areas), left_out)
    assert left_out > 0


@pytest.mark.parametrize("seed", range(5))
def test_blocks_of_whole_users_add_up_to_the_same_bits_whatever_the_order_of_rows(seed: int) -> None:
    rows, user = drawn_rows(seed), some_users(seed, 400)
    places = np.random.default_rng(seed).permutation(400)
    blocks = [places[user[places] % 7 == one] for one in range(8)]
    summed = reduce(add, (GroupedAuc.of(part(rows, block), user[block]) for block in blocks))
    whole = GroupedAuc.of(rows, user).to_array()
    assert summed.to_array().tobytes() == whole.tobytes()
    assert GroupedAuc.from_array(whole).users == summed.users


def test_no_users_have_no_area() -> None:
    state = GroupedAuc.of(Rows.of([], []), np.array([], np.int64))
    assert (state.measures(), state.users, state.users_left_out) == ({"gauc": None}, 0, 0)
