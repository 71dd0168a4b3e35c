"""Instructions as bytes: what stands in instruction memory.

An instruction is its opcode and then its operands in the table's order; docs/isa.md has the layout of each kind.
Names are indices into the tile's rings and constants, counters are the depths of their loops; what loops call their
counters and where instructions come from is stored beside the code (cimc.isa.binary) and takes no instruction memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import cast

from cimc.isa.bytestream import Reader, signed, unsigned, unzigzag, zigzag
from cimc.isa.operands import Affine, Axis, DataRef, Name, Operand, Port, Reg, Window
from cimc.isa.program import Instruction, TileCode
from cimc.isa.table import FORM, FORM_BY_OPCODE

SPACES = ("xin", "xout", "r")
"""Register files, by their number in the encoding."""

_MANY_TERMS = 3
_DEEP = 7


@dataclass(frozen=True, slots=True)
class Names:
    """Names of a tile's rings and constants, in the order of the tile."""

    rings: Sequence[str]
    scales: Sequence[str]
    vectors: Sequence[str]
    tables: Sequence[str]

    @staticmethod
    def of(tile: TileCode) -> Names:
        """The names of a tile."""
        return Names(
            *([record.name for record in records] for records in (tile.rings, tile.scales, tile.vectors, tile.tables))
        )


def code_bytes(stream: Sequence[Instruction], tile: TileCode) -> int:
    """Bytes of instruction memory that a stream of the tile takes."""
    return sum(map(len, encode_each(stream, tile)))


def encode_each(stream: Sequence[Instruction], tile: TileCode) -> list[bytes]:
    """The encoded instructions of a stream, one by one. The stream is well formed (cimc.isa.wellformed)."""
    encoder = _Encoder(Names.of(tile))
    return [encoder.instruction(instruction) for instruction in stream]


def decode_stream(code: Reader, names: Names, counters: Sequence[str]) -> tuple[Instruction, ...]:
    """The instructions in `code`, all of it, without origins. counters: the name that each loop gives its counter."""
    decoder = _Decoder(code, names, counters)
    stream = []
    while code.left:
        stream.append(decoder.instruction())
    return tuple(stream)


class _Encoder:
    """Encodes the instructions of one stream in order; knows the loops that are open."""

    def __init__(self, names: Names) -> None:
        self._rings = {name: number for number, name in enumerate(names.rings)}
        self._data = {
            "scale": {name: number for number, name in enumerate(names.scales)},
            "vector": {name: number for number, name in enumerate(names.vectors)},
            "table": {name: number for number, name in enumerate(names.tables)},
        }
        self._depths: dict[str, int] = {}

    def instruction(self, instruction: Instruction) -> bytes:
        """The next instruction of the stream."""
        form = FORM[instruction.mnemonic]
        parts = [bytes((form.opcode,))]
        for field, operand in zip(form.fields, instruction.operands, strict=True):
            parts.append(_WRITERS[field.kind](self, operand))
        if instruction.mnemonic == "loop":
            self._depths[cast(str, instruction.operands[0])] = len(self._depths)
        elif instruction.mnemonic == "end":
            self._depths.popitem()
        return b"".join(parts)

    def count(self, operand: Operand) -> bytes:
        """A loop's count; 0 is the number of inputs."""
        return unsigned(cast(int, operand) + 1)

    def reg(self, operand: Operand) -> bytes:
        """The register file in the two low bits of the start, then the length."""
        reg = cast(Reg, operand)
        return unsigned(reg.start << 2 | SPACES.index(reg.space)) + unsigned(reg.length)

    def affine(self, operand: Operand) -> bytes:
        """The number of terms in the two low bits of the constant, then the terms: depth in the three low bits."""
        value = cast(Affine, operand)
        terms = len(value.terms)
        out = unsigned(zigzag(value.constant) << 2 | min(terms, _MANY_TERMS))
        if terms >= _MANY_TERMS:
            out += unsigned(terms - _MANY_TERMS)
        for name, coefficient in value.terms:
            depth = self._depths[name]
            out += unsigned(zigzag(coefficient) << 3 | min(depth, _DEEP))
            if depth >= _DEEP:
                out += unsigned(depth - _DEEP)
        return out

    def axis(self, axis: Axis) -> bytes:
        """The start, then the count with a bit that says whether a step follows."""
        out = self.affine(axis.start) + unsigned(axis.count - 1 << 1 | (axis.step != 1))
        return out if axis.step == 1 else out + signed(axis.step)

    def window(self, operand: Operand) -> bytes:
        """The ring and the three axes."""
        window = cast(Window, operand)
        axes = self.axis(window.rows) + self.axis(window.columns) + self.axis(window.channels)
        return unsigned(self._rings[window.ring]) + axes

    def port(self, operand: Operand) -> bytes:
        """The ring and the number of the port."""
        port = cast(Port, operand)
        return unsigned(self._rings[port.ring]) + unsigned(port.number)

    def ring(self, operand: Operand) -> bytes:
        """The ring."""
        return unsigned(self._rings[cast(Name, operand).name])

    def data(self, kind: str, operand: Operand) -> bytes:
        """The constant, its first entry and how many."""
        data = cast(DataRef, operand)
        return unsigned(self._data[kind][data.name]) + unsigned(data.start) + unsigned(data.length)

    def table(self, operand: Operand) -> bytes:
        """The table."""
        return unsigned(self._data["table"][cast(Name, operand).name])


