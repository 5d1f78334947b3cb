"""The fused table: which rows a batch has, their gradients, and a step that touches nothing else."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from clickmill.models.ctr.inputs import CategoricalField, InputSpec, Vocabulary
from clickmill.models.ctr.table import FusedTable, rows_and_gradients
from models.ctr.clicks import SPEC, batch


def table_of(rows: int, parts: tuple[int, ...], seed: int = 3) -> FusedTable:
    return FusedTable(InputSpec((CategoricalField("item", "item"),), (), (Vocabulary("item", rows - 1),)), parts, seed=seed)


def drawn(seed: int, rows: int, count: int, columns: int) -> tuple[Tensor, Tensor]:
    random = np.random.default_rng(seed)
    ids = torch.from_numpy(random.integers(0, rows, count))
    return ids, torch.from_numpy(random.normal(size=(count, columns)).astype(np.float32))


def test_fields_of_one_vocabulary_read_the_same_rows_and_0_is_the_first_row_of_a_block() -> None:
    table = FusedTable(SPEC, (4,), seed=3)
    ids = table.row_ids(torch.tensor([[1, 2, 2, 0], [5, 7, 0, 3]], dtype=torch.int32))
    assert ids.tolist() == [[1, 8, 8, 14], [5, 13, 6, 17]]
    rows = table.gathered(ids)
    assert torch.equal(rows[0, 1], rows[0, 2])
    assert torch.equal(rows, table.weights[ids])


@pytest.mark.parametrize("number", [-1, 8])
def test_a_number_outside_its_vocabulary_is_refused_instead_of_reading_the_rows_of_another(number: int) -> None:
    fields = torch.tensor([[1, 1, 1, 1], [1, 1, number, 1]], dtype=torch.int32)
    with pytest.raises(ValueError, match=f"last_item: the number {number} is not in its vocabulary of 7 values"):
        FusedTable(SPEC, (4,), seed=3).row_ids(fields)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(1, 40), count=st.integers(1, 200), columns=st.sampled_from([1, 4, 17]))
def test_a_row_s_gradient_is_the_sum_of_all_its_places_in_their_order(seed: int, rows: int, count: int, columns: int) -> None:
    ids, gradients = drawn(seed, rows, count, columns)
    summed: dict[int, Tensor] = {}
    for row, gradient in zip(ids.tolist(), gradients, strict=True):
        summed[row] = summed[row] + gradient if row in summed else gradient
    found, sums = rows_and_gradients(ids, gradients)
    assert found.dtype == torch.int64
    assert found.tolist() == sorted(summed)
    assert torch.equal(sums, torch.stack([summed[row] for row in sorted(summed)]))


def test_gradients_of_the_gathered_rows_are_those_of_a_dense_embedding() -> None:
    table, fields = FusedTable(SPEC, (1, 4), seed=3), batch(1).fields
    ids, wanted = table.row_ids(fields), torch.randn(32, 4, 5, generator=torch.Generator().manual_seed(1))
    rows = table.gathered(ids)
    (rows * wanted).square().sum().backward()
    dense = nn.Embedding.from_pretrained(table.weights.clone(), freeze=False)
    (dense(ids) * wanted).square().sum().backward()
    assert rows.grad is not None and dense.weight.grad is not None
    found, sums = rows_and_gradients(ids.flatten(), rows.grad.reshape(-1, 5))
    whole = torch.zeros_like(dense.weight).index_copy(0, found, sums)
    assert torch.allclose(whole, dense.weight.grad, atol=1e-6)


def stepped_slowly(
    weights: list[list[float]], steps: list[tuple[Tensor, Tensor]], parts: tuple[int, ...], rate: float
) -> list[list[float]]:
    """Row-wise Adagrad, number by number over the whole table."""
    squares = [[0.0] * len(parts) for _ in weights]
    for rows, gradients in steps:
        dense = dict(zip(rows.tolist(), gradients.tolist(), strict=True))
        for row in range(len(weights)):
            gradient, start = dense.get(row, [0.0] * sum(parts)), 0
            for place, width in enumerate(parts):
                columns = range(start, start + width)
                squares[row][place] += sum(gradient[c] ** 2 for c in columns) / width
                for c in columns:
                    weights[row][c] -= rate * gradient[c] / (math.sqrt(squares[row][place]) + 1e-8)
                start += width
    return weights


@pytest.mark.parametrize("parts", [(1,), (4,), (1, 4)])
def test_row_wise_adagrad_is_what_a_slow_loop_over_the_whole_table_does(parts: tuple[int, ...]) -> None:
    table = table_of(9, parts)
    steps = [rows_and_gradients(*drawn(seed, 9, 6, sum(parts))) for seed in range(5)]
    expected = stepped_slowly(table.weights.tolist(), steps, parts, 0.1)
    for rows, gradients in steps:
        table.update(rows, gradients, 0.1)
    assert torch.allclose(table.weights, torch.tensor(expected), atol=1e-6)


def test_a_first_step_moves_each_part_by_the_rate_however_large_its_gradient() -> None:
    table = table_of(2, (1, 2))
    before = table.weights.clone()
    table.update(torch.tensor([1]), torch.tensor([[-500.0, 0.003, -0.003]]), 0.1)
    assert torch.allclose(table.weights[1] - before[1], torch.tensor([0.1, -0.1, 0.1]), atol=1e-6)
    assert table.squares[1].tolist() == pytest.approx([250_000.0, 9e-6])


def test_rows_outside_a_batch_keep_every_bit() -> None:
    table = table_of(50, (1, 4))
    weights, squares = table.weights.clone(), table.squares.clone()
    rows, gradients = rows_and_gradients(*drawn(5, 20, 30, 5))
    table.update(rows, gradients, 0.1)
    others = [row for row in range(50) if row not in rows.tolist()]
    assert torch.equal(table.weights[others], weights[others])
    assert torch.equal(table.squares[others], squares[others])
    assert (table.weights[rows] != weights[rows]).all()


def test_a_gradient_of_zero_moves_nothing() -> None:
    table = table_of(3, (1, 4))
    before = table.weights.clone()
    table.update(torch.tensor([1]), torch.zeros(1, 5), 0.1)
    assert torch.equal(table.weights, before)


def test_the_seed_decides_the_first_rows_and_those_of_unknown_values_are_drawn_too() -> None:
    state = torch.get_rng_state()
    first, again, other = (table_of(2000, (8,), seed).weights for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.std().item() == pytest.approx(0.01, rel=0.05)
    assert (first[0] != 0).all()
    assert torch.equal(torch.get_rng_state(), state)
