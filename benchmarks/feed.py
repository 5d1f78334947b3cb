"""The training feed beside others that give the same rows, and training from it beside training from memory.

python -m benchmarks.feed [ROWS] [ROUNDS]     of 26 fields, 13 dense columns and a label: 40 columns
"""

import shutil
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from statistics import median

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import torch
from petastorm import make_batch_reader  # type: ignore[import-untyped]
from petastorm.pytorch import BatchedDataLoader, DataLoader  # type: ignore[import-untyped]
from torch import Tensor

from benchmarks import results
from benchmarks.networks import SMALL
from clickmill.models.ctr.networks import Layers, build
from clickmill.models.ctr.optimiser import Optimiser
from clickmill.models.ctr.step import apply, sums_of
from clickmill.models.ctr.table import FusedTable
from clickmill.models.ctr.training import spec_of
from clickmill.models.feed import Feed
from clickmill.models.manifest import Group, Manifest
from clickmill.models.packing import Batch

FOLDER = Path("demo") / "benchmark" / "feed"
DENSE = 13
SIZES = (450_000, 300_000, 180_000, *(SMALL * 2)[:23])
FIELDS = len(SIZES)
GROUP_ROWS, BATCH_ROWS = 131_072, 8192
# Of the slowest rival a few rows tell its rate.
SLOWEST_ROWS = 65_536


def main(rows: int = 5_000_000, rounds: int = 5) -> None:
    """Every feed gives shuffled batches of one int32 and one float32 tensor; the sum over all of them must be the same."""
    torch.set_num_threads(1)
    told = exported(rows)
    feeds = {"ours": ours, "raw pyarrow": raw, "BatchedDataLoader": batched, "DataLoader": by_row}
    assert len({_sum(feeds[name](told)) for name in ("ours", "raw pyarrow", "BatchedDataLoader")}) == 1
    rates: dict[str, list[float]] = {name: [] for name in feeds}
    for _ in range(rounds):
        for name, feed in feeds.items():
            rates[name].append(_rate(lambda feed=feed: feed(told)))
    rate = {name: median(found[1:] or found) for name, found in rates.items()}
    goals = {"raw pyarrow": 0.7, "BatchedDataLoader": 5.0, "DataLoader": 30.0}
    table = [[name, _told(rates[name]), "", ""] for name in feeds]
    for name, goal in goals.items():
        ratio = rate["ours"] / rate[name]
        table.append([f"ours by {name}", f"{ratio:.2f}", f">= {goal}", results.met(ratio >= goal)])
    trained = from_feed_by_memory(told, rounds)
    table.append(["training from the feed by training from memory, rows/s", f"{trained:.3f}", ">= 0.95", results.met(trained >= 0.95)])
    notes = [
        f"{rows:,} rows of {FIELDS} fields, {DENSE} dense columns, label and rate in groups of {GROUP_ROWS:,}; batches of {BATCH_ROWS:,},"
        " two groups mixed; files in the page cache; one thread for arithmetic. BatchedDataLoader mixes as many rows, and packs nothing.",
        f"Training is DCN V2 with 2 cross layers and hidden layers of 128 and 64, embeddings of 16, {sum(SIZES):,} values.",
    ]
    results.write(f"Training feed, {rows:,} rows of 40 columns", ["feed", "rows/s (median, min to max)", "goal", "met"], table, notes)