class _Decoder:
    """Decodes the instructions of one stream in order; knows the loops that are open."""

    def __init__(self, code: Reader, names: Names, counters: Sequence[str]) -> None:
        self.code = code
        self.names = names
        self._counters = counters
        self._loops = 0
        self._scope: list[str] = []

    def instruction(self) -> Instruction:
        """The next instruction."""
        opcode = self.code.byte()
        form = FORM_BY_OPCODE.get(opcode)
        if form is None:
            raise self.code.fail("opcode", f"no instruction has opcode {opcode}")
        operands = tuple(_READERS[field.kind](self) for field in form.fields)
        if form.mnemonic == "loop":
            self._scope.append(cast(str, operands[0]))
        elif form.mnemonic == "end":
            if not self._scope:
                raise self.code.fail("structure", "an end without a loop")
            self._scope.pop()
        return Instruction(form.mnemonic, operands)

    def counter(self) -> str:
        """The name of the next loop's counter."""
        if self._loops == len(self._counters):
            raise self.code.fail("structure", "a loop whose counter has no name")
        self._loops += 1
        return self._counters[self._loops - 1]

    def count(self) -> int:
        """A loop's count, or -1."""
        return self.code.unsigned() - 1

    def reg(self) -> Reg:
        """A register operand."""
        start = self.code.unsigned()
        if start & 3 >= len(SPACES):
            raise self.code.fail("operand", f"register file {start & 3} of {len(SPACES)}")
        return Reg(SPACES[start & 3], start >> 2, self.code.unsigned())

    def affine(self) -> Affine:
        """An affine number."""
        head = self.code.unsigned()
        count = head & _MANY_TERMS
        if count == _MANY_TERMS:
            count += self.code.count()
        terms = []
        for _ in range(count):
            term = self.code.unsigned()
            depth = term & _DEEP
            if depth == _DEEP:
                depth += self.code.unsigned()
            if depth >= len(self._scope):
                raise self.code.fail("operand", f"counter {depth} inside {len(self._scope)} loops")
            terms.append((self._scope[depth], unzigzag(term >> 3)))
        return Affine(unzigzag(head >> 2), tuple(terms))

    def axis(self) -> Axis:
        """One axis of a window."""
        start = self.affine()
        count = self.code.unsigned()
        return Axis(start, (count >> 1) + 1, self.code.signed() if count & 1 else 1)

    def window(self) -> Window:
        """A window."""
        return Window(self.ring(), self.axis(), self.axis(), self.axis())

    def port(self) -> Port:
        """A port of a ring."""
        return Port(self.ring(), self.code.unsigned())

    def ring(self) -> str:
        """The name of a ring."""
        return self._name(self.names.rings, "ring")

    def data(self, known: Sequence[str], thing: str) -> DataRef:
        """Entries of a constant."""
        return DataRef(self._name(known, thing), self.code.unsigned(), self.code.unsigned())

    def table(self) -> str:
        """The name of a table."""
        return self._name(self.names.tables, "table")

    def _name(self, known: Sequence[str], thing: str) -> str:
        return known[self.code.index(len(known), thing)]


_WRITERS: Mapping[str, Callable[[_Encoder, Operand], bytes]] = MappingProxyType(
    {
        "counter": lambda encoder, operand: b"",
        "count": _Encoder.count,
        "dest": _Encoder.reg,
        "source": _Encoder.reg,
        "window": _Encoder.window,
        "port": _Encoder.port,
        "ring": _Encoder.ring,
        "ticket": _Encoder.affine,
        "scale": lambda encoder, operand: encoder.data("scale", operand),
        "vector": lambda encoder, operand: encoder.data("vector", operand),
        "table": _Encoder.table,
        "imm": lambda encoder, operand: signed(cast(int, operand)),
        "mask": lambda encoder, operand: unsigned(cast(int, operand)),
        "tile": lambda encoder, operand: unsigned(cast(int, operand)),
        "fifo": lambda encoder, operand: unsigned(cast(int, operand)),
    }
)

_READERS: Mapping[str, Callable[[_Decoder], Operand]] = MappingProxyType(
    {
        "counter": _Decoder.counter,
        "count": _Decoder.count,
        "dest": _Decoder.reg,
        "source": _Decoder.reg,
        "window": _Decoder.window,
        "port": _Decoder.port,
        "ring": lambda decoder: Name(decoder.ring()),
        "ticket": _Decoder.affine,
        "scale": lambda decoder: decoder.data(decoder.names.scales, "scale"),
        "vector": lambda decoder: decoder.data(decoder.names.vectors, "vector"),
        "table": lambda decoder: Name(decoder.table()),
        "imm": lambda decoder: decoder.code.signed(),
        "mask": lambda decoder: decoder.code.unsigned(),
        "tile": lambda decoder: decoder.code.unsigned(),
        "fifo": lambda decoder: decoder.code.unsigned(),
    }
)

assert {field.kind for form in FORM.values() for field in form.fields} <= set(_WRITERS), "a kind has no encoder"
assert set(_READERS) == set(_WRITERS), "a kind is encoded and not decoded, or the other way round"
