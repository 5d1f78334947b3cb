"""DCN V2 beside that of deepctr-torch: same batches, same layers, a vocabulary of a million values and more; a step, and what is learnt.

python -m benchmarks.networks [VALUES] [ROUNDS] [LEARNT]     LEARNT batches are learnt from once, an eighth as many judge

The rival is installed beside the project, into .cache/rivals, and finds torch where ours does. Each measurement is a process.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.metrics import roc_auc_score  # type: ignore[import-untyped]

from benchmarks import results

RIVAL = "deepctr-torch==0.3.0"
WHO = ("ours", "ours, bfloat16", "deepctr-torch")
BATCH_ROWS, EMBEDDING, CROSSES, HIDDEN, STEPS = 8192, 16, 3, [256, 128], 3
RATE, TABLE_RATE = 0.001, 0.02
RIVAL_RATES = (0.001, 0.003, 0.01)
SHAPES = ((26, 13), (15, 20))
# Vocabularies of a shop beside three that hold all other values.
SMALL = (30, 24, 7, 4, 300, 300, 50, 50, 1000, 5000, 5000, 20_000)
# Of each field a value's own part in the logit, and of two small ones a part of both together.
OWN, TOGETHER, BIAS = 0.25, 0.7, -1.2
Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]


class Trainee(NamedTuple):
    """Takes a step with a batch, and says of other batches how likely an answer is."""

    step: Callable[[Any], None]
    score: Callable[[Any], np.ndarray]
    batch: Callable[[Arrays], Any]


def main(values: int = 1_000_000, rounds: int = 5, learnt: int = 48) -> None:
    """In turn, each in a process of its own with one thread; ours once more in bfloat16, as GPUs and newer processors have it."""
    _rival()
    steps, told = [_steps(*shape, values, rounds) for shape in SHAPES], []
    for fields, dense, found in steps:
        rival = median(found["deepctr-torch"][1:] or found["deepctr-torch"])
        for name, seconds in found.items():
            kept = seconds[1:] or seconds
            ratio = rival / median(kept)
            goal = (">= 2", results.met(ratio >= 2)) if name != "deepctr-torch" else ("", "")
            rates = f"{BATCH_ROWS / median(kept):,.0f} ({BATCH_ROWS / max(kept):,.0f} to {BATCH_ROWS / min(kept):,.0f})"
            told.append([f"{name}, {fields} fields and {dense} dense columns", rates, f"{ratio:.2f}", *goal])
    fields, dense = SHAPES[1]
    areas = {name: _told("learn", name, fields, dense, values, learnt)["area"] for name in (*WHO[:2], "the truth")}
    tried = {rate: _told("learn", "deepctr-torch", fields, dense, values, learnt, rate)["area"] for rate in RIVAL_RATES}
    areas["deepctr-torch"] = max(tried.values())
    for name in WHO:
        less = areas["deepctr-torch"] - areas[name]
        goal = ("at most 0.0005 less", results.met(less <= 0.0005)) if name != "deepctr-torch" else ("", "")
        told.append([f"{name}, AUC after {learnt} steps of {fields} fields", f"{areas[name]:.4f}", f"{-less:+.4f}", *goal])
    notes = [
        f"Batches of {BATCH_ROWS:,} in memory, embeddings of {EMBEDDING}, {CROSSES} cross layers, hidden layers of 256 and 128; a thread.",
        "deepctr-torch takes its Adam over every value at each step; without the penalties that it has by default.",
        f"Learnt from once, each with its own first values: ours at the rates of conf/base.yaml, {RATE} for layers and {TABLE_RATE} for"
        f" values, the rival's Adam at the best of {', '.join(f'{rate} ({area:.4f})' for rate, area in tried.items())}."
        f" The true chances reach {areas['the truth']:.4f}.",
    ]
    results.write(
        f"DCN V2, {values:,} values", ["who", "rows/s (median, min to max), or AUC", "by deepctr-torch", "goal", "met"], told, notes
    )


def _steps(fields: int, dense: int, values: int, rounds: int) -> tuple[int, int, dict[str, list[float]]]:
    found: dict[str, list[float]] = {name: [] for name in WHO}
    for _ in range(rounds):
        for name, seconds in found.items():
            seconds.append(_told("step", name, fields, dense, values, 0)["seconds"])
    return fields, dense, found


def _told(what: str, name: str, fields: int, dense: int, values: int, learnt: int, rate: float = RATE) -> dict[str, float]:
    asked = json.dumps({"name": name, "fields": fields, "dense": dense, "values": values, "learnt": learnt, "rate": rate})
    command = [_rival() if name == "deepctr-torch" else sys.executable, "-m", "benchmarks.networks", what, asked]
    out = subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=True, capture_output=True, text=True)
    told: dict[str, float] = json.loads(out.stdout.splitlines()[-1])
    return told


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


def step(told: dict[str, Any]) -> dict[str, float]:
    """Seconds of a step, the median of some after three that warm up."""
    one, seconds = _trainee(told), []
    made = [one.batch(batch) for batch, _ in islice(_batches(told, 1), 8)]
    for number in range(3 + STEPS):
        started = time.perf_counter()
        one.step(made[number % 8])
        seconds.append(time.perf_counter() - started)
    return {"seconds": median(seconds[3:])}


def learn(told: dict[str, Any]) -> dict[str, float]:
    """The area under the ROC curve over other batches, of who has learnt from each batch once, or of the true chances."""
    count, one = told["learnt"], None if told["name"] == "the truth" else _trainee(told)
    scores, answers = [], []
    for number, (batch, chance) in enumerate(islice(_batches(told, 2), count + max(1, count // 8))):
        if number < count and one:
            one.step(one.batch(batch))
        elif number >= count:
            scores.append(one.score(one.batch(batch)) if one else chance)
            answers.append(batch[2])
    return {"area": float(roc_auc_score(np.concatenate(answers), np.concatenate(scores)))}


def _trainee(told: dict[str, Any]) -> Trainee:
    torch.set_num_threads(1)
    torch.manual_seed(1)
    return _deepctr(told) if told["name"] == "deepctr-torch" else _ours(told)


def _sizes(fields: int, values: int) -> list[int]:
    small = [SMALL[n % len(SMALL)] for n in range(fields - 3)]
    rest = values - sum(small) - fields
    return [rest // 2, rest // 3, rest - rest // 2 - rest // 3, *small]


def _batches(told: dict[str, Any], seed: int) -> Iterator[tuple[Arrays, np.ndarray]]:
    """Values, dense columns and answers of a batch, and the true chances of these."""
    draw, truth, sizes = np.random.default_rng(seed), np.random.default_rng(0), _sizes(told["fields"], told["values"])
    own = [truth.normal(0, OWN, size + 1) for size in sizes]
    together = truth.normal(0, TOGETHER, (sizes[3] + 1, sizes[4] + 1))
    while True:
        # Cubed: a tenth of the values has nearly half of the impressions.
        columns = [1 + (size * draw.random(BATCH_ROWS) ** 3).astype(np.int32) for size in sizes]
        dense = draw.normal(size=(BATCH_ROWS, told["dense"])).astype(np.float32)
        logit = (
            BIAS + dense[:, 0] / 2 + sum(part[column] for part, column in zip(own, columns, strict=True)) + together[columns[3], columns[4]]
        )
        chance = 1 / (1 + np.exp(-logit))
        yield (np.stack(columns, 1), dense, (draw.random(BATCH_ROWS) < chance).astype(np.float32)), chance


def _ours(told: dict[str, Any]) -> Trainee:
    from clickmill.models.ctr.inputs import CategoricalField, DenseColumn, InputSpec, Vocabulary
    from clickmill.models.ctr.networks import Layers, build
    from clickmill.models.ctr.optimiser import Optimiser
    from clickmill.models.ctr.step import apply, probabilities, sums_of
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
    optimiser = Optimiser(network, table, learning_rate=RATE, table_learning_rate=TABLE_RATE)
    ones, ids = torch.ones(BATCH_ROWS), torch.arange(BATCH_ROWS)

    def take(batch: Batch) -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=told["name"] == "ours, bfloat16"):
            sums = sums_of(batch, network, table)
        apply(sums, optimiser)
        float(sums.loss)

    return Trainee(
        take,
        lambda batch: probabilities(batch.fields, batch.dense, network, table).numpy(),
        lambda arrays: Batch(*map(torch.from_numpy, arrays), ones, ids),
    )


def _deepctr(told: dict[str, Any]) -> Trainee:
    from deepctr_torch.inputs import DenseFeat, SparseFeat  # type: ignore[import-not-found]
    from deepctr_torch.models import DCN  # type: ignore[import-not-found]

    columns = [SparseFeat(f"f{n}", size + 1, EMBEDDING) for n, size in enumerate(_sizes(told["fields"], told["values"]))]
    columns += [DenseFeat(f"d{n}", 1) for n in range(told["dense"])]
    shape = {"cross_num": CROSSES, "cross_parameterization": "matrix", "dnn_hidden_units": tuple(HIDDEN)}
    model = DCN([], columns, **shape, l2_reg_linear=0.0, l2_reg_embedding=0.0, l2_reg_cross=0.0, device="cpu")
    model.compile(torch.optim.Adam(model.parameters(), lr=told["rate"]), "binary_crossentropy")

    def take(batch: tuple[torch.Tensor, torch.Tensor]) -> None:  # as its own fit() does
        inputs, answered = batch
        model.optim.zero_grad()
        loss = model.loss_func(model(inputs).squeeze(-1), answered, reduction="sum")
        (loss + model.get_regularization_loss() + model.aux_loss).backward()
        model.optim.step()
        float(loss)

    def score(batch: tuple[torch.Tensor, torch.Tensor]) -> np.ndarray:
        with torch.no_grad():
            return model(batch[0]).squeeze(-1).numpy()

    def packed(arrays: Arrays) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.from_numpy(np.concatenate(arrays[:2], 1)).float(), torch.from_numpy(arrays[2])

    return Trainee(take, score, packed)


if __name__ == "__main__":
    if sys.argv[1:2] in (["step"], ["learn"]):
        print(json.dumps({"step": step, "learn": learn}[sys.argv[1]](json.loads(sys.argv[2]))))
    else:
        main(*map(int, sys.argv[1:]))
