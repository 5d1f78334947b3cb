"""Trains a click network over the rows of an export: one loop for every network, for one process and for many.

Shapes  B rows of a batch, F fields, U different rows of the table
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from clickmill.contracts.errors import BadData, ClickmillError
from clickmill.models import manifest
from clickmill.models.ctr.checkpoint import Checkpoints, Progress
from clickmill.models.ctr.inputs import CategoricalField, DenseColumn, InputSpec, Vocabulary
from clickmill.models.ctr.networks import Layers, Network, build
from clickmill.models.ctr.optimiser import Optimiser
from clickmill.models.ctr.position import neutral_at_times
from clickmill.models.ctr.scores import write_scores
from clickmill.models.ctr.step import Sums, apply, probabilities, sums_of
from clickmill.models.ctr.table import FusedTable, rows_and_gradients
from clickmill.models.feed import Feed
from clickmill.models.manifest import Manifest
from clickmill.models.packing import Batch
from clickmill.models.ranks import Ranks, device_of, joined

_TABLE_HINT, _LAYERS_HINT = (f"a smaller networks.{name} may help" for name in ("table_learning_rate", "learning_rate"))
NEWEST, BEST = "newest", "best"
"""Names of the two checkpoints that a training keeps: where it goes on, and what it came to."""


@dataclass(frozen=True)
class Params:
    """How a network is trained; conf/base.yaml says what the keys of `networks` mean."""

    network: str
    embedding_length: int
    hidden: tuple[int, ...]
    cross_layers: int
    epochs: int
    batch_rows: int
    learning_rate: float
    table_learning_rate: float
    weight_decay: float
    neutral_share: float
    checkpoint_steps: int
    seed: int

    @property
    def layers(self) -> Layers:
        return Layers(self.embedding_length, self.hidden, self.cross_layers)

    def built(self, spec: InputSpec, answer_rate: float) -> Network:
        """The network before its first step."""
        return build(self.network, spec, self.layers, answer_rate=answer_rate, seed=self.seed)


def params_of(network: str, networks: Mapping[str, Any], *, seed: int) -> Params:
    """The parameters of a network, of the section `networks` of the config."""
    return Params(network=network, seed=seed, **{one.name: networks[one.name] for one in fields(Params) if one.name in networks})


@dataclass(frozen=True)
class Task:
    """A training, as every rank is told it.

    export_url, manifest  URL of the export, and the text of its manifest;  root_url  below which a folder is made for what comes of it
    """

    export_url: str
    manifest: str
    root_url: str
    ranks: int
    params: Params

    @property
    def run_id(self) -> str:
        """The name of the training: a hash of all that its weights depend on."""
        return manifest.hash_of(self.manifest, self.ranks, asdict(self.params))

    @property
    def path(self) -> str:
        """Its folder, below the root."""
        return f"networks/{self.params.network}/{self.run_id}"


@dataclass
class Outcome:
    """What became of a training: how far it came, the hash of its best checkpoint, and the mean loss of each step of this life."""

    progress: Progress
    checkpoint_hash: str = ""
    losses: list[float] = field(default_factory=list)


def train(task: Task) -> Outcome:
    """Train, go on where a training of the same name was stopped, and score the rows that judge; the same on every rank.

    Raises  BadData where the export or a checkpoint is not what it should be; ClickmillError where the loss is no number
    """
    return Training(task, joined()).run()


class Training:
    """A training on one rank."""

    def __init__(self, task: Task, ranks: Ranks) -> None:
        self._task, self._ranks, self._device = task, ranks, device_of(ranks)
        self._manifest, params = manifest.parsed(task.manifest), task.params
        self.spec = spec_of(self._manifest)
        self.network = params.built(self.spec, self._manifest.answer_rate).to(self._device)
        self.table = FusedTable(self.spec, self.network.parts, seed=params.seed, device=str(self._device))
        rates = {name: getattr(params, name) for name in ("learning_rate", "table_learning_rate", "weight_decay")}
        self.optimiser = Optimiser(self.network, self.table, **rates)
        self._folder, self._feeds = f"{task.root_url}/{task.path}", dict[str, Feed]()
        self.checkpoints = Checkpoints(self._folder, task.run_id)

    def run(self) -> Outcome:
        newest = self._loaded(NEWEST)
        outcome = Outcome(newest[0] if newest else Progress(rank_rows=(0,) * self._ranks.count))
        while outcome.progress.epoch < self._task.params.epochs:
            self._train_epoch(outcome)
            self._choose(outcome)
        best = self._loaded(BEST)
        assert best is not None
        _, outcome.checkpoint_hash = best
        for split in ("valid", "test"):
            write_scores(f"{self._folder}/scores", split, self._ranks.rank, self._scored(split))
        return outcome

    def _loaded(self, name: str) -> tuple[Progress, str] | None:
        """Go on from a checkpoint, where there is one: how far it came, and its hash. What was read is not kept beside what it went to."""
        there = self.checkpoints.load(name)
        if there is None:
            return None
        self.optimiser.load(there.state)
        return there.progress, there.hash

    def _feed(self, split: str) -> Feed:
        """One of a split for all epochs: it reads through each file once to see that it is whole."""
        params = self._task.params
        how = {"batch_rows": params.batch_rows, "seed": params.seed, "rank": self._ranks.rank, "ranks": self._ranks.count}
        return self._feeds.setdefault(split, Feed(self._task.export_url, self._manifest, split, **how))

    def _train_epoch(self, outcome: Outcome) -> None:
        """The rest of an epoch. Its rows are counted, those of all ranks together, and held against the manifest."""
        before, started, sent, feed = outcome.progress, time.monotonic(), self._ranks.sent_bytes, self._feed("train")
        epoch, first = before.epoch, before.step
        rows = feed.dealt(epoch).first_row(first)
        for step, batch in enumerate(feed.epoch(epoch, from_step=first), first):
            outcome.losses.append(self._step(batch, epoch, step))
            rows += len(batch.answered)
            outcome.progress = replace(outcome.progress, step=step + 1)
            if (step + 1) % self._task.params.checkpoint_steps == 0:
                self._keep(NEWEST, self._counted(before, outcome, started, sent))
        outcome.progress = self._counted(before, outcome, started, sent)
        mine = torch.zeros(self._ranks.count, dtype=torch.int64)
        mine[self._ranks.rank] = rows
        fed = self._ranks.added(mine).tolist()
        if sum(fed) != self._manifest.rows("train"):
            raise BadData(f"{self._task.export_url}: {sum(fed)} rows came in epoch {epoch}, expected {self._manifest.rows('train')}")
        outcome.progress = replace(outcome.progress, rank_rows=tuple(map(sum, zip(before.rank_rows, fed, strict=True))))

    def _counted(self, before: Progress, outcome: Outcome, started: float, sent: int) -> Progress:
        """How far it has come, with what this part of an epoch took of all ranks."""
        now, took = outcome.progress, time.monotonic() - started
        bytes_ = int(self._ranks.added(torch.tensor([self._ranks.sent_bytes - sent]))[0])
        return replace(
            now,
            step_count=before.step_count + now.step - before.step,
            train_s=before.train_s + took,
            sent_bytes=before.sent_bytes + bytes_,
        )

    def _step(self, batch: Batch, epoch: int, step: int) -> float:
        """One step of all ranks; the mean loss of its rows before it."""
        params = self._task.params
        seed = np.random.SeedSequence([params.seed, epoch, step, self._ranks.rank]).generate_state(1, np.uint64)
        draw = torch.Generator().manual_seed(int(seed[0]))
        batch = batch.to(self._device)
        fields, dense = neutral_at_times(batch.fields, batch.dense, self.spec, share=params.neutral_share, draw=draw)
        batch = replace(batch, fields=fields, dense=dense)
        with self._precision():
            mine = sums_of(batch, self.network, self.table)
        sums = combined(mine, self._ranks)
        loss = float(sums.loss / sums.weight)
        if not np.isfinite(loss):
            raise ClickmillError(f"epoch {epoch}, step {step}: the loss is no number: {self._suspect(batch, mine)}")
        apply(sums, self.optimiser)
        return loss

    @contextmanager
    def _precision(self) -> Iterator[None]:
        """Half precision on a GPU that has it (older ones imitate it, slowly); sums of losses stay whole."""
        has_halves = self._device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        with torch.autocast(self._device.type, torch.bfloat16, enabled=has_halves):
            yield

    def _suspect(self, batch: Batch, mine: Sums) -> str:
        """What in the batch of this rank, in its rows or in the network is no number."""
        for place, column in enumerate(self.spec.dense):
            if not torch.isfinite(batch.dense[:, place]).all():
                return f"the column {column.name} holds what is not finite"
        rows = self.table.gathered(self.table.row_ids(batch.fields)).detach()  # [B, F, C]
        for place, one in enumerate(self.spec.fields):
            if not torch.isfinite(rows[:, place]).all():
                return f"the weights of {one.name} are not finite; {_TABLE_HINT}"
        if not torch.isfinite(mine.loss):
            return f"the network has grown too large; {_LAYERS_HINT}"
        return "another rank says why"

    def _weights(self) -> list[Tensor]:
        return [self.table.weights, *self.network.parameters()]

    def _overgrown(self) -> str:
        """Which weights have grown beyond what is a number, or nearly so."""
        largest = [float(one.detach().abs().max()) if one.numel() else 0.0 for one in self._weights()]
        is_table = not np.isfinite(largest[0]) or largest[0] > max(largest[1:])
        return f"values have grown too large; {_TABLE_HINT}" if is_table else f"layers have grown too large; {_LAYERS_HINT}"

    def _choose(self, outcome: Outcome) -> None:
        """Judge the network by the split that chooses, keep it where it is the best so far, and go on to the next epoch."""
        loss = weight = 0.0
        for _, probability, answered, weights in self._scored("valid"):
            clipped = probability.double().clamp(2**-24, 1 - 2**-24)
            loss -= float((weights * torch.where(answered > 0, clipped, 1 - clipped).log()).sum())
            weight += float(weights.sum())
        total = self._ranks.added(torch.tensor([loss, weight], dtype=torch.float64))
        log_loss, progress = float(total[0] / total[1]), outcome.progress
        if not np.isfinite(log_loss):
            raise ClickmillError(f"epoch {progress.epoch}: the loss of the rows that choose is no number: {self._overgrown()}")
        outcome.progress = replace(progress, epoch=progress.epoch + 1, step=0, epoch_losses=(*progress.epoch_losses, log_loss))
        if outcome.progress.best_epoch == progress.epoch:
            self._keep(BEST, outcome.progress)
        self._keep(NEWEST, outcome.progress)

    def _keep(self, name: str, progress: Progress) -> None:
        """The first rank writes, the others wait: nobody goes on before what it would go back to is there.

        Raises  ClickmillError, and writes nothing, where the last step made weights of what is no number
        """
        if not all(torch.isfinite(torch.stack(torch.aminmax(one.detach()))).all() for one in self._weights() if one.numel()):
            raise ClickmillError(f"epoch {progress.epoch}, step {progress.step - 1}: weights are no numbers: {self._overgrown()}")
        if self._ranks.rank == 0:
            self.checkpoints.save(name, self.optimiser.state(), progress)
        self._ranks.added(torch.zeros(1))

    def _scored(self, split: str) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
        """Row id, probability, answer and weight of the rows of a split that fall to this rank. Shapes  (B,) each"""
        for batch in self._feed(split).epoch(0):
            on_device = batch.to(self._device)
            said = probabilities(on_device.fields, on_device.dense, self.network, self.table).cpu()
            yield batch.row_id, said, batch.answered, batch.weight


def combined(sums: Sums, ranks: Ranks) -> Sums:
    """What all ranks found together, by two messages of each; the same to the bit on every rank."""
    if ranks.count == 1:
        return sums
    rows, gradients, flat = ranks.exchanged(sums.rows, sums.row_gradients, sums.flat)
    return Sums(*rows_and_gradients(rows, gradients), flat)


def spec_of(told: Manifest) -> InputSpec:
    """The inputs that an export holds."""
    return InputSpec(
        fields=tuple(CategoricalField(one["name"], one["vocabulary"], one["is_training_only"]) for one in told.fields),
        dense=tuple(DenseColumn(one["name"], one["is_training_only"]) for one in told.dense),
        vocabularies=tuple(Vocabulary(name, size) for name, size in sorted(told.vocabularies.items())),
    )
