"""The steps of a walk through a stream (cimc.isa.discipline): waits and tickets, transfers, and accesses to rings.

Loops with synchronisation or transfers inside are unrolled, all others are taken at once (cimc.isa.reach).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from cimc.base.tokens import RECEIVE, RELEASE, SEND, SIGNAL, SPACE, WAIT
from cimc.isa.findings import Findings
from cimc.isa.operands import Affine, Name, Port, Window
from cimc.isa.program import Ring
from cimc.isa.reach import Reach
from cimc.isa.tree import Leaf, Loop, Node, build_tree, leaves
from cimc.isa.wiring import RingKey, Stream

SYNCHRONISATION = {"wait": WAIT, "space": SPACE, "release": RELEASE, "signal": SIGNAL, "send": SEND, "receive": RECEIVE}
"""Instructions that are events of the token game."""

ACCESSES = ("load", "store", "send", "receive")
"""Instructions that reach a window of a ring."""


@dataclass(frozen=True, slots=True)
class Access:
    """A load, store, send or receive with what it reaches while its inner loops run."""

    leaf: Leaf
    ring: Ring
    rows: Reach
    columns: Reach
    writes: bool


@dataclass(frozen=True, slots=True)
class Unrolled:
    """A loop that is walked iteration by iteration."""

    counter: str
    count: int
    body: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Sync:
    """A wait, space, release or signal. key: event kind, ring and port."""

    index: int
    key: tuple[int, str, int]
    ticket: Affine


Step = Leaf | Access | Sync | Unrolled


def body_of(stream: Stream, findings: Findings) -> tuple[Node, ...] | None:
    """The body of the loop over inputs; None where there is none and nothing that would need one."""
    nodes = build_tree(stream.instructions)
    outer = [node for node in nodes if isinstance(node, Loop) and node.count < 0]
    inside = leaves(outer[0].body) if outer else ()
    nested = [loops[-1] for loops, _ in inside if any(loop.count < 0 for loop in loops)]
    if len(outer) > 1 or nested:
        wrong = nested[0] if nested else outer[1]
        findings.at(
            stream.spot(wrong.index), "image-loop", "a second loop over the inputs", "let there be one, outermost"
        )
        return None
    outside = [leaf for loops, leaf in leaves(nodes) if not (outer and outer[0] in loops[:1])]
    for leaf in outside:
        if leaf.instruction.mnemonic in (*SYNCHRONISATION, *ACCESSES):
            findings.at(
                stream.spot(leaf.index),
                "image-loop",
                "this stands outside of the loop over the inputs",
                "put it inside `loop image, *`",
            )
    after = [node for node in nodes[nodes.index(outer[0]) + 1 :] if outer] if outer else []
    if len(after) > 1:
        findings.at(
            stream.spot(after[0].index),
            "image-loop",
            "this stands after the loop over the inputs",
            "only hlt stands there",
        )
    return outer[0].body if outer else None


def prepare(
    stream: Stream, nodes: Sequence[Node], rings: Mapping[RingKey, Ring], inner: Mapping[str, int]
) -> tuple[Step, ...]:
    """The steps of a walk: loops without synchronisation give way to their accesses."""
    steps: list[Step] = []
    for node in nodes:
        if isinstance(node, Loop):
            if any(leaf.instruction.mnemonic in SYNCHRONISATION for _, leaf in leaves(node.body)):
                steps.append(Unrolled(node.counter, node.count, prepare(stream, node.body, rings, inner)))
            else:
                steps += prepare(stream, node.body, rings, {**inner, node.counter: node.count})
            continue
        if node.instruction.mnemonic in ACCESSES:
            writes = node.instruction.mnemonic in ("store", "receive")
            window = cast(Window, node.instruction.operands[0 if node.instruction.mnemonic != "load" else 1])
            ring = rings[stream.tile, window.ring]
            steps.append(Access(node, ring, Reach.of(window.rows, inner), Reach.of(window.columns, inner), writes))
        kind = SYNCHRONISATION.get(node.instruction.mnemonic)
        if kind in (SEND, RECEIVE):
            steps.append(node)
        elif kind is not None:
            thing, ticket = node.instruction.operands
            name, port = (thing.ring, thing.number) if isinstance(thing, Port) else (cast(Name, thing).name, 0)
            steps.append(Sync(node.index, (kind, name, port), cast(Affine, ticket)))
    return tuple(steps)
