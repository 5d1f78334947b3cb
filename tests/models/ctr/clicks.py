"""Small networks and batches for the tests of click networks."""

import numpy as np
import torch

from clickmill.models.ctr.inputs import CategoricalField, DenseColumn, InputSpec, Vocabulary
from clickmill.models.ctr.networks import Layers, Network, build
from clickmill.models.ctr.optimiser import Optimiser
from clickmill.models.ctr.table import FusedTable
from clickmill.models.packing import Batch

torch.set_num_threads(1)  # of batches this small a second one has nothing to do

SPEC = InputSpec(
    fields=(
        CategoricalField("user", "user"),
        CategoricalField("item", "item"),
        CategoricalField("last_item", "item"),
        CategoricalField("position", "position", is_training_only=True),
    ),
    dense=(DenseColumn("price"), DenseColumn("position_rate", is_training_only=True)),
    vocabularies=(Vocabulary("user", 5), Vocabulary("item", 7), Vocabulary("position", 3)),
)


def batch(seed: int, rows: int = 32, spec: InputSpec = SPEC) -> Batch:
    random = np.random.default_rng(seed)
    fields = random.integers(0, np.array(spec.sizes) + 1, (rows, len(spec.fields))).astype(np.int32)
    dense = random.normal(size=(rows, len(spec.dense))).astype(np.float32)
    labels, weights = random.integers(0, 2, rows).astype(np.float32), random.integers(1, 4, rows).astype(np.float32)
    return Batch(*(torch.from_numpy(one) for one in (fields, dense, labels, weights, np.arange(rows))))


def trainee(name: str, spec: InputSpec = SPEC, seed: int = 1, rate: float = 0.01) -> tuple[Network, FusedTable, Optimiser]:
    network = build(name, spec, Layers(4, (16, 8), 2), answer_rate=0.5, seed=seed)
    table = FusedTable(spec, network.parts, seed=seed)
    return network, table, Optimiser(network, table, learning_rate=rate, table_learning_rate=10 * rate)
