"""A step of training and scoring: what is learned, what adds up, and what does not count."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from clickmill.models.ctr.inputs import CategoricalField, InputSpec, Vocabulary
from clickmill.models.ctr.networks import NETWORKS
from clickmill.models.ctr.step import Sums, apply, logits_of, probabilities, sums_of
from clickmill.models.ctr.table import rows_and_gradients
from clickmill.models.packing import Batch
from models.ctr.clicks import batch, trainee

CROSSED = InputSpec(
    fields=(CategoricalField("user", "user"), CategoricalField("item", "item")),
    dense=(),
    vocabularies=(Vocabulary("user", 10), Vocabulary("item", 12)),
)


def crossed(seed: int, rows: int) -> tuple[Batch, torch.Tensor]:
    """Odd users click on even items and even users on odd ones, nine times of ten; on others one time of ten."""
    random = np.random.default_rng(seed)
    fields = np.stack([random.integers(1, 11, rows), random.integers(1, 13, rows)], 1).astype(np.int32)
    truth = np.where((fields[:, 0] + fields[:, 1]) % 2 == 1, 0.9, 0.1).astype(np.float32)
    labels = (random.random(rows) < truth).astype(np.float32)
    told = Batch(torch.from_numpy(fields), torch.zeros(rows, 0), torch.from_numpy(labels), torch.ones(rows), torch.arange(rows))
    return told, torch.from_numpy(truth)


def log_loss(probability: torch.Tensor, answered: torch.Tensor) -> float:
    return torch.nn.functional.binary_cross_entropy(probability, answered).item()


def loss_after_training(name: str) -> tuple[float, float]:
    """On impressions that were not trained on: of the network, and of the truth."""
    network, table, optimiser = trainee(name, CROSSED)
    for seed in range(150):
        apply(sums_of(crossed(seed, 256)[0], network, table), optimiser)
    asked, truth = crossed(1000, 4000)
    return log_loss(probabilities(asked.fields, asked.dense, network, table), asked.answered), log_loss(truth, asked.answered)


@pytest.mark.parametrize("name", ["wide_deep", "deepfm", "dcn_v2"])
def test_a_network_learns_a_cross_of_two_fields_that_have_no_effect_of_their_own(name: str) -> None:
    found, of_truth = loss_after_training(name)
    assert of_truth < found < of_truth + 0.02 < 0.37


def test_logistic_regression_cannot_learn_a_cross() -> None:
    found, _ = loss_after_training("logistic_regression")
    assert found > math.log(2) - 0.005


@pytest.mark.parametrize("name", NETWORKS)
def test_the_same_seed_and_batches_give_the_same_weights_bit_by_bit(name: str) -> None:
    def trained(seed: int) -> dict[str, torch.Tensor]:
        network, table, optimiser = trainee(name, seed=seed)
        for step in range(5):
            apply(sums_of(batch(step), network, table), optimiser)
        return optimiser.state()

    first, again, other = trained(1), trained(1), trained(2)
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["table.weights"], other["table.weights"])


@pytest.mark.parametrize("name", NETWORKS)
def test_the_sums_of_two_halves_are_those_of_the_whole_batch(name: str) -> None:
    network, table, _ = trainee(name)
    whole = batch(1, 64)
    halves = [Batch(*(getattr(whole, key)[rows] for key in vars(whole))) for rows in (slice(0, 20), slice(20, 64))]
    told, parts = sums_of(whole, network, table), [sums_of(half, network, table) for half in halves]
    rows, gradients = rows_and_gradients(torch.cat([part.rows for part in parts]), torch.cat([part.row_gradients for part in parts]))
    assert torch.equal(rows, told.rows)
    assert torch.allclose(gradients, told.row_gradients, atol=1e-6)
    assert torch.allclose(parts[0].gradient + parts[1].gradient, told.gradient, atol=1e-6 * told.gradient.abs().max().item())
    assert (parts[0].loss + parts[1].loss).item() == pytest.approx(told.loss.item(), rel=1e-6)
    assert parts[0].weight + parts[1].weight == told.weight == whole.weight.sum()


def test_an_impression_of_weight_three_is_three_impressions_and_the_step_is_by_their_mean() -> None:
    network, table, optimiser = trainee("deepfm")
    one = batch(1, 1)
    heavy = replace(one, weight=torch.tensor([3.0]))
    thrice = Batch(*(of.expand(3, *of.shape[1:]) for of in (one.fields, one.dense, one.answered, torch.ones(1), one.row_id)))
    told, expected = sums_of(heavy, network, table), sums_of(thrice, network, table)
    assert torch.allclose(told.row_gradients, expected.row_gradients, atol=1e-6)
    assert torch.allclose(told.flat, expected.flat, atol=1e-5)
    single = sums_of(replace(one, weight=torch.ones(1)), network, table)
    apply(told, optimiser)
    assert optimiser.state()["adam.means"].tolist() == pytest.approx((single.gradient * 0.1).tolist(), abs=1e-6)


def test_finding_sums_changes_nothing() -> None:
    network, table, optimiser = trainee("dcn_v2")
    before = {key: tensor.clone() for key, tensor in optimiser.state().items()}
    told: Sums = sums_of(batch(1), network, table)
    assert told.rows.tolist() == sorted(set(table.row_ids(batch(1).fields).flatten().tolist()))
    assert all(torch.equal(tensor, before[key]) for key, tensor in optimiser.state().items())


@pytest.mark.parametrize("name", NETWORKS)
def test_impressions_scored_at_once_are_scored_as_one_by_one(name: str) -> None:
    network, table, optimiser = trainee(name)
    apply(sums_of(batch(1), network, table), optimiser)
    asked = batch(2)
    together = logits_of(asked.fields, asked.dense, network, table)
    alone = [logits_of(asked.fields[place, None], asked.dense[place, None], network, table) for place in range(32)]
    assert torch.allclose(together, torch.cat(alone), atol=1e-6)
    assert torch.equal(probabilities(asked.fields, asked.dense, network, table), together.sigmoid())


@pytest.mark.parametrize("name", NETWORKS)
def test_a_score_does_not_depend_on_the_position_which_training_does_see(name: str) -> None:
    network, table, optimiser = trainee(name)
    here = batch(1)
    apply(sums_of(here, network, table), optimiser)
    fields, dense = here.fields.clone(), here.dense.clone()
    fields[:, 3], dense[:, 1] = (fields[:, 3] + 1) % 4, 5.0
    assert torch.equal(logits_of(fields, dense, network, table), logits_of(here.fields, here.dense, network, table))
    elsewhere = replace(here, fields=fields, dense=dense)
    assert sums_of(elsewhere, network, table).loss != sums_of(here, network, table).loss
