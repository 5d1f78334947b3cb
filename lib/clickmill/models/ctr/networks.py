"""Click networks: from the rows of the fields and the dense columns of an impression to the logit of a click.

No layer behaves in training otherwise than in scoring, and none mixes the impressions of a batch.

Shapes  B rows of a batch, F fields, E length of an embedding, C columns of a row of the table, D dense columns, W width of the
        joined inputs, H width of a hidden layer
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clickmill.models.ctr.inputs import InputSpec

# Matrices whose rows do not begin where a vector of the processor does take up to twice as long to multiply.
_ALIGNED = 8


@dataclass(frozen=True)
class Layers:
    """Length of an embedding, widths of the hidden layers, number of cross layers. A network leaves out what it does not have."""

    embedding_length: int
    hidden: tuple[int, ...]
    cross_layers: int


class Network(nn.Module):
    """A network over rows (B, F, C) and dense columns (B, D).

    parts   the widths of the parts of a row, C in all
    output  the last linear layer, whose bias is the logit where nothing else is known
    """

    parts: list[int]
    output: "Linear"


class LogisticRegression(Network):
    """A weight for each value of a field and for each dense column."""

    def __init__(self, spec: InputSpec, layers: Layers) -> None:
        super().__init__()
        self.parts = [1]
        self.output = Linear(len(spec.dense), 1)

    def forward(self, rows: Tensor, dense: Tensor) -> Tensor:
        logits: Tensor = rows.sum((1, 2)) + self.output(dense)[:, 0]  # [B]
        return logits


class WideDeep(Network):
    """Cheng et al., Wide & deep learning for recommender systems, DLRS 2016: a linear model and a deep one, trained together.

    The wide part has the values themselves; the paper's products of chosen pairs of fields are left to the deep part.
    """

    def __init__(self, spec: InputSpec, layers: Layers) -> None:
        super().__init__()
        self.parts = [1, layers.embedding_length]
        self.wide = LogisticRegression(spec, layers)
        self.output = self.wide.output
        self.joined = Joined(spec, layers)
        self.deep = Deep(self.joined.width, layers.hidden)

    def forward(self, rows: Tensor, dense: Tensor) -> Tensor:
        weights, vectors = torch.split(rows, self.parts, 2)  # [B, F, 1], [B, F, E]
        joined = self.joined(vectors, dense)  # [B, W]
        logits: Tensor = self.wide(weights, dense) + self.deep(joined)  # [B]
        return logits


class DeepFM(Network):
    """Guo et al., DeepFM, IJCAI 2017: a factorisation machine and a deep network over the same vectors.

    Dense columns are inputs of the linear and of the deep part, and have no vectors.
    """

    def __init__(self, spec: InputSpec, layers: Layers) -> None:
        super().__init__()
        self.parts = [1, layers.embedding_length]
        self.linear = LogisticRegression(spec, layers)
        self.output = self.linear.output
        self.joined = Joined(spec, layers)
        self.deep = Deep(self.joined.width, layers.hidden)

    def forward(self, rows: Tensor, dense: Tensor) -> Tensor:
        weights, vectors = torch.split(rows, self.parts, 2)  # [B, F, 1], [B, F, E]
        joined = self.joined(vectors, dense)  # [B, W]
        logits: Tensor = self.linear(weights, dense) + pair_products(vectors) + self.deep(joined)  # [B]
        return logits


class DCNv2(Network):
    """Wang et al., DCN V2, WWW 2021: cross layers with full matrices, in parallel with a deep network (figure 1b).

    A cross layer (equation 1) is x' = x0 * (W x + b) + x, so that the n-th holds all products of up to n + 1 inputs.
    """

    def __init__(self, spec: InputSpec, layers: Layers) -> None:
        super().__init__()
        self.parts = [layers.embedding_length]
        self.joined = Joined(spec, layers)
        width = self.joined.width
        self.crosses = nn.ModuleList(Linear(width, width) for _ in range(layers.cross_layers))
        self.output = Linear(width, 1)
        self.deep = Deep(width, layers.hidden)

    def forward(self, rows: Tensor, dense: Tensor) -> Tensor:
        first = self.joined(rows, dense)  # [B, W]
        crossed = first
        for cross in self.crosses:
            # In place: a new matrix of this size costs as much as to fill it.
            crossed = (first * cross(crossed)).add_(crossed)  # [B, W]
        logits: Tensor = self.output(crossed)[:, 0] + self.deep(first)  # [B]
        return logits


class Linear(nn.Module):
    """As nn.Linear, but without values: those would be drawn from the state of the whole process."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.empty(outputs, inputs)), nn.Parameter(torch.empty(outputs))

    def forward(self, inputs: Tensor) -> Tensor:
        return F.linear(inputs, self.weight, self.bias)


class Joined(nn.Module):
    """The vectors of all fields and the dense columns side by side, and zeros up to a width that multiplies fast."""

    def __init__(self, spec: InputSpec, layers: Layers) -> None:
        super().__init__()
        used = len(spec.fields) * layers.embedding_length + len(spec.dense)
        self.width = -(-used // _ALIGNED) * _ALIGNED
        self.spare = self.width - used

    def forward(self, vectors: Tensor, dense: Tensor) -> Tensor:
        return torch.cat([vectors.flatten(1), dense, dense.new_zeros(len(dense), self.spare)], 1)  # [B, W]


class Deep(nn.Module):
    """Hidden layers with rectified linear units, and one output."""

    def __init__(self, width: int, hidden: Sequence[int]) -> None:
        super().__init__()
        self.hidden = nn.ModuleList(Linear(inputs, outputs) for inputs, outputs in pairwise([width, *hidden]))
        self.head = Linear([width, *hidden][-1], 1)

    def forward(self, joined: Tensor) -> Tensor:
        for layer in self.hidden:
            joined = F.relu(layer(joined))  # [B, H]
        output: Tensor = self.head(joined)  # [B, 1]
        return output[:, 0]  # [B]


def pair_products(vectors: Tensor) -> Tensor:
    """The sum of the inner products of all pairs of fields, as half the square of a sum less the sum of squares.

    Rendle, Factorization machines, ICDM 2010, lemma 3.1: linear in the number of fields.
    """
    squared_sum = vectors.sum(1).square()  # [B, E]
    summed_squares = vectors.square().sum(1)  # [B, E]
    return (squared_sum - summed_squares).sum(1) / 2  # [B]


NETWORKS: dict[str, Callable[[InputSpec, Layers], Network]] = {
    "logistic_regression": LogisticRegression,
    "wide_deep": WideDeep,
    "deepfm": DeepFM,
    "dcn_v2": DCNv2,
}


def build(name: str, spec: InputSpec, layers: Layers, *, answer_rate: float, seed: int) -> Network:
    """A network with its first parameters, which the seed decides: it begins by saying the rate of answers of all rows.

    Matrices are drawn as in Glorot and Bengio (Understanding the difficulty of training deep feedforward neural networks, AISTATS
    2010, equation 16). Those with one output and biases are zero, but for that of the output: rare clicks would take a thousand
    steps to become rare (Lin et al., Focal loss for dense object detection, ICCV 2017, section 4.1, on the prior).

    Raises  KeyError when NETWORKS has no such name
    """
    network = NETWORKS[name](spec, layers)
    draw = torch.Generator().manual_seed(seed)
    for parameter in network.parameters():
        if parameter.dim() == 1 or len(parameter) == 1:
            nn.init.zeros_(parameter)
        else:
            nn.init.xavier_uniform_(parameter, generator=draw)
    nn.init.constant_(network.output.bias, math.log(answer_rate / (1 - answer_rate)))
    return network
