"""Streams that differ only in the rings and FIFOs that they name are walked once.

A large network is mostly the same few streams over and over. What a walk finds (cimc.isa.verify.discipline) follows
from the loops, waits, accesses and transfers of a stream and from the shapes of its rings: its key. Where the first
walk of a key finds nothing wrong, neither would those of the others, and their events differ in the rings and FIFOs
alone.
"""

from __future__ import annotations

from dataclasses import replace

from cimc.base.tokens import Script
from cimc.isa.effects import access_of, message_of, token_of
from cimc.isa.operands import Axis
from cimc.isa.tree import steers_loop
from cimc.isa.verify.discipline import Named, Walk, walk
from cimc.isa.verify.findings import Findings
from cimc.isa.verify.wiring import Stream, Wiring


def walk_all(wiring: Wiring, findings: Findings) -> list[Walk]:
    """Walk all streams of the wiring; complain as cimc.isa.verify.discipline does."""
    clean: dict[tuple[object, ...], Walk] = {}
    walks = []
    for stream in wiring.streams:
        named = Named()
        key = _key_of(stream, wiring, named)
        found = clean.get(key)
        if found is None:
            before = len(findings)
            found = walk(stream, wiring.rings, named, findings)
            if len(findings) == before:
                clean[key] = found
        words = {fifo: found.messages.get(place, ()) for fifo, place in named.fifos.items()}
        walks.append(replace(found, events=Script(found.events, named.things, named.producers), messages=words))
    return walks


def _key_of(stream: Stream, wiring: Wiring, named: Named) -> tuple[object, ...]:
    """Everything that the walk of a stream looks at, names apart; these go into `named`."""
    parts: list[object] = [len(stream.instructions)]
    for index, instruction in enumerate(stream.instructions):
        if steers_loop(instruction):
            parts.append((index, *instruction.operands))
            continue
        token, access = token_of(instruction), access_of(instruction)
        if token is not None:
            place, ticket = _place_of(stream, token.ring, wiring, named, parts), token.ticket
            parts.append((index, token.kind, place, token.port, ticket.constant, ticket.terms))
        elif access is not None:
            window = access.window
            place = _place_of(stream, window.ring, wiring, named, parts)
            parts.append((index, access.writes, place, *_axis(window.rows), *_axis(window.columns)))
            message = message_of(instruction, stream.tile)
            if message is not None:
                if message.fifo not in named.fifos:
                    named.fifos[message.fifo] = named.add(wiring.fifo_numbers[message.fifo])
                parts.append((message.kind, named.fifos[message.fifo], window.words))
    return tuple(parts)


def _place_of(stream: Stream, name: str, wiring: Wiring, named: Named, parts: list[object]) -> int:
    """The place of a ring, whose shape is part of the key where it is named first."""
    if name not in named.rings:
        key = stream.tile, name
        ring = wiring.rings[key]
        producers = list(wiring.producers.get(key, ())) if ring.producers > 1 else []
        number = producers.index(str(stream)) if producers and str(stream) in producers else 0
        named.rings[name] = named.add(wiring.ring_numbers[key], number)
        parts.append((ring.height, ring.width, ring.segments))
    return named.rings[name]


def _axis(axis: Axis) -> tuple[object, ...]:
    return axis.start.constant, axis.start.terms, axis.count, axis.step
