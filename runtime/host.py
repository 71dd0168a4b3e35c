"""The host: quantises inputs and lays them out in input rings, drains output rings and takes outputs back."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate, pairwise

import numpy as np

from cimc.base.diagnostics import CimcError, Diagnostic, Place, did_you_mean
from cimc.base.moves import ELEMENTS, WORDS, Moves
from cimc.isa.program import Plug, Program, Ring, RingRef
from cimc.numerics.integers import integer_range
from cimc.numerics.quant import Quant, dequantise, quantise
from cimc.runtime.coroutines import Running
from cimc.runtime.machine import IMAGE, AnyArray, Machine, Number, RingState, Words
from cimc.runtime.sites import Site
from cimc.runtime.windows import Wake

_BLOCK = 1 << 10
"""Words of each lane that are dequantised at once, so that they stay in the cache."""


def quantised_inputs(program: Program, inputs: Mapping[str, AnyArray], images: int, word: int) -> dict[str, Words]:
    """Every input as words, (images, lanes, elements). Raises CimcError with all that is wrong."""
    found = list(_problems(program, inputs, images, word))
    if found:
        raise CimcError(found)
    return {plug.name: _quantise(plug, np.asarray(inputs[plug.name]), images) for plug in program.inputs}


def _quantise(plug: Plug, values: AnyArray, images: int) -> Words:
    elements = int(np.prod(plug.shape, dtype=np.int64))
    lanes = values.shape[1] if images > 1 else values.shape[0]
    flat = values.reshape(images, lanes, elements)
    words = np.empty((images, lanes, elements), np.int32)
    quant = Quant(plug.scale, plug.zero, plug.low, plug.high)
    for image in range(images):
        for lane in range(lanes):  # one by one: what is in the cache is not fetched again
            lane_values = flat[image, lane]
            words[image, lane] = quantise(lane_values, quant) if plug.scale else lane_values
    return words


def _problems(program: Program, inputs: Mapping[str, AnyArray], images: int, word: int) -> Iterator[Diagnostic]:
    names = [plug.name for plug in program.inputs]
    for name in inputs:
        if name not in names:
            todo = did_you_mean(name, names) or f"inputs of the program: {', '.join(names)}"
            yield Diagnostic("run.inputs", f'the program has no input "{name}"', Place(program.name), todo)
    lanes: dict[int, str] = {}
    before = "(images, lanes, ...)" if images > 1 else "(lanes, ...)"
    for plug in program.inputs:
        place = Place(program.name, item=f'input "{plug.name}"')
        if plug.name not in inputs:
            yield Diagnostic("run.inputs", f'input "{plug.name}" is not given', place, f"its shape: {plug.shape}")
            continue
        values = np.asarray(inputs[plug.name])
        axes = 2 if images > 1 else 1
        if values.ndim < axes or values.shape[axes:] != plug.shape or (axes == 2 and values.shape[0] != images):
            what = f"an array of shape {values.shape} where {before} is {plug.shape} after its first axes"
            yield Diagnostic("run.inputs", what, place, f"{images} inputs, any number of lanes")
            continue
        lanes.setdefault(values.shape[axes - 1], plug.name)
        yield from _value_problems(plug, values, word, place)
    if len(lanes) > 1:
        counts = ", ".join(f'{count} in "{name}"' for count, name in lanes.items())
        yield Diagnostic("run.inputs", f"inputs differ in lanes: {counts}", Place(program.name), "give all the same")
    elif 0 in lanes:
        yield Diagnostic("run.inputs", "no lanes", Place(program.name), "give at least one")


def _value_problems(plug: Plug, values: AnyArray, word: int, place: Place) -> Iterator[Diagnostic]:
    if plug.scale == 0:
        if values.dtype.kind not in "iub":
            yield Diagnostic("run.inputs", f"values of {values.dtype} where integers are due", place)
            return
        least, most = integer_range(plug.dtype)
        low, high = max(least, -(1 << (word - 1))), min(most, (1 << (word - 1)) - 1)
        if values.size and not low <= int(values.min()) <= int(values.max()) <= high:
            what = f"values {int(values.min())} to {int(values.max())}; the program takes {low} to {high}"
            yield Diagnostic("run.inputs", what, place)
    elif values.dtype.kind not in "iubf":
        yield Diagnostic("run.inputs", f"values of {values.dtype} where numbers are due", place)
    elif values.dtype.kind == "f" and np.isnan(values).any():
        yield Diagnostic("run.inputs", "values that are not numbers (NaN)", place)


def laid_out(moves: Moves, values: Words, rings: Sequence[Ring]) -> list[Words]:
    """An input as its rings hold it, for each (images, height * width, channels, lanes). values: (images, lanes,
    elements)."""
    images, lanes, _ = values.shape
    ends = [0, *accumulate(ring.height * ring.width * ring.channels for ring in rings)]
    words = np.empty((images, ends[-1], lanes), np.int32)
    moves.fill(WORDS, np.moveaxis(words, 1, 2), values)
    parts = [words[:, low:high] for low, high in pairwise(ends)]
    return [part.reshape(images, -1, ring.channels, lanes) for part, ring in zip(parts, rings, strict=True)]


def feed(plug: Plug, ref: RingRef, ring: RingState, maps: Words, wake: Wake) -> Running:
    """The host as producer of a ring: slot by slot, as they are free. maps: (images, pixels, channels, lanes)."""
    site = Site(ref.tile, f'input "{plug.name}"', -1, -1, "space", ring, [0])

    def fill(image: int, pixels: slice, slots: slice) -> None:
        ring.by_pixel[slots] = maps[image, pixels]
        ring.produced = site.wanted

    return _slot_by_slot(site, ring, maps.shape[0], ring.limit, fill, wake)


def drain(plug: Plug, ref: RingRef, ring: RingState, maps: Words, wake: Wake) -> Running:
    """The host as consumer of a ring behind a port: fills maps, (images, pixels, channels, lanes)."""
    site = Site(ref.tile, f'output "{plug.name}"', -1, -1, "wait", ring, [0])

    def take(image: int, pixels: slice, slots: slice) -> None:
        maps[image, pixels] = ring.by_pixel[slots]
        ring.released[ref.port] = site.wanted
        ring.free = min(ring.released)

    return _slot_by_slot(site, ring, maps.shape[0], ring.ready, take, wake)


def _slot_by_slot(
    site: Site, state: RingState, images: int, reached: Number, move: Callable[[int, slice, slice], None], wake: Wake
) -> Running:
    """Move the pixels of one slot after the other, each when its ticket is reached. move: takes the image, pixels of
    the map, and where they lie in the ring."""
    ring = state.ring
    pixels = ring.width // ring.segments
    for image in range(images):
        site.counters[IMAGE] = image
        for ticket in range(ring.tickets):
            site.wanted = image * ring.tickets + ticket + 1
            while reached() < site.wanted:
                yield site
            slot = (site.wanted - 1) * pixels % ring.pixels
            move(image, slice(ticket * pixels, (ticket + 1) * pixels), slice(slot, slot + pixels))
            wake(state)


class Host:
    """All feeds and drains of a run. streams: the host's part of the network of streams."""

    def __init__(
        self,
        program: Program,
        machine: Machine,
        moves: Mapping[str, Moves],
        values: Mapping[str, Words],
        images: int,
        wake: Wake,
    ) -> None:
        self.streams: list[Running] = []
        self._moves = moves
        self._drained: list[tuple[Plug, list[Words]]] = []
        for plug in program.inputs:
            states = [machine.tiles[ref.tile].rings[ref.ring] for ref in plug.rings]
            maps = laid_out(moves[plug.index], values[plug.name], [state.ring for state in states])
            for ref, state, part in zip(plug.rings, states, maps, strict=True):
                self.streams.append(feed(plug, ref, state, part, wake))
        for plug in program.outputs:
            drained: list[Words] = []
            for ref in plug.rings:
                state = machine.tiles[ref.tile].rings[ref.ring]
                ring = state.ring
                drained.append(np.zeros((images, ring.height * ring.width, ring.channels, machine.lanes), np.int32))
                self.streams.append(drain(plug, ref, state, drained[-1], wake))
            self._drained.append((plug, drained))

    def outputs(self) -> dict[str, AnyArray]:
        """Every output as the network has it, (images, lanes, *shape), once all streams have ended."""
        return {plug.name: self._output(plug, maps) for plug, maps in self._drained}

    def _output(self, plug: Plug, maps: list[Words]) -> AnyArray:
        images, lanes = maps[0].shape[0], maps[0].shape[3]
        flat = np.concatenate([part.reshape(images, -1, lanes) for part in maps], axis=1)
        real: AnyArray = flat
        if plug.scale:
            quant, real = Quant(plug.scale, plug.zero, plug.low, plug.high), np.empty(flat.shape, np.float32)
            for first in range(0, flat.shape[1], _BLOCK):
                real[:, first : first + _BLOCK] = dequantise(flat[:, first : first + _BLOCK], quant)
        values = np.empty((images, lanes, math.prod(plug.shape)), plug.dtype)
        self._moves[plug.index].fill(ELEMENTS, values, np.moveaxis(real, 1, 2))
        return values.reshape(images, lanes, *plug.shape)
