"""The machine: rings, tiles, cores, and the streams that run on them in any order."""

import random
from collections import deque
from collections.abc import Callable, Generator, Mapping
from typing import TypeVar

from .code import Instruction, Span
from .crossbar import Crossbar
from .numbers import ARITHMETIC, fit, look_up, requantise, rounded_shift, wrap
from .program import RingPlan, StreamPlan, Target, TilePlan
from .text import Indexed

# A stream yields before each instruction what tells whether it can go on.
Gate = Callable[[], bool]
Stream = Generator[Gate, None, None]
Counters = Mapping[str, int]
T = TypeVar("T")


class Deadlock(RuntimeError):
    """Streams are left, and none of them can go on."""


def open_gate() -> bool:
    """Let a stream go on."""
    return True


class Ring:
    """A ring of pixels in the memory of a tile, and how far its producers and consumers are."""

    def __init__(self, plan: RingPlan) -> None:
        """Begin with all tickets 0."""
        self.plan = plan
        self.tickets = plan.height * plan.segments
        self.segment = plan.width // plan.segments
        self.capacity = plan.pixels // self.segment
        self.signals: dict[object, int] = {}
        self.releases = [0] * plan.ports

    def addresses(self, image: int, row: int, column: int) -> range:
        """Give the addresses of the channels of a pixel."""
        slot = ((image * self.plan.height + row) * self.plan.width + column) % self.plan.pixels
        begin = self.plan.addr + slot * self.plan.channels
        return range(begin, begin + self.plan.channels)

    def ticket(self, image: int, written: int) -> int:
        """Count a ticket from the first input on."""
        return image * self.tickets + min(max(written, 0), self.tickets)

    def signal(self, stream: object, ticket: int) -> None:
        """Note that a producer has filled its slots below a ticket."""
        self.signals[stream] = max(self.signals.get(stream, 0), ticket)
        if len(self.signals) > self.plan.producers:
            raise ValueError("a ring has more producers than it says")

    def release(self, port: int, ticket: int) -> None:
        """Note that a consumer no longer needs the slots below a ticket."""
        self.releases[port] = max(self.releases[port], ticket)

    def signalled(self) -> int:
        """Give the least ticket of the producers; one that has never signalled has 0."""
        return min(self.signals.values()) if len(self.signals) == self.plan.producers else 0

    def has_space(self, ticket: int) -> bool:
        """Tell whether all ports leave space for a ticket."""
        return not self.releases or min(self.releases) + self.capacity >= ticket

    def pixels_of(self, image: int, ticket: int) -> list[range]:
        """Give the addresses of each pixel of the segment that ends at a ticket of an input."""
        row, segment = divmod(ticket - 1, self.plan.segments)
        return [self.addresses(image, row, segment * self.segment + at) for at in range(self.segment)]


# Rows of weights as they were written, by tile, core, MVMU and row.
Cells = dict[tuple[int, int, int, int], list[int]]


class Tile:
    """The memory, rings and FIFOs of a tile."""

    def __init__(self, number: int, plan: TilePlan, target: Target, cells: Cells) -> None:
        """Begin with all words 0 and all FIFOs empty; cells are as they were left."""
        self.number, self.plan, self.target, self.cells = number, plan, target, cells
        self.memory: dict[int, int] = {}
        self.rings = {name: Ring(ring) for name, ring in plan.rings.items()}
        self.fifos: list[deque[list[int]]] = [deque() for _ in range(target.fifos)]

    def read(self, address: int) -> int:
        """Give a word of the memory, 0 before it is written."""
        return self.memory.get(address, 0)

    def write(self, address: int, value: int) -> None:
        """Store a number, saturated to a word."""
        if not 0 <= address < self.target.memory_words:
            raise IndexError(f"the memory has no word {address}")
        self.memory[address] = fit(value, self.target.word)


