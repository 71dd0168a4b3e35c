"""The steps of a walk (cimc.isa.verify.discipline): waits and tickets, transfers, and accesses to rings.

Loops with synchronisation or transfers inside are unrolled, all others are taken at once (cimc.isa.verify.reach).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from cimc.isa.effects import Message, Token, access_of, event_of, message_of, orders, token_of
from cimc.isa.program import Ring
from cimc.isa.tree import Loop, Node, build_tree, leaves
from cimc.isa.verify.findings import Findings
from cimc.isa.verify.reach import Reach
from cimc.isa.verify.wiring import RingKey, Stream


class Reached(NamedTuple):
    """What a load, store, send or receive reaches while its inner loops run."""

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


Step = tuple[int, Reached | Token | Message | Unrolled]
"""What happens, behind the index of its instruction."""


def body_of(stream: Stream, findings: Findings) -> tuple[Node, ...] | None:
    """The body of the loop over inputs; None where there is none and nothing that would need one."""
    nodes = build_tree(stream.instructions)
    outer = [node for node in nodes if isinstance(node, Loop) and node.count < 0]
    inside = leaves(outer[0].body) if outer else ()
    nested = [loops[-1] for loops, _ in inside if any(loop.count < 0 for loop in loops)]
    if len(outer) > 1 or nested:
        wrong = nested[0] if nested else outer[1]
        what, todo = "a second loop over the inputs", "let there be one, outermost"
        findings.at(stream.spot(wrong.index), "image-loop", what, todo)
        return None
    outside = [leaf for loops, leaf in leaves(nodes) if not (outer and outer[0] in loops[:1])]
    for leaf in outside:
        if event_of(leaf.instruction) is not None or access_of(leaf.instruction) is not None:
            what, todo = "this stands outside of the loop over the inputs", "put it inside `loop image, *`"
            findings.at(stream.spot(leaf.index), "image-loop", what, todo)
    after = nodes[nodes.index(outer[0]) + 1 :] if outer else ()
    if len(after) > 1:
        what = "this stands after the loop over the inputs"
        findings.at(stream.spot(after[0].index), "image-loop", what, "only hlt stands there")
    return outer[0].body if outer else None


def prepare(
    stream: Stream, nodes: Sequence[Node], rings: Mapping[RingKey, Ring], inner: Mapping[str, int]
) -> tuple[Step, ...]:
    """The steps of a walk: loops without synchronisation give way to their accesses."""
    steps: list[Step] = []
    for node in nodes:
        if isinstance(node, Loop):
            if orders(node):
                steps.append((node.index, Unrolled(node.counter, node.count, prepare(stream, node.body, rings, inner))))
            else:
                steps += prepare(stream, node.body, rings, {**inner, node.counter: node.count})
            continue
        access, message = access_of(node.instruction), message_of(node.instruction, stream.tile)
        if access is not None:
            window, ring = access.window, rings[stream.tile, access.window.ring]
            reaches = Reach.of(window.rows, inner), Reach.of(window.columns, inner)
            steps.append((node.index, Reached(ring, *reaches, access.writes)))
        steps += [(node.index, order) for order in (message, token_of(node.instruction)) if order is not None]
    return tuple(steps)
