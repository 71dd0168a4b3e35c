"""Code of a matrix task: load windows, multiply, add partial sums, requantise, store."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cimc.backends.body import Body, piece, write_code
from cimc.backends.loads import PIXEL, ROW, SEGMENT, affine, run_windows
from cimc.ir.epilogue import Epilogue
from cimc.ir.layers import Ints
from cimc.ir.mapped import RowRun
from cimc.isa.operands import Affine, Axis, DataRef, Name, Reg, Window
from cimc.isa.program import Matrix
from cimc.layer_kinds.matrix.mapped import MappedMatrix


@write_code.register
def _write(mapped: MappedMatrix, body: Body) -> None:
    _matrices(mapped, body)
    for ahead in range(mapped.replicas):
        body.ahead = ahead
        _windows(mapped, body)
    body.do("mvm", sum({1 << body.task.corner(k)[0] for k in range(len(body.task.blocks))}))
    helpers: _Helpers | None = None
    for ahead in range(mapped.replicas):
        body.ahead = ahead
        columns = _own_sums(body)
        _partner_sums(body, columns)
        if body.task.is_partial:
            for low, reg in columns:
                body.store(reg, low - body.task.low)
            continue
        helpers = helpers or _helpers(mapped, body, columns)
        _finish(mapped, body, columns, helpers)


def _corner(body: Body, block: int, ahead: int) -> tuple[int, int, int]:
    """(MVMU, row, column) of a block, or of that one of its replicas."""
    mvmu, row, column = body.task.corner(block)
    one = body.task.blocks[block]
    return mvmu, row + ahead * one.rows, column + ahead * (one.high - one.low)


def _matrices(mapped: MappedMatrix, body: Body) -> None:
    fed = mapped.fed(body.graph.mapped)
    row = body.first_row
    for k, block in enumerate(body.task.blocks):
        name = f"t{body.placed.tile}/{body.label}/mvmu{k}"
        body.constants.arrays[name] = block.weights.astype(np.int16 if mapped.weight_bits > 8 else np.int8)
        if k and body.task.blocks[k - 1].low != block.low:
            row = 0
        steps = ""
        if mapped.steps is not None:
            steps = f"t{body.placed.tile}/{body.label}/steps{block.low}"
            body.constants.arrays[steps] = mapped.steps[..., block.low : block.high]
        for ahead in range(mapped.replicas):
            mvmu, at_row, at_column = _corner(body, k, ahead)
            body.matrices.append(
                Matrix(
                    mvmu=mvmu,
                    array=name,
                    rows=block.rows,
                    columns=block.high - block.low,
                    weight_bits=mapped.weight_bits,
                    input_bits=fed.bits,
                    input_signed=fed.signed,
                    shift=mapped.shift,
                    layer=mapped.layer.name,
                    row=row,
                    column=block.low,
                    at_row=at_row,
                    at_column=at_column,
                    steps=steps,
                )
            )
        row += block.rows


def _windows(mapped: MappedMatrix, body: Body) -> None:
    """Loads of all blocks; runs that continue each other across MVMUs are fetched as one."""
    rows = body.target.mvmu_rows
    pending: list[tuple[int, RowRun]] = []
    for k, block in enumerate(body.task.blocks):
        mvmu, row, _ = _corner(body, k, body.ahead)
        at = mvmu * rows + row
        for run in block.runs:
            if pending and _continues(*pending[-1], at, run):
                start, before = pending[-1]
                pending[-1] = (start, replace(before, length=before.length + run.length))
            else:
                pending.append((at, run))
            at += run.length
    view = body.view(0)
    fill = mapped.fed(body.graph.mapped).zero
    for at, run in pending:
        source = next(
            s for s in body.placed.sources if s.role == 0 and s.map == run.map and s.low <= run.channel < s.high
        )
        ring = body.ring(source.ring)
        for window in run_windows(ring, view, run.channel - ring.channel, run.channels, run.start, run.length):
            body.do("load", Reg("xin", at, window.words), window, fill)
            at += window.words


def _continues(at: int, run: RowRun, next_at: int, following: RowRun) -> bool:
    """Whether a run goes on in the next one, in the window and in XbarIn."""
    same = (run.map, run.channel, run.channels) == (following.map, following.channel, following.channels)
    return same and run.start + run.length == following.start and at + run.length == next_at


def _own_sums(body: Body) -> list[tuple[int, Reg]]:
    """Add the blocks of equal columns; (first output channel, where its sums are) of each column group."""
    stride = body.target.xout_stride
    found: list[tuple[int, Reg]] = []
    for k, block in enumerate(body.task.blocks):
        mvmu, _, column = _corner(body, k, body.ahead)
        reg = Reg("xout", mvmu * stride + column, block.high - block.low)
        if found and found[-1][0] == block.low:
            total = found[-1][1]
            body.do("add", total, total, reg)
        else:
            found.append((block.low, reg))
    return found


def _partner_sums(body: Body, columns: list[tuple[int, Reg]]) -> None:
    """Add the sums that other cores of the layer sent, in order."""
    if not body.placed.partials:
        return
    assert len(columns) == 1, "a task with partners has one column group"
    total = columns[0][1]
    arrived = body.registers.take(total.length)
    column = affine((SEGMENT, body.placed.pixels), (PIXEL, 1))
    for ring, _ in body.placed.partials:
        window = Window(ring, Axis(affine((ROW, 1))), Axis(column), Axis(Affine(0), total.length))
        body.do("load", arrived, window, 0)
        body.do("add", total, total, arrived)


@dataclass(frozen=True, slots=True)
class _Helpers:
    """What finishes sums: registers with the bias, the other operand of a sum, a 1, a table, and registers for results
    that accumulators do not hold, None where there is none; and of each column group the multipliers, and those that
    add a bias that words do not hold (or None)."""

    bias: Reg | None
    residual: Reg | None
    one: Reg | None
    table: Name | None
    results: Reg | None
    scales: tuple[DataRef, ...]
    biases: tuple[DataRef | None, ...]


def _helpers(mapped: MappedMatrix, body: Body, columns: list[tuple[int, Reg]]) -> _Helpers:
    """What every pixel's sums need; constants are loaded once."""
    task, epilogue, whole_bias = body.task, mapped.epilogue, mapped.known_bias
    bias, biases = None, tuple[DataRef | None, ...](None for _ in columns)
    if not mapped.bias_fits(body.target.numbers.word):
        term = _bias_term(whole_bias, body.target.numbers.accumulator)
        biases = tuple(body.constants.scale(f"{body.label}.bias", term, low, low + reg.length) for low, reg in columns)
    elif whole_bias[task.low : task.high].any():
        bias = body.registers.take(task.high - task.low)
        body.once("loadv", bias, body.constants.vector(f"{body.label}.bias", whole_bias[task.low : task.high]))
    table = None if epilogue.table is None else body.constants.table(f"{body.label}.table", epilogue.table)
    residual = None if mapped.layer.residual is None else body.registers.take(task.high - task.low)
    one = body.one() if (epilogue.n is not None and residual is None) or any(biases) else None
    results = None
    if not epilogue.fits(body.target.numbers.accumulator):
        results = body.registers.take(max(reg.length for _, reg in columns))
    scales = tuple(body.scale(epilogue, low, low + reg.length) for low, reg in columns)
    return _Helpers(bias, residual, one, table, results, scales, biases)


