"""A Program as bytes. decode(encode(p)) == p.

Header: magic (4 bytes), FORMAT, ISA version (a byte each), CRC-32 and length of the payload (4 and 8 bytes, little-
endian). Payload: the texts, each once; then the program's directives by cimc.isa.directives, texts as indices; every
stream as its code (cimc.isa.binary.code), the names of its loops' counters, and its origins in runs.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

from cimc.base.diagnostics import CimcError, Diagnostic, Place, fail
from cimc.isa.binary.bytestream import Reader, Texts, signed, sized, unsigned
from cimc.isa.binary.code import decode_stream, encode_each
from cimc.isa.directives import DIRECTIVE
from cimc.isa.program import THINGS, ChannelCode, CoreCode, Instruction, Program, TileCode
from cimc.isa.table import ISA_VERSION
from cimc.isa.tree import loop_of
from cimc.isa.verify.wellformed import problems

MAGIC = b"\x7fCIM"
FORMAT = 3
_HEADER = struct.Struct("<4sBBIQ")


def encode(program: Program) -> bytes:
    """The program, which must be well formed, as bytes."""
    texts = Texts()
    body = _program(program, texts)
    table = [text.encode("utf-8") for text in texts.order]
    payload = unsigned(len(table)) + b"".join(map(sized, table)) + body
    return _HEADER.pack(MAGIC, FORMAT, ISA_VERSION, zlib.crc32(payload), len(payload)) + payload


def decode(data: bytes, file: str = "") -> Program:
    """The program in `data`; file: its name for diagnostics. Raises CimcError for anything that encode never wrote."""
    reader = _payload(data, file)
    strings = [reader.text() for _ in range(reader.count())]
    program = _Decoder(reader, strings).program()
    if reader.left:
        raise reader.fail("trailing", f"{reader.left} bytes too many")
    found = []
    for problem in problems(program):
        where = f"tile {problem.tile}"
        if problem.unit:
            where += f" {problem.unit} {problem.number}, instruction {problem.index}"
        found.append(Diagnostic("binary.structure", problem.what, Place(file, item=where), problem.todo))
    if found:
        raise CimcError(found)
    return program


def _payload(data: bytes, file: str) -> Reader:
    """A reader of the payload, once the header is found right."""
    if len(data) < _HEADER.size:
        raise fail("binary.truncated", f"a program is longer than these {len(data)} bytes", Place(file))
    magic, form, isa, checksum, length = _HEADER.unpack_from(data)
    if magic != MAGIC:
        todo = f"one begins with the bytes {MAGIC.hex(' ')}"
        raise fail("binary.magic", "this is not a binary program of cimc", Place(file), todo)
    for thing, version, known in (("file format", form, FORMAT), ("instruction set", isa, ISA_VERSION)):
        if version != known:
            what = f"{thing} version {version}; this cimc knows version {known}"
            raise fail("binary.version", what, Place(file), "compile the model again with this cimc")
    payload = data[_HEADER.size :]
    if len(payload) != length:
        what = f"{length} bytes are announced and {len(payload)} are there"
        raise fail("binary.truncated", what, Place(file), "copy the file again")
    if zlib.crc32(payload) != checksum:
        raise fail("binary.checksum", "the bytes are not those that were written", Place(file), "copy the file again")
    return Reader(payload, file, _HEADER.size)


def _program(program: Program, texts: Texts) -> bytes:
    out = [_fields("program", program, texts), unsigned(len(program.strings))]
    out += [texts.number(text) for text in program.strings]
    out += [_records("input", program.inputs, texts), _records("output", program.outputs, texts)]
    out.append(unsigned(len(program.tiles)))
    for tile in program.tiles:
        out.append(signed(tile.number))
        out += [_records(thing, records, texts) for thing, records in tile.things.items()]
        out.append(unsigned(len(tile.cores)))
        for core in tile.cores:
            out += [signed(core.number), _records("mvmu", core.matrices, texts), _stream(core.stream, tile, texts)]
        out.append(unsigned(len(tile.channels)))
        for channel in tile.channels:
            out += [signed(channel.number), _stream(channel.stream, tile, texts)]
    return b"".join(out)


def _records(name: str, records: Sequence[object], texts: Texts) -> bytes:
    """How many, then the fields of each."""
    return unsigned(len(records)) + b"".join(_fields(name, record, texts) for record in records)


def _fields(name: str, record: object, texts: Texts) -> bytes:
    """What a record says, in the order of its directive."""
    directive = DIRECTIVE[name]
    keys = directive.leading + directive.keys
    return b"".join([key.kind.encode(getattr(record, key.attribute), texts) for key in keys])


def _stream(stream: Sequence[Instruction], tile: TileCode, texts: Texts) -> bytes:
    """Code, names of counters, runs of equal origins."""
    counters = [texts.number(loop[0]) for instruction in stream if (loop := loop_of(instruction)) is not None]
    runs = [(origin, len(list(run))) for origin, run in groupby(instruction.origin for instruction in stream)]
    return b"".join(
        [
            sized(b"".join(encode_each(stream, tile))),
            unsigned(len(counters)),
            *counters,
            unsigned(len(runs)),
            *(signed(origin) + unsigned(length) for origin, length in runs),
        ]
    )


class _Decoder:
    """Reads the parts of a program, in the order in which _program writes them."""

    def __init__(self, reader: Reader, texts: Sequence[str]) -> None:
        self.reader = reader
        self._texts = texts

    def program(self) -> Program:
        """The whole program."""
        return Program(
            **self._fields("program"),
            strings=tuple(self.text() for _ in range(self.reader.count())),
            inputs=self._records("input"),
            outputs=self._records("output"),
            tiles=tuple(self._tile() for _ in range(self.reader.count())),
        )

    def text(self) -> str:
        """A text by its index."""
        return self._texts[self.reader.index(len(self._texts), "text")]

    def _tile(self) -> TileCode:
        tile = TileCode(self.reader.signed(), *map(self._records, THINGS))
        cores = tuple(
            CoreCode(self.reader.signed(), self._records("mvmu"), self._stream(tile))
            for _ in range(self.reader.count())
        )
        channels = tuple(ChannelCode(self.reader.signed(), self._stream(tile)) for _ in range(self.reader.count()))
        return replace(tile, cores=cores, channels=channels)

    def _records(self, name: str) -> tuple[Any, ...]:
        return tuple(DIRECTIVE[name].record(**self._fields(name)) for _ in range(self.reader.count()))

    def _fields(self, name: str) -> dict[str, Any]:
        directive = DIRECTIVE[name]
        keys = directive.leading + directive.keys
        return {key.attribute: key.kind.decode(self.reader, self.text) for key in keys}

    def _stream(self, tile: TileCode) -> tuple[Instruction, ...]:
        code = self.reader.sized()
        counters = [self.text() for _ in range(self.reader.count())]
        stream = decode_stream(code, tile, counters)
        loops = sum(loop_of(instruction) is not None for instruction in stream)
        if loops != len(counters):
            raise self.reader.fail("structure", f"{len(counters)} counters of {loops} loops have names")
        placed: list[Instruction] = []
        for _ in range(self.reader.count()):
            origin, length = self.reader.signed(), self.reader.unsigned()
            if length > len(stream) - len(placed):
                raise self.reader.fail("structure", "more origins than instructions")
            placed += [
                Instruction(instruction.mnemonic, instruction.operands, origin)
                for instruction in stream[len(placed) : len(placed) + length]
            ]
        if len(placed) < len(stream):
            raise self.reader.fail("structure", f"{len(placed)} of {len(stream)} instructions have an origin")
        return tuple(placed)
