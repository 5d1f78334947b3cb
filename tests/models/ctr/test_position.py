"""Inputs of training alone: gone when scoring, and gone from a share of what is trained on."""

import torch

from clickmill.models.ctr.position import neutral, neutral_at_times
from models.ctr.clicks import SPEC


def test_neutral_inputs_have_no_position_and_all_else_as_it_was() -> None:
    fields, dense = torch.tensor([[1, 2, 3, 3], [4, 5, 6, 1]], dtype=torch.int32), torch.tensor([[0.5, 1.5], [-0.5, 2.5]])
    found = neutral(fields, dense, SPEC)
    assert found[0].dtype == torch.int32
    assert found[0].tolist() == [[1, 2, 3, 0], [4, 5, 6, 0]]
    assert found[1].tolist() == [[0.5, 0.0], [-0.5, 0.0]]
    assert fields[:, 3].tolist() == [3, 1]


def test_a_share_of_the_rows_is_neutral_in_all_its_positions_at_once() -> None:
    fields, dense = torch.ones(4000, 4, dtype=torch.int32), torch.ones(4000, 2)
    told = [neutral_at_times(fields, dense, SPEC, share=0.1, draw=torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    (some, numbers), again, other = told
    is_neutral = some[:, 3] == 0
    assert 0.08 < is_neutral.float().mean() < 0.12
    assert torch.equal(numbers[:, 1] == 0, is_neutral)
    assert (some[:, :3] == 1).all() and (numbers[:, 0] == 1).all()
    assert torch.equal(some, again[0])
    assert not torch.equal(some, other[0])


def test_a_share_of_none_or_of_all_is_what_it_says() -> None:
    fields, dense, draw = torch.ones(50, 4, dtype=torch.int32), torch.ones(50, 2), torch.Generator().manual_seed(1)
    assert torch.equal(neutral_at_times(fields, dense, SPEC, share=0.0, draw=draw)[0], fields)
    assert torch.equal(neutral_at_times(fields, dense, SPEC, share=1.0, draw=draw)[0], neutral(fields, dense, SPEC)[0])
