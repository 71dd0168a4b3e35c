"""Streams that differ only in the rings and FIFOs that they name are walked once.

A large network is mostly the same few streams over and over. What a walk finds (cimc.isa.verify.discipline) follows
from the loops, waits, accesses and transfers of a stream and from the shapes of its rings: its key. Where the first
walk of a key finds nothing wrong, neither would those of the others, and their events differ in the rings and FIFOs
alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cimc.base.tokens import Event, Script
from cimc.isa.effects import access_of, message_of, token_of
from cimc.isa.operands import Axis
from cimc.isa.program import Instruction
from cimc.isa.tree import steers_loop
from cimc.isa.verify.discipline import Named, walk
from cimc.isa.verify.findings import Findings
from cimc.isa.verify.wiring import FifoKey, RingKey, Stream, Wiring, producer_numbers


@dataclass(frozen=True, slots=True)
class Indices:
    """Indices of rings and FIFOs in the token game."""

    rings: Mapping[RingKey, int]
    fifos: Mapping[FifoKey, int]


@dataclass(frozen=True, slots=True)
class Played:
    """A stream for the token game. events: of one input. messages: words of each message, in order, by FIFO.

    complete: whether its walk came to its end.
    """

    events: Sequence[Event]
    messages: Mapping[FifoKey, Sequence[int]]
    complete: bool


def walk_all(wiring: Wiring, indices: Indices, findings: Findings) -> list[Played]:
    """Walk all streams of the wiring; complain as cimc.isa.verify.discipline does."""
    keys = _Keys(wiring, indices)
    clean: dict[tuple[object, ...], tuple[Sequence[Event], Sequence[Sequence[int]]]] = {}
    played = []
    for stream in wiring.streams:
        named = Named()
        key = keys.of(stream, named)
        complete = True
        if key in clean:
            events, messages = clean[key]
        else:
            before = len(findings)
            found = walk(stream, wiring.rings, named, findings)
            events, messages = found.events, [found.messages.get(fifo, ()) for fifo in named.fifos]
            complete = found.complete
            if len(findings) == before:
                clean[key] = events, messages
        script = Script(events, named.things, named.producers)
        words = {
            fifo: [_words(stream.instructions[index]) for index in sent]
            for fifo, sent in zip(named.fifos, messages, strict=True)
        }
        played.append(Played(script, words, complete))
    return played


class _Keys:
    """Takes streams apart into what a walk looks at, and the names."""

    def __init__(self, wiring: Wiring, indices: Indices) -> None:
        self.wiring, self.indices = wiring, indices
        self.producers = producer_numbers(wiring)

    def of(self, stream: Stream, named: Named) -> tuple[object, ...]:
        """Everything that the walk of a stream looks at, names apart; these go into `named`."""
        parts: list[object] = [len(stream.instructions)]
        for index, instruction in enumerate(stream.instructions):
            if steers_loop(instruction):
                parts.append((index, *instruction.operands))
                continue
            token, access = token_of(instruction), access_of(instruction)
            if token is not None:
                place, ticket = self.ring(stream, token.ring, named, parts), token.ticket
                parts.append((index, token.kind, place, token.port, ticket.constant, ticket.terms))
            elif access is not None:
                window = access.window
                place = self.ring(stream, window.ring, named, parts)
                parts.append((index, access.writes, place, *_axis(window.rows), *_axis(window.columns)))
                message = message_of(instruction, stream.tile)
                if message is not None:
                    parts.append((message.kind, self.fifo(message.fifo, named)))
        return tuple(parts)

    def ring(self, stream: Stream, name: str, named: Named, parts: list[object]) -> int:
        """The place of a ring, whose shape is part of the key where it is named first."""
        if name not in named.rings:
            key = stream.tile, name
            named.rings[name] = len(named.things)
            named.things.append(self.indices.rings[key])
            numbers = self.producers.get(key)
            named.producers.append(0 if numbers is None else numbers.get(str(stream), 0))
            shape = self.wiring.rings[key]
            parts.append((shape.height, shape.width, shape.segments))
        return named.rings[name]

    def fifo(self, key: FifoKey, named: Named) -> int:
        """The place of a FIFO."""
        if key not in named.fifos:
            named.fifos[key] = len(named.things)
            named.things.append(self.indices.fifos[key])
            named.producers.append(0)
        return named.fifos[key]


def _axis(axis: Axis) -> tuple[object, ...]:
    return axis.start.constant, axis.start.terms, axis.count, axis.step


def _words(instruction: Instruction) -> int:
    """Words of a message."""
    access = access_of(instruction)
    assert access is not None, f"{instruction} is no message"
    return access.window.words
