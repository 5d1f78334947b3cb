"""A step of DCN V2 beside that of deepctr-torch: same batches, same layers, a vocabulary of a million values and more.

python -m benchmarks.networks [VALUES] [ROUNDS]

The rival is installed beside the project, into .cache/rivals, and finds torch where ours does. Each measurement is a process.
"""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from benchmarks import results

RIVAL = "deepctr-torch==0.3.0"
BATCH_ROWS, EMBEDDING, CROSSES, HIDDEN, STEPS = 8192, 16, 3, [256, 128], 3
SHAPES = ((26, 13), (15, 20))
# Vocabularies of a shop beside three that hold all other values.
SMALL = (30, 24, 7, 4, 300, 300, 50, 50, 1000, 5000, 5000, 20_000)
Step = Callable[[int], float]


def main(values: int = 1_000_000, rounds: int = 5) -> None:
    """In turn, each in a process of its own with one thread; ours once more in bfloat16, as GPUs and newer processors have it."""
    python, told = _rival(), []
    for fields, dense in SHAPES:
        found: dict[str, list[float]] = {"ours": [], "ours, bfloat16": [], "deepctr-torch": []}
        for _ in range(rounds):
            for name, seconds in found.items():
                asked = json.dumps({"name": name, "fields": fields, "dense": dense, "values": values})
                out = subprocess.run(
                    [python if name == "deepctr-torch" else sys.executable, "-m", "benchmarks.networks", "step", asked],
                    env={**os.environ, "OMP_NUM_THREADS": "1"},
                    check=True,
                    capture_output=True,
                    text=True,
                )
                seconds.append(float(out.stdout.split()[-1]))
        rival = median(found["deepctr-torch"][1:] or found["deepctr-torch"])
        for name, seconds in found.items():
            kept = seconds[1:] or seconds
            ratio = rival / median(kept)
            goal = (">= 2", results.met(ratio >= 2)) if name != "deepctr-torch" else ("", "")
            rates = f"{BATCH_ROWS / median(kept):,.0f} ({BATCH_ROWS / max(kept):,.0f} to {BATCH_ROWS / min(kept):,.0f})"
            told.append([f"{name}, {fields} fields and {dense} dense columns", rates, f"{ratio:.2f}", *goal])
    notes = [
        f"Batches of {BATCH_ROWS:,} in memory, embeddings of {EMBEDDING}, {CROSSES} cross layers, hidden layers of 256 and 128; a thread.",
        "deepctr-torch takes its Adam over every value at each step; without the penalties that it has by default.",
    ]
    results.write(
        f"Steps of DCN V2, {values:,} values", ["who", "rows/s (median, min to max)", "by deepctr-torch", "goal", "met"], told, notes
    )


def _rival() -> str:
    """The rival's Python, made on first use."""
    cache = Path(os.environ.get("CLICKMILL_CACHE", ".cache"))
    folder = (cache / "rivals" / "networks").resolve()
    python = folder / "bin" / "python"
    if not python.exists():
        uv, here = str(cache / "boot" / "bin" / "uv"), Path(np.__file__).parents[1]
        subprocess.run([uv, "venv", "-q", "--python", sys.executable, str(folder)], check=True)
        subprocess.run([uv, "pip", "install", "-q", "--python", str(python), "--no-deps", RIVAL, "h5py"], check=True)
        for site in folder.glob("lib/*/site-packages"):
            (site / "project.pth").write_text(f"{here}\n{Path(__file__).parents[1]}\n")
    return str(python)


def step(asked: str) -> None:
    """Seconds of a step, the median of some after three that warm up."""
    told = json.loads(asked)
    torch.set_num_threads(1)
    one = _deepctr(told) if told["name"] == "deepctr-torch" else _ours(told)
    seconds = []
    for number in range(3 + STEPS):
        started = time.perf_counter()
        one(number)
        seconds.append(time.perf_counter() - started)
    print(f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss} kB, seconds {median(seconds[3:])}")


