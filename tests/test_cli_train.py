"""`clickmill train`: a network over an export, without Spark."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from clickmill import cli
from clickmill.models import manifest
from models.exports import clicks


@pytest.fixture
def export(tmp_path: Path) -> Path:
    folder = tmp_path / "exports" / "ctr_rows" / "0123456789abcdef"
    folder.mkdir(parents=True)
    (folder / manifest.NAME).write_text(clicks(folder).text())
    return folder


def test_a_training_tells_what_each_epoch_came_to_and_what_it_took(export: Path, tmp_path: Path) -> None:
    told = CliRunner().invoke(cli.app, ["train", str(export), "--network", "dcn_v2"])
    assert told.exit_code == 0, told.output
    assert "epoch 0: log loss 0." in told.output
    assert ", the best: it is kept" in told.output
    assert "8 steps, 4,096 rows by rank" in told.output
    (folder,) = (tmp_path / "networks" / "dcn_v2").iterdir()
    assert (folder / "best.safetensors").exists()
    assert f"in networks/dcn_v2/{folder.name} of the lake" in told.output


def test_a_plan_tells_the_memory_of_each_rank_and_trains_nothing(export: Path, tmp_path: Path) -> None:
    told = CliRunner().invoke(cli.app, ["train", str(export), "--network", "logistic_regression", "--plan"])
    assert told.exit_code == 0, told.output
    assert "logistic_regression over 0123456789abcdef, each of 2 ranks:" in told.output
    assert "50 values, and layers" in told.output  # 20 items and 30 users
    assert not (tmp_path / "networks").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nowhere", "--network", "dcn_v2"], "nowhere: expected the folder of an export, with its _manifest.json"),
        (["EXPORT", "--network", "guess"], "--network guess: expected logistic_regression, wide_deep, deepfm, dcn_v2"),
    ],
)
def test_a_wrong_word_is_one_line(export: Path, words: list[str], told: str) -> None:
    result = CliRunner().invoke(cli.app, ["train", *(str(export) if word == "EXPORT" else word for word in words)])
    assert result.exit_code == 2
    assert told in result.stderr
