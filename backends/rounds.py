"""A network in rounds as one Program: a phase that writes the crossbars of a round, then one that runs it, and so
on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cimc.backends.emit import Arrays, emit
from cimc.backends.keeping import keep_in_tiles
from cimc.backends.writing import unloaded, writing_phase
from cimc.ir.mapped import MappedGraph
from cimc.ir.scheduled import ScheduledGraph
from cimc.isa.program import Instruction, Phase, Program, TileCode, in_phases
from cimc.target.model import Target


def emit_rounds(
    rounds: Sequence[ScheduledGraph], whole: MappedGraph, target: Target, shared: int
) -> tuple[Program, Arrays]:
    """The program without its weights' digest, and its arrays. whole: the network, whose layers the rounds have in
    their order; shared: inputs that go through a round one after the other."""
    phases: list[Phase] = []
    arrays: Arrays = {}
    strings = tuple(whole.names.shown)
    numbers = {one.layer.output: number for number, one in enumerate(whole.layers)}
    head = Program("", "", "")
    for number, scheduled in enumerate(rounds):
        program, own = emit(scheduled, target)
        head = replace(program, strings=strings, tiles=(), shared=shared, chips=max(head.chips, program.chips))
        prefix = f"r{number}/"
        program = _renamed(program, prefix, [numbers[one.layer.output] for one in scheduled.mapped.layers])
        own = {prefix + name: values for name, values in own.items()}
        written = writing_phase(program, own, target, prefix)
        if written.tiles:
            phases.append(replace(written, number=len(phases), round=number))
        tiles = tuple(replace(tile, cores=tuple(map(unloaded, tile.cores))) for tile in program.tiles)
        phases.append(Phase(len(phases), number, False, program.inputs, program.outputs, tiles))
        arrays |= own
    return in_phases(head, keep_in_tiles(phases, target, shared, head.chips)), arrays


def _renamed(program: Program, prefix: str, numbers: Sequence[int]) -> Program:
    """A round's program with names of arrays of its own. numbers: of its layers, in the whole network."""

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
                    stream=_of_whole(core.stream, numbers),
                )
                for core in tile.cores
            ),
            channels=tuple(replace(one, stream=_of_whole(one.stream, numbers)) for one in tile.channels),
        )

    return replace(
        program,
        inputs=tuple(replace(plug, index=prefix + plug.index) for plug in program.inputs),
        outputs=tuple(replace(plug, index=prefix + plug.index) for plug in program.outputs),
        tiles=tuple(map(tile_of, program.tiles)),
    )


def _of_whole(stream: tuple[Instruction, ...], numbers: Sequence[int]) -> tuple[Instruction, ...]:
    return tuple(replace(one, origin=numbers[one.origin]) if one.origin >= 0 else one for one in stream)