class Processor:
    """A core or a channel, which runs one stream."""

    def __init__(self, tiles: Mapping[int, Tile], tile: Tile, plan: StreamPlan, inputs: int) -> None:
        """Begin with all words 0."""
        self.tiles, self.tile, self.plan, self.inputs, self.target = tiles, tile, plan, inputs, tile.target
        self.image = self.s = 0
        self.mvmus = dict(plan.mvmus)
        self.bits = {"xin": self.target.word, "xout": self.target.accumulator, "r": self.target.word}
        self.files = {
            "xin": [0] * (self.target.mvmus * self.target.rows),
            "xout": [0] * (self.target.mvmus * self.target.stride),
            "r": [0] * self.target.registers,
        }

    def run(self, code: tuple[Instruction, ...], counters: Counters) -> Stream:
        """Run instructions one after the other, stopping before each."""
        for one in code:
            if one.opcode != "loop":
                yield self.gate(one, counters)
                self.act(one, counters)
            elif one.count is None:
                for image in range(self.inputs):
                    self.image = image
                    yield from self.run(one.body, counters)
            else:
                for counter in range(one.count):
                    yield from self.run(one.body, {**counters, one.name: counter})

    def gate(self, one: Instruction, counters: Counters) -> Gate:
        """Give what an instruction waits for."""
        if one.opcode in ("wait", "space"):
            ring = self.tile.rings[one.port.ring or one.name]
            ticket = ring.ticket(self.image, one.ticket.value(counters))
            if one.opcode == "wait":
                return lambda: ring.signalled() >= ticket
            return lambda: ring.has_space(ticket)
        if one.opcode == "send":
            there = self.tiles[one.tile].fifos[one.fifo]
            return lambda: len(there) < self.target.fifo_depth
        if one.opcode == "receive":
            here = self.tile.fifos[one.fifo]
            return lambda: len(here) > 0
        return open_gate

    def read(self, span: Span) -> list[int]:
        """Give the words of registers."""
        return part(self.files[span.name], span)

    def write(self, span: Span, values: list[int]) -> None:
        """Put numbers into registers, saturated to their bits."""
        part(self.files[span.name], span)
        if len(values) != span.length:
            raise ValueError(f"{len(values)} words do not go into {span.length} registers")
        bits = self.bits[span.name]
        self.files[span.name][span.first : span.first + span.length] = [fit(value, bits) for value in values]

    def addresses(self, window: Indexed, counters: Counters, inside: bool = True) -> list[int | None]:
        """Give the addresses of a window's words in their order, None outside of the map."""
        ring = self.tile.rings[window.name]
        rows, columns, channels = (axis.indices(counters) for axis in window.axes)
        if any(channel not in range(ring.plan.channels) for channel in channels):
            raise IndexError(f"{window.name} has no such channels")
        found: list[int | None] = []
        for row in rows:
            for column in columns:
                if row in range(ring.plan.height) and column in range(ring.plan.width):
                    pixel = ring.addresses(self.image, row, column)
                    found.extend(pixel[channel] for channel in channels)
                elif inside:
                    raise IndexError(f"a window leaves {window.name}")
                else:
                    found.extend(None for _ in channels)
        return found

    def load(self, window: Indexed, counters: Counters, fill: int | None = None) -> list[int]:
        """Give the words of a window, which keeps to the map where nothing is filled in."""
        found = self.addresses(window, counters, fill is None)
        return [fit(fill or 0, self.target.word) if at is None else self.tile.read(at) for at in found]

    def store(self, window: Indexed, counters: Counters, values: list[int]) -> None:
        """Store numbers into a window of as many words."""
        for at, value in zip(self.addresses(window, counters), values, strict=True):
            if at is not None:
                self.tile.write(at, value)

    def act(self, one: Instruction, counters: Counters) -> None:
        """Do what an instruction says, once it has what it waited for."""
        if one.opcode in ("signal", "release"):
            ring = self.tile.rings[one.port.ring or one.name]
            ticket = ring.ticket(self.image, one.ticket.value(counters))
            if one.opcode == "signal":
                ring.signal(self, ticket)
            else:
                ring.release(one.port.number, ticket)
        elif one.opcode == "load":
            self.write(one.d, self.load(one.window, counters, one.value))
        elif one.opcode == "store":
            self.store(one.window, counters, self.read(one.a))
        elif one.opcode == "send":
            self.tiles[one.tile].fifos[one.fifo].append(self.load(one.window, counters))
        elif one.opcode == "receive":
            self.store(one.window, counters, self.tile.fifos[one.fifo].popleft())
        elif one.opcode == "mvm":
            for k in range(one.value.bit_length()):
                if one.value >> k & 1:
                    rows, stride = self.target.rows, self.target.stride
                    results = self.crossbar(k).product(self.read(Span("xin", k * rows, rows)))
                    self.write(Span("xout", k * stride, len(results)), results)
        elif one.opcode == "write":
            self.write_cells(one.value, one.ticket.value(counters), self.load(one.window, counters))
        elif one.opcode == "readback":
            self.write(one.d, self.row(one.value, one.ticket.value(counters))[: one.d.length])
        elif one.opcode == "clrs":
            self.s = 0
        elif one.opcode == "sums":
            self.s = wrap(self.s + sum(self.read(one.a)), 64)
        elif one.opcode not in ("wait", "space"):
            self.write(one.d, self.compute(one))

    def row(self, mvmu: int, row: int) -> list[int]:
        """Give a row of the weights of an MVMU."""
        if mvmu in self.plan.mvmus:
            return self.plan.mvmus[mvmu].weights[row]
        return self.tile.cells[self.tile.number, self.plan.number, mvmu, row]

    def crossbar(self, mvmu: int) -> Crossbar:
        """Give an MVMU, which is programmed with what was written to it when it is used first."""
        if mvmu not in self.mvmus:
            blank = self.plan.blanks[mvmu]
            weights = [self.row(mvmu, row) for row in range(blank.rows)]
            if any(len(row) != blank.columns for row in weights):
                raise ValueError(f"MVMU {mvmu} was written otherwise than it is used")
            self.mvmus[mvmu] = Crossbar(weights, blank.feed, self.target.converters, blank.steps)
        return self.mvmus[mvmu]

    def write_cells(self, mask: int, row: int, words: list[int]) -> None:
        """Write a row of each of some MVMUs, each from words of its own."""
        chosen = [mvmu for mvmu in range(mask.bit_length()) if mask >> mvmu & 1]
        each, bits = len(words) // len(chosen), self.target.word
        for place, mvmu in enumerate(chosen):
            blank, whole = self.plan.blanks[mvmu], 0
            for at, word in enumerate(words[place * each : (place + 1) * each]):
                whole |= (word & ((1 << bits) - 1)) << (at * bits)
            width = blank.feed.weight_bits
            if row not in range(blank.rows) or each != -(-blank.columns * width // bits):
                raise ValueError(f"MVMU {mvmu} takes no {each} words into its row {row}")
            weights = [wrap(whole >> (column * width), width) for column in range(blank.columns)]
            self.tile.cells[self.tile.number, self.plan.number, mvmu, row] = weights

    def compute(self, one: Instruction) -> list[int]:
        """Give the results of an instruction that writes registers from registers and constants."""
        opcode, length, plan = one.opcode, one.d.length, self.tile.plan
        if opcode == "set":
            return [one.value] * length
        if opcode == "loadv":
            return [fit(entry, self.target.word) for entry in part(plan.vectors[one.entries.name], one.entries)]
        a = self.read(one.a)
        if opcode == "copy":
            return a
        if opcode == "lut":
            return [look_up(x, plan.tables[one.name]) for x in a]
        if opcode == "rmax":
            return [max(a[j::length]) for j in range(length)]
        if opcode == "rsum":
            a0 = plan.scales[one.entries.name].a0
            a = [sum(x - a0 for x in a[j::length]) for j in range(length)]
        b = self.read(one.b) if one.b.name else [self.s if opcode == "requants" else one.value]
        a, b = spread(a, length), spread(b, length)
        if opcode == "mulshr":
            return [rounded_shift(x * y, one.value) for x, y in zip(a, b, strict=True)]
        if opcode in ARITHMETIC:
            return [ARITHMETIC[opcode](x, y) for x, y in zip(a, b, strict=True)]
        scale = plan.scales[one.entries.name]
        m = spread(part(scale.rows[0], one.entries), length)
        n = spread(part(scale.rows[1], one.entries), length) if opcode == "requant2" else m
        return [requantise(opcode, a[i], b[i], scale, m[i], n[i]) for i in range(length)]


def part(values: list[T], span: Span) -> list[T]:
    """Give the entries that a span names, all of which there must be."""
    found = values[span.first : span.first + span.length]
    if span.first < 0 or len(found) != span.length:
        raise IndexError(f"{span.name} has no entries {span.first}:+{span.length}")
    return found


def spread(values: list[T], length: int) -> list[T]:
    """Let one value serve for all, where there is only one."""
    return values * length if len(values) == 1 else values


def run_streams(streams: list[Stream], order: random.Random) -> None:
    """Run all streams to their ends, in a random order of those that can go on."""
    waiting: list[tuple[Stream, Gate]] = [(stream, open_gate) for stream in streams]
    while waiting:
        order.shuffle(waiting)
        ready = next((at for at, (_, gate) in enumerate(waiting) if gate()), None)
        if ready is None:
            raise Deadlock(f"{len(waiting)} streams are left and none can go on")
        stream = waiting.pop(ready)[0]
        following: Gate | None = None
        for _ in range(order.randint(1, 200)):
            following = next(stream, None)
            if following is None or not following():
                break
        if following is not None:
            waiting.append((stream, following))
