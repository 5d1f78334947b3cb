"""Checkpoints: what was saved comes back to the bit, and what is damaged or of something else is refused by name."""

from pathlib import Path

import pytest
import torch

from clickmill.contracts.errors import BadData
from clickmill.models.ctr.checkpoint import Checkpoints, Progress

STATE = {"weights": torch.arange(12.0).reshape(3, 4), "steps": torch.tensor(7)}


def test_a_checkpoint_comes_back_to_the_bit_with_how_far_it_had_come(tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path.as_uri(), "a")
    assert kept.load("newest") is None
    told = Progress(1, 20, (0.5, 0.25), (7, 8), 40, 1.5, 99)
    kept.save("newest", STATE, told)
    found = kept.load("newest")
    assert found is not None
    assert (found.progress, len(found.hash)) == (told, 64)
    assert {name: (one.dtype, one.tolist()) for name, one in found.state.items()} == {
        n: (one.dtype, one.tolist()) for n, one in STATE.items()
    }


def test_a_checkpoint_takes_the_place_of_the_one_before_only_when_it_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Checkpoints(tmp_path.as_uri(), "a")
    kept.save("newest", STATE, Progress(1))

    def full(source: str, target: str) -> None:
        raise OSError("no space left on device")

    files = type("Full", (), {"move": staticmethod(full), "__getattr__": lambda self, name: getattr(kept_files, name)})()
    kept_files = kept._files
    monkeypatch.setattr(kept, "_files", files)
    with pytest.raises(OSError, match="no space"):
        kept.save("newest", STATE, Progress(2))
    monkeypatch.undo()
    found = kept.load("newest")
    assert found is not None
    assert found.progress == Progress(1)


@pytest.mark.parametrize("place", [40, -5])
def test_a_damaged_checkpoint_is_refused(tmp_path: Path, place: int) -> None:
    kept = Checkpoints(tmp_path.as_uri(), "a")
    kept.save("newest", STATE, Progress())
    path = tmp_path / "newest.safetensors"
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(BadData, match=r"newest\.safetensors: "):
        kept.load("newest")


def test_a_checkpoint_that_was_cut_short_is_refused(tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path.as_uri(), "a")
    kept.save("newest", STATE, Progress())
    path = tmp_path / "newest.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BadData, match=r"newest\.safetensors: damaged"):
        kept.load("newest")


def test_a_checkpoint_of_other_inputs_is_refused(tmp_path: Path) -> None:
    Checkpoints(tmp_path.as_uri(), "a").save("newest", STATE, Progress())
    with pytest.raises(BadData, match="made for other inputs, another network or other parameters"):
        Checkpoints(tmp_path.as_uri(), "b").load("newest")
