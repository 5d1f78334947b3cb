"""Training: one loop for one process and for many, that goes on where it was stopped, and says what went wrong and where."""

import math
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
import torch
from torch import Tensor

from clickmill.contracts.errors import ClickmillError
from clickmill.models.ctr import training
from clickmill.models.ctr.checkpoint import Checkpoints
from clickmill.models.ctr.networks import NETWORKS
from clickmill.models.ctr.training import BEST, NEWEST, Outcome, Params, Task, Training, train
from clickmill.models.feed import Feed
from clickmill.models.manifest import Manifest
from clickmill.models.packing import Batch
from clickmill.models.ranks import Together
from models.exports import clicks

torch.set_num_threads(1)
PARAMS = Params(
    network="dcn_v2",
    embedding_length=4,
    hidden=(16,),
    cross_layers=1,
    epochs=2,
    batch_rows=64,
    learning_rate=0.005,
    table_learning_rate=0.2,
    weight_decay=0.0,
    neutral_share=0.1,
    checkpoint_steps=10,
    seed=3,
)
# Of odd items nine of ten are answered, of even ones one of ten.
ENTROPY = -0.9 * math.log(0.9) - 0.1 * math.log(0.1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("export")


@pytest.fixture(scope="module")
def manifest(folder: Path) -> Manifest:
    return clicks(folder)


def task(folder: Path, manifest: Manifest, out: Path, **changes: Any) -> Task:
    return Task(folder.as_uri(), manifest.text(), out.as_uri(), 1, replace(PARAMS, **changes))


def weights(of: Task, name: str = NEWEST) -> dict[str, list[float]]:
    found = Checkpoints(f"{of.root_url}/{of.path}", of.run_id).load(name)
    assert found is not None
    return {key: tensor.flatten().tolist() for key, tensor in found.state.items()}


@pytest.mark.parametrize("network", NETWORKS)
def test_every_network_learns_what_can_be_learnt(folder: Path, manifest: Manifest, tmp_path: Path, network: str) -> None:
    outcome = train(task(folder, manifest, tmp_path, network=network, epochs=4))
    assert len(outcome.losses) == 4 * 32
    assert outcome.losses[0] == pytest.approx(math.log(2), abs=0.15)
    losses = outcome.progress.epoch_losses
    assert min(losses) < ENTROPY + 0.08
    assert outcome.progress.best_epoch == losses.index(min(losses))
    assert (outcome.progress.rank_rows, outcome.progress.step_count, outcome.progress.sent_bytes) == ((4 * 2048,), 4 * 32, 0)


def test_each_row_that_chooses_or_judges_is_scored_once(folder: Path, manifest: Manifest, tmp_path: Path) -> None:
    of = task(folder, manifest, tmp_path)
    train(of)
    for split, first in (("valid", 2048), ("test", 2848)):
        scores = pq.read_table(tmp_path / of.path / "scores" / f"split={split}", partitioning=None)
        assert sorted(scores["row_id"].to_pylist()) == list(range(first, first + 800))
        assert 0 < min(scores["probability"].to_pylist()) < 0.3 < 0.7 < max(scores["probability"].to_pylist()) < 1


class _Stopped(Exception):
    pass


def stopped_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, taken = Training._step, [0]

    def stop(self: Training, batch: Batch, epoch: int, number: int) -> float:
        taken[0] += 1
        if taken[0] > step:
            raise _Stopped
        return kept(self, batch, epoch, number)

    monkeypatch.setattr(Training, "_step", stop)


@pytest.mark.parametrize("step", [5, 25, 45])
def test_a_training_that_was_stopped_comes_to_the_weights_of_an_unbroken_one(
    folder: Path, manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    unbroken, broken = (task(folder, manifest, tmp_path / name) for name in ("unbroken", "broken"))
    whole = train(unbroken)
    stopped_at(step, monkeypatch)
    with pytest.raises(_Stopped):
        train(broken)
    monkeypatch.undo()
    again = train(broken)
    assert (again.progress.rank_rows, again.progress.step_count) == (whole.progress.rank_rows, whole.progress.step_count)
    assert (again.progress.epoch_losses, again.checkpoint_hash != "") == (whole.progress.epoch_losses, True)
    for name in (NEWEST, BEST):
        assert weights(broken, name) == weights(unbroken, name)


def test_a_finished_training_is_not_done_again(folder: Path, manifest: Manifest, tmp_path: Path) -> None:
    of = task(folder, manifest, tmp_path)
    first, again = train(of), train(of)
    assert (again.losses, again.progress, again.checkpoint_hash) == ([], first.progress, first.checkpoint_hash)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"table_learning_rate": 1e38}, r"epoch 0, step [1-9]: the loss is no number: the weights of item are not finite"),
        ({"learning_rate": 1e37}, r"epoch 0, step [1-9]: the loss is no number: the network has grown too large"),
    ],
)
def test_a_loss_that_is_no_number_stops_the_training_and_names_step_and_feature(
    folder: Path, manifest: Manifest, tmp_path: Path, changes: dict[str, float], told: str
) -> None:
    with pytest.raises(ClickmillError, match=told):
        train(task(folder, manifest, tmp_path, **changes))


