"""The step engine: executes a program one instruction at a time in each stream, vectorised over lanes.

It is the plain meaning of the instruction table, fast enough for whole networks: every instruction becomes, once for
a run, a function without arguments over views of registers and memory.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np

from cimc.base.diagnostics import Place, fail
from cimc.base.moves import Moves
from cimc.crossbar.device import Device
from cimc.isa.effects import access_of
from cimc.isa.kinds.runs import Source
from cimc.isa.program import ChannelCode, CoreCode, Instruction, Program, TileCode
from cimc.isa.table import FORM
from cimc.isa.verify.counts import count_instructions
from cimc.numerics.keys import Key
from cimc.runtime.capture import Capture
from cimc.runtime.capture import bytes_per_lane as captured_bytes_per_lane
from cimc.runtime.constants import Constants
from cimc.runtime.coroutines import StreamMaker, count_depth
from cimc.runtime.crossbar import Mvmu, joined, program_mvmu
from cimc.runtime.execution import MOST_STATE, Execution, Writer
from cimc.runtime.handlers import CoreContext, compile_instruction
from cimc.runtime.host import Host, quantised_inputs
from cimc.runtime.machine import AnyArray, Words, build_machine, bytes_per_lane
from cimc.runtime.probe import Probe
from cimc.runtime.run_queue import Running, RunQueue
from cimc.runtime.sites import deadlock
from cimc.target.model import Target


class StepEngine:
    """Runs a program that cimc.isa.verify.verifier finds right for the target.

    weights: the arrays that belong to it; exact, device: see cimc.runtime.crossbar.program_mvmu. seed: of what cells
    draw at random.
    max_memory: bytes of state; more lanes than fit run one chunk after the other, with the same results.
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
    ) -> None:
        self.program = program
        self.target = target
        self.max_memory = max_memory
        self._constants = Constants(program, weights, target)
        plugs = program.inputs + program.outputs
        self._moves = {plug.index: Moves.read(weights[plug.index]) for plug in plugs}
        self._mvmus: dict[tuple[int, int], dict[int, Mvmu]] = {}
        for tile in program.tiles:
            for core in tile.cores:
                key = Key(seed).at(tile.number, core.number)
                self._mvmus[tile.number, core.number] = {
                    number: program_mvmu(*joined(matrices, self._constants), target, exact, device, key.at(number, 0))
                    for number, matrices in core.by_mvmu().items()
                }

    def run(
        self,
        inputs: Mapping[str, AnyArray],
        images: int = 1,
        schedule_seed: int | None = None,
        capture: Collection[str] | bool | None = None,
        probe: Probe | None = None,
    ) -> Execution:
        """As Engine says. schedule_seed: run the streams in a random order."""
        assert images >= 1, f"{images} inputs"
        values = quantised_inputs(self.program, inputs, images, self.target.numbers.word)
        lanes = next(iter(values.values())).shape[1] if values else 1
        wanted = False if capture is None else capture
        size = self._chunk(lanes, images, wanted)
        parts = []
        for start in range(0, lanes, size):
            part = {name: array[:, start : start + size] for name, array in values.items()}
            parts.append(self._run_chunk(part, min(size, lanes - start), images, schedule_seed, wanted, probe))
        outputs = _joined([part[0] for part in parts])
        stored = _joined([part[1] for part in parts])
        if images == 1:
            outputs = {name: array[0] for name, array in outputs.items()}
        return Execution(outputs, count_instructions(self.program, images), stored, parts[0][2])

    def _chunk(self, lanes: int, images: int, capture: Collection[str] | bool) -> int:
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
        lanes: int,
        images: int,
        seed: int | None,
        wanted: Collection[str] | bool,
        probe: Probe | None,
    ) -> tuple[dict[str, AnyArray], dict[str, Words], dict[str, tuple[Writer, ...]]]:
        machine = build_machine(self.program, self.target, lanes)
        scheduler = RunQueue()
        capture = Capture(self.program, wanted, images, lanes)
        host = Host(self.program, machine, self._moves, values, images, scheduler.wake)
        streams = list(host.streams)
        for tile in self.program.tiles:
            state = machine.tiles[tile.number]
            maker = StreamMaker(machine, tile.number, state, images, scheduler.wake, seed is not None, probe)
            streams += [self._core(maker, tile, core, capture) for core in tile.cores]
            streams += [_channel(maker, channel) for channel in tile.channels]
        with np.errstate(all="ignore"):
            stopped = scheduler.run(streams, seed)
        if stopped:
            raise deadlock(self.program, stopped)
        return host.outputs(), capture.stored(), capture.writers

    def _core(self, maker: StreamMaker, tile: TileCode, core: CoreCode, capture: Capture) -> Running:
        """The stream of a core."""
        counters = [0] * (count_depth(core.stream) + 2)
        state = maker.tile_state.cores[core.number]
        mvmus = self._mvmus[tile.number, core.number]

        def handler(index: int, instruction: Instruction, slots: dict[str, int]) -> Callable[[], None]:
            context = CoreContext(maker.machine, tile, maker.tile_state, state, mvmus, self._constants, counters, slots)
            action = compile_instruction(context, instruction)
            return _captured(context, instruction, capture, action)

        return maker.make("core", core, counters, handler)


def _joined(parts: Sequence[Mapping[str, AnyArray]]) -> dict[str, AnyArray]:
    """Arrays of chunks of lanes, (images, lanes, ...), put together."""
    if len(parts) == 1:
        return dict(parts[0])
    return {name: np.concatenate([part[name] for part in parts], axis=1) for name in parts[0]}


def _captured(
    context: CoreContext, instruction: Instruction, capture: Capture, action: Callable[[], None]
) -> Callable[[], None]:
    """The action of a store, followed by keeping what it stored."""
    access = access_of(instruction) if capture.wants else None
    if access is None or not access.writes:
        return action
    ring = context.tile_state.rings[access.window.ring].ring
    source = context.register(FORM[instruction.mnemonic].operand(instruction, Source))
    record = capture.recording(ring, context.window(access.window), source.words)
    if record is None:
        return action

    def store_and_record() -> None:
        action()
        record()

    return store_and_record


def _channel(maker: StreamMaker, channel: ChannelCode) -> Running:
    """The stream of a transfer channel; it holds no instruction of a core."""

    def handler(index: int, instruction: Instruction, slots: dict[str, int]) -> Callable[[], None]:
        raise AssertionError(f"{instruction.mnemonic} stands in channel {channel.number}, instruction {index}")

    return maker.make("channel", channel, [0] * (count_depth(channel.stream) + 2), handler)
