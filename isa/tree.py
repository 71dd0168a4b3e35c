"""A stream of instructions as a tree of loops."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

from cimc.isa.program import Instruction


@dataclass(frozen=True, slots=True)
class Leaf:
    """An instruction that is neither loop nor end. index: its place in the stream."""

    index: int
    instruction: Instruction


@dataclass(frozen=True, slots=True)
class Loop:
    """A loop with its body. index: of its loop instruction; count: -1 is the number of inputs of the run."""

    index: int
    counter: str
    count: int
    body: tuple[Node, ...]


Node = Leaf | Loop


def build_tree(stream: Sequence[Instruction]) -> tuple[Node, ...]:
    """The tree of a stream whose loops are balanced; the final hlt is a leaf."""
    nodes: list[Node] = []
    outer: list[tuple[int, list[Node]]] = []
    for index, instruction in enumerate(stream):
        if instruction.mnemonic == "loop":
            outer.append((index, nodes))
            nodes = []
        elif instruction.mnemonic == "end":
            assert outer, f"instruction {index} is an end without a loop"
            start, around = outer.pop()
            counter, count = stream[start].operands
            around.append(Loop(start, cast(str, counter), cast(int, count), tuple(nodes)))
            nodes = around
        else:
            nodes.append(Leaf(index, instruction))
    assert not outer, f"{len(outer)} loops have no end"
    return tuple(nodes)


def leaves(nodes: Sequence[Node], loops: tuple[Loop, ...] = ()) -> Iterator[tuple[tuple[Loop, ...], Leaf]]:
    """Every leaf once, in the order of the stream, with the loops around it, outermost first."""
    for node in nodes:
        if isinstance(node, Leaf):
            yield loops, node
        else:
            yield from leaves(node.body, (*loops, node))
