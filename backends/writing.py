"""The phase that writes a round's crossbars: weights come from off-chip memory row by row, through a ring in the memory
of each core's tile, and `write` puts them into the cells."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from cimc.backends.keeping import keep_in_tiles
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


def in_rounds(
    rounds: list[tuple[Program, Arrays]], strings: tuple[str, ...], target: Target, shared: int
) -> tuple[tuple[Phase, ...], Arrays]:
    """The phases of rounds, each a program of its own with its arrays, and the arrays of all. strings: the layers of the
    whole network, of which each round has some in their order."""
    phases: list[Phase] = []
    arrays: Arrays = {}
    first = 0
    for number, (program, own) in enumerate(rounds):
        program = _renamed(program, f"r{number}/", first)
        first += len(program.strings)
        own = {f"r{number}/{name}": values for name, values in own.items()}
        written = _writing(program, own, target, f"r{number}/")
        for tile in program.tiles:
            for core in tile.cores:
                for matrix in core.matrices:
                    own.pop(matrix.array, None)
        tiles = tuple(_without_arrays(tile) for tile in program.tiles)
        if written.tiles:
            phases.append(replace(written, number=len(phases), round=number))
        phases.append(Phase(len(phases), number, False, program.inputs, program.outputs, tiles))
        arrays |= own
    assert first == len(strings), f"rounds have {first} layers of {len(strings)}"
    return keep_in_tiles(phases, target, shared, rounds[0][0].chips), arrays


def _renamed(program: Program, prefix: str, first: int) -> Program:
    """A round's program with names of arrays of its own, and its layers' numbers in the whole network."""

    def tile_of(tile: TileCode) -> TileCode:
        return replace(
            tile,
            scales=tuple(replace(one, array=prefix + one.array) for one in tile.scales),
            vectors=tuple(replace(one, array=prefix + one.array) for one in tile.vectors),
            tables=tuple(replace(one, array=prefix + one.array) for one in tile.tables),
            cores=tuple(
                replace(
                    core,
                    matrices=tuple(replace(m, array=prefix + m.array) for m in core.matrices),
                    stream=_shifted(core.stream, first),
                )
                for core in tile.cores
            ),
            channels=tuple(replace(one, stream=_shifted(one.stream, first)) for one in tile.channels),
        )

    return replace(
        program,
        inputs=tuple(replace(plug, index=prefix + plug.index) for plug in program.inputs),
        outputs=tuple(replace(plug, index=prefix + plug.index) for plug in program.outputs),
        tiles=tuple(map(tile_of, program.tiles)),
    )


def _shifted(stream: tuple[Instruction, ...], first: int) -> tuple[Instruction, ...]:
    return tuple(replace(one, origin=one.origin + first) if one.origin >= 0 else one for one in stream)


def _without_arrays(tile: TileCode) -> TileCode:
    return replace(tile, cores=tuple(_unloaded(core) for core in tile.cores))


def _unloaded(core: CoreCode) -> CoreCode:
    """A core whose matrices are written while the program runs."""
    return replace(core, matrices=tuple(replace(matrix, array="") for matrix in core.matrices))


def _writing(program: Program, arrays: Arrays, target: Target, prefix: str) -> Phase:
    """The phase that writes all matrices of a round's program; packed weights join the arrays."""
    tiles: list[TileCode] = []
    inputs: list[Plug] = []
    for tile in program.tiles:
        cores = [core for core in tile.cores if core.matrices]
        if cores:
            code, plugs = _tile(tile.number, cores, arrays, target, prefix)
            tiles.append(code)
            inputs += plugs
    return Phase(0, 0, True, tuple(inputs), (), tuple(tiles))


def _tile(
    tile: int, cores: list[CoreCode], arrays: Arrays, target: Target, prefix: str
) -> tuple[TileCode, list[Plug]]:
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
    code = tuple(
        replace(_unloaded(core), stream=core_stream([], streams[core.number])) for core in cores
    )
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
