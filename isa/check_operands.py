"""The verifier's look at each instruction alone: registers, lengths, windows, constants, MVMUs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import cast

from cimc.isa.findings import Findings
from cimc.isa.lengths import RULE, RULES, length_error
from cimc.isa.operands import Affine, Axis, DataRef, Operand, Port, Reg, Window
from cimc.isa.program import ChannelCode, CoreCode, Instruction, Matrix, Ring, TileCode, extent
from cimc.isa.table import FORM
from cimc.isa.tree import Loop, build_tree, leaves
from cimc.isa.wellformed import LARGEST
from cimc.target.model import Target

_SHIFTS = {"shri": (0, 63), "mulshr": (1, 62)}
"""First and last shift of the instructions that have one: the product of mulshr and its half fit 64 bits."""

_WIDEST_SUM = 52
"""Bits of an MVMU's sums beyond their sign: the emulator takes exact products in float64."""


def register_words(target: Target) -> Mapping[str, int]:
    """Words of each register file of a core."""
    return {"xin": target.xin_words, "xout": target.core.mvmus * target.xout_stride, "r": target.core.registers}


def extremes(value: Affine, loops: tuple[Loop, ...]) -> tuple[int, int]:
    """The least and the largest value of an affine number inside loops whose counts are known."""
    last = {loop.counter: max(0, loop.count - 1) for loop in loops}
    ends = [(0, coefficient * last[name]) for name, coefficient in value.terms]
    return value.constant + sum(map(min, ends)), value.constant + sum(map(max, ends))


def check_tile(tile: TileCode, target: Target, findings: Findings) -> None:
    """Check the matrices and every instruction of a tile whose rings are sound and whose streams are well formed."""
    for core in tile.cores:
        _check_matrices(tile, core, target, findings)
        _Stream(tile, "core", core, target, findings).check()
    for channel in tile.channels:
        _Stream(tile, "channel", channel, target, findings).check()


def _check_matrices(tile: TileCode, core: CoreCode, target: Target, findings: Findings) -> None:
    for matrix in core.matrices:
        item = f"tile {tile.number} core {core.number}, mvmu {matrix.mvmu}"
        if not 0 <= matrix.mvmu < target.core.mvmus:
            findings.add("mvmu", f"a core of {target.name} has {target.core.mvmus} MVMUs", item)
        if not 1 <= matrix.weight_bits <= target.largest_weight_bits:
            findings.add(
                "matrix",
                f"weights of {matrix.weight_bits} bits; an MVMU of {target.name} holds at most "
                f"{target.largest_weight_bits}",
                item,
                "quantise the weights to fewer bits",
            )
            continue
        columns = min(target.mvmu_columns(matrix.weight_bits), target.xout_stride)
        rows_end, columns_end = extent((matrix,))
        if min(matrix.rows, matrix.columns) < 1 or rows_end > target.mvmu_rows or columns_end > columns:
            findings.add(
                "matrix",
                f"a matrix up to row {rows_end} and column {columns_end}; an MVMU of {target.name} holds at "
                f"most {target.mvmu_rows} x {columns} weights of {matrix.weight_bits} bits",
                item,
                "split the matrix into blocks",
            )
        if not 1 <= matrix.input_bits <= target.numbers.word:
            findings.add("matrix", f"inputs of {matrix.input_bits} bits; a word has {target.numbers.word}", item)
        sum_bits = matrix.weight_bits - 1 + matrix.input_bits + (matrix.rows - 1).bit_length()
        if sum_bits > _WIDEST_SUM:
            findings.add("matrix", f"sums of {sum_bits} bits; at most {_WIDEST_SUM} are emulated", f"{item}, sums")
    for mvmu, held in core.by_mvmu().items():
        _check_shared(f"tile {tile.number} core {core.number}, mvmu {mvmu}", held, findings)


def _check_shared(item: str, held: tuple[Matrix, ...], findings: Findings) -> None:
    """Matrices that share an MVMU share no row and no column, and are sliced, fed and rounded alike."""
    for i, a in enumerate(held):
        for b in held[i + 1 :]:
            rows = a.at_row < b.at_row + b.rows and b.at_row < a.at_row + a.rows
            columns = a.at_column < b.at_column + b.columns and b.at_column < a.at_column + a.columns
            if rows or columns:
                findings.add("matrix", f"two matrices share {'rows' if rows else 'columns'}", item)
    if len({(m.weight_bits, m.input_bits, m.input_signed, m.shift) for m in held}) > 1:
        findings.add("matrix", "its matrices differ in weight bits, input bits, signs or shift", item)


