"""Messages between ranks: what is sent comes out as it was put in, within the precision of a half."""

import pytest
import torch

from clickmill.models.ranks import Alone, joined, packed, unpacked

ROWS = torch.tensor([3, 70_000, 2**31 - 1])


def test_rows_and_gradients_come_out_of_their_bytes() -> None:
    gradients = torch.tensor([[1.0, -0.5], [0.25, 0.0], [3.0, 2.0]])
    message = packed(ROWS, gradients)
    assert (message.dtype, message.shape) == (torch.uint8, (4, 8))
    rows, values = unpacked(message)
    assert rows.tolist() == ROWS.tolist()
    assert torch.equal(values, gradients)


@pytest.mark.parametrize("scale", [1e-30, 1e-6, 1.0, 1e6, 1e30])
def test_gradients_of_any_size_keep_three_digits(scale: float) -> None:
    gradients = torch.randn(3, 5, generator=torch.Generator().manual_seed(1)) * scale
    _, values = unpacked(packed(ROWS, gradients))
    assert torch.allclose(values, gradients, rtol=1e-3, atol=1e-6 * scale)


def test_messages_of_several_ranks_follow_each_other_each_with_its_own_scale() -> None:
    small, large, nothing = torch.full((3, 1), 1e-9), torch.full((3, 1), 1e9), torch.zeros(0, 1)
    messages = [packed(ROWS, small), packed(ROWS[:0], nothing), packed(ROWS, large)]
    rows, values = unpacked(torch.cat(messages))
    assert rows.tolist() == ROWS.tolist() * 2
    assert torch.allclose(values, torch.cat([small, large]), rtol=1e-3)


def test_what_is_no_number_is_not_hidden() -> None:
    _, values = unpacked(packed(ROWS, torch.tensor([[1.0], [float("nan")], [float("inf")]])))
    assert torch.isfinite(values).flatten().tolist() == [True, False, False]


def test_a_process_that_nobody_brought_together_with_others_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOROVOD_RANK", raising=False)
    ranks = joined()
    assert isinstance(ranks, Alone)
    values = torch.ones(2)
    assert ranks.added(values) is values
    assert (ranks.rank, ranks.count, ranks.sent_bytes) == (0, 1, 0)
