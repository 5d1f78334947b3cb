"""Adam on the parameters of a network, row-wise Adagrad on the table, and all that both remember as plain tensors.

The parameters of the network are moved into one vector, of which they are views: one gradient, one step, one tensor to keep.

Shapes  R rows of the table, C columns of a row, U different rows, P parameters of the network
"""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from clickmill.models.ctr.networks import Network
from clickmill.models.ctr.table import FusedTable

_DECAY, _DECAY_OF_SQUARES, _SMALLEST_ROOT = 0.9, 0.999, 1e-8


class Optimiser:
    """What changes a network and its table.

    Adam: Kingma and Ba, Adam: a method for stochastic optimization, ICLR 2015, algorithm 1, with the decay rates proposed there.
    Written out, as torch's own loads a compiler for three seconds. Its matrices lose weight_decay x learning_rate of what they hold at
    each step, apart from the gradient (Loshchilov and Hutter, Decoupled weight decay regularization, ICLR 2019, algorithm 2); biases
    and the table do not: the rows of rare values move little as it is.

    Needs   a network that is on its device already, and is moved no more
    """

    def __init__(
        self, network: Network, table: FusedTable, *, learning_rate: float, table_learning_rate: float, weight_decay: float = 0.0
    ) -> None:
        self.table, self._learning_rate, self._table_learning_rate = table, learning_rate, table_learning_rate
        self._kept_share = 1 - learning_rate * weight_decay
        self._parameters = parameters_to_vector(network.parameters()).detach()  # [P]
        vector_to_parameters(self._parameters, network.parameters())
        self._means, self._squares = torch.zeros_like(self._parameters), torch.zeros_like(self._parameters)  # [P]
        self._steps = torch.zeros((), dtype=torch.int64)
        self._matrices = [one.detach() for one in network.parameters() if one.dim() > 1]

    def update(self, rows: Tensor, row_gradients: Tensor, gradient: Tensor) -> None:
        """Take one step. Shapes  rows (U,) int64, each once; row_gradients (U, C); gradient (P,) of the network"""
        self.table.update(rows, row_gradients, self._table_learning_rate)
        self._steps += 1
        steps = int(self._steps)
        if self._kept_share < 1:
            for matrix in self._matrices:
                matrix.mul_(self._kept_share)
        self._means.lerp_(gradient, 1 - _DECAY)
        self._squares.mul_(_DECAY_OF_SQUARES).addcmul_(gradient, gradient, value=1 - _DECAY_OF_SQUARES)
        root = (self._squares / (1 - _DECAY_OF_SQUARES**steps)).sqrt_().add_(_SMALLEST_ROOT)  # [P]
        self._parameters.addcdiv_(self._means, root, value=-self._learning_rate / (1 - _DECAY**steps))

    def state(self) -> dict[str, Tensor]:
        """All that training goes on from, by name: the tensors themselves, which the next step changes."""
        return {
            "table.weights": self.table.weights,  # [R, C]
            "table.squares": self.table.squares,  # [R, parts]
            "network.parameters": self._parameters,  # [P]
            "adam.means": self._means,  # [P]
            "adam.squares": self._squares,  # [P]
            "adam.steps": self._steps,  # []
        }

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a state of the same network and inputs.

        Raises  ValueError when it is of others
        """
        mine = self.state()
        shapes, given = ({name: (tuple(one.shape), one.dtype) for name, one in each.items()} for each in (mine, state))
        if shapes != given:
            raise ValueError(f"the state is of another network or of other inputs: {given} in place of {shapes}")
        for name, tensor in mine.items():
            tensor.copy_(state[name])
