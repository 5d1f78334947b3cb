"""The kernel of candidates against sorting all scores, on blocks that are neither square nor symmetric."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clickmill.models import topitems
from clickmill.models.topitems import Items, blocks, items_of, nearest


def all_sorted(users: np.ndarray, items: Items, wanted: list[int]) -> list[list[tuple[str, float]]]:
    """Score every item in plain Python, and sort by score, then id."""
    ranked = []
    for user, count in zip(users, wanted, strict=True):
        scores = [sum(float(u) * float(v) for u, v in zip(user, vector, strict=True)) for vector in items.vectors]
        order = sorted(range(len(scores)), key=lambda place: (-scores[place], items.ids[place].encode()))
        ranked.append([(items.ids[place], scores[place]) for place in order[:count]])
    return ranked


def named(users: np.ndarray, items: Items, wanted: list[int]) -> list[list[tuple[str, float]]]:
    return [[(items.ids[p], s) for p, s in zip(*found, strict=True)] for found in topitems.best(users, items, wanted)]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    users=st.integers(1, 4),
    count=st.integers(1, 150),
    rank=st.integers(1, 7),
    levels=st.sampled_from([2, 5, 10**6]),
)
def test_the_kernel_finds_what_sorting_all_scores_finds(seed: int, users: int, count: int, rank: int, levels: int) -> None:
    # Few levels make many equal scores; quarters of whole numbers are exact in 32 bits.
    random = np.random.default_rng(seed)
    block = (random.integers(-levels, levels + 1, (users, rank)) / 4).astype(np.float32)
    vectors = (random.integers(-levels, levels + 1, (count, rank)) / 4).astype(np.float32)
    items = items_of([f"{place * 37 % 1009}" for place in range(count)], vectors)
    wanted = [int(n) for n in random.integers(1, 2 * count, users)]
    found, expected = named(block, items, wanted), all_sorted(block, items, wanted)
    assert [[name for name, _ in row] for row in found] == [[name for name, _ in row] for row in expected]
    assert all(np.isfinite(score) for row in found for _, score in row)


def test_scores_closer_than_32_bits_can_tell_are_still_ranked_by_their_exact_value() -> None:
    # 16777216 + 1 is no 32-bit number: in 32 bits both scores are 16777216.
    items = items_of(["a", "b"], np.array([[4096.0, 0.0], [4096.0, 1.0]], np.float32))
    [[first, second]] = named(np.array([[4096.0, 1.0]], np.float32), items, [2])
    assert (first, second) == (("b", 16777217.0), ("a", 16777216.0))


def test_ties_at_the_cut_go_to_the_smaller_id() -> None:
    items = items_of([f"i{n}" for n in (3, 1, 2)], np.ones((3, 2), np.float32))
    assert named(np.array([[2.0, 1.0]], np.float32), items, [2]) == [[("i1", 3.0), ("i2", 3.0)]]


def test_a_user_without_any_factor_gets_items_by_id_and_more_than_there_are_is_all() -> None:
    items = items_of(["10", "9", "1"], np.array([[1.0, 2], [3, 4], [5, 6]], np.float32))
    assert named(np.zeros((1, 2), np.float32), items, [7]) == [[("1", 0.0), ("10", 0.0), ("9", 0.0)]]


def test_a_user_gets_the_same_whatever_block_it_is_in() -> None:
    random = np.random.default_rng(5)
    items = items_of([str(n) for n in range(3001)], random.normal(size=(3001, 32)).astype(np.float32))
    users = random.normal(size=(50, 32)).astype(np.float32)
    together = named(users, items, [40] * 50)
    assert [named(users[n : n + 1], items, [40])[0] for n in range(50)] == together


def test_the_nearest_item_of_the_history_speaks_for_a_candidate_but_never_for_itself() -> None:
    vectors = np.array([[1.0, 0.0], [10.0, 1.0], [0.0, 3.0], [0.0, 0.0]], np.float32)
    items = items_of(["a", "b", "c", "zero"], vectors)
    everything = np.arange(4)
    # b points almost where a does, however long it is; zero is as far from all, so the smallest id speaks.
    assert nearest(items, everything, np.array([2, 1, 0])).tolist() == [1, 0, 1, 0]
    assert nearest(items, np.array([0, 1]), np.array([1])).tolist() == [1, -1]
    assert nearest(items, np.array([0]), np.array([], dtype=np.int64)).tolist() == [-1]


def test_blocks_cover_all_users_once_and_bound_the_matrix() -> None:
    cut = blocks(100_000, 75_000)
    assert [n for block in cut for n in range(block.start, block.stop)] == list(range(100_000))
    assert max(block.stop - block.start for block in cut) * 75_000 * 4 <= 2**26
    assert blocks(3, 10**9) == [slice(0, 1), slice(1, 2), slice(2, 3)]


def test_factors_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="item factor"):
        items_of(["a"], np.array([[np.nan]], np.float32))
    with pytest.raises(ValueError, match="user factor"):
        topitems.best(np.array([[np.inf]], np.float32), items_of(["a"], np.array([[1.0]], np.float32)), [1])
