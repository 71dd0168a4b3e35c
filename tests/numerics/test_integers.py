"""Ranges of integer types, from their names alone, and bytes that hold them."""

from __future__ import annotations

import numpy as np
import pytest

from cimc.numerics.integers import integer_range, storage_of


@pytest.mark.parametrize("bits", [2, 4, 8, 16, 32, 64])
@pytest.mark.parametrize("signed", [True, False])
def test_n_bits_hold_two_to_the_n_numbers(bits: int, signed: bool) -> None:
    name = f"{'int' if signed else 'uint'}{bits}"
    low, high = integer_range(name)
    assert high - low == 2**bits - 1
    assert low == (-(2 ** (bits - 1)) if signed else 0)
    storage = np.dtype(storage_of(name))
    assert storage == np.dtype(f"{'int' if signed else 'uint'}{max(bits, 8)}")
    assert np.array([low, high], storage).tolist() == [low, high]
