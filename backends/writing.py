"""The phase that writes a round's crossbars: weights come from off-chip memory row by row, through a ring in the memory
of each core's tile, and `write` puts them into the cells."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from cimc.backends.loads import ROW, affine
from cimc.backends.streams import core_stream, loop, without_counters
from cimc.base.diagnostics import Place, fail
from cimc.isa.kinds.numbers import Mask
from cimc.isa.operands import Affine, Axis, Port, Window
from cimc.isa.program import CoreCode, Instruction, Matrix, Phase, Plug, Program, Ring, RingRef, TileCode, extent
from cimc.isa.table import FORM
from cimc.numerics.packing import pack, packed_words
from cimc.target.model import Target

Arrays = dict[str, npt.NDArray[Any]]
AHEAD = 2
"""Rows that a ring holds: one comes while one is written."""


def writing_phase(program: Program, arrays: Arrays, target: Target, prefix: str) -> Phase:
    """The phase that writes all matrices of a round's program. Its packed weights take the place of theirs in the
    arrays."""
    tiles: list[TileCode] = []
    inputs: list[Plug] = []
    for tile in program.tiles:
        cores = [core for core in tile.cores if core.matrices]
        if cores:
            code, plugs = _tile(tile.number, cores, arrays, target, prefix)
            tiles.append(code)
            inputs += plugs
    for matrix in (matrix for tile in program.tiles for core in tile.cores for matrix in core.matrices):
        arrays.pop(matrix.array, None)
    return Phase(0, 0, True, tuple(inputs), (), tuple(tiles))


def unloaded(core: CoreCode) -> CoreCode:
    """A core whose matrices are written while the program runs."""
    return replace(core, matrices=tuple(replace(matrix, array="") for matrix in core.matrices))


def _tile(tile: int, cores: list[CoreCode], arrays: Arrays, target: Target, prefix: str) -> tuple[TileCode, list[Plug]]:
    """A tile's cores, each with a ring for every shape of what its MVMUs hold."""
    groups = [(core, group) for core in cores for group in _alike(core, target)]
    words = sum(len(mvmus) * packed for _, (mvmus, _, packed) in groups)
    ahead = next((rows for rows in (AHEAD, 1) if rows * words <= target.tile.memory_words), 0)
    if not ahead:
        what = f"a row of each MVMU of tile {tile} takes {words} words; the tile has {target.tile.memory_words}"
        raise fail("rounds.memory", what, Place(f"target {target.name}"), "take a target with more tile memory")
    rings: list[Ring] = []
    plugs: list[Plug] = []
    streams: defaultdict[int, list[Instruction]] = defaultdict(list)
    address = 0
    for number, (core, (mvmus, rows, packed)) in enumerate(groups):
        ring = Ring(f"weights{number}", address, rows, len(mvmus), packed, 1, min(ahead, rows) * len(mvmus), 1)
        address += ring.words
        rings.append(ring)
        name = f"{prefix}weights/t{tile}/{number}"
        stacked = [pack(_joined(core.by_mvmu()[m], arrays), core.by_mvmu()[m][0].weight_bits, target.numbers.word)
                   for m in mvmus]  # fmt: skip
        arrays[name] = np.stack(stacked, axis=1).astype(np.int32)
        index = f"{name}/index"
        arrays[index] = np.array([1, 0, 0, arrays[name].size, 1, 1], np.int64)
        low, high = -(1 << (target.numbers.word - 1)), (1 << (target.numbers.word - 1)) - 1
        shape, ref = arrays[name].shape, RingRef(tile, ring.name)
        plugs.append(Plug(name, "int32", shape, 0.0, 0, low, high, index, (ref,), memory=True))
        streams[core.number] += _write_rows(ring, mvmus, _layer_of(core, mvmus[0]))
    code = tuple(replace(unloaded(core), stream=core_stream([], streams[core.number])) for core in cores)
    return TileCode(tile, tuple(rings), cores=code), plugs


def _alike(core: CoreCode, target: Target) -> list[tuple[list[int], int, int]]:
    """MVMUs of a core that hold as many rows of as many words, with both."""
    found: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    for mvmu, held in sorted(core.by_mvmu().items()):
        rows, columns = extent(held)
        found[rows, packed_words(columns, held[0].weight_bits, target.numbers.word)].append(mvmu)
    return [(mvmus, rows, packed) for (rows, packed), mvmus in found.items()]


def _joined(held: tuple[Matrix, ...], arrays: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.int64]:
    """The rectangle of weights that an MVMU's matrices reach, zeros between them."""
    weights = np.zeros(extent(held), np.int64)
    for m in held:
        weights[m.at_row : m.at_row + m.rows, m.at_column : m.at_column + m.columns] = arrays[m.array]
    return weights


def _layer_of(core: CoreCode, mvmu: int) -> int:
    """The layer that multiplies with an MVMU, by the first product that does."""
    products = ((one, FORM[one.mnemonic]) for one in core.stream)
    return next(one.origin for one, form in products if form.has(Mask) and form.operand(one, Mask) >> mvmu & 1)


def _write_rows(ring: Ring, mvmus: list[int], origin: int) -> list[Instruction]:
    """Row by row: wait for it, write it into all of the MVMUs, and let the next but one come."""
    port, ticket, row = Port(ring.name, 0), affine((ROW, 1), constant=1), affine((ROW, 1))
    window = Window(ring.name, Axis(row), Axis(Affine(0), ring.width), Axis(Affine(0), ring.channels))
    body = [
        Instruction("wait", (port, ticket), origin),
        Instruction("write", (sum(1 << mvmu for mvmu in mvmus), row, window), origin),
        Instruction("release", (port, ticket), origin),
    ]
    return without_counters(loop(ROW, ring.height, body), {ROW: ring.height})