@pytest.mark.parametrize(("changes", "told"), [({"checkpoint_steps": 1}, r"step 0: weights are no numbers: values"), ({}, r"values have")])
def test_what_the_last_step_before_a_judgement_spoils_is_never_kept(
    folder: Path, manifest: Manifest, tmp_path: Path, changes: dict[str, Any], told: str
) -> None:
    of = task(folder, manifest, tmp_path, batch_rows=100_000, table_learning_rate=1e38, learning_rate=1e37, **changes)
    with pytest.raises(ClickmillError, match=told):
        train(of)
    assert not list(tmp_path.rglob("*.safetensors"))


class Pair(Together):
    """One of two ranks in threads: as Horovod does, without it."""

    def __init__(self, rank: int, shared: list[Any], both: threading.Barrier) -> None:
        self.rank, self.count, self.sent_bytes, self._hvd, self._shared, self._both = rank, 2, 0, self, shared, both

    def _all(self, mine: Tensor) -> list[Tensor]:
        self._shared[self.rank] = mine
        self._both.wait(60)
        told = list(self._shared)
        self._both.wait(60)
        return told

    Sum = None

    def allreduce_async(self, values: Tensor, op: None, name: str) -> Tensor:
        first, second = self._all(values)
        return first + second

    def synchronize(self, total: Tensor) -> Tensor:
        return total

    def allgather(self, message: Tensor, name: str) -> Tensor:
        return torch.cat(self._all(message))


def in_threads(of: Task) -> list[Outcome]:
    shared, both, found = [None, None], threading.Barrier(2), {}

    def run(rank: int) -> None:
        found[rank] = Training(of, Pair(rank, shared, both)).run()

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [found[0], found[1]]


def as_one(of: Task, monkeypatch: pytest.MonkeyPatch) -> Outcome:
    """One process that is fed the batches of two ranks at once."""

    class Both:
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self._feeds = [Feed(*args, **kwargs | {"rank": rank, "ranks": 2}) for rank in range(2)]

            self.dealt = self._feeds[0].dealt

        def epoch(self, epoch: int, *, from_step: int = 0) -> Any:
            for batches in zip(*(feed.epoch(epoch, from_step=from_step) for feed in self._feeds), strict=True):
                yield Batch(*(torch.cat([getattr(one, name) for one in batches]) for name in vars(batches[0])))

    monkeypatch.setattr(training, "Feed", Both)
    return train(of)


@pytest.mark.parametrize("groups", [(256,) * 8, (300, 212, 256, 100, 412, 256, 256, 256, 199)])
def test_two_ranks_come_to_what_one_does_also_with_unequal_shards(
    tmp_path: Path, groups: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = clicks(tmp_path / "export", train=groups)
    two, one = (task(tmp_path / "export", told, tmp_path / name, neutral_share=0.0) for name in ("two", "one"))
    first, second = in_threads(two)
    assert first.losses == second.losses
    assert first.progress.rank_rows == second.progress.rank_rows
    assert sum(first.progress.rank_rows) == 2 * sum(groups)
    assert first.progress.sent_bytes > 0
    alone = as_one(one, monkeypatch)
    assert first.losses == pytest.approx(alone.losses, abs=2e-3)
    assert first.progress.epoch_losses == pytest.approx(alone.progress.epoch_losses, abs=2e-3)


RANK = Path(__file__).with_name("rank.py")


def horovodrun(of: Task, out: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Two processes of this machine, brought together by Horovod; each writes what it came to."""
    out.mkdir(exist_ok=True)
    given = [of.export_url, of.root_url, str(out), *more]
    (out / "manifest.json").write_text(of.manifest)
    folder = Path(sys.executable).parent
    env = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    command = [folder / "horovodrun", "-np", "2", "--gloo", sys.executable, RANK, *given]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=env, check=False)


def states(out: Path) -> list[str]:
    return [(out / f"state-{rank}").read_text() for rank in range(2)]


def test_ranks_of_horovod_end_with_the_same_bits_also_after_one_was_killed(folder: Path, manifest: Manifest, tmp_path: Path) -> None:
    unbroken, broken = (task(folder, manifest, tmp_path / name) for name in ("unbroken", "broken"))
    ended = horovodrun(unbroken, tmp_path / "a")
    assert ended.returncode == 0, ended.stderr
    killed = horovodrun(broken, tmp_path / "b", "25")
    assert killed.returncode != 0
    assert "Exit code: 137" in killed.stderr
    assert not list((tmp_path / "b").glob("state-*"))
    assert horovodrun(broken, tmp_path / "b").returncode == 0
    assert len({*states(tmp_path / "a"), *states(tmp_path / "b")}) == 1
    in_two_threads = in_threads(task(folder, manifest, tmp_path / "threads"))
    losses = [float(one) for one in (tmp_path / "a" / "losses-0").read_text().split()]
    assert losses == pytest.approx(in_two_threads[0].losses, abs=1e-5)
