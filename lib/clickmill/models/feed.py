"""Feeds training with the rows of an export, by Petastorm: every row exactly once an epoch, mixed, in the same order for a seed.

Rows lie in a random order within the export. In each epoch the groups are dealt to the ranks anew (dealing.py), and of each rank
two are read at once and mixed, so rows that met do not meet again.

Petastorm's pools of threads lose rows when an epoch ends (`get_results` asks one after the other whether all is read, and whether
all was asked for). Its pool without threads never does: it works in one thread of ours, two groups ahead. All the same, what came
is held against the manifest, file by file, and at the end of every epoch.

What else a row may hold, such as a history of items with its length, is one more block beside these, and one more tensor of Batch.

Shapes  R rows of the groups that are mixed, B rows of a step, F fields, D dense columns
"""

import threading
import warnings
import zlib
from collections.abc import Generator, Iterator, Mapping, Sequence
from itertools import accumulate, pairwise
from queue import SimpleQueue
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import torch
from petastorm.fs_utils import get_filesystem_and_path_or_paths  # type: ignore[import-untyped]
from petastorm.reader import Reader  # type: ignore[import-untyped]
from petastorm.workers_pool import EmptyResultError  # type: ignore[import-untyped]
from petastorm.workers_pool.dummy_pool import DummyPool  # type: ignore[import-untyped]
from petastorm.workers_pool.worker_base import WorkerBase  # type: ignore[import-untyped]
from torch import Tensor

from clickmill.contracts.errors import BadData
from clickmill.models.dealing import Deal, deal
from clickmill.models.manifest import Group, Manifest
from clickmill.models.packing import Batch, Block, Columns

_PART_BYTES = 2**20
MIXED_GROUPS = 2
"""Groups that are read at once and mixed. More of them take memory, not time."""


class Feed:
    """The rows of a split of an export for one rank.

    url  folder of the export, with a scheme: file, hdfs, s3, gs
    """

    def __init__(self, url: str, manifest: Manifest, split: str, *, batch_rows: int, seed: int, rank: int = 0, ranks: int = 1) -> None:
        self._url, self._groups = url.rstrip("/"), manifest.groups[split]
        self._batch_rows, self._seed, self._rank, self._ranks = batch_rows, seed, rank, ranks
        fields, dense = (tuple(str(one["name"]) for one in of) for of in (manifest.fields, manifest.dense))
        self._columns = Columns(fields, (*dense, "answered", "sampling_rate"))
        self._unchecked = {one.file: one.crc32 for one in self._groups}

    def dealt(self, epoch: int) -> Deal:
        """What this rank gets in an epoch."""
        how = {"batch_rows": self._batch_rows, "seed": self._seed, "rank": self._rank, "ranks": self._ranks}
        return deal(self._groups, epoch=epoch, **how)

    def epoch(self, epoch: int, *, from_step: int = 0) -> Generator[Batch, None, None]:
        """The batches of an epoch, from a step on: the same ones whenever they are asked for. A step may have no rows.

        Raises  BadData that names the file where one is missing, damaged, or not what the manifest says; or where rows did not come
        """
        dealt, came = self.dealt(epoch), 0
        ends = [dealt.first_row(step) for step in range(from_step, dealt.steps + 1)]
        sizes = [end - start for start, end in pairwise(ends)]
        for fields, dense, row_id in _cut(Block(0, self._columns), self._mixed(epoch, dealt, ends[0]), sizes):
            came += len(row_id)
            yield Batch(fields, dense[:, :-2], dense[:, -2], 1 / dense[:, -1], row_id[:, 0])
        if came != dealt.rows - ends[0]:
            raise BadData(f"{self._url}: {came} rows came to rank {self._rank} in epoch {epoch}, expected {dealt.rows - ends[0]}")

    def _mixed(self, epoch: int, dealt: Deal, first_row: int) -> Iterator[tuple[Block, Tensor]]:
        """Mixed groups, each with the order of its rows, without the rows before `first_row`. A block is filled anew after its turn."""
        mixes = [dealt.groups[start : start + MIXED_GROUPS] for start in range(0, len(dealt.groups), MIXED_GROUPS)]
        begins = [0, *accumulate(sum(one.rows for one in mix) for mix in mixes)]
        first_mix = sum(end <= first_row for end in begins[1:])
        ahead = _Ahead(self._url, self._columns, mixes[first_mix:], self._unchecked)
        try:
            for place, block in enumerate(ahead, first_mix):
                (seed,) = np.random.SeedSequence([self._seed, epoch, self._rank, place]).generate_state(1, np.uint64)
                draw = torch.Generator().manual_seed(int(seed))
                yield block, torch.randperm(block.rows, generator=draw)[max(0, first_row - begins[place]) :]
        finally:
            ahead.stop()


