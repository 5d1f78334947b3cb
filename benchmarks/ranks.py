"""Two ranks of Horovod beside one process, and what they send beside what Horovod's own ways would send.

python -m benchmarks.ranks [ROWS] [ROUNDS]     over the export of benchmarks.feed
"""

import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

from benchmarks import feed, results
from clickmill.models.ctr.training import Params, Task, Training, train
from clickmill.models.ranks import OF_A_RANK, Alone, launched

PARAMS = Params(
    network="dcn_v2",
    embedding_length=16,
    hidden=(128, 64),
    cross_layers=2,
    epochs=1,
    batch_rows=feed.BATCH_ROWS,
    learning_rate=0.001,
    table_learning_rate=0.02,
    weight_decay=0.0,
    neutral_share=0.0,
    checkpoint_steps=10**9,
    seed=1,
)
_FLOAT, _LONG = 4, 8


def main(rows: int = 1_000_000, rounds: int = 4) -> None:
    """Each process has one thread; two ranks take steps of twice the rows."""
    text = feed.exported(rows).text()
    found: dict[int, list[dict[str, float]]] = {1: [], 2: []}
    apart = []
    for _ in range(rounds):
        for ranks in found:
            found[ranks].append(_trained(text, ranks))
        with ThreadPoolExecutor(2) as both:
            apart.append(sum(rows / one["train_s"] for one in both.map(lambda _: _trained(text, 1), range(2))))
    rate = {ranks: median(rows / one["train_s"] for one in (told[1:] or told)) for ranks, told in found.items()}
    most = median(apart[1:] or apart)
    two = found[2][-1]
    sent = two["sent_bytes"] / two["step_count"] / 2
    size = Training(Task(feed.FOLDER.resolve().as_uri(), text, Path(tempfile.mkdtemp()).as_uri(), 1, PARAMS), Alone())
    layers = sum(one.numel() for one in size.network.parameters()) * _FLOAT
    values = feed.BATCH_ROWS * feed.FIELDS
    sparse = layers + values * (_LONG + PARAMS.embedding_length * _FLOAT)
    dense = layers + size.table.weights.numel() * _FLOAT
    told = [
        ["one process, rows/s", f"{rate[1]:,.0f}", "", ""],
        ["two ranks, rows/s", f"{rate[2]:,.0f}", "", ""],
        ["two ranks by one process", f"{rate[2] / rate[1]:.2f}", ">= 1.7", results.met(rate[2] >= 1.7 * rate[1])],
        ["two processes that know nothing of each other, rows/s of both", f"{most:,.0f}", "", ""],
        ["two ranks by these two", f"{rate[2] / most:.2f}", "", ""],
        ["MB a rank sends in a step", f"{sent / 1e6:.2f}", "", ""],
        ["Horovod's sparse gradients by that", f"{sparse / sent:.1f}", ">= 4", results.met(sparse >= 4 * sent)],
        ["gradients of the whole table by that", f"{dense / sent:.1f}", ">= 10", results.met(dense >= 10 * sent)],
    ]
    notes = [
        f"DCN V2 over {rows:,} rows, {feed.FIELDS} fields of {sum(feed.SIZES):,} values together, batches of {feed.BATCH_ROWS:,} a rank;"
        " a thread each.",
        "Seconds are those of steps, without start-up. What Horovod itself would send is reckoned: two gathers of each gradient as it is,"
        " with numbers of 64 bits; or one sum of the whole table.",
    ]
    results.write("Two ranks beside one", ["what", "measured", "goal", "met"], told, notes)


def _trained(text: str, ranks: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "manifest").write_text(text)
        environment = {**os.environ, **OF_A_RANK}
        me = [sys.executable, "-m", "benchmarks.ranks", "rank", folder]
        there = Path(sys.executable).parent
        command = me if ranks == 1 else [str(there / "horovodrun"), "-np", str(ranks), "--gloo", *me]
        environment["PATH"] = f"{there}:{environment['PATH']}"
        subprocess.run(command, env=environment, check=True, capture_output=True)
        told: dict[str, float] = json.loads((Path(folder) / "told").read_text())
    return told


def rank(folder: str) -> None:
    """What one process of a round does."""
    text = (Path(folder) / "manifest").read_text()
    task = Task(feed.FOLDER.resolve().as_uri(), text, (Path(folder) / "out").as_uri(), launched()[1], PARAMS)
    progress = train(task).progress
    if launched()[0] == 0:
        (Path(folder) / "told").write_text(json.dumps({name: getattr(progress, name) for name in ("train_s", "step_count", "sent_bytes")}))


if __name__ == "__main__":
    rank(sys.argv[2]) if sys.argv[1:2] == ["rank"] else main(*map(int, sys.argv[1:]))
