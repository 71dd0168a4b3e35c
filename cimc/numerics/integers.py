"""Integer types by name, those narrower than a byte included: their ranges, and the numpy type that holds them."""

from __future__ import annotations

import numpy as np

NARROW = {"int2": (-2, 1), "uint2": (0, 3), "int4": (-8, 7), "uint4": (0, 15)}
"""Types that numpy has not, and their ranges. Arrays of them are bytes."""


def integer_range(dtype: str) -> tuple[int, int]:
    """The least and the largest value of an integer type."""
    if dtype in NARROW:
        return NARROW[dtype]
    limits = np.iinfo(dtype)
    return int(limits.min), int(limits.max)


def storage_of(dtype: str) -> str:
    """numpy's type for the elements of a tensor: itself, or for a narrow one the byte with its sign."""
    if dtype in NARROW:
        return "int8" if NARROW[dtype][0] < 0 else "uint8"
    return dtype
