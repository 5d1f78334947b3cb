"""Trains in several processes as one, by Horovod: the same code for one process alone, for horovodrun and for Spark's executors.

Two collectives a step. What ranks found of the table is gathered: rows by number with gradients in half precision, in one message
of bytes. What they found of the network is added up, with the loss and the weight. Every rank then takes the same step by the same
numbers, so the weights of all stay the same to the bit.

Shapes  U different rows of a rank, C columns of a row of the table, P parameters of the network
"""

import logging
import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol, TypeVar

import torch
from pyarrow import fs as filesystems  # type: ignore[import-untyped]
from torch import Tensor

from clickmill.contracts.errors import ClickmillError, UsageError

Result = TypeVar("Result")

OF_A_RANK = {
    # Ranks that share a machine would take all its cores each.
    "OMP_NUM_THREADS": "1",
    # Milliseconds after which ranks look again for messages: a step has one moment for them, and to look takes time from computing.
    "HOROVOD_CYCLE_TIME": "5",
    # What a step frees is kept for the next one: to get it anew from the system takes as long as the messages do.
    "MALLOC_MMAP_THRESHOLD_": str(2**25),
    "MALLOC_TRIM_THRESHOLD_": str(2**33),
}
"""Environment of a rank that shares its machine with others and computes on one core."""

_HEADER = -1  # the number of no row
_TOP = 15  # the largest gradient of a message is brought to just below 2^15, half of what a half can hold
_STEEPEST = 100  # a power of two that floats still have


