"""Instructions as bytes: what stands in instruction memory.

An instruction is its opcode and then its operands in the table's order; docs/isa.md has the layout of each kind.
Names are indices into the tile's rings and constants, counters are the depths of their loops; what loops call their
counters and where instructions come from is stored beside the code (cimc.isa.binary.file) and takes no instruction
memory.
"""

from __future__ import annotations

from collections.abc import Sequence

from cimc.isa.binary.bytestream import Reader
from cimc.isa.kinds.base import Scope
from cimc.isa.program import Instruction, TileCode
from cimc.isa.table import FORM, FORM_BY_OPCODE
from cimc.isa.tree import ends_loop, loop_of


def code_bytes(stream: Sequence[Instruction], tile: TileCode) -> int:
    """Bytes of instruction memory that a stream of the tile takes."""
    return sum(map(len, encode_each(stream, tile)))


def encode_each(stream: Sequence[Instruction], tile: TileCode) -> list[bytes]:
    """The encoded instructions of a stream, one by one. The stream is well formed (cimc.isa.verify.wellformed)."""
    scope, encoded = Scope(tile), []
    for instruction in stream:
        form = FORM[instruction.mnemonic]
        parts = [bytes((form.opcode,))]
        parts += [f.kind.encode(operand, scope) for f, operand in zip(form.fields, instruction.operands, strict=True)]
        encoded.append(b"".join(parts))
        if form.unit == "control":
            _steer(instruction, scope)
    return encoded


def decode_stream(code: Reader, tile: TileCode, counters: Sequence[str]) -> tuple[Instruction, ...]:
    """The instructions in `code`, all of it, without origins. counters: the name that each loop gives its counter."""
    scope, stream = Scope(tile, counters), []
    while code.left:
        opcode = code.byte()
        form = FORM_BY_OPCODE.get(opcode)
        if form is None:
            raise code.fail("opcode", f"no instruction has opcode {opcode}")
        instruction = Instruction(form.mnemonic, tuple(field.kind.decode(code, scope) for field in form.fields))
        if form.unit == "control":
            if ends_loop(instruction) and not scope.counters:
                raise code.fail("structure", "an end without a loop")
            _steer(instruction, scope)
        stream.append(instruction)
    return tuple(stream)


def _steer(instruction: Instruction, scope: Scope) -> None:
    """Open or close a loop."""
    loop = loop_of(instruction)
    if loop is not None:
        scope.counters.append(loop[0])
    elif ends_loop(instruction):
        scope.counters.pop()
