"""Draws: functions of what they are for, evenly spread, and apart from each other."""

import numpy as np

from clickmill.simulate.draws import chosen, chosen_by_row, normal, uniform


def test_a_draw_depends_on_seed_purpose_and_ids_and_on_nothing_beside_it() -> None:
    users = np.arange(1000)
    whole = uniform(7, "hour", users, 3)
    assert np.array_equal(whole[500:], uniform(7, "hour", users[500:], 3))
    for other in (uniform(8, "hour", users, 3), uniform(7, "day", users, 3), uniform(7, "hour", users, 4), uniform(7, "hour", 3, users)):
        assert np.sum(whole == other) <= 1 and abs(np.corrcoef(whole, other)[0, 1]) < 0.1  # user 3 meets itself once


def test_draws_are_spread_as_they_should_be() -> None:
    even, bell = uniform(1, "x", np.arange(100_000)), normal(1, "x", np.arange(100_000))
    assert np.allclose(np.histogram(even, 10, (0, 1))[0] / 100_000, 0.1, atol=0.005)
    assert even.min() > 0 and even.max() < 1
    assert abs(bell.mean()) < 0.01 and abs(bell.std() - 1) < 0.01 and abs(np.mean(np.abs(bell) > 1.96) - 0.05) < 0.003


def test_what_is_chosen_has_its_share_of_the_weights() -> None:
    assert chosen(np.array([1.0, 0.0, 3.0]), np.array([0.1, 0.24, 0.26, 0.99])).tolist() == [0, 0, 2, 2]
    weights = np.array([[1.0, 0.0, 3.0], [0.0, 2.0, 2.0]])
    assert chosen_by_row(weights, np.array([0, 1, 1, 0]), np.array([0.26, 0.4, 0.6, 0.2])).tolist() == [2, 1, 2, 0]
