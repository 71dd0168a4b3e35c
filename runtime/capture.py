"""What cores store into rings that hold a tensor of the network, kept for comparison with the reference."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

import numpy as np

from cimc.isa.effects import access_of
from cimc.isa.operands import Axis
from cimc.isa.program import Program, Ring
from cimc.isa.tree import Loop, build_tree, leaves
from cimc.runtime.execution import Writer
from cimc.runtime.machine import IMAGE, Words
from cimc.runtime.windows import BoundWindow


class Capture:
    """The tensors that a run keeps. wanted: their names, or True for all that cores store; nothing for none."""

    def __init__(self, program: Program, wanted: Collection[str] | bool | None, images: int, lanes: int) -> None:
        self.writers: dict[str, tuple[Writer, ...]] = {}
        self._maps: dict[str, Words] = {}
        for tensor, writer in _stores(program) if wanted else ():
            if wanted is True or (wanted and tensor in wanted):
                self.writers[tensor] = (*self.writers.get(tensor, ()), writer)
        for tensor in self.writers:
            rings = [ring for tile in program.tiles for ring in tile.rings if ring.tensor == tensor]
            channels = max(ring.channel + ring.channels for ring in rings)
            shape = images, max(r.height for r in rings), max(r.width for r in rings), channels, lanes
            self._maps[tensor] = np.zeros(shape, np.int32)

    @property
    def wants(self) -> bool:
        """Whether anything is kept."""
        return bool(self._maps)

    def recording(self, ring: Ring, reach: BoundWindow, source: Words) -> Callable[[], None] | None:
        """A function that keeps what a store has just written, or None where it is not wanted."""
        if ring.tensor not in self._maps:
            return None
        whole, block, window = self._maps[ring.tensor], source.reshape(reach.shape), reach.window

        def record() -> None:
            channel = ring.channel + reach.channel()
            first = ring.row + reach.row() * ring.row_step
            rows = _slice(first, window.rows.count, window.rows.step * ring.row_step)
            columns = _slice(ring.column + reach.column(), window.columns.count, window.columns.step)
            whole[reach.counters[IMAGE], rows, columns, channel : channel + window.channels.count] = block

        return record

    def stored(self) -> dict[str, Words]:
        """Tensors by name, (images, lanes, height, width, channels)."""
        return {tensor: np.moveaxis(whole, 4, 1) for tensor, whole in self._maps.items()}


def bytes_per_lane(program: Program, wanted: Collection[str] | bool | None, images: int) -> int:
    """Bytes that one lane of the kept tensors takes."""
    return 4 * sum(array.size for array in Capture(program, wanted, images, 1).stored().values())


def _slice(start: int, count: int, step: int) -> slice:
    return slice(start, start + (count - 1) * step + 1, step)


def _stores(program: Program) -> Iterator[tuple[str, Writer]]:
    """Every store of a core into a ring that holds a tensor."""
    for tile in program.tiles:
        rings = {ring.name: ring for ring in tile.rings}
        for core in tile.cores:
            for loops, leaf in leaves(build_tree(core.stream)):
                access = access_of(leaf.instruction)
                if access is None or not access.writes:
                    continue
                window = access.window
                ring = rings[window.ring]
                if ring.tensor:
                    low, high = _extent(window.channels, loops)
                    left, right = _extent(window.columns, loops)
                    start = window.rows.start
                    step = min((abs(c) for _, c in start.terms), default=0) * ring.row_step
                    writer = Writer(
                        tile.number,
                        core.number,
                        leaf.index,
                        ring.channel + low,
                        ring.channel + high,
                        ring.column + left,
                        ring.column + right,
                        ring.row + start.constant * ring.row_step,
                        step,
                    )
                    yield ring.tensor, writer


def _extent(axis: Axis, loops: tuple[Loop, ...]) -> tuple[int, int]:
    """What an axis reaches of a ring while its loops run: first, one past the last."""
    low = high = axis.start.constant
    counts = {loop.counter: loop.count for loop in loops}
    for name, coefficient in axis.start.terms:
        span = coefficient * (counts[name] - 1)
        low, high = low + min(0, span), high + max(0, span)
    return low, high + axis.count
