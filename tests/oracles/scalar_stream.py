"""Streams of a program word by word, as docs/isa.md has them: rings, tickets, FIFOs and every instruction."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tests.oracles.scalar_text import Program, Record, name_of

F32 = np.float32
Words = list[int]

_PAGE = Path(__file__).parents[2] / "docs" / "isa.md"
_CODE: Record = {}
exec(re.findall(r"```python\n(.*?)```", _PAGE.read_text(encoding="utf-8"), re.DOTALL)[0], _CODE)


def clamp(x: int, low: int, high: int) -> int:
    return min(max(x, low), high)


class Ring:
    """A ring: where its words lie, and its tickets."""

    def __init__(self, keys: Record, memory: dict[int, int]) -> None:
        self.memory = memory
        self.addr, self.height, self.width = int(keys["addr"]), int(keys["height"]), int(keys["width"])
        self.channels, self.segments, self.pixels = int(keys["channels"]), int(keys["segments"]), int(keys["pixels"])
        self.producers = int(keys.get("producers", 1))
        self.tickets = self.height * self.segments
        self.capacity = self.pixels // (self.width // self.segments)
        self.signals: dict[object, int] = {}
        self.released = [0] * int(keys["ports"])

    def at(self, image: int, row: int, column: int, channel: int) -> int:
        slot = ((image * self.height + row) * self.width + column) % self.pixels
        return self.addr + slot * self.channels + channel

    def ticket(self, image: int, ticket: int) -> int:
        return image * self.tickets + clamp(ticket, 0, self.tickets)

    @property
    def signalled(self) -> int:
        return min(self.signals.values()) if len(self.signals) == self.producers else 0

    @property
    def free(self) -> float:
        return min(self.released) + self.capacity if self.released else float("inf")

    def segment(self, number: int) -> Iterator[tuple[int, int, int]]:
        """(pixel of the map, channel, address) of the segment before ticket `number` + 1, counted over all inputs."""
        image, ticket = divmod(number, self.tickets)
        pixels = self.width // self.segments
        for pixel in range(ticket * pixels, (ticket + 1) * pixels):
            for channel in range(self.channels):
                yield pixel, channel, self.at(image, *divmod(pixel, self.width), channel)


class Chip:
    """What streams share. target: target.toml, each key's value."""

    def __init__(self, text: str, arrays: Mapping[str, Any], target: Mapping[str, Mapping[str, Any]]) -> None:
        self.program, self.arrays, self.target = Program(text), arrays, target
        self.word, self.accumulator = target["numbers"]["word"], target["numbers"]["accumulator"]
        crossbar, mvmu = target["crossbar"], target["mvmu"]
        self.rows, self.stride = crossbar["rows"], crossbar["columns"]
        if mvmu["slices"] == "columns":
            n = 2 if mvmu["encoding"] == "differential" else -(-2 // crossbar["cell_bits"])
            self.stride = crossbar["columns"] // n * mvmu["crossbars"]
        self.keys = {**crossbar, **mvmu}
        memories: dict[int, dict[int, int]] = {}
        self.rings = {
            (tile, name): Ring(keys, memories.setdefault(tile, {}))
            for (tile, kind, name), keys in self.program.records.items()
            if kind == "ring"
        }
        self.fifos: dict[tuple[int, int], list[Words]] = {}


class Stream:
    """A core or a channel."""

    def __init__(
        self, machine: Chip, tile: int, core: int, matrices: list[Record], code: list[Any], images: int
    ) -> None:
        self.machine, self.tile, self.code, self.images = machine, tile, code, images
        self.image, self.s = 0, 0
        self.counters: dict[str, int] = {}
        self.files: dict[str, dict[int, int]] = {"xin": {}, "xout": {}, "r": {}}
        self.bits = {"xin": machine.word, "xout": machine.accumulator, "r": machine.word}
        self.mvmus: dict[int, list[Record]] = {}
        for matrix in matrices:
            self.mvmus.setdefault(int(matrix["0"]), []).append(matrix)
        for mnemonic, operands in code:  # a ring is ready when every producer's slots are, also of who never signals
            if mnemonic == "signal":
                self.ring(operands[0]).signals[id(self)] = 0

    def ring(self, name: str) -> Ring:
        return self.machine.rings[self.tile, name_of(name)]

    def run(self, at: int = 0, stop: int | None = None) -> Iterator[None]:
        stop = len(self.code) if stop is None else stop
        while at < stop:
            mnemonic, operands = self.code[at]
            if mnemonic == "loop":
                end = self.end_of(at)
                endless = operands[1] == "*"
                for number in range(self.images if endless else int(operands[1])):
                    self.counters[name_of(operands[0])] = number
                    self.image = number if endless else self.image
                    yield from self.run(at + 1, end)
                at = end
            elif mnemonic in ("wait", "space", "release", "signal", "send", "receive"):
                yield from self.synchronise(mnemonic, operands)
            elif mnemonic != "hlt":
                self.compute(mnemonic, operands)
            at += 1

    def end_of(self, at: int) -> int:
        depth = 0
        for place in range(at, len(self.code)):
            depth += {"loop": 1, "end": -1}.get(self.code[place][0], 0)
            if depth == 0:
                return place
        raise AssertionError("a loop without an end")

    def number(self, text: str) -> int:
        """An affine number."""
        total = 0
        for sign, term in re.findall(r'([+-]?)\s*((?:"(?:[^"\\]|\\.)*"|[^+\-"])+)', text):
            name, _, factor = term.strip().partition("*")
            known = int(name) if name.isdigit() else self.counters[name_of(name)]
            total += (-1 if sign == "-" else 1) * known * int(factor or 1)
        return total

    def synchronise(self, mnemonic: str, operands: list[str]) -> Iterator[None]:
        if mnemonic in ("send", "receive"):
            tile = int(operands[1]) if mnemonic == "send" else self.tile
            queue = self.machine.fifos.setdefault((tile, int(operands[-1])), [])
            ring, addresses = self.window(operands[0])
            while len(queue) >= self.machine.target["tile"]["fifo_depth"] if mnemonic == "send" else not queue:
                yield
            if mnemonic == "send":
                queue.append([ring.memory.get(one or 0, 0) for one in addresses])
            else:
                ring.memory.update(zip((one or 0 for one in addresses), queue.pop(0), strict=True))
            return
        name, port = operands[0], 0
        if mnemonic in ("wait", "release"):
            name, _, digits = operands[0].rpartition(".")
            port = int(digits)
        ring = self.ring(name)
        ticket = ring.ticket(self.image, self.number(operands[1]))
        while (mnemonic == "wait" and ring.signalled < ticket) or (mnemonic == "space" and ring.free < ticket):
            yield
        if mnemonic == "release":
            ring.released[port] = max(ring.released[port], ticket)
        if mnemonic == "signal":
            ring.signals[id(self)] = max(ring.signals[id(self)], ticket)

    def window(self, text: str) -> tuple[Ring, list[int | None]]:
        """The ring, and the address of each word, None outside of the map."""
        name, _, inside = text.rpartition("[")
        ring = self.ring(name)
        rows, columns, channels = (self.axis(part) for part in inside[:-1].split(","))
        return ring, [
            ring.at(self.image, y, x, c) if 0 <= y < ring.height and 0 <= x < ring.width else None
            for y in rows
            for x in columns
            for c in channels
        ]

    def axis(self, text: str) -> range:
        start, *rest = re.split(r":\s*", text.strip())
        first = self.number(start)
        if not rest:
            return range(first, first + 1)
        if not rest[0].startswith("+"):
            return range(first, self.number(rest[0]))
        step = int(rest[1]) if len(rest) > 1 else 1
        return range(first, first + int(rest[0]) * step, step)

    def run_of(self, text: str) -> tuple[str, range]:
        name, _, inside = text.rpartition("[")
        return name_of(name), self.axis(inside[:-1])

    def read(self, text: str) -> Words:
        space, places = self.run_of(text)
        return [self.files[space].get(place, 0) for place in places]

    def write(self, text: str, values: Words) -> None:
        space, places = self.run_of(text)
        assert len(places) == len(values), f"{len(values)} words for {text}"
        half = 1 << (self.bits[space] - 1)
        for place, value in zip(places, values, strict=True):
            self.files[space][place] = clamp(value, -half, half - 1)

    def words(self, values: Words) -> Words:
        """Numbers saturated to words of memory."""
        half = 1 << (self.machine.word - 1)
        return [clamp(value, -half, half - 1) for value in values]

    def compute(self, mnemonic: str, operands: list[str]) -> None:
        match mnemonic:
            case "mvm":
                self.multiply(int(operands[0], 2))
            case "load":
                ring, addresses = self.window(operands[1])
                (fill,) = self.words([int(operands[2])])
                self.write(operands[0], [fill if a is None else ring.memory.get(a, 0) for a in addresses])
            case "store":
                ring, addresses = self.window(operands[0])
                ring.memory.update(zip((a or 0 for a in addresses), self.words(self.read(operands[1])), strict=True))
            case "clrs":
                self.s = 0
            case "sums":
                self.s += sum(self.read(operands[0]))
            case "loadv":
                name, places = self.run_of(operands[1])
                vector = self.machine.arrays[self.machine.program.records[self.tile, "vector", name]["array"]]
                self.write(operands[0], self.words([int(vector[k]) for k in places]))
            case "set":
                self.write(operands[0], [int(operands[1])] * len(self.run_of(operands[0])[1]))
            case "lut":
                self.write(operands[0], self.look_up(self.read(operands[1]), operands[2]))
            case "rmax":
                d, a = len(self.run_of(operands[0])[1]), self.read(operands[1])
                self.write(operands[0], [max(a[j::d]) for j in range(d)])
            case "requant" | "requant2" | "requantm" | "rsum" | "requants":
                self.requantise(mnemonic, operands)
            case _:
                self.arithmetic(mnemonic, operands)

    def arithmetic(self, mnemonic: str, operands: list[str]) -> None:
        d = len(self.run_of(operands[0])[1])
        given = [self.read(one) if "[" in one else [int(one)] for one in operands[1:]]
        columns = zip(*(one * d if len(one) == 1 else one for one in given), strict=True)
        self.write(operands[0], [_ARITHMETIC[mnemonic](*words) for words in columns])

    def look_up(self, a: Words, name: str) -> Words:
        table = self.machine.program.records[self.tile, "table", name_of(name)]
        e, first, step = self.machine.arrays[table["array"]].tolist(), int(table["first"]), int(table["step"])
        found = []
        for at in (clamp(x - first, 0, (len(e) - 1) << step) for x in a):
            k, part = at >> step, at % (1 << step)
            rise = (e[min(k + 1, len(e) - 1)] - e[k]) * part
            found.append(e[k] + ((rise + (1 << (step - 1))) >> step if step else 0))
        return found

    def requantise(self, mnemonic: str, operands: list[str]) -> None:
        name, places = self.run_of(operands[-1])
        scale = self.machine.program.records[self.tile, "scale", name]
        zero, low, high, a0, b0 = (int(scale[key]) for key in ("zero", "low", "high", "a0", "b0"))
        factors = self.machine.arrays[scale["array"]].reshape(int(scale["rows"]), -1)[:, places.start : places.stop]
        d = len(self.run_of(operands[0])[1])
        a, b = self.read(operands[1]), self.read(operands[2]) if mnemonic in ("requant2", "requantm") else [0]
        result = []
        for j in range(d):
            entry = factors[:, j if len(places) > 1 else 0]
            x, y = a[j if len(a) > 1 else 0], b[j if len(b) > 1 else 0]
            match mnemonic:
                case "requant":
                    real = F32(x) * entry[0]
                case "requant2":
                    real = F32(x - a0) * entry[0] + F32(y - b0) * entry[1]
                case "requantm":
                    real = F32((x - a0) * (y - b0)) * entry[0]
                case "rsum":
                    real = F32(sum(a[j::d]) - a0 * (len(a) // d)) * entry[0]
                case _:
                    real = F32(x) * (entry[0] / F32(self.s) if self.s else F32(0))
            whole = int(np.rint(real)) if np.isfinite(real) else real
            result.append(int(clamp(whole + zero, low, high)))
        self.write(operands[0], result)

    def multiply(self, mask: int) -> None:
        machine = self.machine
        for k, held in self.mvmus.items():
            if not mask >> k & 1:
                continue
            boxes = [
                (int(m.get("at_row", 0)), int(m.get("at_column", 0)), int(m["rows"]), int(m["columns"])) for m in held
            ]
            w = np.zeros((max(y + h for y, _, h, _ in boxes), max(x + v for _, x, _, v in boxes)), np.int64)
            for matrix, (y, x, h, v) in zip(held, boxes, strict=True):
                w[y : y + h, x : x + v] = machine.arrays[matrix["array"]]
            words = np.array([self.files["xin"].get(k * machine.rows + i, 0) for i in range(len(w))], np.int64)
            bits, signed, shift = int(held[0]["input_bits"]), bool(held[0]["signed"]), int(held[0]["shift"])
            sums = _CODE["sums_by_steps"](words, w, int(held[0]["weight_bits"]), bits, signed, machine.keys)
            half = 1 << shift >> 1
            first = k * machine.stride
            self.write(f"xout[{first}:{first + w.shape[1]}]", [(int(total) + half) >> shift for total in sums])


_ARITHMETIC: Mapping[str, Callable[..., int]] = {
    "copy": lambda a: a,
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "max": max,
    "min": min,
    "addi": lambda a, value: a + value,
    "maxi": max,
    "mini": min,
    "shri": lambda a, value: a >> value,
    "andi": lambda a, value: a & value,
    "mulshr": lambda a, b, value: (a * b + (1 << (value - 1))) >> value,
}
