"""The memory that a training is said to take is what it takes, in a process whose heap keeps nothing that was freed."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
import torch
from torch import Tensor

from clickmill.models.ctr.memory import planned
from clickmill.models.ctr.training import Params, Task, Training
from clickmill.models.manifest import Group, Manifest
from clickmill.models.ranks import Alone, packed, unpacked
from models import exports

PARAMS = Params(
    network="dcn_v2",
    embedding_length=16,
    hidden=(256, 128),
    cross_layers=2,
    epochs=1,
    batch_rows=8192,
    learning_rate=0.001,
    table_learning_rate=0.02,
    weight_decay=0.0,
    neutral_share=0.1,
    checkpoint_steps=10**9,
    seed=1,
)
SMALL = {"fields": 2, "dense": 1, "values": 10, "rows": 32, "batch_rows": 32}
# What each takes most of: the table, activations, those of a factorisation machine, groups of rows, gradients of two ranks.
SHAPES: dict[str, dict[str, Any]] = {
    "table": {"fields": 8, "dense": 4, "values": 300_000, "rows": 1024, "batch_rows": 512},
    "activations": {"fields": 20, "dense": 13, "values": 1000, "rows": 2048},
    "machine": {"network": "deepfm", "hidden": (64,), "fields": 26, "dense": 4, "values": 1000, "rows": 4096, "batch_rows": 16_384},
    "feed": {"network": "wide_deep", "fields": 15, "dense": 135, "values": 1000, "rows": 32_768, "batch_rows": 512},
    "ranks": {"network": "deepfm", "fields": 12, "dense": 2, "values": 10**5, "rows": 4096, "hidden": (16,), "ranks": 2},
    "lines": {"network": "logistic_regression", "fields": 26, "dense": 2, "values": 10**5, "rows": 4096, "batch_rows": 16_384},
}


class Doubled(Alone):
    """A rank of two, the other of which finds the same, in other rows."""

    def __init__(self, row_count: int) -> None:
        super().__init__()
        self.count, self._row_count = 2, row_count

    def added(self, values: Tensor) -> Tensor:
        return 2 * values

    def exchanged(self, rows: Tensor, gradients: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mine, other = packed(rows, gradients), packed((rows + self._row_count // 2) % self._row_count, gradients)
        return *unpacked(torch.cat([mine, other])), self.added(values)


def export(folder: Path, shape: Mapping[str, Any]) -> Manifest:
    """Four groups of each split, of values that hardly come twice where there are many."""
    draw, files, first, rows = np.random.default_rng(1), {}, 0, shape["rows"]
    names = {kind: [f"{kind}_{n}" for n in range(shape[kind])] for kind in ("fields", "dense")}
    for split in ("train", "valid", "test"):
        files[split] = [Group(f"split={split}/group={place}/part-0.parquet", rows, 0) for place in range(4)]
        for group in files[split]:
            columns: dict[str, np.ndarray] = {"row_id": np.arange(first, first + rows)}
            columns |= {name: draw.integers(1, shape["values"] + 1, rows).astype(np.int32) for name in names["fields"]}
            columns |= {name: draw.normal(size=rows).astype(np.float32) for name in names["dense"]}
            columns |= {"answered": (draw.random(rows) < 0.3).astype(np.float32), "sampling_rate": np.ones(rows, np.float32)}
            (folder / group.file).parent.mkdir(parents=True)
            pq.write_table(pa.table(columns), folder / group.file)
            first += rows
    told = replace(
        exports.manifest(tuple(files["train"])),
        groups={split: tuple(of) for split, of in files.items()},
        vocabularies=dict.fromkeys(names["fields"], shape["values"]),
        fields=tuple({"name": name, "vocabulary": name, "is_training_only": False} for name in names["fields"]),
        dense=tuple({"name": name, "is_training_only": False} for name in names["dense"]),
    )
    return exports.sealed(folder, told)


def measured(folder: Path, shape: Mapping[str, Any]) -> tuple[int, int]:
    """The bytes by which a training made the process grow, and those that were reckoned before."""
    told = export(folder / "export", shape)
    params = replace(PARAMS, **{name: shape[name] for name in ("network", "hidden", "batch_rows") if name in shape})
    task = Task((folder / "export").as_uri(), told.text(), folder.as_uri(), shape.get("ranks", 1), params)
    reckoned, before = planned(task).peak, _of_process("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the largest size so far is forgotten
    rows = (shape["values"] + 1) * shape["fields"]
    Training(task, Doubled(rows) if task.ranks == 2 else Alone()).run()
    return _of_process("VmHWM") - before, reckoned


def _of_process(name: str) -> int:
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name)]
    return int(line.split()[1]) * 1024


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, int]]:
    """All shapes in one process, after a small one that loads what is loaded at first use."""
    # Else the heap would keep what is freed, and Arrow a pool of its own.
    heap = {"MALLOC_MMAP_THRESHOLD_": "65536", "ARROW_DEFAULT_MEMORY_POOL": "system", "OMP_NUM_THREADS": "1"}
    env = {**os.environ, **heap, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "models.ctr.test_memory", str(tmp_path_factory.mktemp("memory"))]
    told = subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout
    read: dict[str, tuple[int, int]] = json.loads(told.splitlines()[-1])
    return read


@pytest.mark.parametrize("shape", SHAPES)
def test_a_training_takes_the_memory_that_was_reckoned_within_a_twentieth(found: dict[str, tuple[int, int]], shape: str) -> None:
    took, reckoned = found[shape]
    assert took > 40e6  # so much that what the process does beside it is not seen
    assert reckoned == pytest.approx(took, rel=0.05)


def test_a_network_without_hidden_layers_is_reckoned_too(tmp_path: Path) -> None:
    told = exports.export(tmp_path / "export", [32] * 4).text()
    without, with_one = (planned(Task("file:///export", told, "file:///", 1, replace(PARAMS, hidden=hidden))) for hidden in ((), (8,)))
    # Of dcn_v2 it is the inputs, joined, 2 x 16 + 3, and zeros up to 40, of which a hidden layer of 8 makes one output the more.
    assert with_one.parameters - without.parameters == 4 * ((40 * 8 + 8) + (8 + 1) - (40 + 1))


if __name__ == "__main__":
    torch.set_num_threads(1)
    root = Path(sys.argv[1])
    measured(root / "small", SMALL)
    print(json.dumps({name: measured(root / name, shape) for name, shape in SHAPES.items()}))
