"""An interpreter written from docs/isa.md and docs/program.md alone: word by word, and slow.

It takes nothing from cimc: text, arrays and the target's file are what it reads. Programs are taken to be right.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from tests.oracles.scalar_stream import F32, Chip, Ring, Stream, Words
from tests.oracles.scalar_text import Record, name_of


class Machine(Chip):
    """One run of one lane."""

    def run(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """inputs: (inputs of the run, *shape) each; outputs likewise."""
        images = len(next(iter(inputs.values())))
        running = [Stream(self, *stream, images).run() for stream in self.program.streams]
        taken: list[tuple[Record, list[list[Words]]]] = []
        for kind, plug in self.program.plugs:
            rings = [self.ring_of(ref) for ref in plug["rings"]]
            if kind == "input":
                running += self.feeds(plug, [ring for ring, _ in rings], inputs[plug["0"]])
            else:
                maps: list[list[Words]] = [[] for _ in rings]
                running += [drain(*ring, images, one) for ring, one in zip(rings, maps, strict=True)]
                taken.append((plug, maps))
        while running:
            before, left = self.state(), []
            for stream in running:
                if next(stream, "ended") != "ended":
                    left.append(stream)
            assert len(left) < len(running) or self.state() != before, "deadlock"
            running = left
        return {plug["0"]: self.output(plug, maps, images) for plug, maps in taken}

    def state(self) -> object:
        tickets = [(sorted(r.signals.items(), key=str), list(r.released)) for r in self.rings.values()]
        return tickets, {key: len(queue) for key, queue in self.fifos.items()}

    def ring_of(self, ref: str) -> tuple[Ring, int]:
        tile, _, name = ref.partition(":")
        port = re.fullmatch(r"(.*)\.(\d+)", name)
        return self.rings[int(tile), name_of(port[1] if port else name)], int(port[2]) if port else -1

    def feeds(self, plug: Record, rings: list[Ring], values: Any) -> Iterator[Iterator[None]]:
        scale, zero, low, high = F32(plug["scale"]), int(plug["zero"]), int(plug["low"]), int(plug["high"])
        index, start = self.arrays[plug["index"]], 0
        for ring in rings:
            size = ring.height * ring.width * ring.channels
            words: list[Words] = []
            for x in values:
                flat = np.asarray(x).reshape(-1)
                if scale:
                    q = np.rint(flat.astype(F32) / scale)
                    flat = np.clip(q, F32(low - zero), F32(high - zero)).astype(np.int64) + zero
                words.append([int(flat[p]) if p >= 0 else zero for p in index[start : start + size]])
            start += size
            yield feed(ring, words)

    def output(self, plug: Record, maps: list[list[Words]], images: int) -> Any:
        shape = [int(size) for size in plug["shape"]]
        result = []
        for image in range(images):
            words = np.array([word for one in maps for word in one[image]])[self.arrays[plug["index"]]]
            if plug["scale"]:
                words = (words - int(plug["zero"])).astype(F32) * F32(plug["scale"])
            result.append(words.astype(plug["dtype"]).reshape(shape))
        return np.stack(result)


def feed(ring: Ring, words: list[Words]) -> Iterator[None]:
    for t in range(ring.tickets * len(words)):
        while ring.free < t + 1:
            yield
        for pixel, channel, address in ring.segment(t):
            ring.memory[address] = words[t // ring.tickets][pixel * ring.channels + channel]
        ring.signals["host"] = t + 1


def drain(ring: Ring, port: int, images: int, words: list[Words]) -> Iterator[None]:
    words += [[] for _ in range(images)]
    for t in range(ring.tickets * images):
        while ring.signalled < t + 1:
            yield
        words[t // ring.tickets] += [ring.memory.get(address, 0) for _, _, address in ring.segment(t)]
        ring.released[port] = t + 1
