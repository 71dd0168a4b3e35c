"""Operands about rings: tickets, windows, ports, rings whole."""

from __future__ import annotations

from collections.abc import Iterable

from cimc.base.diagnostics import did_you_mean
from cimc.isa import operands
from cimc.isa.binary.bytestream import Reader, signed, unsigned, unzigzag, zigzag
from cimc.isa.cost.products import Counts, Setting, memory_actions
from cimc.isa.kinds.base import LARGEST, STREAM, Complaint, Kind, Look, Scope, number_problems
from cimc.isa.kinds.numbers import name_in
from cimc.isa.operands import Affine, Axis, Name
from cimc.isa.program import Ring as RingRecord
from cimc.isa.program import extent
from cimc.isa.text.names import write_name
from cimc.isa.text.syntax import Index, Indexed, OperandShape, Refused
from cimc.numerics.packing import packed_words

_MANY_TERMS = 3
_DEEP = 7


class Ticket(Kind[Affine]):
    """A ticket: it may be anything, it is clamped."""

    name, example = "ticket", "oy*2+1"
    what = "an affine number in the counters of the enclosing loops, outermost first"
    layout = (
        "zigzag(constant) * 4 + t, t = terms, at most 3; if t = 3 the further terms' number; for each term "
        "zigzag(coefficient) * 8 + d, d = depth of its loop, at most 7; if d = 7 the further depth"
    )

    def write(self, operand: Affine) -> str:
        text = ""
        for name, coefficient in operand.terms:
            text += "-" if coefficient < 0 else "+" if text else ""
            text += write_name(name)
            if abs(coefficient) != 1:
                text += f"*{abs(coefficient)}"
        if not text:
            return str(operand.constant)
        return f"{text}{operand.constant:+d}" if operand.constant else text

    def read(self, shape: OperandShape) -> Affine | None:
        return shape if isinstance(shape, Affine) else None

    def encode(self, operand: Affine, scope: Scope) -> bytes:
        """The number of terms in the two low bits of the constant, then the terms: depth in the three low bits."""
        terms = len(operand.terms)
        out = unsigned(zigzag(operand.constant) << 2 | min(terms, _MANY_TERMS))
        if terms >= _MANY_TERMS:
            out += unsigned(terms - _MANY_TERMS)
        for name, coefficient in operand.terms:
            depth = scope.counters.index(name)
            out += unsigned(zigzag(coefficient) << 3 | min(depth, _DEEP))
            if depth >= _DEEP:
                out += unsigned(depth - _DEEP)
        return out

    def decode(self, code: Reader, scope: Scope) -> Affine:
        head = code.unsigned()
        count = head & _MANY_TERMS
        if count == _MANY_TERMS:
            count += code.count()
        terms = []
        for _ in range(count):
            term = code.unsigned()
            depth = term & _DEEP
            if depth == _DEEP:
                depth += code.unsigned()
            if depth >= len(scope.counters):
                raise code.fail("operand", f"counter {depth} inside {len(scope.counters)} loops")
            terms.append((scope.counters[depth], unzigzag(term >> 3)))
        return Affine(unzigzag(head >> 2), tuple(terms))

    def problems(self, operand: Affine, scope: Scope) -> Iterable[Complaint]:
        yield from number_problems(operand.constant, -LARGEST, "the constant")
        if not operand.terms:
            return
        counters = scope.counters
        for name, coefficient in operand.terms:
            yield from number_problems(coefficient, -LARGEST, f"the coefficient of {name}")
            if name not in counters:
                yield "unknown-counter", f'no enclosing loop counts "{name}"', did_you_mean(name, counters), STREAM
        names = [name for name, coefficient in operand.terms if coefficient]
        depths = [counters.index(name) for name in names if name in counters]
        if len(names) < len(operand.terms) or depths != sorted(set(depths)):
            yield "terms", "each counter may stand once in an affine number, the outermost first, not times 0", "", ""

    def check(self, operand: Affine, look: Look) -> None:
        look.affine(operand)


TICKET = Ticket()


class Row(Ticket):
    """A row of the MVMUs that are reached."""

    name, example = "row", "oy"
    what = "a row of an MVMU: an affine number in the counters of the enclosing loops, outermost first"
    layout = "like ticket"

    def check(self, operand: Affine, look: Look) -> None:
        if not look.affine(operand):
            return
        low, high = look.extremes(operand)
        for mvmu, held in look.reached.items():
            rows = extent(held)[0]
            if low < 0 or high >= rows:
                look.complain("cells", f"rows {low} to {high} of MVMU {mvmu}, which has rows 0 to {rows - 1}", "")


