"""Intervals by user: replicates are samples of whole users, the same for any sharding, and cover the truth."""

import math
from functools import reduce
from operator import add

import numpy as np
import pytest

from clickmill.metrics.auc import GroupedAuc, Scores
from clickmill.metrics.bootstrap import Replicates, differences, frequency, intervals
from clickmill.metrics.ctr import Ints, Losses, Rows
from metrics.rows import drawn, drawn_rows, part

USERS = np.random.default_rng(5).integers(-(2**63), 2**63 - 1, 80)


def some_users(seed: int, count: int = 400) -> Ints:
    return np.asarray(USERS[np.random.default_rng(seed).integers(0, len(USERS), count)])


def test_frequencies_are_poisson_numbers_of_mean_one() -> None:
    drawn = frequency(np.arange(100_000), 3, seed=1)
    shares = np.bincount(drawn.astype(int), minlength=9)[:9] / len(drawn)
    assert shares == pytest.approx([math.exp(-1) / math.factorial(count) for count in range(9)], abs=0.005)
    assert drawn.mean() == pytest.approx(1, abs=0.01)
    assert drawn.var() == pytest.approx(1, abs=0.02)


def test_users_replicates_and_seeds_are_drawn_on_their_own() -> None:
    users = np.arange(100_000)
    drawn = [frequency(users, 1, seed=1), frequency(users, 2, seed=1), frequency(users, 1, seed=2), frequency(users + 1, 1, seed=1)]
    assert np.corrcoef(drawn) == pytest.approx(np.eye(4), abs=0.02)
    assert frequency(users, 0, seed=1).tolist() == [1] * 100_000


def test_a_user_is_drawn_alike_whoever_is_beside_it() -> None:
    assert frequency(USERS, 7, seed=3)[11] == frequency(USERS[11:12], 7, seed=3)[0]


def test_a_replicate_is_what_a_sample_of_whole_users_comes_to() -> None:
    """A user who is drawn twice is two users; scores lie in bins apart, so that the area of the histogram is that of the scores."""
    draw, user = np.random.default_rng(2), some_users(2)
    probability = draw.choice([0.05, 0.1, 0.2, 0.4], 400)
    rows = Rows.of(probability, draw.random(400) < probability, draw.choice([1.0, 10.0], 400))
    told = Replicates.of(rows, user, draws=5, seed=9).measures()
    for replicate in range(6):
        times = {one: int(often) for one, often in zip(USERS.tolist(), frequency(USERS, replicate, 9), strict=True)}
        repeated = [(place, copy) for place, one in enumerate(user.tolist()) for copy in range(times[one])]
        copies = part(rows, np.array([place for place, _ in repeated]))
        as_users = np.unique([f"{user[place]} {copy}" for place, copy in repeated], return_inverse=True)[1]
        expected = Losses.of(copies).measures() | GroupedAuc.of(copies, as_users).measures()
        expected["auc"] = Scores.of(copies).measures()["auc"]
        assert {name: values[replicate] for name, values in told.items()} == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_replicates_do_not_depend_on_the_sharding(seed: int) -> None:
    rows, user = drawn_rows(seed), some_users(seed)
    blocks = [user % 5 == one for one in (3, 0, 4, 1, 2)]
    summed = reduce(add, (Replicates.of(part(rows, block), user[block], draws=10, seed=1) for block in blocks))
    whole = Replicates.of(rows, user, draws=10, seed=1).to_array()
    assert summed.to_array().tobytes() == whole.tobytes()
    assert Replicates.from_array(whole).values.shape == summed.values.shape


def test_replicates_of_other_numbers_of_draws_do_not_add_up() -> None:
    few, more = (Replicates.of(drawn_rows(1), some_users(1), draws=draws, seed=1) for draws in (0, 1))
    with pytest.raises(ValueError, match="do not add up"):
        few + more


def test_a_model_differs_from_itself_by_exactly_nothing() -> None:
    one = Replicates.of(drawn_rows(1), some_users(1), draws=50, seed=1)
    assert set(intervals(differences(one, one)).values()) == {(0, 0, 0)}


