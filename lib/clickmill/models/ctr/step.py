"""One step of training in two halves, between which ranks can add up what they found; and scoring.

The loss is a sum over impressions, so the sums of several batches are those of one large batch, whatever their sizes.

Shapes  B rows of a batch, F fields, D dense columns, C columns of a row of the table, U different rows, P parameters of the network
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from clickmill.models.ctr.networks import Network
from clickmill.models.ctr.optimiser import Optimiser
from clickmill.models.ctr.position import neutral
from clickmill.models.ctr.table import FusedTable, rows_and_gradients
from clickmill.models.packing import Batch


@dataclass(frozen=True)
class Sums:
    """What a batch adds to a step.

    rows       (U,) int64, ascending;  row_gradients  (U, C)
    flat       (P + 2,): the gradient of the network, the weighted loss, and the weights, so that one message holds them
    """

    rows: Tensor
    row_gradients: Tensor
    flat: Tensor

    @property
    def gradient(self) -> Tensor:
        """Of the parameters of the network, in their order. Shapes (P,)"""
        return self.flat[:-2]

    @property
    def loss(self) -> Tensor:
        """The cross-entropies, in nats, each times its weight. Shapes ()"""
        return self.flat[-2]

    @property
    def weight(self) -> Tensor:
        """Of all impressions together. Shapes ()"""
        return self.flat[-1]


def sums_of(batch: Batch, network: Network, table: FusedTable) -> Sums:
    """Find the weighted loss of a batch and its gradients; changes nothing.

    Raises  ValueError as FusedTable.row_ids()
    """
    ids = table.row_ids(batch.fields)  # [B, F]
    rows = table.gathered(ids)  # [B, F, C]
    logits = network(rows, batch.dense)  # [B]
    loss = F.binary_cross_entropy_with_logits(logits, batch.answered, batch.weight, reduction="sum")  # []
    of_rows, *of_network = torch.autograd.grad(loss, [rows, *network.parameters()])
    flat = torch.cat([*(one.flatten() for one in of_network), loss.detach()[None], batch.weight.sum()[None]])  # [P + 2]
    found, row_gradients = rows_and_gradients(ids.flatten(), of_rows.flatten(0, 1))  # [U], [U, C]
    return Sums(found, row_gradients, flat)


def apply(sums: Sums, optimiser: Optimiser) -> None:
    """Take a step by the mean over all impressions that were added up.

    Needs   each row once: rows of several ranks go through rows_and_gradients() again; a weight above zero
    """
    optimiser.update(sums.rows, sums.row_gradients / sums.weight, sums.gradient / sums.weight)


@torch.no_grad()
def logits_of(fields: Tensor, dense: Tensor, network: Network, table: FusedTable) -> Tensor:
    """Score impressions as if nobody knew where they are shown. Shapes  fields (B, F), dense (B, D), the answer (B,)"""
    fields, dense = neutral(fields, dense, table.spec)
    logits: Tensor = network(table.gathered(table.row_ids(fields)), dense)  # [B]
    return logits


def probabilities(fields: Tensor, dense: Tensor, network: Network, table: FusedTable) -> Tensor:
    """The probabilities of clicks, as logits_of(). Shapes  fields (B, F), dense (B, D), the answer (B,)"""
    return logits_of(fields, dense, network, table).sigmoid()  # [B]
