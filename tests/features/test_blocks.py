"""Blocks hold whole keys, each row once and in its order, whatever the batches and the hashes are."""

import random
import zlib

import pyarrow as pa  # type: ignore[import-untyped]
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clickmill.features import blocks

Row = tuple[str, str, int, str]  # site, user, instant, name
ROWS = st.lists(st.tuples(st.sampled_from("st"), st.sampled_from("abcdefg"), st.integers(0, 4), st.sampled_from("xyz")), unique=True)


def cut(rows: list[Row], hashes: int, batch: int) -> list[tuple[list[Row], list[int]]]:
    """Blocks of rows that come by the hash of their key and else in no order; few hashes mean that keys share one."""
    keyed = [(zlib.crc32(repr(row[:2]).encode()) % hashes, row) for row in rows]
    random.Random(1).shuffle(keyed)
    keyed.sort(key=lambda one: one[0])
    table = pa.table({"_key_hash": [one for one, _ in keyed], **{name: [row[n] for _, row in keyed] for n, name in enumerate("skta")}})
    found = blocks.blocks(table.to_batches(max_chunksize=batch), ("s", "k"), ("t", "a"))
    return [([tuple(row.values()) for row in part.to_pylist()], code.tolist()) for part, code in found]  # type: ignore[misc]


@settings(max_examples=200, deadline=None)
@given(ROWS, st.sampled_from([2, 2**40]), st.integers(1, 5), st.integers(1, 3))
def test_each_row_is_there_once_its_key_in_one_block_and_in_order(rows: list[Row], hashes: int, batch: int, keys_a_block: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "ROWS_A_BLOCK", 4)
        patch.setattr(blocks, "KEYS_A_BLOCK", keys_a_block)
        found = cut(rows, hashes, batch)
    assert sorted(row for part, _ in found for row in part) == sorted(rows)
    of_block = [[row[:2] for row in part] for part, _ in found]
    assert sum(len(set(keys)) for keys in of_block) == len({row[:2] for row in rows})
    for part, code in found:
        assert code == sorted(code)
        assert len(set(zip(code, (row[:2] for row in part), strict=True))) == len(set(code))
        for one in set(code):
            mine = [row for row, of in zip(part, code, strict=True) if of == one]
            assert mine == sorted(mine)


def test_a_key_with_most_of_all_rows_is_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "ROWS_A_BLOCK", 4)
    rows = [("s", "b", n, "x") for n in range(50)] + [("s", user, 0, "x") for user in "acd"]
    sizes = sorted(len(part) for part, _ in cut(rows, 2**40, 3))
    assert max(sizes) >= 50
    assert sum(sizes) == len(rows)