def test_a_paired_difference_is_known_better_than_its_parts() -> None:
    probability, answered, _ = drawn(4)
    sure, unsure = np.clip(probability, 0.05, 0.95), 0.9 * np.clip(probability, 0.05, 0.95) + 0.02
    first, second = (Replicates.of(Rows.of(said, answered), some_users(4), draws=100, seed=1) for said in (sure, unsure))
    alone, paired = intervals(first.measures())["log_loss"], intervals(differences(first, second))["log_loss"]
    assert alone is not None
    assert paired is not None
    assert paired.value == pytest.approx(second.measures()["log_loss"][0] - alone.value)
    assert paired.low <= paired.value <= paired.high
    assert paired.high - paired.low < (alone.high - alone.low) / 2


def test_replicates_of_other_rows_or_seeds_are_not_compared() -> None:
    one = Replicates.of(drawn_rows(1), some_users(1), draws=5, seed=1)
    for other in (
        Replicates.of(drawn_rows(1), some_users(1), draws=5, seed=2),
        Replicates.of(drawn_rows(2), some_users(1), draws=5, seed=1),
        Replicates.of(drawn_rows(1), some_users(1), draws=4, seed=1),
    ):
        with pytest.raises(ValueError, match="no paired difference"):
            differences(one, other)


def test_an_interval_holds_its_level_of_the_replicates() -> None:
    values = np.array([7.0, *range(1, 100)])
    assert intervals({"x": values}, level=0.9)["x"] == pytest.approx((7, 5, 95))
    assert intervals({"x": np.append(values, np.nan)}, level=0.5)["x"] == pytest.approx((7, 25, 75))


def test_what_has_no_value_has_no_interval() -> None:
    unanswered = Replicates.of(Rows.of([0.1, 0.2], [0, 0]), np.array([1, 2]), draws=20, seed=1)
    told = intervals(unanswered.measures())
    assert {name for name, interval in told.items() if interval is None} == {"auc", "gauc", "normalised_entropy", "predicted_to_observed"}
    nothing = Replicates.of(Rows.of([], []), np.array([], np.int64), draws=20, seed=1)
    assert set(intervals(nothing.measures()).values()) == {None}
    undrawn = Replicates.of(Rows.of([0.1, 0.2], [0, 1]), np.array([1, 2]), draws=0, seed=1)
    assert set(intervals(undrawn.measures()).values()) == {None}


def test_intervals_by_user_cover_the_truth_and_intervals_by_row_do_not() -> None:
    """Of half of the users a model says 0.2, of half 0.4; that is the mean of their own rates, which differ."""
    entropy = [-p * math.log(p) - (1 - p) * math.log(1 - p) for p in (0.2, 0.4)]
    true = {"log_loss": sum(entropy) / 2, "predicted_to_observed": 1, "auc": 2 / 3 * 4 / 7 + (2 / 3 * 3 / 7 + 1 / 3 * 4 / 7) / 2}
    trials = {"user": 200, "row": 40}
    covered = {unit: dict.fromkeys(true, 0) for unit in trials}
    for trial in range(trials["user"]):
        draw = np.random.default_rng(trial)
        said = draw.choice([0.2, 0.4], 120)
        rate, user = draw.beta(2 * said, 2 * (1 - said)), np.repeat(np.arange(120), 10)
        rows = Rows.of(said[user], draw.random(1200) < rate[user])
        for unit, drawn_as_one in {"user": user, "row": np.arange(1200)}.items():
            if trial >= trials[unit]:
                continue
            told = intervals(Replicates.of(rows, drawn_as_one, draws=100, seed=trial).measures())
            for name, value in true.items():
                interval = told[name]
                assert interval is not None
                covered[unit][name] += interval.low <= value <= interval.high
    share = {unit: [count / trials[unit] for count in counts.values()] for unit, counts in covered.items()}
    assert 0.88 <= min(share["user"]) <= max(share["user"]) <= 0.985, share
    assert max(share["row"]) < 0.85, share
