"""From the meaning of a vector instruction, a pure array function of the table, to a function without arguments.

A NumPy ufunc works in place; any other meaning gives a new array, unless QUICK has a quicker way to do it. What it
gives is limited, where it could leave the destination, or settled, and only then stored: operands may overlap the
destination.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType

import numpy as np

from cimc.isa import meaning
from cimc.isa.form import ANY, NARROW, REDUCE, Form, Meaning
from cimc.isa.meaning import Entries, Factors
from cimc.numerics import quant
from cimc.runtime.machine import Action, AnyArray, Argument, Reals, Register, Scratch, Wide, limits

_UNKNOWN = 64
_FEW_LANES = 16
_EXACT = 1 << 24


def compile_vector(
    form: Form, dest: Register, arguments: Sequence[Argument], scratch: Scratch, s: Wide | None = None
) -> Action:
    """d = the meaning of what the operands hold. s: the scalar register, where the meaning takes it."""
    bits = _UNKNOWN if form.bits is None else form.bits(*map(_bits_of, arguments))
    if isinstance(form.meaning, np.ufunc):
        return _in_place(form.meaning, dest, [_array_of(argument) for argument in arguments], bits, scratch)
    function = _compile_meaning(form, dest, arguments, scratch, s)
    if form.settled:
        scale = next(argument for argument in arguments if isinstance(argument, Factors))
        settle = compile_settle(dest, scale)
        return lambda: settle(function())
    target = dest.words
    if bits <= dest.bits:

        def store() -> None:
            target[...] = function()

        return store
    low, high = limits(dest.bits)

    def store_limited() -> None:
        np.minimum(np.maximum(function(), low), high, out=target)

    return store_limited


def compile_scalar(form: Form, arguments: Sequence[Argument], scratch: Scratch, s: Wide) -> Action:
    """s = the meaning."""
    function = _compile_meaning(form, None, arguments, scratch, s)

    def store() -> None:
        s[...] = function()

    return store


def _bits_of(argument: Argument) -> int:
    if isinstance(argument, Register):
        return argument.bits
    if isinstance(argument, int):
        return argument.bit_length() + 1
    values = argument.values if isinstance(argument, Entries) else argument.m
    return int(max(-values.min(), values.max())).bit_length() + 1


def _array_of(argument: Argument) -> AnyArray:
    if isinstance(argument, Register):
        return argument.words
    assert isinstance(argument, int), f"{argument} is no operand of a ufunc"
    return np.array(argument, np.int32 if _bits_of(argument) <= 32 else np.int64)


def _compile_meaning(
    form: Form, dest: Register | None, arguments: Sequence[Argument], scratch: Scratch, s: Wide | None
) -> Callable[[], AnyArray]:
    """The meaning as a function without arguments."""
    compute = form.meaning
    assert compute is not None, f"{form.mnemonic} has no meaning"
    ready = [_for_lanes(argument, scratch.lanes) for argument in arguments]
    if compute in QUICK and dest is not None:
        return QUICK[compute](dest.words.shape[0], scratch, *ready)
    values: list[object] = [argument.words if isinstance(argument, Register) else argument for argument in ready]
    if form.lengths is REDUCE:
        assert dest is not None, form.mnemonic
        shape = dest.words.shape
        values = [value.reshape(-1, *shape) if isinstance(value, np.ndarray) else value for value in values]
    if form.s:
        values.append(s)
    if form.takes == ANY or (form.takes == NARROW and _are_narrow(arguments)):
        return partial(compute, *values)
    return lambda: compute(*(value.astype(np.int64) if isinstance(value, np.ndarray) else value for value in values))


def _are_narrow(arguments: Sequence[Argument]) -> bool:
    """Whether words and zero points have 30 bits at most, so that 32 hold a sum or a difference of two."""
    words = all(argument.bits <= 30 for argument in arguments if isinstance(argument, Register))
    scales = [argument for argument in arguments if isinstance(argument, Factors)]
    return words and all(max(abs(scale.a0), abs(scale.b0)) < 1 << 30 for scale in scales)


def _for_lanes(argument: Argument, lanes: int) -> Argument:
    """Multipliers are repeated for every lane, where few lanes make that the faster form."""
    if not isinstance(argument, Factors) or lanes > _FEW_LANES:
        return argument
    m = np.repeat(argument.m, lanes, axis=1)
    return argument._replace(m=m, n=m if argument.n is argument.m else np.repeat(argument.n, lanes, axis=1))


def _in_place(ufunc: np.ufunc, dest: Register, sources: Sequence[AnyArray], bits: int, scratch: Scratch) -> Action:
    """d = ufunc of sources, of so many bits; sources of length 1 are broadcast."""
    target = dest.words
    if bits > 32:
        return _wide(ufunc, dest, sources, bits, scratch)
    compute = partial(ufunc, *sources, out=target)
    if bits <= dest.bits:
        return compute
    low, high = limits(dest.bits)

    def combine() -> None:
        compute()
        np.minimum(target, high, out=target)
        np.maximum(target, low, out=target)

    return combine


def _wide(ufunc: np.ufunc, dest: Register, sources: Sequence[AnyArray], bits: int, scratch: Scratch) -> Action:
    """As _in_place, in 64 bits; sums and differences of 32 bits only where 32 do not hold them."""
    target, total = dest.words, scratch.get(np.int64, dest.words.shape[0])
    low, high = limits(dest.bits, np.int64)

    def combine() -> None:
        ufunc(*sources, out=total, dtype=np.int64)
        np.minimum(total, high, out=total)
        np.maximum(total, low, out=total)
        target[...] = total

    if bits > 33 or ufunc not in (np.add, np.subtract):
        return combine
    left, right = sources
    result, signs, others = (scratch.get(np.int32, dest.words.shape[0], slot) for slot in range(3))
    least, most = limits(dest.bits)
    narrower, adds = dest.bits < 32, ufunc is np.add

    def try_narrow() -> None:
        ufunc(left, right, out=result)
        np.bitwise_xor(left, result, out=signs)
        np.bitwise_xor(right, result if adds else left, out=others)
        np.bitwise_and(signs, others, out=signs)
        if np.minimum.reduce(signs, axis=None) < 0:
            combine()
            return
        if narrower:
            np.minimum(result, most, out=result)
            np.maximum(result, least, out=result)
        target[...] = result

    return try_narrow


def compile_settle(dest: Register, scale: Factors) -> Callable[[Reals], None]:
    """The last step of requantisation: round, limit, add the zero point, store. real is overwritten.

    Where the scale's range is too wide for float32 to hold exactly, or leaves the destination, the function of
    cimc.numerics itself is called.
    """
    low, high = -(1 << (dest.bits - 1)), (1 << (dest.bits - 1)) - 1
    below, above = scale.low - scale.zero, scale.high - scale.zero
    words, bits = dest.words, dest.bits
    if not (low <= scale.low <= scale.high <= high and max(abs(below), abs(above), abs(scale.zero)) < _EXACT):

        def settle_plainly(real: Reals) -> None:
            words[...] = quant.saturate(quant.round_clamped(real, scale.zero, scale.low, scale.high), bits)

        return settle_plainly
    least, most, zero = (np.array(number, np.float32) for number in (below, above, scale.zero))

    def settle(real: Reals) -> None:
        np.rint(real, out=real)
        np.maximum(real, least, out=real)
        np.minimum(real, most, out=real)
        np.add(real, zero, out=real)
        words[...] = real

    return settle


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
"""Quicker ways to do what a meaning says, in buffers that are there already: networks spend most of their vector time
on these few. A test holds each to its meaning, bit for bit."""