def _sizes(fields: int, values: int) -> list[int]:
    small = [SMALL[n % len(SMALL)] for n in range(fields - 3)]
    rest = values - sum(small) - fields
    return [rest // 2, rest // 3, rest - rest // 2 - rest // 3, *small]


def _batches(told: dict[str, Any]) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    draw = np.random.default_rng(1)
    for _ in range(8):
        # Cubed: a tenth of the values has nearly half of the impressions.
        columns = [1 + (size * draw.random(BATCH_ROWS) ** 3).astype(np.int32) for size in _sizes(told["fields"], told["values"])]
        answered = (draw.random(BATCH_ROWS) < 0.3).astype(np.float32)
        yield np.stack(columns, 1), draw.normal(size=(BATCH_ROWS, told["dense"])).astype(np.float32), answered


def _ours(told: dict[str, Any]) -> Step:
    from clickmill.models.ctr.inputs import CategoricalField, DenseColumn, InputSpec, Vocabulary
    from clickmill.models.ctr.networks import Layers, build
    from clickmill.models.ctr.optimiser import Optimiser
    from clickmill.models.ctr.step import apply, sums_of
    from clickmill.models.ctr.table import FusedTable
    from clickmill.models.packing import Batch

    sizes = _sizes(told["fields"], told["values"])
    spec = InputSpec(
        tuple(CategoricalField(f"f{n}", f"f{n}") for n in range(len(sizes))),
        tuple(DenseColumn(f"d{n}") for n in range(told["dense"])),
        tuple(Vocabulary(f"f{n}", size) for n, size in enumerate(sizes)),
    )
    network = build("dcn_v2", spec, Layers(EMBEDDING, tuple(HIDDEN), CROSSES), answer_rate=0.3, seed=1)
    table = FusedTable(spec, network.parts, seed=1)
    optimiser = Optimiser(network, table, learning_rate=1e-3, table_learning_rate=0.05)
    ones, ids = torch.ones(BATCH_ROWS), torch.arange(BATCH_ROWS)
    made = [Batch(*(torch.from_numpy(one) for one in batch), ones, ids) for batch in _batches(told)]

    def one(number: int) -> float:
        with torch.autocast("cpu", torch.bfloat16, enabled=told["name"] == "ours, bfloat16"):
            sums = sums_of(made[number % 8], network, table)
        apply(sums, optimiser)
        return float(sums.loss)

    return one


def _deepctr(told: dict[str, Any]) -> Step:
    from deepctr_torch.inputs import DenseFeat, SparseFeat  # type: ignore[import-not-found]
    from deepctr_torch.models import DCN  # type: ignore[import-not-found]

    columns = [SparseFeat(f"f{n}", size + 1, EMBEDDING) for n, size in enumerate(_sizes(told["fields"], told["values"]))]
    columns += [DenseFeat(f"d{n}", 1) for n in range(told["dense"])]
    shape = {"cross_num": CROSSES, "cross_parameterization": "matrix", "dnn_hidden_units": tuple(HIDDEN)}
    model = DCN([], columns, **shape, l2_reg_linear=0.0, l2_reg_embedding=0.0, l2_reg_cross=0.0, device="cpu")
    model.compile("adam", "binary_crossentropy")
    made = [(torch.from_numpy(np.concatenate([ids, dense], 1)).float(), torch.from_numpy(y)) for ids, dense, y in _batches(told)]

    def one(number: int) -> float:  # as its own fit() takes a step
        inputs, answered = made[number % 8]
        model.optim.zero_grad()
        loss = model.loss_func(model(inputs).squeeze(-1), answered, reduction="sum")
        (loss + model.get_regularization_loss() + model.aux_loss).backward()
        model.optim.step()
        return float(loss)

    return one


if __name__ == "__main__":
    step(sys.argv[2]) if sys.argv[1:2] == ["step"] else main(*map(int, sys.argv[1:]))