class Window(Kind[operands.Window]):
    """A window that is read or, with `writes`, written; `loose`: it may leave the map."""

    name, example = "window", "x[oy*2-1:+3, ox*2-1:+3, 0:16]"
    what = "rows, columns and channels of a ring: an index, from:to, start:+count or start:+count:step"
    layout = "ring, then for each axis the start as a ticket, (count - 1) * 2 + s and, if s = 1, zigzag(step)"

    def __init__(self, writes: bool = False, loose: bool = False) -> None:
        self.writes, self.loose = writes, loose

    def write(self, operand: operands.Window) -> str:
        axes = ", ".join(map(_write_axis, (operand.rows, operand.columns, operand.channels)))
        return f"{write_name(operand.ring)}[{axes}]"

    def read(self, shape: OperandShape) -> operands.Window | None:
        if not isinstance(shape, Indexed) or len(shape.indices) != 3:
            return None
        return operands.Window(shape.name, *(axis_of(index) for index in shape.indices))

    def encode(self, operand: operands.Window, scope: Scope) -> bytes:
        out = unsigned(scope.encode("ring", operand.ring))
        for axis in (operand.rows, operand.columns, operand.channels):
            out += TICKET.encode(axis.start, scope) + unsigned(axis.count - 1 << 1 | (axis.step != 1))
            if axis.step != 1:
                out += signed(axis.step)
        return out

    def decode(self, code: Reader, scope: Scope) -> operands.Window:
        ring = scope.decode("ring", code)
        return operands.Window(ring, _decode_axis(code, scope), _decode_axis(code, scope), _decode_axis(code, scope))

    def problems(self, operand: operands.Window, scope: Scope) -> Iterable[Complaint]:
        yield from scope.unknown("ring", operand.ring)
        axes = ("rows", operand.rows), ("columns", operand.columns), ("channels", operand.channels)
        for name, axis in axes:
            yield from TICKET.problems(axis.start, scope)
            yield from number_problems(axis.count, 1, f"the number of {name}")
            yield from number_problems(axis.step, 1, f"the step of {name}")

    def check(self, operand: operands.Window, look: Look) -> None:
        """It keeps to its channels, reaches two dimensions at most and, unless it is loose, keeps to the map."""
        ring = look.rings[operand.ring]
        if operand.channels.step != 1:
            what = f"channels with a step of {operand.channels.step}"
            look.complain("window", what, "take the channels one by one")
        if _dimensions(operand, ring) > 2:
            what = "the window has three dimensions; an instruction reaches two at most"
            look.complain("window", what, "take all channels of the ring, or loop over rows or columns")
        map_axes = ("rows", operand.rows, ring.height), ("columns", operand.columns, ring.width)
        for name, axis, size in (("channels", operand.channels, ring.channels), *map_axes):
            if not look.affine(axis.start):
                continue
            low, high = look.extremes(axis.start)
            high += (axis.count - 1) * axis.step
            if not self.loose or name == "channels":
                if low < 0 or high >= size:
                    what = f"{name} {low} to {high} of ring {ring.name}, which has {name} 0 to {size - 1}"
                    look.complain("window", what, "")
            elif low <= -LARGEST or high >= LARGEST:
                look.complain("window", f"{name} {low} to {high}, far outside of any map", "")

    def length(self, operand: operands.Window) -> int:
        return operand.words

    def actions(self, operand: operands.Window, setting: Setting) -> Counts:
        return memory_actions(operand.words)


