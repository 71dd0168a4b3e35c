"""Kinds of values of directives: how each is printed, read, encoded, decoded and checked."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from cimc.isa.binary.bytestream import Reader, Texts, double, signed, unsigned
from cimc.isa.program import RingRef
from cimc.isa.text.names import UTF8, is_text, quote, write_name
from cimc.isa.text.syntax import ValueShape

V = TypeVar("V")

LARGEST_RECORDED = 10**19
"""Numbers in directives are smaller than this in magnitude: every 64-bit one is."""
_SHORT = f"with at most {len(str(LARGEST_RECORDED)) - 1} digits"


@dataclass(frozen=True, slots=True)
class ValueKind(Generic[V]):
    """A kind of value, V as data. what: it is, in words; write: it as text; read: the value that a shape says, or None;
    encode, decode: it to bytes and from them; fits: whether text and bytes can hold it; limit: what makes it one that
    they can."""

    name: str
    what: str
    write: Callable[[V], str]
    read: Callable[[ValueShape], V | None]
    encode: Callable[[V, Texts], bytes]
    decode: Callable[[Reader], V]
    fits: Callable[[V], bool]
    limit: str = _SHORT


def _read_float(shape: ValueShape) -> float | None:
    return float(shape) if isinstance(shape, int | float) and math.isfinite(shape) else None


def _read_bool(shape: ValueShape) -> bool | None:
    return {"true": True, "false": False}.get(shape) if isinstance(shape, str) else None


def _read(kind: type[V]) -> Callable[[ValueShape], V | None]:
    """What reads a number or a text."""
    return lambda shape: shape if isinstance(shape, kind) else None


def _read_all(kind: type[V]) -> Callable[[ValueShape], tuple[V, ...] | None]:
    """What reads a list of such items."""

    def read(shape: ValueShape) -> tuple[V, ...] | None:
        items = shape if isinstance(shape, tuple) else (None,)
        found = tuple(item for item in items if isinstance(item, kind))
        return found if len(found) == len(items) else None

    return read


def _write_ring(ref: RingRef) -> str:
    return f"{ref.tile}:{write_name(ref.ring)}" + (f".{ref.port}" if ref.port >= 0 else "")


def _encode_rings(refs: tuple[RingRef, ...], texts: Texts) -> bytes:
    each = (signed(ref.tile) + texts.number(ref.ring) + signed(ref.port) for ref in refs)
    return unsigned(len(refs)) + b"".join(each)


def _fits(number: int) -> bool:
    return abs(number) < LARGEST_RECORDED


def _ring_fits(ref: RingRef) -> bool:
    return 0 <= ref.tile < LARGEST_RECORDED and -1 <= ref.port < LARGEST_RECORDED and is_text(ref.ring)


KINDS: Mapping[object, ValueKind[Any]] = MappingProxyType(
    {
        int: ValueKind(
            "int", "a whole number", str, _read(int),
            lambda value, _: signed(value), Reader.signed, _fits,
        ),
        float: ValueKind(
            "float", "a finite number", lambda value: repr(float(value)), _read_float,
            lambda value, _: double(value), Reader.double, math.isfinite,
        ),
        bool: ValueKind(
            "bool", "true or false", lambda value: "true" if value else "false", _read_bool,
            lambda value, _: bytes((bool(value),)), lambda code: bool(code.index(2, "truth value")), lambda _: True,
        ),
        str: ValueKind(
            "name", "a name", write_name, _read(str),
            lambda value, texts: texts.number(value), Reader.known, is_text, UTF8,
        ),
        "text": ValueKind(
            "text", "a quoted text", quote, _read(str),
            lambda value, texts: texts.number(value), Reader.known, is_text, UTF8,
        ),
        tuple[int, ...]: ValueKind(
            "ints", "numbers in parentheses, such as (1, 28, 28)",
            lambda value: f"({', '.join(map(str, value))})", _read_all(int),
            lambda value, _: unsigned(len(value)) + b"".join(map(signed, value)),
            lambda code: tuple(code.signed() for _ in range(code.count())), lambda value: all(map(_fits, value)),
        ),
        tuple[RingRef, ...]: ValueKind(
            "rings", "rings in parentheses, such as (0:x, 1:y.0)",
            lambda refs: f"({', '.join(map(_write_ring, refs))})", _read_all(RingRef), _encode_rings,
            lambda code: tuple(RingRef(code.signed(), code.known(), code.signed()) for _ in range(code.count())),
            lambda refs: all(map(_ring_fits, refs)),
        ),
    }
)  # fmt: skip
"""By the type of a field; in the order of the documentation."""
