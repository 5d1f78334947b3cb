"""The training feed: every row exactly once an epoch, mixed, the same for a seed, from any step on; what is wrong is named at once."""

import threading
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import psutil
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
import torch
from petastorm.workers_pool.thread_pool import ThreadPool  # type: ignore[import-untyped]

from clickmill.contracts.errors import BadData
from clickmill.models import feed
from clickmill.models.feed import Batch, Feed
from clickmill.models.manifest import Manifest
from models.exports import export, sealed, table

GROUPS = (40, 41, 40, 40, 41, 40, 40, 41)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("export")


@pytest.fixture(scope="module")
def manifest(folder: Path) -> Manifest:
    return export(folder, GROUPS)


def of(folder: Path, manifest: Manifest, *, batch_rows: int = 32, seed: int = 1, rank: int = 0, ranks: int = 1) -> Feed:
    return Feed(folder.as_uri(), manifest, "train", batch_rows=batch_rows, seed=seed, rank=rank, ranks=ranks)


def ids(batches: list[Batch]) -> list[int]:
    return [int(one) for batch in batches for one in batch.row_id]


@pytest.mark.parametrize("ranks", [1, 2, 3, 5])
def test_every_row_comes_exactly_once_an_epoch_in_as_many_steps_for_each_rank(folder: Path, manifest: Manifest, ranks: int) -> None:
    for epoch in range(3):
        by_rank = [list(of(folder, manifest, rank=rank, ranks=ranks).epoch(epoch)) for rank in range(ranks)]
        assert Counter(one for batches in by_rank for one in ids(batches)) == Counter(range(sum(GROUPS)))
        assert len({len(batches) for batches in by_rank}) == 1
        assert max(len(batch.row_id) for batches in by_rank for batch in batches) <= 32


def test_more_ranks_than_groups_take_the_same_steps_with_nothing_in_them(tmp_path: Path) -> None:
    told = export(tmp_path, (3, 3))
    by_rank = [list(of(tmp_path, told, batch_rows=2, rank=rank, ranks=3).epoch(0)) for rank in range(3)]
    assert [[len(batch.row_id) for batch in batches] for batches in by_rank] == [[1, 2], [1, 2], [0, 0]]
    assert by_rank[2][0].fields.shape == (0, 2)


def test_a_folder_may_have_any_name(tmp_path: Path) -> None:
    folder = tmp_path / "a shop #1, 50% off?"
    told = export(folder, (5, 5))
    assert sorted(ids(list(of(folder, told).epoch(0)))) == list(range(10))


def test_values_of_a_row_stay_together(folder: Path, manifest: Manifest) -> None:
    for batch in of(folder, manifest).epoch(0):
        row = batch.row_id
        assert batch.fields.dtype == torch.int32
        assert batch.fields.tolist() == torch.stack([row, 2 * row], 1).tolist()
        assert torch.equal(batch.dense, torch.stack([row / 10, row + 0.5, -row.float()], 1).float())
        assert torch.equal(batch.answered, (row % 3 == 0).float())
        assert set(batch.weight.tolist()) == {2.0}


