"""Reading and writing bytes: varints (LEB128), signed ones by zigzag, doubles, texts.

A reader never trusts a length: a count is refused if the bytes left could not hold that many things.
"""

from __future__ import annotations

import math
import struct

from cimc.base.diagnostics import CimcError, Place, fail

LONGEST_VARINT = 10


def unsigned(value: int) -> bytes:
    """A number that is not negative, seven bits a byte, the low ones first."""
    assert 0 <= value < 1 << 7 * LONGEST_VARINT, f"{value} is not an unsigned number of at most 70 bits"
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def zigzag(value: int) -> int:
    """Signed numbers as unsigned ones, small where they are small: 0, -1, 1, -2 ... become 0, 1, 2, 3 ..."""
    return 2 * value if value >= 0 else -2 * value - 1


def unzigzag(value: int) -> int:
    """The inverse of zigzag."""
    return -(value >> 1) - 1 if value & 1 else value >> 1


def signed(value: int) -> bytes:
    """A signed number as an unsigned varint of its zigzag."""
    return unsigned(zigzag(value))


def double(value: float) -> bytes:
    """A float, eight bytes, little-endian."""
    return struct.pack("<d", value)


def sized(data: bytes) -> bytes:
    """Bytes after their own length."""
    return unsigned(len(data)) + data


class Texts:
    """Texts in the order of their first use."""

    def __init__(self) -> None:
        self.order: list[str] = []
        self._numbers: dict[str, int] = {}

    def number(self, text: str) -> bytes:
        """The index of a text, added if need be."""
        if text not in self._numbers:
            self._numbers[text] = len(self.order)
            self.order.append(text)
        return unsigned(self._numbers[text])


class Reader:
    """A place in a run of bytes. Whatever is wrong with them is raised as CimcError with a code binary.*."""

    def __init__(self, data: bytes, file: str, offset: int = 0) -> None:
        """data: what to read; file: its name for diagnostics; offset: of data in the file. texts: those that indices
        name, once they are read."""
        self._data = data
        self._file = file
        self._offset = offset
        self._at = 0
        self.texts: list[str] = []

    @property
    def left(self) -> int:
        """Bytes not yet read."""
        return len(self._data) - self._at

    def fail(self, code: str, what: str) -> CimcError:
        """The error to raise for what stands at the present place."""
        place = Place(self._file, item=f"byte {self._offset + self._at}")
        return fail(f"binary.{code}", what, place, "write the file again with `cimc compile` or `cimc asm`")

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        if count > self.left:
            raise self.fail("truncated", f"{count} bytes are announced here and {self.left} are left")
        self._at += count
        return self._data[self._at - count : self._at]

    def byte(self) -> int:
        """The next byte."""
        if not self.left:
            raise self.fail("truncated", "the data ends in the middle of something")
        self._at += 1
        return self._data[self._at - 1]

    def unsigned(self) -> int:
        """An unsigned varint."""
        value = 0
        for position in range(LONGEST_VARINT):
            byte = self.byte()
            value |= (byte & 0x7F) << 7 * position
            if byte < 0x80:
                return value
        raise self.fail("number", f"a number of more than {LONGEST_VARINT} bytes")

    def signed(self) -> int:
        """A signed varint."""
        return unzigzag(self.unsigned())

    def count(self) -> int:
        """How many things follow, each of which takes at least a byte."""
        count = self.unsigned()
        if count > self.left:
            raise self.fail("truncated", f"{count} things are announced here and {self.left} bytes are left")
        return count

    def index(self, size: int, thing: str) -> int:
        """An index below size."""
        index = self.unsigned()
        if index >= size:
            raise self.fail("index", f"{thing} number {index} of {size}")
        return index

    def double(self) -> float:
        """A finite float."""
        value = float(struct.unpack("<d", self.take(8))[0])
        if not math.isfinite(value):
            raise self.fail("number", f"a number that is not finite ({value})")
        return value

    def text(self) -> str:
        """A UTF-8 text after its length."""
        data = self.take(self.count())
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise self.fail("text", "a text that is not UTF-8") from error

    def known(self) -> str:
        """The text whose index comes."""
        return self.texts[self.index(len(self.texts), "text")]

    def sized(self) -> Reader:
        """A reader of the bytes that follow their own length."""
        length = self.count()
        offset = self._offset + self._at
        return Reader(self.take(length), self._file, offset)
