"""Stop the emulator at an instruction and show the machine: loops, registers, memory windows, rings, FIFOs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from rich.console import RenderableType
from rich.text import Text

from cimc.base.diagnostics import Place, fail
from cimc.cli.console import steps
from cimc.cli.options import no_answer, split_numbers
from cimc.driver.running import lanes_in
from cimc.isa.operands import Reg, Window
from cimc.isa.program import CoreCode, Program
from cimc.isa.text.printer import Spot, line_of, print_instruction
from cimc.report.model import Report
from cimc.report.view_table import table_of
from cimc.runtime.engines import engine_for
from cimc.runtime.machine import Machine, Words
from cimc.runtime.package import Package
from cimc.runtime.sites import Probe, Stopped, loop_slots
from cimc.runtime.windows import compile_window

Parts = Iterator[RenderableType]

AROUND = 3
"""Instructions shown before and after the one."""
A_LINE = 12
"""Words shown on a line."""
LINES = 16
"""Lines shown of one window or register file."""
IDLE = ("loop", "end", "hlt")


def stopped_view(package: Package, report: Report, where: str, data: str, lane: int) -> Parts:
    """Run one input until the place is reached; what is there, part after part."""
    program = package.program
    probe, code = find_place(program, report, where)
    lanes = lanes_in(program, data)
    count = len(next(iter(lanes.values())))
    if lane >= count:
        what = f"the file holds {count} inputs; number {lane} is not among them"
        raise fail("options.lane", what, Place(data), "count from 0")
    one = {name: array[lane : lane + 1] for name, array in lanes.items()}
    with steps("running"):
        try:
            engine_for(program, package.weights, package.target).run(one, probe=probe)
        except Stopped as stopped:
            found = stopped
        else:
            what = f"the run ended before the instruction was reached {probe.count:,} times"
            raise no_answer("stop", what, "give a smaller count")
    yield from _state(program, probe, code, found)


def find_place(program: Program, report: Report, where: str) -> tuple[Probe, CoreCode]:
    """The probe for TILE,CORE,INSTRUCTION[,COUNT] or for a layer: its first mvm, or first store."""
    sketch = "TILE,CORE,INSTRUCTION[,COUNT]"
    if "," not in where or not where.replace(",", "").replace(" ", "").isdigit():
        return _place_of_layer(program, report, where)
    tile, core, index, *rest = split_numbers(where, "--stop", sketch, 4 if where.count(",") == 3 else 3)
    code = _cores(program).get((tile, core))
    if code is None:
        raise no_answer("stop", f"the program has no core {core} on tile {tile}", "cimc report DIR lists the tiles")
    if index >= len(code.stream):
        what = f"the stream has instructions 0 to {len(code.stream) - 1}; {index} is not among them"
        raise no_answer("stop", what)
    if code.stream[index].mnemonic in IDLE:
        text = " ".join(print_instruction(code.stream[index]).split())
        what = f"instruction {index} is `{text}`, which only steers"
        raise no_answer("stop", what, "take the next one that does something")
    count = rest[0] if rest else 1
    if count < 1:
        raise no_answer("stop", "an instruction is reached 1 time or more, not 0")
    return Probe((tile, "core", core, index), count), code


def _place_of_layer(program: Program, report: Report, text: str) -> tuple[Probe, CoreCode]:
    name = report.layers[report.names.index(text, "--stop")].name
    tile, core = next((tile.tile, core.core) for tile in report.tiles for core in tile.cores if name in core.layers)
    code = _cores(program)[tile, core]
    names = [instruction.mnemonic for instruction in code.stream]
    return Probe((tile, "core", core, names.index("mvm" if "mvm" in names else "store"))), code


def _cores(program: Program) -> dict[tuple[int, int], CoreCode]:
    """Every core by its tile and number."""
    return {(tile.number, core.number): core for tile in program.tiles for core in tile.cores}


def _state(program: Program, probe: Probe, code: CoreCode, found: Stopped) -> Parts:
    tile, _, core, index = probe.spot
    slots = loop_slots(code.stream, index)
    times = "" if probe.count == 1 else f", reached {probe.count:,} times"
    yield Text(f"stopped on tile {tile}, core {core}, before instruction {index}{times}", style="bold")
    counters = ", ".join(f"{name} = {found.counters[slot]}" for name, slot in slots.items())
    yield f"loops: {counters or 'none'}\n"
    yield from _code(program, probe.spot, code)
    yield from _windows(found, probe.spot, code)
    yield from _rings(found.machine, tile)
    yield from _registers(found.machine, probe.spot, code)


def _code(program: Program, spot: Spot, code: CoreCode) -> Parts:
    tile, unit, core, index = spot
    lines = line_of(program)
    for number in range(max(0, index - AROUND), min(len(code.stream), index + AROUND + 1)):
        mark = "->" if number == index else "  "
        text = f"{mark} {number:>4}  line {lines[tile, unit, core, number]:<6} {print_instruction(code.stream[number])}"
        yield Text(text, style="bold" if number == index else "")


def _windows(found: Stopped, spot: Spot, code: CoreCode) -> Parts:
    """The memory windows that the instruction names."""
    tile, _, _, index = spot
    slots = dict(loop_slots(code.stream, index))
    for operand in code.stream[index].operands:
        if not isinstance(operand, Window):
            continue
        reach = compile_window(found.machine.tiles[tile].rings[operand.ring], operand, list(found.counters), slots)
        start = f"row {reach.row()}, column {reach.column()}, channel {reach.channel()}"
        size = f"{operand.rows.count}x{operand.columns.count}x{operand.channels.count}"
        yield _heading(f"window of {operand.ring}: {size} words from {start} on")
        values = np.zeros(reach.shape, np.int32)
        for view, rows, columns in reach.pieces():
            values[rows, columns] = view
        yield from _words(values.reshape(-1, values.shape[3]), 0)


def _words(words: Words, start: int) -> Parts:
    values = [int(value) for value in words[:, 0]]
    for at in range(0, min(len(values), A_LINE * LINES), A_LINE):
        yield f"{start + at:>6} " + " ".join(f"{value:>8}" for value in values[at : at + A_LINE])
    if len(values) > A_LINE * LINES:
        yield f"       ... {len(values) - A_LINE * LINES} more"


def _rings(machine: Machine, tile: int) -> Parts:
    yield _heading(f"rings of tile {tile}, in tickets over all inputs")
    yield table_of(
        machine.tiles[tile].rings.values(),
        ("ring", lambda state: state.ring.name),
        ("holds", lambda state: state.ring.tensor or "partial sums"),
        ("signalled>", lambda state: state.produced),
        ("released by port", lambda state: ", ".join(map(str, state.released)) or "-"),
        ("free below>", lambda state: state.limit() if state.released else "all"),
        ("capacity>", lambda state: state.capacity),
    )
    fifos = [(number, state) for (where, number), state in sorted(machine.fifos.items()) if where == tile]
    for number, fifo in fifos:
        yield f"FIFO {number}: {len(fifo.queue)} of {fifo.depth} messages"


def _registers(machine: Machine, spot: Spot, code: CoreCode) -> Parts:
    """The registers, as far as the core's code names them."""
    tile, _, core, _ = spot
    for space, words in machine.tiles[tile].cores[core].files.items():
        named_by = [o for i in code.stream for o in i.operands if isinstance(o, Reg) and o.space == space]
        if named_by:
            start, stop = min(reg.start for reg in named_by), max(reg.stop for reg in named_by)
            yield _heading(f"{space}[{start}:{stop}] of core {core}")
            yield from _words(words[start:stop], start)


def _heading(text: str) -> Text:
    return Text(f"\n{text}", style="bold")