class Packed(Window):
    """A window with a row of weights for each MVMU that is written, a pixel each."""

    name, example = "packed", "x[oy, 0:2, 0:64]"
    what = "a window of one row: a pixel for each MVMU, its channels the words of a row of weights"
    layout = "like window"

    def check(self, operand: operands.Window, look: Look) -> None:
        super().check(operand, look)
        if operand.rows.count != 1 or operand.columns.count != len(look.reached):
            what = f"{operand.rows.count} x {operand.columns.count} pixels for {len(look.reached)} MVMUs"
            look.complain("cells", what, "take one row, and a pixel for each MVMU")
        for mvmu, held in look.reached.items():
            bits = held[0].weight_bits
            words = packed_words(extent(held)[1], bits, look.target.numbers.word)
            if words != operand.channels.count:
                what = f"{operand.channels.count} words for a row of MVMU {mvmu}, whose weights take {words}"
                look.complain("cells", what, "write MVMUs of other rows or weights apart")
            if any(matrix.array for matrix in held):
                todo = 'leave the array empty (array="") of what is written'
                look.complain("cells", f"MVMU {mvmu} has an array, and is written", todo)


class Port(Kind[operands.Port]):
    """A port of a ring."""

    name, what, example, layout = "port", "a consumer's port of a ring", "x.0", "ring, port"

    def write(self, operand: operands.Port) -> str:
        return f"{write_name(operand.ring)}.{operand.number}"

    def read(self, shape: OperandShape) -> operands.Port | None:
        return shape if isinstance(shape, operands.Port) else None

    def encode(self, operand: operands.Port, scope: Scope) -> bytes:
        return unsigned(scope.encode("ring", operand.ring)) + unsigned(operand.number)

    def decode(self, code: Reader, scope: Scope) -> operands.Port:
        return operands.Port(scope.decode("ring", code), code.unsigned())

    def problems(self, operand: operands.Port, scope: Scope) -> Iterable[Complaint]:
        yield from scope.unknown("ring", operand.ring)
        yield from number_problems(operand.number, 0, "the port")

    def check(self, operand: operands.Port, look: Look) -> None:
        ports = look.rings[operand.ring].ports
        if operand.number >= ports:
            look.complain("port", f"ring {operand.ring} has {ports} ports, so no port {operand.number}", "")


class Whole(Kind[Name]):
    """A named thing of the tile, taken whole. Its kind is what the tile calls it."""

    def write(self, operand: Name) -> str:
        return write_name(operand.name)

    def read(self, shape: OperandShape) -> Name | None:
        name = name_in(shape)
        return None if name is None else Name(name)

    def encode(self, operand: Name, scope: Scope) -> bytes:
        return unsigned(scope.encode(self.name, operand.name))

    def decode(self, code: Reader, scope: Scope) -> Name:
        return Name(scope.decode(self.name, code))

    def problems(self, operand: Name, scope: Scope) -> Iterable[Complaint]:
        return scope.unknown(self.name, operand.name)


class Ring(Whole):
    """A ring."""

    name, what, example, layout = "ring", "a ring", "x", "ring"


class Table(Whole):
    """A lookup table."""

    name, what, example, layout = "table", "a lookup table", "sigmoid", "table"


def axis_of(index: Index) -> Axis:
    """An axis of a window, or a run of entries; from:to stands between constants alone. Raises Refused."""
    if index.stop is None:
        return Axis(index.start, 1 if index.length is None else index.length, index.step)
    if index.start.terms or index.stop.terms:
        what, todo = "start:stop stands only between constants", "write start:+count, such as oy:+3"
        raise Refused("operand-kind", what, todo, index.column)
    length = index.stop.constant - index.start.constant
    if length < 1:
        what = f"{index.start.constant}:{index.stop.constant} is empty"
        raise Refused("number", what, "the stop is one past the last index", index.column)
    return Axis(index.start, length)


def _write_axis(axis: Axis) -> str:
    """An index, a range from:to where that can be, else start:+count or start:+count:step."""
    start = TICKET.write(axis.start)
    if axis.step != 1:
        return f"{start}:+{axis.count}:{axis.step}"
    if axis.count == 1:
        return start
    return f"{start}:+{axis.count}" if axis.start.terms else f"{start}:{axis.start.constant + axis.count}"


def _decode_axis(code: Reader, scope: Scope) -> Axis:
    start = TICKET.decode(code, scope)
    count = code.unsigned()
    return Axis(start, (count >> 1) + 1, code.signed() if count & 1 else 1)


def _dimensions(window: operands.Window, ring: RingRecord) -> int:
    """Strided dimensions of the memory that a window reaches."""
    pixels, channels = window.columns.count, window.channels.count
    one_run = window.columns.step == 1 and channels == ring.channels
    inner = pixels * channels > 1 if one_run else (pixels > 1) + (channels > 1)
    return (window.rows.count > 1) + inner
