"""The memory that a rank takes to train a network, reckoned before it begins.

Each term is the most that is held at once, in tensors of 32 bits; half precision takes less. Of a step it is the largest of four
moments: the backward pass, gathering the gradients of rows, what comes of other ranks, and the update of the table. How many
different rows a batch has is not known before; the most there can be are counted.

Shapes  B rows of a step, F fields, D dense columns, R rows of the table, C columns of a row, E length of an embedding, W width of
        the joined inputs, H width of a hidden layer, U different rows of a batch, P parameters of the network
"""

from collections import Counter
from dataclasses import dataclass
from itertools import accumulate

from clickmill.models import manifest
from clickmill.models.ctr.inputs import InputSpec
from clickmill.models.ctr.networks import DCNv2, DeepFM, Joined, Layers, LogisticRegression, Network, WideDeep
from clickmill.models.ctr.training import Task, spec_of
from clickmill.models.feed import MIXED_GROUPS
from clickmill.models.manifest import Manifest

_NUMBER = 4  # bytes of a float, and of the number of a value
_ROW_ID = 8
_SORTED = 48  # bytes of a number of a value while rows are brought together: the number, its place, and what a bag keeps of both
_LABELS = 2  # answer and sampling rate


@dataclass(frozen=True)
class Memory:
    """Bytes of a rank.

    parameters  of the table and of the layers
    optimiser   what Adagrad and Adam remember of them
    step        rows, activations and gradients of a step, and what other ranks found
    feed        groups that are being read and mixed
    checkpoint  the best epoch, as it is read back when there is no step and no feed
    """

    parameters: int
    optimiser: int
    step: int
    feed: int
    checkpoint: int

    @property
    def on_device(self) -> int:
        """What lies on a GPU, where there is one."""
        return self.parameters + self.optimiser + self.step

    @property
    def peak(self) -> int:
        return self.parameters + self.optimiser + max(self.step + self.feed, self.checkpoint)


def planned(task: Task) -> Memory:
    """Reckon the memory of each rank of a training. Builds its layers, and neither its table nor its feed."""
    told, params = manifest.parsed(task.manifest), task.params
    spec, layers, batch_rows = spec_of(told), params.layers, params.batch_rows
    network = params.built(spec, told.answer_rate)
    columns, of_layers = sum(network.parts), sum(one.numel() for one in network.parameters())
    parameters = _NUMBER * (spec.row_count * columns + of_layers)
    optimiser = _NUMBER * (spec.row_count * len(network.parts) + 2 * of_layers)
    inputs = len(spec.fields) + len(spec.dense)
    given = batch_rows * (_NUMBER * (2 * inputs + _LABELS + 1) + _ROW_ID)  # as they are fed, and with what is neutral
    gradients = 2 * _NUMBER * of_layers  # by layer, and as one vector
    moments = (
        _NUMBER * batch_rows * activations(spec, network, layers) + gradients,
        _brought_together(spec, columns, batch_rows) + gradients,
        _of_others(spec, columns, batch_rows, task.ranks) + gradients,
        _NUMBER * 3 * columns * _different_rows(spec, batch_rows * task.ranks) + 2 * gradients,
    )
    return Memory(parameters, optimiser, given + max(moments), _fed(told, inputs, task.ranks), parameters + optimiser)


def activations(spec: InputSpec, network: Network, layers: Layers) -> int:
    """Numbers that a row of a batch takes at the worst moment of the backward pass, its values in the table included."""
    rows, vectors, width = len(spec.fields) * sum(network.parts), len(spec.fields) * layers.embedding_length, Joined(spec, layers).width
    # A layer goes back with what it said, and two gradients of it; those below it are still there.
    said = list(accumulate(layers.hidden))
    deep = max(
        [*(first + width for first in layers.hidden[:1]), *(below + 2 * own for below, own in zip(said, layers.hidden, strict=True))],
        default=0,
    )
    worst: dict[type[Network], int] = {
        LogisticRegression: rows,
        WideDeep: width + deep,
        DeepFM: width + max(deep, 3 * (vectors + layers.embedding_length)),  # the gradient of a square, and two factors of it
        DCNv2: width + 2 * layers.cross_layers * width + max(deep, 3 * width),  # likewise, of a product
    }
    return rows + worst[type(network)]


def _different_rows(spec: InputSpec, batch_rows: int) -> int:
    """The most rows of the table that a batch can have."""
    fields = Counter(one.vocabulary for one in spec.fields)
    return sum(min(batch_rows * fields[one.name], one.size + 1) for one in spec.vocabularies)


def _brought_together(spec: InputSpec, columns: int, batch_rows: int) -> int:
    values = batch_rows * len(spec.fields)
    return values * (2 * _NUMBER * columns + _SORTED) + _NUMBER * columns * _different_rows(spec, batch_rows)


def _of_others(spec: InputSpec, columns: int, batch_rows: int, ranks: int) -> int:
    """Messages in half precision, cut out of them, and twice as they are: each by itself, and all in one."""
    if ranks == 1:
        return 0
    message = _NUMBER + _NUMBER // 2 * columns
    return ranks * _different_rows(spec, batch_rows) * (message + _NUMBER // 2 * columns + 2 * _NUMBER * columns)


def _fed(told: Manifest, inputs: int, ranks: int) -> int:
    """Of the split that takes most: two blocks of mixed groups, the order of one, and the group that is read just now."""
    row = _NUMBER * (inputs + _LABELS) + _ROW_ID
    return max(_fed_by([one.rows for one in groups], row, ranks) for groups in told.groups.values())


def _fed_by(groups: list[int], row: int, ranks: int) -> int:
    largest = sorted(groups, reverse=True)[: -(-len(groups) // ranks)]
    mixed = sum(largest[:MIXED_GROUPS])
    blocks = min(2, -(-len(largest) // MIXED_GROUPS))
    return mixed * (blocks * row + _ROW_ID) + max(largest, default=0) * row
