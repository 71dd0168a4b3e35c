"""The host: it quantises inputs into rings and takes outputs back from ports."""

import math
import random
from collections.abc import Mapping
from functools import partial

import numpy as np

from .machine import Cells, Processor, Ring, Stream, Tile, run_streams
from .numbers import f32, fit, settle
from .program import Interface, Phase, Program, Target


def quantise(x: np.generic, interface: Interface, bits: int) -> int:
    """Give the word of one element of an input."""
    if interface.scale == 0:
        word = int(x.item())
        if word != x.item() or word != fit(word, bits):
            raise ValueError(f"{x} is no word of input {interface.name}")
        return word
    real = f32(int(x.item())) if isinstance(x, np.integer | np.bool_) else np.float32(x.item())
    if np.isnan(real):
        raise ValueError(f"input {interface.name} holds a NaN")
    with np.errstate(all="ignore"):
        return settle(real / np.float32(interface.scale), interface)


def real_of(word: int, interface: Interface) -> np.generic:
    """Give the element of an output that a word stands for, not yet of the type of the output."""
    if interface.scale == 0:
        return np.int64(word)
    with np.errstate(all="ignore"):
        return f32(word - interface.zero) * np.float32(interface.scale)


def fill(ring: Ring, tile: Tile, maps: list[list[int]]) -> Stream:
    """Write the words of each input into a ring, segment by segment."""
    for image, words in enumerate(maps):
        left = iter(words)
        for ticket in range(1, ring.tickets + 1):
            counted = ring.ticket(image, ticket)
            yield partial(ring.has_space, counted)
            for pixel in ring.pixels_of(image, ticket):
                for address in pixel:
                    tile.write(address, next(left))
            ring.signal("host", counted)


def reaches(ring: Ring, ticket: int) -> bool:
    """Tell whether all producers of a ring have signalled a ticket."""
    return ring.signalled() >= ticket


def drain(ring: Ring, tile: Tile, port: int, maps: list[list[int]]) -> Stream:
    """Append the words of each input from a port to its list, segment by segment."""
    for image, words in enumerate(maps):
        for ticket in range(1, ring.tickets + 1):
            counted = ring.ticket(image, ticket)
            yield partial(reaches, ring, counted)
            words.extend(tile.read(address) for pixel in ring.pixels_of(image, ticket) for address in pixel)
            ring.release(port, counted)


def run(program: Program, inputs: Mapping[str, np.ndarray], seed: int = 0) -> dict[str, np.ndarray]:
    """Run one lane: arrays of (n, *shape) in, one input after the other, and arrays of (n, *shape) out.

    The streams run in a random order, which the seed decides; the results do not depend on it.
    """
    counts = {len(inputs[interface.name]) for interface in program.of_host("inputs")}
    if len(counts) != 1:
        raise ValueError("a run has inputs, as many of one name as of the other")
    count, cells, parts = counts.pop(), Cells(), []
    for first in range(0, count, program.shared or count):
        size = min(program.shared or count, count - first)
        memory: dict[str, np.ndarray] = {}
        results: dict[str, np.ndarray] = {}
        for phase in program.phases:
            given = {}
            for interface in phase.inputs:
                if phase.once:
                    given[interface.name] = program.arrays[interface.name][None]
                elif interface.memory:
                    given[interface.name] = memory[interface.name]
                else:
                    given[interface.name] = inputs[interface.name][first : first + size]
            found = run_phase(program.target, phase, given, 1 if phase.once else size, cells, seed)
            for interface in phase.outputs:
                (memory if interface.memory else results)[interface.name] = found[interface.name]
        parts.append(results)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def run_phase(
    target: Target, program: Phase, inputs: Mapping[str, np.ndarray], count: int, cells: Cells, seed: int
) -> dict[str, np.ndarray]:
    """Run a phase for so many inputs, each (n, *shape)."""
    tiles = {number: Tile(number, plan, target, cells) for number, plan in program.tiles.items()}
    streams: list[Stream] = []
    for tile in tiles.values():
        streams.extend(Processor(tiles, tile, plan, count).run(plan.code, {}) for plan in tile.plan.streams)
    for interface in program.inputs:
        array = inputs[interface.name]
        if array.shape[1:] != interface.shape:
            raise ValueError(f"input {interface.name} has the shape (n, *{interface.shape})")
        maps = []
        for lane in array.reshape(count, math.prod(interface.shape)):
            words = [quantise(x, interface, target.word) for x in lane]
            elements = {word: element for element, word in interface.moves}
            maps.append([words[elements[word]] for word in range(len(elements))])
        begin = 0
        for place in interface.rings:
            ring = tiles[place.tile].rings[place.ring]
            end = begin + ring.plan.height * ring.plan.width * ring.plan.channels
            streams.append(fill(ring, tiles[place.tile], [words[begin:end] for words in maps]))
            begin = end
    drained: dict[str, list[list[list[int]]]] = {interface.name: [] for interface in program.outputs}
    for interface in program.outputs:
        for place in interface.rings:
            maps = [[] for _ in range(count)]
            drained[interface.name].append(maps)
            streams.append(drain(tiles[place.tile].rings[place.ring], tiles[place.tile], place.port, maps))
    run_streams(streams, random.Random(seed))
    return {interface.name: collect(interface, drained[interface.name], count) for interface in program.outputs}


def collect(interface: Interface, ports: list[list[list[int]]], count: int) -> np.ndarray:
    """Make an output of the words that its ports gave for each input."""
    dtype = np.dtype(interface.dtype)
    values = []
    for image in range(count):
        words = [word for maps in ports for word in maps[image]]
        for _, word in sorted(interface.moves):
            with np.errstate(all="ignore"):
                values.append(real_of(words[word], interface).astype(dtype))
    return np.array(values, dtype=dtype).reshape(count, *interface.shape)