def test_groups_are_mixed_and_no_epoch_is_like_the_one_before(folder: Path, manifest: Manifest) -> None:
    orders = [ids(list(of(folder, manifest).epoch(epoch))) for epoch in range(4)]
    assert len({tuple(order) for order in orders}) == 4
    for order in orders:
        groups = [place // 41 for place in order[:60]]
        assert sum(before != after for before, after in pairwise(groups)) > 15
    assert len({frozenset(order[:80]) for order in orders}) == 4


def test_the_same_seed_gives_the_same_batches_and_another_others(folder: Path, manifest: Manifest) -> None:
    first, again, other = (ids(list(of(folder, manifest, seed=seed).epoch(2))) for seed in (1, 1, 2))
    assert first == again
    assert first != other


@pytest.mark.parametrize("ranks", [1, 2])
def test_an_epoch_goes_on_from_any_step(folder: Path, manifest: Manifest, ranks: int) -> None:
    whole = list(of(folder, manifest, batch_rows=19, rank=ranks - 1, ranks=ranks).epoch(1))
    for step in range(len(whole) + 1):
        rest = list(of(folder, manifest, batch_rows=19, rank=ranks - 1, ranks=ranks).epoch(1, from_step=step))
        assert [batch.row_id.tolist() for batch in rest] == [batch.row_id.tolist() for batch in whole[step:]]


def lost(folder: Path, manifest: Manifest, epochs: int) -> int | None:
    """The first of some short epochs in which a row was missing."""
    for epoch in range(epochs):
        try:
            came = Counter(ids(list(of(folder, manifest, batch_rows=1000).epoch(epoch))))
        except BadData:
            return epoch
        assert came == Counter(range(sum(GROUPS)))
    return None


def test_no_row_is_lost_in_sixty_short_epochs(folder: Path, manifest: Manifest) -> None:
    assert lost(folder, manifest, 60) is None


def test_a_pool_of_threads_loses_rows_and_that_is_told(folder: Path, manifest: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "DummyPool", lambda: ThreadPool(1))
    assert lost(folder, manifest, 1000) is not None


def test_a_group_that_does_not_come_is_told(folder: Path, manifest: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "_tables", lambda url, names, _: (table(0, 40) for _ in names[:-1]))
    with pytest.raises(BadData, match=r"part-0\.parquet: .* rows came, the manifest says 4[01]"):
        list(of(folder, manifest).epoch(0))


def damaged(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def damaged_within(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4:400] = bytes(396)
    path.write_bytes(content)


def one_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)


def changed(name: str, values: Callable[[pa.Table], pa.Array]) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        rows = pq.read_table(path, partitioning=None)
        pq.write_table(rows.set_column(rows.column_names.index(name), name, values(rows)), path)

    return change


@pytest.mark.parametrize(
    ("break_it", "told"),
    [
        (damaged, "cannot be read: ArrowInvalid"),
        (damaged_within, "damaged: it is not what was written"),
        (one_bit, "damaged: it is not what was written"),
        (Path.unlink, "cannot be read: FileNotFoundError"),
    ],
)
def test_a_file_that_is_damaged_or_gone_is_named(tmp_path: Path, break_it: Callable[[Path], None], told: str) -> None:
    made = export(tmp_path, (40, 40, 40))
    path = tmp_path / made.groups["train"][1].file
    break_it(path)
    with pytest.raises(BadData, match=told) as raised:
        list(of(tmp_path, made).epoch(0))
    assert made.groups["train"][1].file in str(raised.value)


def test_a_file_that_an_epoch_left_early_did_not_come_to_is_checked_in_the_next(tmp_path: Path) -> None:
    made = export(tmp_path, GROUPS)
    rows = of(tmp_path, made)
    batches = rows.epoch(0)
    next(batches)
    batches.close()
    one_bit(tmp_path / rows.dealt(0).groups[-1].file)
    with pytest.raises(BadData, match="damaged: it is not what was written"):
        list(rows.epoch(0))


def filled(name: str, value: float) -> Callable[[Path], None]:
    return changed(name, lambda rows: pa.array([value] * rows.num_rows, pa.float32()))


@pytest.mark.parametrize(
    ("break_it", "told"),
    [
        (lambda path: pq.write_table(table(0, 39), path), "39 rows came, the manifest says 40"),
        (filled("answered", 7), "answered holds what is neither 0 nor 1"),
        (filled("sampling_rate", 0), "sampling_rate holds what is no share of rows"),
        (changed("price", lambda rows: pa.array([float("nan")] * rows.num_rows, pa.float32())), "price holds a value that is not finite"),
        (changed("item", lambda rows: pa.array([None] * rows.num_rows, pa.int32())), "item is not a column of int32 without nulls"),
        (changed("item", lambda rows: rows["row_id"]), "item is not a column of int32 without nulls"),
        (lambda path: pq.write_table(table(0, 40).drop(["views"]), path), "views is not a column of float without nulls"),
    ],
)
def test_a_file_that_is_not_what_it_should_be_is_named(tmp_path: Path, break_it: Callable[[Path], None], told: str) -> None:
    made = export(tmp_path, (40, 40, 40))
    path = tmp_path / made.groups["train"][1].file
    break_it(path)
    with pytest.raises(BadData, match=told) as raised:
        list(of(tmp_path, sealed(tmp_path, made)).epoch(0))
    assert made.groups["train"][1].file in str(raised.value)


def test_numbers_whose_sum_is_too_large_for_them_are_fed(tmp_path: Path) -> None:
    made = export(tmp_path, (40, 40, 40))
    filled("price", 3e38)(tmp_path / made.groups["train"][1].file)
    assert sum(len(batch.dense) for batch in of(tmp_path, sealed(tmp_path, made)).epoch(0)) == 120


def test_memory_and_threads_stay_flat_over_epochs(tmp_path: Path) -> None:
    made = export(tmp_path, (20_000,) * 4)  # 2 MB of numbers

    def epochs(numbers: range) -> int:
        for epoch in numbers:
            for _ in of(tmp_path, made, batch_rows=8192).epoch(epoch):
                pass
        return int(psutil.Process().memory_info().rss)

    before = epochs(range(15))
    threads = threading.active_count()
    assert epochs(range(15, 60)) - before < 20e6
    assert threading.active_count() <= threads


def test_an_epoch_that_is_left_early_leaves_no_thread(folder: Path, manifest: Manifest) -> None:
    threads = threading.active_count()
    batches = of(folder, manifest).epoch(0)
    next(batches)
    batches.close()
    assert threading.active_count() <= threads