def _cut(block: Block, blocks: Iterator[tuple[Block, Tensor]], sizes: Sequence[int]) -> Iterator[tuple[Tensor, ...]]:
    """So many rows at a time of a block of none and those after it, over their ends; where there are too few, the last have fewer."""
    order = torch.empty(0, dtype=torch.int64)
    for size in sizes:
        parts = [tuple(of.index_select(0, order[:size]) for of in block.tensors())] if len(order) or not size else []
        order, missing = order[size:], size - len(order[:size])
        while missing and (found := next(blocks, None)):
            block, order = found
            parts.append(tuple(of.index_select(0, order[:missing]) for of in block.tensors()))
            order, missing = order[missing:], missing - len(order[:missing])
        yield tuple(torch.cat(of) if len(of) > 1 else of[0] for of in zip(*parts, strict=True))


class _Ahead:
    """Reads mixed groups in a thread, one block ahead of whoever takes them. Two blocks serve all: memory does not grow."""

    def __init__(self, url: str, columns: Columns, mixes: Sequence[Sequence[Group]], unchecked: dict[str, int]) -> None:
        self._url, self._columns, self._mixes, self._unchecked = url, columns, mixes, unchecked
        rows = max((sum(one.rows for one in mix) for mix in mixes), default=0)
        self._free: SimpleQueue[Block | None] = SimpleQueue()
        self._filled: SimpleQueue[Block | BaseException] = SimpleQueue()
        for _ in range(min(2, len(mixes))):
            self._free.put(Block(rows, columns))
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[Block]:
        for _ in self._mixes:
            block = self._filled.get()
            if isinstance(block, BaseException):
                raise block
            yield block
            self._free.put(block)

    def stop(self) -> None:
        self._free.put(None)
        self._thread.join()

    def _read(self) -> None:
        try:
            tables = _tables(self._url, [one.file for mix in self._mixes for one in mix], self._unchecked)
            for mix in self._mixes:
                block = self._free.get()
                if block is None:
                    return
                block.rows = 0
                for group in mix:
                    table = next(tables, None)
                    if table is None or table.num_rows != group.rows:
                        there = "no rows" if table is None else f"{table.num_rows} rows"
                        raise BadData(f"{self._url}/{group.file}: {there} came, the manifest says {group.rows}")
                    block.append(table, self._columns, f"{self._url}/{group.file}")
                    del table  # before the next one is read
                self._filled.put(block)
        except BaseException as error:
            self._filled.put(error)


def _tables(url: str, names: Sequence[str], unchecked: dict[str, int]) -> Iterator[pa.Table]:
    """The tables of some files of a folder, in their order, read when they are asked for.

    Needs   unchecked: the checksums of files that were not held against them yet; each is taken out when it was
    Raises  BadData that names the file that cannot be read, or whose bytes are not those that were written
    """
    if not names:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it reads by an older interface of pyarrow, which says so at every call
        is_local = urlsplit(url).scheme == "file"  # its path is taken as it stands, with what a URL writes by numbers
        files, folder = get_filesystem_and_path_or_paths("file:///" if is_local else url)
        paths = [f"{unquote(urlsplit(url).path) if is_local else folder}/{name}" for name in names]
        worker = type("_Checked", (_Worker,), {"names": dict(zip(paths, names, strict=True)), "unchecked": unchecked})
        try:
            how = {"shuffle_row_groups": False, "num_epochs": 1, "is_batched_reader": True}
            reader = Reader(files, paths, worker_class=worker, reader_pool=DummyPool(), **how)
        except Exception as error:
            raise _culprit(files, paths) or error from None
    try:
        yield from reader
    finally:
        reader.stop()
        reader.join()


def _culprit(files: Any, paths: Sequence[str]) -> BadData | None:
    for path in paths:
        try:
            with files.open(path) as file:
                pq.read_metadata(file)
        except Exception as error:
            return BadData(f"{path}: cannot be read: {type(error).__name__}")
    return None


class _Worker(WorkerBase):  # type: ignore[misc]
    """Reads one group as a table, as it is: Petastorm's own makes a pandas column of each column first.

    Parquet would read most of what a flipped bit makes of numbers: before a feed reads a file for the first time it goes through all
    of its bytes, a piece at a time, for their checksum.
    """

    names: Mapping[str, str]
    unchecked: dict[str, int]

    def process(self, piece_index: int, worker_predicate: Any, shuffle_row_drop_partition: Any) -> None:
        files, piece = self.args[0], self.args[4][piece_index]
        name = self.names[piece.path]
        try:
            with files.open(piece.path) as file:
                if name in self.unchecked and _crc32(file) != self.unchecked[name]:
                    raise BadData(f"{piece.path}: damaged: it is not what was written")
                self.unchecked.pop(name, None)
                self.publish_func(pq.ParquetFile(file).read_row_group(piece.row_group))
        except (OSError, pa.ArrowException) as error:
            raise BadData(f"{piece.path}: cannot be read: {type(error).__name__}") from error

    @staticmethod
    def new_results_queue_reader() -> type["_Results"]:
        return _Results


def _crc32(file: Any) -> int:
    """Of all bytes of a file; it stands at its start again."""
    found = 0
    while part := file.read(_PART_BYTES):
        found = zlib.crc32(part, found)
    file.seek(0)
    return found


class _Results:
    """Hands on what the worker read."""

    batched_output = True

    @staticmethod
    def read_next(pool: DummyPool, schema: Any, ngram: Any) -> pa.Table:
        try:
            return pool.get_results()
        except EmptyResultError:
            raise StopIteration from None
