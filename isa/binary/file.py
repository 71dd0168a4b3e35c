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
from cimc.isa.program import THINGS, ChannelCode, CoreCode, Instruction, Phase, Program, TileCode, in_phases
from cimc.isa.table import ISA_VERSION
from cimc.isa.tree import loop_of
from cimc.isa.verify.wellformed import problems

MAGIC = b"\x7fCIM"
FORMAT = 4
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
    reader.texts += [reader.text() for _ in range(reader.count())]
    program = _read_program(reader)
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
    out.append(unsigned(len(program.phases)))
    for phase in program.phases:
        out += [_fields("phase", phase, texts), *_part(phase, texts)]
    if not program.phases:
        out += _part(program, texts)
    return b"".join(out)


def _part(program: Program | Phase, texts: Texts) -> list[bytes]:
    """Inputs, outputs and tiles."""
    out = [_records("input", program.inputs, texts), _records("output", program.outputs, texts)]
    out.append(unsigned(len(program.tiles)))
    for tile in program.tiles:
        out.append(signed(tile.number))
        out += [_records(thing, records, texts) for thing, records in tile.things.items()]
        for codes in (tile.cores, tile.channels):
            out.append(unsigned(len(codes)))
            for code in codes:
                out.append(signed(code.number))
                out += [_records("mvmu", code.matrices, texts)] if isinstance(code, CoreCode) else []
                out.append(_stream(code.stream, tile, texts))
    return out


def _records(name: str, records: Sequence[object], texts: Texts) -> bytes:
    """How many, then the fields of each."""
    return unsigned(len(records)) + b"".join(_fields(name, record, texts) for record in records)


def _fields(name: str, record: object, texts: Texts) -> bytes:
    """What a record says, in the order of its directive."""
    return b"".join([key.kind.encode(getattr(record, key.attribute), texts) for key in DIRECTIVE[name].all])


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


def _read_program(reader: Reader) -> Program:
    """What _program wrote."""
    head = Program(**_read_fields("program", reader), strings=tuple(reader.known() for _ in range(reader.count())))
    phases = reader.count()
    if not phases:
        return replace(head, **_read_part(reader))
    return in_phases(head, tuple(Phase(**_read_fields("phase", reader), **_read_part(reader)) for _ in range(phases)))


def _read_part(reader: Reader) -> dict[str, Any]:
    """What _part wrote."""
    return {
        "inputs": _read_records("input", reader),
        "outputs": _read_records("output", reader),
        "tiles": tuple(_read_tile(reader) for _ in range(reader.count())),
    }


def _read_tile(reader: Reader) -> TileCode:
    number = reader.signed()
    tile = TileCode(number, **{f"{thing}s": _read_records(thing, reader) for thing in THINGS})
    cores = tuple(
        CoreCode(reader.signed(), _read_records("mvmu", reader), _read_stream(reader, tile))
        for _ in range(reader.count())
    )
    channels = tuple(ChannelCode(reader.signed(), _read_stream(reader, tile)) for _ in range(reader.count()))
    return replace(tile, cores=cores, channels=channels)


def _read_records(name: str, reader: Reader) -> tuple[Any, ...]:
    return tuple(DIRECTIVE[name].record(**_read_fields(name, reader)) for _ in range(reader.count()))


def _read_fields(name: str, reader: Reader) -> dict[str, Any]:
    return {key.attribute: key.kind.decode(reader) for key in DIRECTIVE[name].all}


def _read_stream(reader: Reader, tile: TileCode) -> tuple[Instruction, ...]:
    code = reader.sized()
    counters = [reader.known() for _ in range(reader.count())]
    stream = decode_stream(code, tile, counters)
    loops = sum(loop_of(instruction) is not None for instruction in stream)
    if loops != len(counters):
        raise reader.fail("structure", f"{len(counters)} counters of {loops} loops have names")
    placed: list[Instruction] = []
    for _ in range(reader.count()):
        origin, length = reader.signed(), reader.unsigned()
        if length > len(stream) - len(placed):
            raise reader.fail("structure", "more origins than instructions")
        placed += [
            Instruction(instruction.mnemonic, instruction.operands, origin)
            for instruction in stream[len(placed) : len(placed) + length]
        ]
    if len(placed) < len(stream):
        raise reader.fail("structure", f"{len(placed)} of {len(stream)} instructions have an origin")
    return tuple(placed)