def _bias_term(bias: Ints, bits: int) -> Epilogue:
    """The requantisation that adds a bias to sums of `bits` bits (see MappedMatrix.bias_fits)."""
    ones, low = np.ones(len(bias), np.float32), -(1 << (bits - 1))
    return Epilogue(ones, bias.astype(np.float32), 0, 0, 0, low, -low - 1)


def _finish(mapped: MappedMatrix, body: Body, columns: list[tuple[int, Reg]], helpers: _Helpers) -> None:
    """Bias, residual, requantisation, table and store of every column group."""
    task, epilogue = body.task, mapped.epilogue
    bias, residual, one, table = helpers.bias, helpers.residual, helpers.one, helpers.table
    if residual is not None:
        body.fetch(1, task.low, task.high, residual, epilogue.b0, kept=True)
    for (low, reg), scale, bias_scale in zip(columns, helpers.scales, helpers.biases, strict=True):
        result = reg if helpers.results is None else piece(helpers.results, 0, reg.length)
        if bias_scale is not None:
            assert one is not None, "a bias as a term needs a 1"
            body.do("requant2", reg, reg, one, bias_scale)
        elif bias is not None:
            body.do("add", reg, reg, piece(bias, low - task.low, reg.length))
        if residual is not None:
            body.do("requant2", result, reg, piece(residual, low - task.low, reg.length), scale)
        elif epilogue.n is not None:
            assert one is not None, "an offset needs a 1"
            body.do("requant2", result, reg, one, scale)
        else:
            body.do("requant", result, reg, scale)
        if table is not None:
            body.do("lut", result, result, table)
        body.store(result, low - task.low)
