"""What the networks compute, against their formulas."""

import math

import numpy as np
import pytest
import torch

from clickmill.models.ctr.inputs import CategoricalField, DenseColumn, InputSpec, Vocabulary
from clickmill.models.ctr.networks import NETWORKS, DCNv2, Joined, Layers, Network, build, pair_products
from models.ctr.clicks import SPEC


@pytest.mark.parametrize("seed", range(5))
def test_the_factorisation_machine_adds_up_the_inner_products_of_all_pairs(seed: int) -> None:
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(3, 2 + seed, 4))
    expected = [sum(row[i] @ row[j] for i in range(len(row)) for j in range(i)) for row in vectors]
    assert torch.allclose(pair_products(torch.from_numpy(vectors)), torch.tensor(expected, dtype=torch.float64), atol=1e-12)


def test_a_cross_layer_is_the_first_input_times_a_linear_map_plus_its_input() -> None:
    spec = InputSpec((), (DenseColumn("a"), DenseColumn("b")), ())
    network = build("dcn_v2", spec, Layers(4, (2,), 2), answer_rate=0.5, seed=1)
    assert isinstance(network, DCNv2)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        for cross in network.crosses:
            cross.weight[:2, :2] = torch.tensor([[1.0, 2.0], [0.0, -1.0]])
            cross.bias[:2] = torch.tensor([0.0, 1.0])
        network.output.weight[0, :2] = torch.tensor([1.0, 100.0])
    # x0 = (2, 3): W x0 + b = (8, -2), x1 = (2*8 + 2, 3*-2 + 3) = (18, -3); W x1 + b = (12, 4), x2 = (2*12 + 18, 3*4 - 3) = (42, 9).
    assert network(torch.zeros(1, 0, 4), torch.tensor([[2.0, 3.0]])).tolist() == [42.0 + 900.0]


def test_logistic_regression_adds_a_weight_for_each_value_and_column() -> None:
    network = build("logistic_regression", SPEC, Layers(4, (), 0), answer_rate=0.5, seed=1)
    with torch.no_grad():
        network.output.weight.copy_(torch.tensor([[10.0, 100.0]]))
        network.output.bias.fill_(0.5)
    rows = torch.tensor([1.0, 2.0, 3.0, 4.0])[None, :, None]
    assert network(rows, torch.tensor([[2.0, 3.0]])).tolist() == [1 + 2 + 3 + 4 + 20 + 300 + 0.5]


@pytest.mark.parametrize("name", ["wide_deep", "deepfm"])
def test_a_network_with_a_linear_part_is_that_part_and_others_which_do_not_see_it(name: str) -> None:
    network = build(name, SPEC, Layers(4, (8,), 0), answer_rate=0.5, seed=1)
    rows, dense = torch.randn(6, 4, 5, generator=torch.Generator().manual_seed(1)), torch.zeros(6, 2)
    moved = rows.clone()
    moved[..., 0] += torch.tensor([0.5, 1.0, 0.0, -2.0])
    assert torch.allclose(network(moved, dense) - network(rows, dense), torch.full((6,), -0.5), atol=1e-6)


def test_inputs_are_filled_up_with_zeros_that_change_nothing() -> None:
    joined = Joined(SPEC, Layers(4, (), 0))
    assert (joined.width, joined.spare) == (24, 6)
    vectors, dense = torch.ones(2, 4, 4), torch.full((2, 2), 3.0)
    assert joined(vectors, dense).tolist() == [[1.0] * 16 + [3.0] * 2 + [0.0] * 6] * 2
    full = InputSpec((CategoricalField("item", "item"),), (), (Vocabulary("item", 1),))
    assert (Joined(full, Layers(16, (), 0)).width, Joined(full, Layers(16, (), 0)).spare) == (16, 0)


def parameters(network: Network) -> list[torch.Tensor]:
    return [parameter.detach() for parameter in network.parameters()]


@pytest.mark.parametrize("name", NETWORKS)
def test_the_seed_alone_decides_the_first_parameters(name: str) -> None:
    torch.manual_seed(5)
    state, layers = torch.get_rng_state(), Layers(4, (16, 8), 2)
    first, other = (build(name, SPEC, layers, answer_rate=0.5, seed=seed) for seed in (1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(6)
    again = build(name, SPEC, layers, answer_rate=0.5, seed=1)
    assert all(torch.equal(a, b) for a, b in zip(parameters(first), parameters(again), strict=True))
    is_drawn = [len(one) > 1 and one.dim() > 1 for one in parameters(first)]
    pairs = zip(parameters(first), parameters(other), is_drawn, strict=True)
    assert all(torch.equal(a, b) != drawn for a, b, drawn in pairs)


@pytest.mark.parametrize("name", NETWORKS)
def test_before_its_first_step_a_network_says_the_rate_of_answers_where_values_say_nothing(name: str) -> None:
    network = build(name, SPEC, Layers(4, (8,), 1), answer_rate=0.02, seed=1)
    dense = torch.randn(5, 2, generator=torch.Generator().manual_seed(1))
    assert network(torch.zeros(5, 4, sum(network.parts)), dense).sigmoid().tolist() == pytest.approx([0.02] * 5)


def test_matrices_are_drawn_within_the_bounds_of_glorot_and_biases_are_zero() -> None:
    network = build("dcn_v2", SPEC, Layers(4, (64,), 1), answer_rate=0.5, seed=1)
    assert isinstance(network, DCNv2)
    bound = math.sqrt(6 / (24 + 24))
    assert bound * 0.95 < network.crosses[0].weight.abs().max().item() <= bound
    assert all(not parameter.any() for parameter in parameters(network) if parameter.dim() == 1)


def test_a_network_without_hidden_layers_dense_columns_or_cross_layers_is_still_one() -> None:
    spec = InputSpec((CategoricalField("item", "item"),), (), (Vocabulary("item", 3),))
    for name in NETWORKS:
        network = build(name, spec, Layers(4, (), 0), answer_rate=0.5, seed=1)
        assert network(torch.ones(2, 1, sum(network.parts)), torch.zeros(2, 0)).shape == (2,)