class Ranks(Protocol):
    """The processes that train together.

    rank        number of this one, from 0;  count  how many there are
    sent_bytes  what this one has sent so far to be gathered or added up
    """

    rank: int
    count: int
    sent_bytes: int

    def added(self, values: Tensor) -> Tensor:
        """The sum over ranks, the same to the bit on each. Shapes any, the same on every rank"""
        ...

    def exchanged(self, rows: Tensor, gradients: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The rows of all ranks, those of the first rank first, of which one may come several times; and a sum as added() gives it.

        Shapes  rows (U,), gradients (U, C), values any
        """
        ...


class Alone:
    """One process, which sends nothing."""

    def __init__(self) -> None:
        self.rank, self.count, self.sent_bytes = 0, 1, 0

    def added(self, values: Tensor) -> Tensor:
        return values

    def exchanged(self, rows: Tensor, gradients: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return rows, gradients, values


class Together:
    """A process of several, once Horovod has brought them together."""

    def __init__(self, hvd: Any) -> None:
        self._hvd, self.sent_bytes = hvd, 0
        self.rank, self.count = int(hvd.rank()), int(hvd.size())

    def added(self, values: Tensor) -> Tensor:
        total: Tensor = self._hvd.synchronize(self._adding(values))
        return total

    def exchanged(self, rows: Tensor, gradients: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        message = packed(rows, gradients)
        self.sent_bytes += message.numel()
        adding = self._adding(values)  # both are under way at once, and ranks agree on them in one turn
        told = unpacked(self._hvd.allgather(message, name=f"gathered {message.shape[1]}"))
        total: Tensor = self._hvd.synchronize(adding)
        return *told, total

    def _adding(self, values: Tensor) -> Any:
        self.sent_bytes += values.numel() * values.element_size()
        return self._hvd.allreduce_async(values, op=self._hvd.Sum, name=f"added {tuple(values.shape)} {values.dtype}")


def packed(rows: Tensor, gradients: Tensor) -> Tensor:
    """Rows and their gradients as bytes: a header with a power of two, by which gradients are scaled to fit into halves, then rows.

    Shapes  rows (U,) whole numbers below 2^31, gradients (U, C); the answer (U + 1, 4 + 2 C) uint8
    """
    largest = float(gradients.abs().max()) if len(rows) else 0.0
    # What is not finite goes as it is: whoever receives it finds it, too.
    exponent = min(_TOP - math.frexp(largest)[1], _STEEPEST) if 0 < largest < math.inf else 0
    numbers = torch.cat([rows.new_tensor([_HEADER]), rows]).int()  # [U + 1]
    halves = torch.cat([gradients.new_zeros(1, gradients.shape[1]), gradients * 2.0**exponent]).half()  # [U + 1, C]
    halves[0, 0] = exponent
    return torch.cat([numbers[:, None].view(torch.uint8), halves.view(torch.uint8)], 1)  # [U + 1, 4 + 2 C]


def unpacked(messages: Tensor) -> tuple[Tensor, Tensor]:
    """The rows and gradients of several messages, one after the other. Shapes  as packed()"""
    numbers = messages[:, :4].contiguous().view(torch.int32)[:, 0]  # [rows and headers]
    halves = messages[:, 4:].contiguous().view(torch.half)  # [rows and headers, C]
    starts = (numbers == _HEADER).nonzero().flatten().tolist()  # of each message
    parts = [slice(start + 1, end) for start, end in pairwise([*starts, len(numbers)])]
    gradients = [halves[part].float().mul_(2.0 ** -float(halves[part.start - 1, 0])) for part in parts]
    return torch.cat([numbers[part] for part in parts]).long(), torch.cat(gradients)


def launched() -> tuple[int, int]:
    """The number of this process among those that horovodrun or run_on_spark() started, and how many these are; 0 of 1 where none did."""
    return int(os.environ.get("HOROVOD_RANK", "0")), int(os.environ.get("HOROVOD_SIZE", "1"))


def joined() -> Ranks:
    """The ranks that this process was started with, brought together."""
    if launched()[1] == 1:
        return Alone()
    import horovod.torch as hvd  # type: ignore[import-untyped]

    hvd.init()
    return Together(hvd)


def device_of(ranks: Ranks) -> torch.device:
    """Where this rank computes: on its own GPU, which Spark has assigned or which is that of its place on the machine; else on a CPU."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    if isinstance(ranks, Alone):
        return torch.device("cuda", 0)
    import horovod.torch as hvd
    from horovod.spark.task import get_available_devices  # type: ignore[import-untyped]

    assigned = get_available_devices()
    return torch.device("cuda", int(assigned[0]) if assigned else hvd.local_rank())


@dataclass(frozen=True)
class _Telling:
    """Runs a training, and leaves word of what ended it in a folder: of a rank that fails Horovod tells only that it did."""

    train: Callable[[Any], Any]
    url: str

    def __call__(self, task: Any) -> Any:
        try:
            return self.train(task)
        except ClickmillError as error:
            files, folder = filesystems.FileSystem.from_uri(self.url)
            files.create_dir(folder, recursive=True)
            with files.open_output_stream(f"{folder}/rank-{launched()[0]}") as file:
                file.write(str(error).encode())
            raise

    def words(self) -> list[str]:
        """What ranks left word of, in order of ranks; it is taken away."""
        files, folder = filesystems.FileSystem.from_uri(self.url)
        left = sorted(one.path for one in files.get_file_info(filesystems.FileSelector(folder, allow_not_found=True)))
        told = []
        for path in left:
            with files.open_input_stream(path) as file:
                told.append(f"{path.rsplit('/', 1)[1].replace('-', ' ')}: {file.read().decode()}")
            files.delete_file(path)
        return told


def run_on_spark(train: Callable[[Any], Result], task: Any, *, count: int, start_timeout_s: int, words_url: str) -> Sequence[Result]:
    """Run a training in so many tasks of the running Spark session at once, and give what each rank returned, in order of ranks.

    Needs   as many free slots, each with what `train` needs installed; one where `count` is 1 is this process itself; words_url: a
            folder by itself that all ranks reach, in which they leave word of what ended them
    Raises  UsageError where there are fewer slots; ClickmillError where a rank died, with its word if it had one, or the tasks did
            not start in time
    """
    if count == 1:
        return [train(task)]
    import horovod.spark  # type: ignore[import-untyped]
    from pyspark import SparkContext

    context = SparkContext.getOrCreate()
    slots = context.defaultParallelism
    if slots < count and str(context.master).startswith("local"):  # a cluster may find more as it goes
        raise UsageError(f"export.ranks: {count} ranks need as many slots at once, and Spark has {slots}")
    handlers, telling = list(logging.root.handlers), _Telling(train, words_url)
    telling.words()  # of an earlier training
    try:
        with _at_once(context):
            how = {"use_gloo": True, "start_timeout": start_timeout_s, "verbose": 0, "env": OF_A_RANK}
            results: Sequence[Result] = horovod.spark.run(telling, (task,), num_proc=count, **how)
    except Exception as error:
        told = "; ".join(telling.words()) or _first_lines(error)
        raise ClickmillError(f"training on {count} ranks ended early: {told}") from error
    finally:
        logging.root.handlers[:] = handlers  # it adds one, by which other packages would be heard, too
    return results


@contextmanager
def _at_once(context: Any) -> Iterator[None]:
    """Make the tasks that Horovod asks for a barrier stage: Spark starts all of them together, and ends all when one has failed.

    Horovod asks for a range of as many partitions. With dynamic allocation Spark refuses such stages: tasks then start one by one.
    """
    if context.getConf().get("spark.dynamicAllocation.enabled", "false") == "true":
        yield
        return
    context.range = lambda *args, **how: type(context).range(context, *args, **how).barrier()
    try:
        yield
    finally:
        del context.range


def _first_lines(error: Exception) -> str:
    """The first line of an error, or the first three where it ends with a colon: Horovod names process and exit code after one."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return ", ".join(lines[:3]).replace(":,", ":") if lines[0].endswith(":") else lines[0]