def exported(rows: int) -> Manifest:
    """An export of random rows, as export_ctr_rows lays them down."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    draw, files = np.random.default_rng(1), []
    groups = max(4, -(-rows // GROUP_ROWS))
    for group, (first, end) in enumerate(pairwise(rows * place // groups for place in range(groups + 1))):
        count, name = end - first, f"split=train/group={group}/part-0.parquet"
        columns: dict[str, np.ndarray] = {"row_id": np.arange(first, end)}
        # Few values are common: cubed, a tenth of them has nearly half of the rows.
        columns |= {f"f{n}": (draw.random(count) ** 3 * size).astype(np.int32) + 1 for n, size in enumerate(SIZES)}
        columns |= {f"d{n}": draw.normal(size=count).astype(np.float32) for n in range(DENSE)}
        columns |= {"answered": (draw.random(count) < 0.1).astype(np.float32), "sampling_rate": np.ones(count, np.float32)}
        (FOLDER / name).parent.mkdir(parents=True)
        pq.write_table(pa.table(columns), FOLDER / name, row_group_size=count, compression="zstd")
        files.append(Group(name, count, zlib.crc32((FOLDER / name).read_bytes())))
    return Manifest(
        export_id="benchmark",
        table="",
        table_version=0,
        vocabulary_version=0,
        days={},
        label_wait_days=0,
        seed=1,
        answer_rate=0.1,
        counts={"train": rows},
        vocabularies={f"f{n}": size for n, size in enumerate(SIZES)},
        fields=tuple({"name": f"f{n}", "vocabulary": f"f{n}", "is_training_only": False} for n in range(FIELDS)),
        dense=tuple({"name": f"d{n}", "is_training_only": False} for n in range(DENSE)),
        schema_hash="",
        vocabulary_hash="",
        groups={"train": tuple(files), "valid": tuple(files[-1:]), "test": tuple(files[-1:])},
    )


Packed = tuple[Tensor, Tensor]


def ours(told: Manifest) -> Iterator[Packed]:
    for batch in Feed(FOLDER.resolve().as_uri(), told, "train", batch_rows=BATCH_ROWS, seed=1).epoch(0):
        yield batch.fields, batch.dense


def raw(told: Manifest) -> Iterator[Packed]:
    """The least that gives such batches: pyarrow reads two groups at a time, which are shuffled and packed."""
    groups = list(told.groups["train"])
    for first in range(0, len(groups), 2):
        tables = [pq.read_table(FOLDER / one.file, partitioning=None) for one in groups[first : first + 2]]
        table = pa.concat_tables(tables)
        fields, dense = (_stacked(table, prefix, count) for prefix, count in (("f", FIELDS), ("d", DENSE)))
        order = torch.randperm(table.num_rows)
        for start in range(0, table.num_rows, BATCH_ROWS):
            mine = order[start : start + BATCH_ROWS]
            yield fields.index_select(0, mine), dense.index_select(0, mine)


def _stacked(table: pa.Table, prefix: str, count: int) -> Tensor:
    return torch.from_numpy(np.stack([table[f"{prefix}{n}"].to_numpy() for n in range(count)], 1))


def batched(told: Manifest) -> Iterator[Packed]:
    """Petastorm's own loader of batches, as its documentation has it, packed as a network takes it."""
    with BatchedDataLoader(_reader(told), batch_size=BATCH_ROWS, shuffling_queue_capacity=2 * GROUP_ROWS) as loader:
        yield from map(_packed, loader)


def by_row(told: Manifest) -> Iterator[Packed]:
    """Petastorm's own loader of rows; of the first rows alone."""
    count = 0
    with DataLoader(_reader(told), batch_size=BATCH_ROWS, shuffling_queue_capacity=2 * BATCH_ROWS) as loader:
        for batch in loader:
            yield _packed(batch)
            count += BATCH_ROWS
            if count >= SLOWEST_ROWS:
                return


def _reader(told: Manifest) -> object:
    urls = [f"file://{(FOLDER / one.file).resolve()}" for one in told.groups["train"]]
    return make_batch_reader(urls, reader_pool_type="dummy", shuffle_row_groups=True, num_epochs=1)


def _packed(batch: dict[str, Tensor]) -> Packed:
    return torch.stack([batch[f"f{n}"] for n in range(FIELDS)], 1), torch.stack([batch[f"d{n}"] for n in range(DENSE)], 1)


def from_feed_by_memory(told: Manifest, rounds: int, steps: int = 30) -> float:
    """Rows a second of training from the feed, by those of training from batches that lie in memory."""
    spec = spec_of(told)
    network = build("dcn_v2", spec, Layers(16, (128, 64), 2), answer_rate=told.answer_rate, seed=1)
    table = FusedTable(spec, network.parts, seed=1)
    optimiser = Optimiser(network, table, learning_rate=0.001, table_learning_rate=0.02)

    def seconds(batches: Iterator[Batch]) -> float:
        started = time.monotonic()
        for batch in batches:
            apply(sums_of(batch, network, table), optimiser)
        return time.monotonic() - started

    short = replace(told, groups={"train": told.groups["train"][: -(-steps * BATCH_ROWS // GROUP_ROWS) + 1]})
    feed = Feed(FOLDER.resolve().as_uri(), short, "train", batch_rows=BATCH_ROWS, seed=1)
    kept = list(feed.epoch(0))
    ratios = [seconds(iter(kept)) / seconds(feed.epoch(0)) for _ in range(rounds)]
    return median(ratios[1:] or ratios)


def _sum(batches: Iterator[Packed]) -> tuple[int, float]:
    fields, dense = 0, 0.0
    for one, other in batches:
        fields, dense = fields + int(one.long().sum()), dense + float(other.double().sum())
    return fields, round(dense, 3)


def _rate(batches: Callable[[], Iterator[Packed]]) -> float:
    started, rows = time.monotonic(), 0
    for fields, _ in batches():
        rows += len(fields)
    return rows / (time.monotonic() - started)


def _told(rates: list[float]) -> str:
    kept = rates[1:] or rates
    return f"{median(kept) / 1e6:.2f} M ({min(kept) / 1e6:.2f} to {max(kept) / 1e6:.2f})"


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
