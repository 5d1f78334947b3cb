"""One vector of parameters, Adam on it, and a state from which training goes on bit by bit."""

import math

import pytest
import torch

from clickmill.models.ctr.networks import NETWORKS
from clickmill.models.ctr.optimiser import Optimiser
from clickmill.models.ctr.step import apply, logits_of, sums_of
from models.ctr.clicks import batch, trainee


def test_adam_does_what_its_paper_says() -> None:
    network, _, optimiser = trainee("logistic_regression", rate=0.1)
    rows, none = torch.zeros(0, dtype=torch.int64), torch.zeros(0, 1)
    value, mean, square = network.output.weight[0, 0].item(), 0.0, 0.0
    for step, gradient in enumerate((0.5, -2.0, 0.1), start=1):
        optimiser.update(rows, none, torch.tensor([gradient, 0.0, 0.0]))
        mean, square = 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient**2
        value -= 0.1 * (mean / (1 - 0.9**step)) / (math.sqrt(square / (1 - 0.999**step)) + 1e-8)
        assert network.output.weight[0, 0].item() == pytest.approx(value, abs=1e-6)


def test_matrices_lose_a_share_at_each_step_and_biases_and_the_table_do_not() -> None:
    network, table, _ = trainee("wide_deep")
    optimiser = Optimiser(network, table, learning_rate=0.1, table_learning_rate=1.0, weight_decay=2.0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(1.0)
    rows = table.weights.clone()
    optimiser.update(torch.tensor([0]), torch.zeros(1, rows.shape[1]), torch.zeros_like(optimiser.state()["network.parameters"]))
    assert all(torch.allclose(one, torch.tensor(0.8 if one.dim() > 1 else 1.0)) for one in network.parameters())
    assert torch.equal(table.weights, rows)


def test_parameters_are_one_vector_in_their_order() -> None:
    network, _, optimiser = trainee("dcn_v2")
    flat = torch.cat([parameter.detach().flatten() for parameter in network.parameters()])
    assert torch.equal(optimiser.state()["network.parameters"], flat)
    optimiser.state()["network.parameters"].fill_(2.0)
    assert all((parameter == 2.0).all() for parameter in network.parameters())


@pytest.mark.parametrize("name", NETWORKS)
def test_a_loaded_state_gives_the_same_scores_and_goes_on_to_the_same_weights_bit_by_bit(name: str) -> None:
    network, table, optimiser = trainee(name)
    for seed in range(3):
        apply(sums_of(batch(seed), network, table), optimiser)
    kept = {key: tensor.clone() for key, tensor in optimiser.state().items()}
    other_network, other_table, other = trainee(name, seed=2)
    other.load(kept)
    asked = batch(9)
    assert torch.equal(
        logits_of(asked.fields, asked.dense, other_network, other_table), logits_of(asked.fields, asked.dense, network, table)
    )
    apply(sums_of(batch(3), network, table), optimiser)
    apply(sums_of(batch(3), other_network, other_table), other)
    assert all(torch.equal(tensor, other.state()[key]) for key, tensor in optimiser.state().items())


def test_a_state_of_another_network_is_refused() -> None:
    _, _, optimiser = trainee("deepfm")
    _, _, other = trainee("dcn_v2")
    with pytest.raises(ValueError, match="the state is of another network or of other inputs"):
        optimiser.load(other.state())
