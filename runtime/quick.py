"""Quicker ways to do what a meaning says: in buffers that are there already.

Networks spend most of their vector time on these few. A test holds each to its meaning, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from cimc.isa import meaning
from cimc.isa.form import Meaning
from cimc.isa.meaning import Factors
from cimc.runtime.machine import Action, Reals, Register, Scratch


def _requant(length: int, scratch: Scratch, a: Register, scale: Factors) -> Callable[[], Reals]:
    source, real, m = a.words, scratch.get(np.float32, length), scale.m

    def requant() -> Reals:
        real[...] = source
        np.multiply(real, m, out=real)
        return real

    return requant


def _requant2(length: int, scratch: Scratch, a: Register, b: Register, scale: Factors) -> Callable[[], Reals]:
    real, other = scratch.get(np.float32, length), scratch.get(np.float32, length, 1)
    left, right = _less(a, scale.a0, real, scratch), _less(b, scale.b0, other, scratch)
    m, n, infinite = scale.m, scale.n, scale.infinite

    def requant2() -> Reals:
        left()
        np.multiply(real, m, out=real)
        right()
        np.multiply(other, n, out=other)
        np.add(real, other, out=real)
        if infinite:
            real[np.isnan(real)] = 0
        return real

    return requant2


def _less(a: Register, zero: int, real: Reals, scratch: Scratch) -> Action:
    """real = f32(a - zero); a of length 1 is broadcast."""
    source = a.words
    if zero == 0:

        def convert() -> None:
            real[...] = source

        return convert
    dtype = np.int32 if a.bits < 32 and abs(zero) < 1 << 30 else np.int64
    difference, number = scratch.get(dtype, source.shape[0]), np.array(zero, dtype)

    def subtract() -> None:
        np.subtract(source, number, out=difference, dtype=dtype)
        real[...] = difference

    return subtract


QUICK: Mapping[Meaning, Callable[..., Callable[[], Reals]]] = MappingProxyType(
    {meaning.requant: _requant, meaning.requant2: _requant2}
)