class _Stream:
    """Checks one stream."""

    def __init__(
        self, tile: TileCode, unit: str, code: CoreCode | ChannelCode, target: Target, findings: Findings
    ) -> None:
        self.unit = unit
        self.tile = tile
        self.code = code
        self.target = target
        self.findings = findings
        self.matrices = code.by_mvmu() if isinstance(code, CoreCode) else {}
        self.rings = {ring.name: ring for ring in tile.rings}
        self.scales = {scale.name: scale for scale in tile.scales}
        self.vectors = {vector.name: vector for vector in tile.vectors}
        self.registers = register_words(target)
        self.written = dict.fromkeys(self.registers, 0)
        self.index = 0

    def check(self) -> None:
        """Every instruction, in the order of the stream."""
        for index, instruction in enumerate(self.code.stream):
            if instruction.mnemonic == "loop" and instruction.operands[1] == 0:
                self.index = index
                self.complain("loop", "the loop never runs", "remove it with its body")
        for loops, leaf in leaves(build_tree(self.code.stream)):
            self.index = leaf.index
            self.check_instruction(leaf.instruction, loops)

    def complain(self, code: str, what: str, todo: str = "") -> None:
        """A finding about the present instruction."""
        self.findings.at((self.tile.number, self.unit, self.code.number, self.index), code, what, todo)

    def check_instruction(self, instruction: Instruction, loops: tuple[Loop, ...]) -> None:
        """One instruction inside its loops."""
        fields = FORM[instruction.mnemonic].fields
        for field, operand in zip(fields, instruction.operands, strict=True):
            if field.kind in _CHECKS:
                _CHECKS[field.kind](self, operand, instruction, loops)
        error = length_error(instruction)
        if error:
            self.complain("length", error, RULES[RULE[instruction.mnemonic]])
        self.immediate(instruction)
        for field, operand in zip(fields, instruction.operands, strict=True):
            if field.kind == "dest":
                reg = cast(Reg, operand)
                self.write(reg.space, reg.start, reg.length)

    def immediate(self, instruction: Instruction) -> None:
        """A shift has a range; all other numbers saturate."""
        if instruction.mnemonic in _SHIFTS:
            shift, (least, most) = cast(int, instruction.operands[-1]), _SHIFTS[instruction.mnemonic]
            if not least <= shift <= most:
                self.complain("shift", f"a shift by {shift}; it must be {least} to {most}")

    def write(self, space: str, start: int, length: int) -> None:
        """Registers are written from here on."""
        self.written[space] |= (1 << length) - 1 << start if start + length <= self.registers[space] else 0

    def read(self, space: str, start: int, length: int) -> None:
        """Registers are read here: they must have been written before, in the order of the stream."""
        exists = start + length <= self.registers[space]
        missing = ((1 << length) - 1 << start) & ~self.written[space] if exists else 0
        if missing:
            first = (missing & -missing).bit_length() - 1
            self.complain(
                "unwritten",
                f"{space}[{first}] is read and nothing has been written to it before",
                "write it first, such as with `set`",
            )

    def dest(self, operand: Operand, instruction: Instruction, loops: tuple[Loop, ...]) -> None:
        """A register operand must exist."""
        reg = cast(Reg, operand)
        words = self.registers[reg.space]
        if reg.stop > words:
            self.complain("register", f"{reg.space}[{reg.stop - 1}] does not exist: {reg.space} has {words} words")

    def source(self, operand: Operand, instruction: Instruction, loops: tuple[Loop, ...]) -> None:
        """A register operand must exist and have been written."""
        reg = cast(Reg, operand)
        self.dest(operand, instruction, loops)
        self.read(reg.space, reg.start, reg.length)

    def affine(self, value: Affine, loops: tuple[Loop, ...]) -> bool:
        """Whether no loop over inputs moves the number; complains if one does."""
        endless = {loop.counter for loop in loops if loop.count < 0}
        moved = [name for name, _ in value.terms if name in endless]
        if moved:
            self.complain(
                "image-counter",
                f"{moved[0]} counts inputs and stands in an address or a ticket",
                "addresses and tickets count from the first row of the current input",
            )
        return not moved

    def ticket(self, operand: Operand, instruction: Instruction, loops: tuple[Loop, ...]) -> None:
        """A ticket may be anything, it is clamped."""
        self.affine(cast(Affine, operand), loops)

    def port(self, operand: Operand, instruction: Instruction, loops: tuple[Loop, ...]) -> None:
        """A port must exist."""
        port = cast(Port, operand)
        ports = self.rings[port.ring].ports
        if port.number >= ports:
            self.complain("port", f"ring {port.ring} has {ports} ports, so no port {port.number}")

    def window(self, operand: Operand, instruction: Instruction, loops: tuple[Loop, ...]) -> None:
        """A window keeps to its channels, reaches two dimensions at most and, unless loaded, keeps to the map."""
        window = cast(Window, operand)
        ring = self.rings[window.ring]
        if window.channels.step != 1:
            self.complain("window", f"channels with a step of {window.channels.step}", "take the channels one by one")
        if _dimensions(window, ring) > 2:
            self.complain(
                "window",
                "the window has three dimensions; an instruction reaches two at most",
                "take all channels of the ring, or loop over rows or columns",
            )
        axes = [("channels", window.channels, ring.channels)]
        if instruction.mnemonic != "load":
            axes += [("rows", window.rows, ring.height), ("columns", window.columns, ring.width)]
        for name, axis, size in axes:
            self.axis(name, axis, size, ring, loops)
        for name, axis in (("rows", window.rows), ("columns", window.columns)):
            if instruction.mnemonic == "load" and self.affine(axis.start, loops):
                low, high = self.span(axis, loops)
                if low <= -LARGEST or high >= LARGEST:
                    self.complain("window", f"{name} {low} to {high}, far outside of any map")

    def span(self, axis: Axis, loops: tuple[Loop, ...]) -> tuple[int, int]:
        """The least and the largest index of an axis."""
        low, high = extremes(axis.start, loops)
        return low, high + (axis.count - 1) * axis.step

    def axis(self, name: str, axis: Axis, size: int, ring: Ring, loops: tuple[Loop, ...]) -> None:
        """An axis must keep to 0 .. size - 1."""
        if not self.affine(axis.start, loops):
            return
        low, high = self.span(axis, loops)
        if low < 0 or high >= size:
            self.complain("window", f"{name} {low} to {high} of ring {ring.name}, which has {name} 0 to {size - 1}")

    def data(self, entries: int, thing: str, operand: Operand) -> None:
        """A run of entries must exist."""
        data = cast(DataRef, operand)
        if data.start + data.length > entries:
            self.complain(
                "entries", f"{thing} {data.name} has {entries} entries, so no entry {data.start + data.length - 1}"
            )

    def scale(self, operand: Operand, instruction: Instruction, loops: tuple[Loop, ...]) -> None:
        """A scale has the rows that the instruction takes."""
        scale = self.scales[cast(DataRef, operand).name]
        self.data(scale.entries, "scale", operand)
        rows = 2 if instruction.mnemonic == "requant2" else 1
        if scale.rows != rows:
            self.complain(
                "scale-rows", f"scale {scale.name} has {scale.rows} rows, {instruction.mnemonic} takes {rows}"
            )

    def vector(self, operand: Operand, instruction: Instruction, loops: tuple[Loop, ...]) -> None:
        """A constant vector has the entries."""
        self.data(self.vectors[cast(DataRef, operand).name].entries, "vector", operand)

    def mask(self, operand: Operand, instruction: Instruction, loops: tuple[Loop, ...]) -> None:
        """The MVMUs of a mask exist and hold a matrix; their inputs are written, their outputs are now."""
        mask = cast(int, operand)
        if not mask:
            self.complain("mask", "the mask selects no MVMU")
        for mvmu in (number for number in range(mask.bit_length()) if mask >> number & 1):
            held = self.matrices.get(mvmu)
            if held is None or mvmu >= self.target.core.mvmus:
                self.complain(
                    "mask",
                    f"the mask selects MVMU {mvmu}, which holds no matrix",
                    f"MVMUs with a matrix: {', '.join(map(str, sorted(self.matrices))) or 'none'}",
                )
                self.write("xout", mvmu * self.target.xout_stride, self.target.xout_stride)
                continue
            rows, columns = extent(held)
            self.read("xin", mvmu * self.target.mvmu_rows, rows)
            self.write("xout", mvmu * self.target.xout_stride, columns)

    def fifo(self, operand: Operand, instruction: Instruction, loops: tuple[Loop, ...]) -> None:
        """A FIFO must exist."""
        if cast(int, operand) >= self.target.tile.fifos:
            self.complain(
                "fifo", f"a tile of {self.target.name} has {self.target.tile.fifos} FIFOs, so no FIFO {operand}"
            )


def _dimensions(window: Window, ring: Ring) -> int:
    """Strided dimensions of the memory that a window reaches."""
    pixels, channels = window.columns.count, window.channels.count
    one_run = window.columns.step == 1 and channels == ring.channels
    inner = pixels * channels > 1 if one_run else (pixels > 1) + (channels > 1)
    return (window.rows.count > 1) + inner


_CHECKS: Mapping[str, Callable[[_Stream, Operand, Instruction, tuple[Loop, ...]], None]] = MappingProxyType(
    {
        "dest": _Stream.dest,
        "source": _Stream.source,
        "window": _Stream.window,
        "port": _Stream.port,
        "ticket": _Stream.ticket,
        "scale": _Stream.scale,
        "vector": _Stream.vector,
        "mask": _Stream.mask,
        "fifo": _Stream.fifo,
    }
)
