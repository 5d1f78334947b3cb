"""Checkpoints of a training: tensors as safetensors, written whole or not at all, with a hash of every bit and of what they are for."""

import hashlib
import json
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from pyarrow import fs as filesystems  # type: ignore[import-untyped]
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from clickmill.contracts.errors import BadData

_ENDING = ".safetensors"
_UNFINISHED = ".part"


@dataclass(frozen=True)
class Progress:
    """How far a training has come, all its lives together.

    epoch, step   the step that is next
    epoch_losses  log loss of the rows that choose after each epoch
    rank_rows     rows that each rank was fed in the epochs that have ended
    step_count    steps taken;  train_s  seconds that they took;  sent_bytes  what all ranks sent
    """

    epoch: int = 0
    step: int = 0
    epoch_losses: tuple[float, ...] = ()
    rank_rows: tuple[int, ...] = ()
    step_count: int = 0
    train_s: float = 0.0
    sent_bytes: int = 0

    @property
    def best_epoch(self) -> int:
        """The first epoch of the lowest loss. Needs an epoch that has ended."""
        return self.epoch_losses.index(min(self.epoch_losses))


@dataclass(frozen=True)
class Checkpoint:
    """What was kept of a training, with the hash of it all."""

    state: Mapping[str, Tensor]
    progress: Progress
    hash: str


class Checkpoints:
    """The checkpoints of one training, in a folder by itself: the newest, and the best by name.

    url       folder, as pyarrow's file systems take it: file, hdfs, s3, gs
    made_for  hash of the inputs, the network and its parameters
    """

    def __init__(self, url: str, made_for: str) -> None:
        self._files, self._folder = filesystems.FileSystem.from_uri(url)
        self._made_for = made_for

    def save(self, name: str, state: Mapping[str, Tensor], progress: Progress) -> None:
        """Write a checkpoint in place of the one of that name. Who reads meanwhile reads the old one."""
        tensors = {key: value.detach().cpu().contiguous() for key, value in state.items()}
        told = {"made_for": self._made_for, "progress": json.dumps(asdict(progress))}
        told["hash"] = _hash_of(tensors, told)
        self._files.create_dir(self._folder, recursive=True)
        path = f"{self._folder}/{name}{_ENDING}"
        with tempfile.TemporaryDirectory() as folder:
            local = Path(folder) / name
            save_file(tensors, local, metadata=told)
            with local.open("rb") as source, self._files.open_output_stream(path + _UNFINISHED) as target:
                while part := source.read(2**24):
                    target.write(part)
        self._files.move(path + _UNFINISHED, path)

    def load(self, name: str) -> Checkpoint | None:
        """The checkpoint of a name; None where there is none.

        Raises  BadData that names the file when it is damaged, or was made for other inputs, another network or other parameters
        """
        path = f"{self._folder}/{name}{_ENDING}"
        if self._files.get_file_info(path).type == filesystems.FileType.NotFound:
            return None
        with tempfile.TemporaryDirectory() as folder:
            local = Path(folder) / name
            with self._files.open_input_stream(path) as source, local.open("wb") as target:
                while part := source.read(2**24):
                    target.write(part)
            try:
                with safe_open(local, framework="pt") as file:
                    told: dict[str, Any] = file.metadata() or {}
                    tensors = {key: file.get_tensor(key) for key in list(file.keys())}
            except (SafetensorError, OSError) as error:
                raise BadData(f"{path}: damaged: {error}") from None
        digest = told.pop("hash", None)
        if digest != _hash_of(tensors, told):
            raise BadData(f"{path}: damaged: it is not what was written")
        if told.get("made_for") != self._made_for:
            raise BadData(f"{path}: made for other inputs, another network or other parameters")
        progress: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in json.loads(told["progress"]).items()
        }
        return Checkpoint(tensors, Progress(**progress), digest)


def _hash_of(tensors: Mapping[str, Tensor], told: Mapping[str, str]) -> str:
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
