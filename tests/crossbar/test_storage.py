"""Storage: what lies in cells stands for what was meant."""

from __future__ import annotations

import numpy as np
import pytest

from cimc.crossbar.storage import Storage
from tests.crossbar.small import KINDS, stands_for


@pytest.mark.parametrize(("encoding", "flipped"), KINDS)
@pytest.mark.parametrize("bits", range(2, 17))
@pytest.mark.parametrize("cell_bits", [1, 2, 3, 4, 8])
def test_cells_stand_for_the_weights(bits: int, cell_bits: int, encoding: str, flipped: bool) -> None:
    """Every width, all values of the range (at most 2^8 of them, both ends always)."""
    low = -(1 << (bits - 1)) + (encoding == "differential")  # a pair holds magnitudes: not the lowest number
    values = np.unique(np.linspace(low, (1 << (bits - 1)) - 1, 1 << min(bits, 8)).astype(np.int64))
    weights = np.resize(values, (16, -(-len(values) // 16)))
    cells = Storage(encoding, flipped, cell_bits).store(weights, bits)
    assert cells.levels.max() < 1 << cell_bits
    assert np.array_equal(stands_for(cells), weights)
    if flipped:
        assert (2 * cells.levels.astype(int).sum(axis=2) <= ((1 << cell_bits) - 1) * len(weights)).all()


def test_cells_by_hand() -> None:
    """Four bits in two-bit cells. offset: -8 is 0, so both levels 0; 5 is 13 = 3 * 4 + 1. A pair: 5 = 1 * 4 + 1 and 6 =
    1 * 4 + 2 on their halves."""
    offset = Storage("offset", False, 2).store(np.array([[-8, 5]]), 4)
    assert (offset.levels.tolist(), offset.offset) == ([[[[0, 1]], [[0, 3]]]], 8)
    pair = Storage("differential", False, 2).store(np.array([[-6, 5]]), 4)
    assert (pair.levels.tolist(), pair.offset) == ([[[[0, 1]], [[0, 1]]], [[[2, 0]], [[1, 0]]]], 0)
    every = slice(0, 1)
    assert (offset.largest_columns(every, False), pair.largest_columns(every, False)) == ((0, 3), (0, 2))
    assert pair.largest_columns(every, True) == (2, 1)


def test_a_column_that_is_more_than_half_full_is_turned() -> None:
    """One-bit slices of 3 rows: (1, 1, 0) holds 2 of 3 and is stored as (0, 0, 1); (1, 0, 0) stays."""
    cells = Storage("offset", True, 1).store(np.array([[-1, -1], [-1, -2], [-2, -2]]), 2)
    assert cells.levels[0, 0].tolist() == [[0, 1], [0, 0], [1, 0]]
    assert cells.flips.tolist() == [[True, False], [False, False]]


def test_columns_of_pairs_by_hand() -> None:
    """Of rows 1, -3, 2 and -2 in two-bit cells: apart 3 and 5, subtracted 3 up and 5 down; of the last two rows 2."""
    pairs = Storage("differential", False, 2).store(np.array([[1], [-3], [2], [-2]]), 3)
    assert pairs.largest_columns(slice(0, 4), False) == (0, 5)
    assert pairs.largest_columns(slice(0, 4), True) == (5, 3)
    assert pairs.largest_columns(slice(2, 4), True) == (2, 2)


@pytest.mark.parametrize(("encoding", "weight"), [("offset", 8), ("offset", -9), ("differential", -8)])
def test_what_cells_do_not_hold_is_no_weight(encoding: str, weight: int) -> None:
    with pytest.raises(AssertionError, match="a weight is too wide"):
        Storage(encoding, False, 3 if encoding == "differential" else 2).store(np.array([[weight]]), 4)
