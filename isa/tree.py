"""A stream of instructions as a tree of loops."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

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


_STEER = ("loop", "end")


def loop_of(instruction: Instruction) -> tuple[str, int] | None:
    """Counter and count of a loop instruction; None for all others."""
    if instruction.mnemonic != "loop":
        return None
    counter, count = instruction.operands
    assert isinstance(counter, str) and isinstance(count, int), instruction
    return counter, count


def ends_loop(instruction: Instruction) -> bool:
    """Whether it is the end of a loop."""
    return instruction.mnemonic == "end"


def steers_loop(instruction: Instruction) -> bool:
    """Whether it is a loop or the end of one."""
    return instruction.mnemonic in _STEER


def ends_stream(instruction: Instruction) -> bool:
    """Whether it is the end of a stream."""
    return instruction.mnemonic == "hlt"


def nesting(stream: Sequence[Instruction]) -> Iterator[tuple[Instruction, list[tuple[str, int]]]]:
    """Every instruction, with counter and count of the loops around it, outermost first, in one list that changes as it
    goes on. A loop and its end stand outside of it and inside of it."""
    around: list[tuple[str, int]] = []
    for instruction in stream:
        yield instruction, around
        loop = loop_of(instruction)
        if loop is not None:
            around.append(loop)
        elif ends_loop(instruction):
            around.pop()


def build_tree(stream: Sequence[Instruction]) -> tuple[Node, ...]:
    """The tree of a stream whose loops are balanced; the final hlt is a leaf."""
    nodes: list[Node] = []
    outer: list[tuple[int, str, int, list[Node]]] = []
    for index, instruction in enumerate(stream):
        if instruction.mnemonic not in _STEER:
            nodes.append(Leaf(index, instruction))
            continue
        loop = loop_of(instruction)
        if loop is not None:
            outer.append((index, *loop, nodes))
            nodes = []
        else:
            assert outer, f"instruction {index} is an end without a loop"
            start, counter, count, around = outer.pop()
            around.append(Loop(start, counter, count, tuple(nodes)))
            nodes = around
    assert not outer, f"{len(outer)} loops have no end"
    return tuple(nodes)


def leaves(nodes: Sequence[Node], loops: tuple[Loop, ...] = ()) -> Iterator[tuple[tuple[Loop, ...], Leaf]]:
    """Every leaf once, in the order of the stream, with the loops around it, outermost first."""
    for node in nodes:
        if isinstance(node, Leaf):
            yield loops, node
        else:
            yield from leaves(node.body, (*loops, node))
