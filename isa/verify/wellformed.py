"""What every Program must satisfy on any target: loops balanced, names known, counters in scope, numbers in range.

The parser, the binary reader and the verifier all ask this one module; each adds its own places to the problems.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from cimc.isa.directives import DIRECTIVE
from cimc.isa.kinds.base import STREAM, Scope
from cimc.isa.program import ChannelCode, CoreCode, Program, TileCode
from cimc.isa.table import FORM
from cimc.isa.text.names import UTF8, is_text
from cimc.isa.tree import ends_loop, ends_stream, loop_of
from cimc.isa.values import LARGEST_RECORDED

MOST_NESTED = 32
"""Loops inside of each other."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One breach: code, what and todo are the diagnostic's. tile, unit ("core", "channel" or ""), number, index (an
    instruction or -1), operand (or -1) say where, in the phase of that place. needs: NAME if it may follow from a
    broken directive of the tile, STREAM if it may follow from a broken line of the stream, else ""."""

    code: str
    what: str
    todo: str = ""
    needs: str = ""
    tile: int = -1
    unit: str = ""
    number: int = -1
    index: int = -1
    operand: int = -1
    phase: int = 0

    @property
    def stream(self) -> tuple[int, int, str, int]:
        """Phase, tile, unit and number."""
        return self.phase, self.tile, self.unit, self.number


def problems(program: Program) -> Iterator[Problem]:
    """Everything that is ill formed, in the order of the program; of streams that share a number only that."""
    yield from _record_problems(-1, "program", (program,))
    for number, string in enumerate(program.strings):
        if not is_text(string):
            yield Problem("value", f"string {number} is {string}", f"it must be a text {UTF8}")
    yield from _record_problems(-1, "phase", program.phases)
    for number, phase in enumerate(program.phases):
        if phase.number != number:
            yield Problem("value", f"phase {phase.number} stands where {number} is due", "number them 0, 1, 2, ...")
    for number, part in enumerate(program.parts):
        for problem in _part_problems(part):
            yield replace(problem, phase=number) if number else problem


def _part_problems(program: Program) -> Iterator[Problem]:
    """Those of a program that runs in no rounds, or of one phase."""
    yield from _duplicates(-1, "tile", [tile.number for tile in program.tiles])
    yield from _record_problems(-1, "input", program.inputs)
    yield from _record_problems(-1, "output", program.outputs)
    streams = Counter((tile.number, code.unit, code.number) for tile in program.tiles for code in tile.codes)
    for tile in program.tiles:
        yield from _tile_problems(tile)
        for code in tile.codes:
            stream = tile.number, code.unit, code.number
            if streams[stream] == 1:
                for index, operand, problem, what, todo, needs in _stream_problems(tile, code):
                    yield Problem(problem, what, todo, needs, *stream, index, operand)


def _duplicates(tile: int, thing: str, values: Sequence[int | str]) -> Iterator[Problem]:
    todo = "give each a name or number of its own"
    for value, count in Counter(values).items():
        if count > 1:
            yield Problem("duplicate", f"{thing} {value} is declared {count} times", todo, tile=tile)


def _tile_problems(tile: TileCode) -> Iterator[Problem]:
    for thing, records in tile.things.items():
        yield from _duplicates(tile.number, thing, [record.name for record in records])
        yield from _record_problems(tile.number, thing, records)
    for number in [tile.number, *(code.number for code in tile.codes)]:
        if abs(number) >= LARGEST_RECORDED:
            yield Problem("value", f"a tile, core or channel has the number {number}", tile=tile.number)
    yield from _duplicates(tile.number, "core", [core.number for core in tile.cores])
    yield from _duplicates(tile.number, "channel", [channel.number for channel in tile.channels])
    for core in tile.cores:
        seats = [f"{m.mvmu} from row {m.at_row}, column {m.at_column}" for m in core.matrices]
        yield from _duplicates(tile.number, f"in core {core.number}, mvmu", seats)
        yield from _record_problems(tile.number, "mvmu", core.matrices)


def _record_problems(tile: int, name: str, records: Sequence[object]) -> Iterator[Problem]:
    """Numbers that neither text nor binary could hold."""
    directive = DIRECTIVE[name]
    for record in records:
        for key in directive.all:
            value = getattr(record, key.attribute)
            if not key.kind.fits(value):
                first = getattr(record, directive.leading[0].attribute)
                what = f"{key.name} of .{name} {first} is {value}"
                yield Problem("value", what, f"it must be {key.kind.what}, {key.kind.limit}", tile=tile)


_Finding = tuple[int, int, str, str, str, str]


def _stream_problems(tile: TileCode, code: CoreCode | ChannelCode) -> Iterator[_Finding]:
    """index, operand, code, what, todo, needs of every problem of a stream."""
    scope, stream = Scope(tile), code.stream
    place = "core" if isinstance(code, CoreCode) else "tile"
    for index, instruction in enumerate(stream):
        if abs(instruction.origin) >= LARGEST_RECORDED:
            yield index, -1, "value", f"the origin is {instruction.origin}", "it is the number of a string, or -1", ""
    opened: list[tuple[int, str]] = []
    for index, instruction in enumerate(stream):
        form = FORM.get(instruction.mnemonic)
        if form is None or len(form.fields) != len(instruction.operands):
            count = len(instruction.operands)
            yield index, -1, "form", f"no instruction {instruction.mnemonic} with {count} operands", "", ""
            continue
        if form.place not in (place, "any"):
            where = "a transfer channel" if form.place == "tile" else "a core"
            yield index, -1, "place", f"{form.mnemonic} stands only in {where}", "", ""
        for number, (field, operand) in enumerate(zip(form.fields, instruction.operands, strict=True)):
            for problem in field.kind.problems(operand, scope):
                yield index, number, *problem
        if form.unit != "control":
            continue
        loop = loop_of(instruction)
        if loop is not None:
            scope.counters.append(loop[0])
            opened.append((index, loop[0]))
            if len(opened) > MOST_NESTED:
                todo = "let fewer loops stand inside of each other"
                yield index, -1, "nesting", f"loops are nested more than {MOST_NESTED} deep", todo, ""
                return
        elif ends_loop(instruction):
            if not opened:
                yield index, -1, "unmatched-end", "an end without a loop", "remove it", STREAM
            else:
                scope.counters.pop()
                opened.pop()
        elif ends_stream(instruction) and index + 1 < len(stream):
            yield index, -1, "early-hlt", "hlt stands before the end of the stream", "let it stand last", ""
    for index, counter in opened:
        yield index, -1, "missing-end", f"the loop over {counter} has no end", "add `end` where it ends", STREAM
    if stream and not ends_stream(stream[-1]):
        what, todo = "the stream does not end with hlt", "add `hlt` as its last line"
        yield len(stream) - 1, -1, "missing-hlt", what, todo, STREAM
