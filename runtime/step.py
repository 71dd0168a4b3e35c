"""The step engine: executes a program one instruction at a time in each stream, vectorised over lanes.

It is the plain meaning of the instruction table, fast enough for whole networks: every instruction becomes, once for
a run, a function without arguments over views of registers and memory.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial

import numpy as np

from cimc.base.diagnostics import Place, fail
from cimc.base.moves import Moves
from cimc.crossbar.device import Device
from cimc.isa.effects import access_of
from cimc.isa.kinds.runs import Source
from cimc.isa.program import ChannelCode, CoreCode, Instruction, Program, TileCode
from cimc.isa.table import FORM
from cimc.isa.tree import nesting
from cimc.isa.verify.counts import count_instructions
from cimc.isa.verify.phases import mvmus_written
from cimc.numerics.keys import Key
from cimc.runtime.capture import Capture
from cimc.runtime.capture import bytes_per_lane as captured_bytes_per_lane
from cimc.runtime.cells import Cells, Stored
from cimc.runtime.check_arrays import check_arrays
from cimc.runtime.coroutines import RunQueue, StreamMaker
from cimc.runtime.crossbar import Mvmu, joined, program_mvmu
from cimc.runtime.execution import MOST_STATE, Execution, Writer
from cimc.runtime.handlers import CoreContext, compile_instruction
from cimc.runtime.host import Host, quantised_inputs
from cimc.runtime.machine import Action, AnyArray, Counters, Machine, Wide, Words, build_machine, bytes_per_lane
from cimc.runtime.sites import Probe, deadlock
from cimc.target.model import Target


class StepEngine:
    """Runs a program that cimc.isa.verify.verifier finds right for the target.

    weights: the arrays that belong to it; exact, device: see cimc.runtime.crossbar.program_mvmu. seed: of what cells
    draw at random. cells: what phases before this program have written, and where it writes; it is one of a phase then.
    max_memory: bytes of state; more lanes than fit run one chunk after the other, with the same results. stream: how many inputs of each lane ran
    before, and how many a lane has in all (0: as many as a run).
    """

    def __init__(
        self,
        program: Program,
        weights: Mapping[str, AnyArray],
        target: Target,
        *,
        exact: bool | None = None,
        max_memory: int | None = None,
        device: Device | None = None,
        seed: int = 0,
        cells: Cells | None = None,
        stream: tuple[int, int] = (0, 0),
    ) -> None:
        self.program = program
        self.target = target
        self.max_memory = max_memory
        assert not program.phases, "phases run one by one (cimc.runtime.rounds)"
        check_arrays(program, weights, target, program.name)
        self._weights, self._cells, self._stream = weights, cells or Cells(target.numbers.word), stream
        plugs = program.inputs + program.outputs
        self._moves = {plug.index: Moves.read(weights[plug.index]) for plug in plugs}
        self._mvmus: dict[tuple[int, int], dict[int, Mvmu]] = {}
        self._numbers: dict[tuple[int, int], dict[int, Wide]] = {}
        self._stored: dict[tuple[int, int], dict[int, Stored]] = {}
        for tile in program.tiles:
            for core in tile.cores:
                key, place = Key(seed).at(tile.number, core.number), (tile.number, core.number)
                mvmus, numbers = self._mvmus.setdefault(place, {}), self._numbers.setdefault(place, {})
                self._stored[place], written = {}, mvmus_written(core)
                for number, matrices in core.by_mvmu().items():
                    at = *place, number
                    if number in written:
                        self._stored[place][number] = self._cells.begin(at, matrices)
                    elif all(matrix.array for matrix in matrices) or at in self._cells.held:
                        matrix, numbers[number], steps = joined(matrices, weights, self._cells.held.get(at))
                        times = max(0, self._cells.writes.get(at, 0) - 1)
                        mvmus[number] = program_mvmu(
                            matrix, numbers[number], steps, target, exact, device, key.at(number, times)
                        )

    def run(
        self,
        inputs: Mapping[str, AnyArray],
        images: int = 1,
        schedule_seed: int | None = None,
        capture: Collection[str] | bool | None = None,
        probe: Probe | None = None,
        first: int = 0,
    ) -> Execution:
        """As Engine says. schedule_seed: run the streams in a random order."""
        assert images >= 1, f"{images} inputs"
        values = quantised_inputs(self.program, inputs, images, self.target.numbers.word)
        lanes = next(iter(values.values())).shape[1] if values else 1
        size = self._chunk(lanes, images, capture)
        parts = []
        for start in range(0, lanes, size):
            part = {name: array[:, start : start + size] for name, array in values.items()}
            numbers = range(first + start, first + min(start + size, lanes))
            parts.append(self._run_chunk(part, numbers, images, schedule_seed, capture, probe))
        outputs = _joined([part[0] for part in parts])
        stored = _joined([part[1] for part in parts])
        if images == 1:
            outputs = {name: array[0] for name, array in outputs.items()}
        return Execution(outputs, count_instructions(self.program, images), stored, parts[0][2])

    def _chunk(self, lanes: int, images: int, capture: Collection[str] | bool | None) -> int:
        """How many lanes run at once."""
        plugs = 8 * images * sum(int(np.prod(p.shape)) for p in self.program.inputs + self.program.outputs)
        each = bytes_per_lane(self.program, self.target) + 2 * plugs
        each += captured_bytes_per_lane(self.program, capture, images)
        most = max(MOST_STATE, self.max_memory or 0)
        if each > most:
            what = f"one input takes {each} bytes of emulated state; at most {most} are taken"
            raise fail("run.memory", what, Place(self.program.name), "allow more with --max-memory")
        if self.max_memory is None:
            return lanes
        return max(1, min(lanes, self.max_memory // each))

    def _run_chunk(
        self,
        values: Mapping[str, Words],
        numbers: range,
        images: int,
        seed: int | None,
        wanted: Collection[str] | bool | None,
        probe: Probe | None,
    ) -> tuple[dict[str, AnyArray], dict[str, Words], dict[str, tuple[Writer, ...]]]:
        lanes = len(numbers)
        before, whole = self._stream
        machine = build_machine(self.program, self.target, lanes, numbers.start, whole or images, before)
        scheduler = RunQueue()
        capture = Capture(self.program, wanted, images, lanes)
        host = Host(self.program, machine, self._moves, values, images, scheduler.wake)
        streams = list(host.streams)
        for tile in self.program.tiles:
            for code in tile.codes:
                counters = [0] * (2 + max((len(around) for _, around in nesting(code.stream)), default=0))
                handler = partial(self._action, machine, tile, code, capture, counters)
                maker = StreamMaker(machine, tile.number, code.unit, code.number, counters, handler, images,
                                    scheduler.wake, seed is not None, probe)  # fmt: skip
                streams.append(maker.make(code.stream))
        with np.errstate(all="ignore"):
            stopped = scheduler.run(streams, seed)
        if stopped:
            raise deadlock(self.program, stopped)
        return host.outputs(), capture.stored(), capture.writers

    def _action(
        self,
        machine: Machine,
        tile: TileCode,
        code: CoreCode | ChannelCode,
        capture: Capture,
        counters: Counters,
        index: int,
        instruction: Instruction,
        slots: Mapping[str, int],
    ) -> Action:
        """The function of an instruction of a core; behind a store, what it stored is kept where that is wanted."""
        assert isinstance(code, CoreCode), f"{instruction.mnemonic} in channel {code.number}, instruction {index}"
        state, mvmus = machine.tiles[tile.number], self._mvmus[tile.number, code.number]
        place = tile.number, code.number
        core = CoreContext(machine, tile, state, state.cores[code.number], mvmus, self._weights, counters, slots,
                           self._stored[place], self._numbers[place])  # fmt: skip
        action = compile_instruction(core, instruction)
        access = access_of(instruction) if capture.wants else None
        if access is None or not access.writes:
            return action
        source = core.register(FORM[instruction.mnemonic].operand(instruction, Source))
        record = capture.recording(state.rings[access.window.ring].ring, core.window(access.window), source.words)
        if record is None:
            return action

        def store_and_record() -> None:
            action()
            record()

        return store_and_record


def _joined(parts: Sequence[Mapping[str, AnyArray]]) -> dict[str, AnyArray]:
    """Arrays of chunks of lanes, (images, lanes, ...), put together."""
    if len(parts) == 1:
        return dict(parts[0])
    return {name: np.concatenate([part[name] for part in parts], axis=1) for name in parts[0]}
