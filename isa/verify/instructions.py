"""The verifier's look at each instruction alone: registers, lengths, windows, constants, MVMUs."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from cimc.isa.kinds.base import Look
from cimc.isa.program import ChannelCode, CoreCode, Matrix, TileCode, extent
from cimc.isa.table import FORM
from cimc.isa.tree import build_tree, leaves, loop_of
from cimc.isa.verify.findings import Findings
from cimc.target.model import Target

_WIDEST_SUM = 52
"""Bits of an MVMU's sums beyond their sign: the emulator takes exact products in float64."""


def check_tile(
    tile: TileCode,
    target: Target,
    findings: Findings,
    stored: Mapping[tuple[int, int, int], tuple[int, int, int]] = MappingProxyType({}),
) -> None:
    """Check the matrices and every instruction of a tile whose rings are sound and whose streams are well formed.
    stored: (rows, columns, weight bits) of what was written to an MVMU, by tile, core and MVMU."""
    for core in tile.cores:
        _check_matrices(tile, core, target, findings)
    for code in tile.codes:
        there = {at[2]: what for at, what in stored.items() if at[:2] == (tile.number, code.number)}
        _check_stream(tile, code, target, findings, there if isinstance(code, CoreCode) else {})


def _check_matrices(tile: TileCode, core: CoreCode, target: Target, findings: Findings) -> None:
    for matrix in core.matrices:
        item = f"tile {tile.number} core {core.number}, mvmu {matrix.mvmu}"
        if not 0 <= matrix.mvmu < target.core.mvmus:
            findings.add("mvmu", f"a core of {target.name} has {target.core.mvmus} MVMUs", item)
        if not 1 <= matrix.weight_bits <= target.largest_weight_bits:
            most = f"an MVMU of {target.name} holds at most {target.largest_weight_bits}"
            what = f"weights of {matrix.weight_bits} bits; {most}"
            findings.add("matrix", what, item, "quantise the weights to fewer bits")
            continue
        columns = min(target.mvmu_columns(matrix.weight_bits), target.xout_stride)
        rows_end, columns_end = extent((matrix,))
        if min(matrix.rows, matrix.columns) < 1 or rows_end > target.mvmu_rows or columns_end > columns:
            most = f"at most {target.mvmu_rows} x {columns} weights of {matrix.weight_bits} bits"
            what = f"a matrix up to row {rows_end} and column {columns_end}; an MVMU of {target.name} holds {most}"
            findings.add("matrix", what, item, "split the matrix into blocks")
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


def _check_stream(
    tile: TileCode,
    code: CoreCode | ChannelCode,
    target: Target,
    findings: Findings,
    stored: Mapping[int, tuple[int, int, int]],
) -> None:
    """Every instruction of a stream, in its order."""
    at = 0

    def complain(problem: str, what: str, todo: str) -> None:
        findings.at((tile.number, code.unit, code.number, at), problem, what, todo)

    for at, instruction in enumerate(code.stream):  # noqa: B007  (complain reads it)
        loop = loop_of(instruction)
        if loop is not None and loop[1] == 0:
            complain("loop", "the loop never runs", "remove it with its body")
    look = Look(tile, code, target, complain, stored)
    for look.loops, leaf in leaves(build_tree(code.stream)):
        at, form = leaf.index, FORM[leaf.instruction.mnemonic]
        look.mnemonic = form.mnemonic
        for field, operand in zip(form.fields, leaf.instruction.operands, strict=True):
            field.kind.check(operand, look)
        error = form.length_error(leaf.instruction.operands)
        if error:
            complain("length", error, form.lengths.text)
        look.done()
