"""How feeding and training grow with the rows of an export: seconds for a million of them, and memory beside what was reckoned.

python -m benchmarks.training [ROWS] [ROUNDS]     of the smallest export; three and ten times as many are made as well
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

import psutil
import torch

from benchmarks import feed, ranks, results
from clickmill.models import manifest
from clickmill.models.ctr.memory import planned
from clickmill.models.ctr.training import Task, train
from clickmill.models.feed import Feed

TIMES = (1, 3, 10)
_MILLION, _MB = 1e6, 1e6
_MOST_TIME, _MOST_MEMORY = 10.5, 1.1


def main(rows: int = 1_000_000, rounds: int = 2) -> None:
    """Each measurement is a process with one thread; the sizes take turns."""
    found: dict[tuple[str, int], list[dict[str, float]]] = {}
    disk = {}
    for _ in range(rounds):
        for times in TIMES:
            text = feed.exported(rows * times).text()
            disk[times] = sum(one.stat().st_size for one in feed.FOLDER.rglob("*.parquet")) / (rows * times)
            for what in ("feed", "training"):
                found.setdefault((what, times), []).append(_measured(what, text))
    told = [_row(what, times, rows, found[what, times]) for what in ("feed", "training") for times in TIMES]
    for what in ("feed", "training"):
        first, last = (median(one["seconds"] for one in found[what, times]) for times in (TIMES[0], TIMES[-1]))
        least, most = (median(one["grew"] for one in found[what, times]) for times in (TIMES[0], TIMES[-1]))
        ratio, memory = last / first, most / least
        told.append(
            [f"{what}, {TIMES[-1]} times the rows: time", f"{ratio:.2f}", "", "", f"<= {_MOST_TIME}", results.met(ratio <= _MOST_TIME)]
        )
        told.append(
            [
                f"{what}, {TIMES[-1]} times the rows: memory",
                f"{memory:.2f}",
                "",
                "",
                f"<= {_MOST_MEMORY}",
                results.met(memory <= _MOST_MEMORY),
            ]
        )
    notes = [
        f"Exports of {feed.FIELDS} fields of {sum(feed.SIZES):,} values, {feed.DENSE} dense columns, label and rate:"
        f" {disk[TIMES[-1]]:.0f} bytes a row on disk, in groups of at most {feed.GROUP_ROWS:,}; batches of {feed.BATCH_ROWS:,}; rounds:"
        f" {rounds}. Training is one epoch of DCN V2 with 2 cross layers and hidden layers of 128 and 64, and what comes after it:"
        " checkpoints, and scores of a few rows.",
        "MB are what the process grew by, at most, after it had loaded its program and trained a few rows, of which its heap kept some"
        " room. Reckoned by `clickmill train --plan`.",
    ]
    results.write(
        f"Feeding and training, {rows:,} rows to ten times as many",
        ["what", "seconds a million rows", "MB", "reckoned", "goal", "met"],
        told,
        notes,
    )


def _row(what: str, times: int, rows: int, found: list[dict[str, float]]) -> list[str]:
    each = [one["seconds"] / (rows * times / _MILLION) for one in found]
    spread = f" ({min(each):.2f} to {max(each):.2f})" if len(each) > 1 else ""
    reckoned = f"{found[-1]['reckoned'] / _MB:,.0f}" if what == "training" else ""
    return [
        f"{what}, {rows * times:,} rows",
        f"{median(each):.2f}{spread}",
        f"{max(one['grew'] for one in found) / _MB:,.0f}",
        reckoned,
        "",
        "",
    ]


def _measured(what: str, text: str) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "manifest").write_text(text)
        command = [sys.executable, "-m", "benchmarks.training", what, folder]
        told: dict[str, float] = json.loads(
            subprocess.run(
                command, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=True, capture_output=True, text=True
            ).stdout.splitlines()[-1]
        )
    return told


def one(what: str, folder: str) -> None:
    """What one process measures, after it has fed or trained a few rows."""
    torch.set_num_threads(1)
    told = manifest.parsed((Path(folder) / "manifest").read_text())
    few = told.groups["train"][:1]
    whole = replace(told, groups={"train": told.groups["train"], "valid": few, "test": few})
    step = {"feed": _feed, "training": _train}[what]
    step(replace(told, groups=dict.fromkeys(("train", "valid", "test"), few)), f"{folder}/small")
    before = psutil.Process().memory_info().rss
    Path("/proc/self/clear_refs").write_text("5")
    started = time.perf_counter()
    step(whole, f"{folder}/whole")
    seconds = time.perf_counter() - started
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    task = _task(whole, folder)
    print(json.dumps({"seconds": seconds, "grew": int(line.split()[1]) * 1024 - before, "reckoned": planned(task).peak}))


def _task(told: manifest.Manifest, root: str) -> Task:
    return Task(feed.FOLDER.resolve().as_uri(), told.text(), Path(root).resolve().as_uri(), 1, ranks.PARAMS)


def _train(told: manifest.Manifest, root: str) -> None:
    train(_task(told, root))


def _feed(told: manifest.Manifest, root: str) -> None:
    for batch in Feed(feed.FOLDER.resolve().as_uri(), told, "train", batch_rows=feed.BATCH_ROWS, seed=1).epoch(0):
        batch.fields.sum()


if __name__ == "__main__":
    if sys.argv[1:2] in (["feed"], ["training"]):
        one(*sys.argv[1:])
    else:
        main(*map(int, sys.argv[1:]))
