"""Groups dealt to ranks: every row once, as many steps for each rank, anew in each epoch."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from clickmill.models.dealing import deal
from clickmill.models.manifest import Group


@given(st.lists(st.integers(1, 50), min_size=1, max_size=12), st.integers(1, 4), st.integers(1, 20), st.integers(0, 99), st.integers(0, 3))
def test_every_row_is_dealt_once_and_ranks_take_as_many_steps(sizes: list[int], ranks: int, batch_rows: int, seed: int, epoch: int) -> None:
    groups = [Group(str(place), size, 0) for place, size in enumerate(sizes)]
    hands = [deal(groups, batch_rows=batch_rows, seed=seed, epoch=epoch, rank=rank, ranks=ranks) for rank in range(ranks)]
    assert sorted(one.file for hand in hands for one in hand.groups) == sorted(one.file for one in groups)
    assert len({hand.steps for hand in hands}) == 1
    for hand in hands:
        ends = [hand.first_row(step) for step in range(hand.steps + 1)]
        assert (ends[0], ends[-1]) == (0, hand.rows)
        taken = [after - before for before, after in pairwise(ends)]
        assert max(taken) <= batch_rows
        assert max(taken) - min(taken) <= 1


def test_each_epoch_and_each_seed_has_an_order_of_its_own() -> None:
    groups = [Group(str(place), 1, 0) for place in range(20)]
    orders = {deal(groups, batch_rows=1, seed=seed, epoch=epoch, rank=0, ranks=2).groups for seed in (1, 2) for epoch in range(3)}
    assert len(orders) == 6


def test_no_step_is_left_out_where_a_rank_has_nothing() -> None:
    hands = [deal([Group("a", 5, 0)], batch_rows=2, seed=1, epoch=0, rank=rank, ranks=2) for rank in range(2)]
    assert sorted((hand.rows, hand.steps) for hand in hands) == [(0, 3), (5, 3)]
