"""Kinds of values of directives, one class each: it prints, reads, encodes, decodes and checks a value."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Generic, TypeVar

from cimc.isa.binary.bytestream import Reader, Texts, double, signed, unsigned
from cimc.isa.program import RingRef
from cimc.isa.text.names import UTF8, is_text, quote, write_name
from cimc.isa.text.syntax import Listed, RingShape, ValueShape, Word

V = TypeVar("V")

LARGEST_RECORDED = 10**19
"""Numbers in directives are smaller than this in magnitude: every 64-bit one is."""
_SHORT = f"with at most {len(str(LARGEST_RECORDED)) - 1} digits"


class ValueKind(ABC, Generic[V]):
    """A kind of value, V as data. what: it is, in words; limit: what makes it one that text and bytes can hold."""

    name: ClassVar[str]
    what: ClassVar[str]
    limit: ClassVar[str] = _SHORT

    @abstractmethod
    def write(self, value: V) -> str:
        """The value as text."""

    @abstractmethod
    def read(self, shape: ValueShape) -> V | None:
        """The value that a shape says, or None."""

    @abstractmethod
    def encode(self, value: V, texts: Texts) -> bytes:
        """The value as bytes."""

    @abstractmethod
    def decode(self, code: Reader, text: Callable[[], str]) -> V:
        """The value whose bytes come; text: the text whose index comes."""

    @abstractmethod
    def fits(self, value: V) -> bool:
        """Whether text and bytes can hold the value."""


class Int(ValueKind[int]):
    """A whole number."""

    name, what = "int", "a whole number"

    def write(self, value: int) -> str:
        return str(value)

    def read(self, shape: ValueShape) -> int | None:
        is_number = isinstance(shape, Word) and not shape.is_name and shape.text.lstrip("-").isdigit()
        return int(shape.text) if isinstance(shape, Word) and is_number else None

    def encode(self, value: int, texts: Texts) -> bytes:
        return signed(value)

    def decode(self, code: Reader, text: Callable[[], str]) -> int:
        return code.signed()

    def fits(self, value: int) -> bool:
        return abs(value) < LARGEST_RECORDED


class Float(ValueKind[float]):
    """A finite number."""

    name, what = "float", "a finite number"

    def write(self, value: float) -> str:
        return repr(float(value))

    def read(self, shape: ValueShape) -> float | None:
        value = float(shape.text) if isinstance(shape, Word) and not shape.is_name else math.nan
        return value if math.isfinite(value) else None

    def encode(self, value: float, texts: Texts) -> bytes:
        return double(value)

    def decode(self, code: Reader, text: Callable[[], str]) -> float:
        return code.double()

    def fits(self, value: float) -> bool:
        return math.isfinite(value)


class Bool(ValueKind[bool]):
    """A truth value."""

    name, what = "bool", "true or false"

    def write(self, value: bool) -> str:
        return "true" if value else "false"

    def read(self, shape: ValueShape) -> bool | None:
        known = {"true": True, "false": False}
        return known.get(shape.text) if isinstance(shape, Word) and shape.is_name else None

    def encode(self, value: bool, texts: Texts) -> bytes:
        return bytes((bool(value),))

    def decode(self, code: Reader, text: Callable[[], str]) -> bool:
        return bool(code.index(2, "truth value"))

    def fits(self, value: bool) -> bool:
        return True


class Text(ValueKind[str]):
    """A text, always quoted."""

    name, what, limit = "text", "a quoted text", UTF8

    def write(self, value: str) -> str:
        return quote(value)

    def read(self, shape: ValueShape) -> str | None:
        return shape.text if isinstance(shape, Word) and shape.is_name else None

    def encode(self, value: str, texts: Texts) -> bytes:
        return texts.number(value)

    def decode(self, code: Reader, text: Callable[[], str]) -> str:
        return text()

    def fits(self, value: str) -> bool:
        return is_text(value)


class Name(Text):
    """A text, quoted where it has to be."""

    name, what = "name", "a name"

    def write(self, value: str) -> str:
        return write_name(value)


class Ints(ValueKind[tuple[int, ...]]):
    """Numbers."""

    name, what = "ints", "numbers in parentheses, such as (1, 28, 28)"

    def write(self, value: tuple[int, ...]) -> str:
        return f"({', '.join(map(str, value))})"

    def read(self, shape: ValueShape) -> tuple[int, ...] | None:
        items = shape.items if isinstance(shape, Listed) else (None,)
        numbers = tuple(item for item in items if isinstance(item, int))
        return numbers if len(numbers) == len(items) else None

    def encode(self, value: tuple[int, ...], texts: Texts) -> bytes:
        return unsigned(len(value)) + b"".join(map(signed, value))

    def decode(self, code: Reader, text: Callable[[], str]) -> tuple[int, ...]:
        return tuple(code.signed() for _ in range(code.count()))

    def fits(self, value: tuple[int, ...]) -> bool:
        return all(abs(number) < LARGEST_RECORDED for number in value)


class Rings(ValueKind[tuple[RingRef, ...]]):
    """References to rings, or to ports of them."""

    name, what = "rings", "rings in parentheses, such as (0:x, 1:y.0)"

    def write(self, value: tuple[RingRef, ...]) -> str:
        words = [f"{ref.tile}:{write_name(ref.ring)}" + (f".{ref.port}" if ref.port >= 0 else "") for ref in value]
        return f"({', '.join(words)})"

    def read(self, shape: ValueShape) -> tuple[RingRef, ...] | None:
        items = shape.items if isinstance(shape, Listed) else (None,)
        refs = tuple(RingRef(item.tile, item.ring, item.port) for item in items if isinstance(item, RingShape))
        return refs if len(refs) == len(items) else None

    def encode(self, value: tuple[RingRef, ...], texts: Texts) -> bytes:
        refs = (signed(ref.tile) + texts.number(ref.ring) + signed(ref.port) for ref in value)
        return unsigned(len(value)) + b"".join(refs)

    def decode(self, code: Reader, text: Callable[[], str]) -> tuple[RingRef, ...]:
        return tuple(RingRef(code.signed(), text(), code.signed()) for _ in range(code.count()))

    def fits(self, value: tuple[RingRef, ...]) -> bool:
        return all(
            0 <= ref.tile < LARGEST_RECORDED and -1 <= ref.port < LARGEST_RECORDED and is_text(ref.ring)
            for ref in value
        )


VALUE_KINDS: tuple[ValueKind[Any], ...] = (Int(), Float(), Bool(), Name(), Text(), Ints(), Rings())
"""In the order of the documentation."""
